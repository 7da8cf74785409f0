"""Targets of a discovery: role ARNs, an organization's accounts, or a file of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from vpnmigrate.model.discovery import AccountTarget, ClosedAccount, OrganizationMember
from vpnmigrate.model.ec2 import partition_of
from vpnmigrate.model.errors import MalformedFileError, UsageError

_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]+", re.ASCII)
_ROLE_NAME: Final = re.compile(r"(?!arn:)[\w+=,.@/-]+", re.ASCII)
_REGION: Final = re.compile(r"[a-z]{2,5}(?:-[a-z]+)+-\d+")
_PROFILE: Final = "profile:"
ACTIVE: Final = "ACTIVE"


def role_target(role: str) -> AccountTarget:
    """Return the account that *role* is in.

    Raises:
        UsageError: It is not the ARN of a role.
    """
    found = _ROLE.fullmatch(role)
    if found is None:
        raise UsageError(
            f"{role!r} is not the ARN of a role",
            advice="for example arn:aws:iam::123456789012:role/NetworkRead",
        )
    return AccountTarget(role=role, account=found[1])


def role_in(account: str, role: str, region: str) -> str:
    """Return the ARN of the role named *role* in *account*; ``*`` stands for any account.

    Raises:
        UsageError: *role* is not the name of a role.
    """
    if not _ROLE_NAME.fullmatch(role):
        raise UsageError(
            f"{role!r} is not the name of a role",
            advice="--organization takes the name of the role that each account has",
        )
    return f"arn:{partition_of(region)}:iam::{account}:role/{role}"


def organization_targets(
    members: Iterable[OrganizationMember], own: str, role: str, region: str
) -> tuple[tuple[AccountTarget, ...], tuple[ClosedAccount, ...]]:
    """Return the accounts to read, each by its role *role*, and those that AWS has closed.

    The account *own* is read with the credentials at hand: a role for others is usually missing in
    it, as ``OrganizationAccountAccessRole`` is.

    Raises:
        UsageError: *role* is not the name of a role.
    """
    found = sorted(members, key=lambda member: member.account)
    targets = tuple(
        AccountTarget(account=each.account, name=each.name)
        if each.account == own
        else AccountTarget(
            role=role_in(each.account, role, region),
            account=each.account,
            name=each.name,
        )
        for each in found
        if each.status == ACTIVE
    )
    closed = tuple(
        ClosedAccount(each.account, each.name, each.status)
        for each in found
        if each.status != ACTIVE
    )
    return targets, closed


def targets_from_file(text: str, file: str) -> tuple[AccountTarget, ...]:
    """Return the accounts of a file: a role ARN or ``profile:NAME`` a line, then Regions.

    Raises:
        MalformedFileError: A line is neither, or the file names no account.
    """
    found: list[AccountTarget] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        first, *regions = words
        if strange := [region for region in regions if not _REGION.fullmatch(region)]:
            raise MalformedFileError(
                f"{file}, line {number}: {strange[0]!r} is not a Region",
                advice="Regions follow the account: arn:aws:iam::...:role/NAME eu-west-1 us-east-1",
            )
        found.append(_target(first, tuple(regions), f"{file}, line {number}"))
    if not found:
        raise MalformedFileError(
            f"{file} names no account", advice="write a role ARN, or profile:NAME, on a line"
        )
    return tuple(found)


def _target(word: str, regions: tuple[str, ...], where: str) -> AccountTarget:
    if word.startswith(_PROFILE) and (profile := word.removeprefix(_PROFILE)):
        return AccountTarget(profile=profile, regions=regions)
    found = _ROLE.fullmatch(word)
    if found is None:
        raise MalformedFileError(
            f"{where}: {word!r} is neither the ARN of a role nor profile:NAME",
            advice="for example arn:aws:iam::123456789012:role/NetworkRead",
        )
    return AccountTarget(role=word, account=found[1], regions=regions)
