"""Accounts to discover: from role ARNs, an organization, or a file."""

from __future__ import annotations

import pytest

from vpnmigrate.model.discovery import AccountTarget, ClosedAccount, OrganizationMember
from vpnmigrate.model.errors import MalformedFileError, UsageError
from vpnmigrate.planning.discovery_targets import (
    organization_targets,
    role_target,
    targets_from_file,
)

ROLE = "arn:aws:iam::222222222222:role/path/NetworkRead"


def test_a_role_names_its_account():
    """The account that AWS has to answer as is that of the ARN."""
    assert role_target(ROLE) == AccountTarget(role=ROLE, account="222222222222")


@pytest.mark.parametrize("word", ["NetworkRead", "arn:aws:iam::22:role/x", ROLE + " x", ""])
def test_what_is_no_role_is_refused(word):
    """Before anything is read."""
    with pytest.raises(UsageError, match="not the ARN of a role"):
        role_target(word)


class TestOrganization:
    def test_every_member_is_reached_by_its_role_and_the_own_account_as_it_is(self):
        """Closed accounts are kept apart, with the status that AWS names."""
        members = [
            OrganizationMember("222222222222", "shop", "ACTIVE"),
            OrganizationMember("111111111111", "root", "ACTIVE"),
            OrganizationMember("333333333333", "old", "SUSPENDED"),
        ]

        targets, closed = organization_targets(members, "111111111111", "Read", "cn-north-1")

        assert targets == (
            AccountTarget(account="111111111111", name="root"),
            AccountTarget(
                role="arn:aws-cn:iam::222222222222:role/Read", account="222222222222", name="shop"
            ),
        )
        assert closed == (ClosedAccount("333333333333", "old", "SUSPENDED"),)

    def test_an_arn_is_no_name_of_a_role(self):
        """``--organization`` takes the name that every account has."""
        with pytest.raises(UsageError, match="name of a role"):
            organization_targets(
                [OrganizationMember("2" * 12, "", "ACTIVE")], "1" * 12, ROLE, "eu-west-1"
            )


class TestFile:
    def test_a_line_is_an_account_and_its_regions(self):
        """Comments and empty lines are left out; Regions are separated by commas or blanks."""
        text = f"# ours\n\n{ROLE}  eu-west-1, us-east-1 # two\nprofile:branch office\n"

        with pytest.raises(MalformedFileError, match="line 4: 'office' is not a Region"):
            targets_from_file(text, "a.txt")
        assert targets_from_file(text.replace(" office", ""), "a.txt") == (
            AccountTarget(ROLE, account="222222222222", regions=("eu-west-1", "us-east-1")),
            AccountTarget(profile="branch"),
        )

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("222222222222", "line 1: '222222222222' is neither"),
            ("profile:", "line 1: 'profile:' is neither"),
            ("# nothing\n", "names no account"),
        ],
    )
    def test_any_other_line_is_refused_by_number(self, text, why):
        """So that no account is left out silently."""
        with pytest.raises(MalformedFileError, match=why):
            targets_from_file(text, "a.txt")
