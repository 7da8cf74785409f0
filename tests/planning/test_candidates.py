"""Which gateways of a Region can be migrated, and why not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.builders import a_connection, a_survey
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import AWS_VPN, Tag
from vpnmigrate.model.errors.commands import Invocation
from vpnmigrate.planning.candidates import Candidacy, candidates
from vpnmigrate.report import candidates as view

ORDINARY = a_survey()
MODERN = a_survey(connections=(replace(a_connection(), category=AWS_VPN),))
DETACHED = replace(ORDINARY, gateway=replace(ORDINARY.gateway, attachments=()))


def tagged(key, value):
    return replace(ORDINARY, gateway=replace(ORDINARY.gateway, tags={key: value}))


def beside_a_lock(survey):
    """Return *survey* with another gateway, whose claim tag a migration has not released."""
    locked = replace(ORDINARY.gateway, id="vgw-other", tags={Tag.CLAIM: "ann@desk/1"})
    return replace(survey, other_gateways=(locked,))


@pytest.mark.parametrize(
    ("survey", "candidacy", "why"),
    [
        (ORDINARY, Candidacy.YES, ""),
        (MODERN, Candidacy.NOT_NEEDED, "AWS VPN already"),
        (DETACHED, Candidacy.NO, "VPM-B202"),
        (tagged(Tag.CLAIM, "ann@desk/1"), Candidacy.UNDER_WAY, "ann@desk/1"),
        (beside_a_lock(tagged(Tag.MIGRATION, "m-1")), Candidacy.UNDER_WAY, "m-1"),
        (tagged(Tag.MIGRATION, "m-1"), Candidacy.YES, ""),
    ],
)
def test_each_gateway_has_a_verdict_and_its_reason(survey, candidacy, why):
    """The verdict is that of preflight; a claimed or created gateway belongs to a migration."""
    (found,) = candidates([survey], Decisions())

    assert found.candidacy is candidacy
    assert why in " ".join(found.why)


def test_the_reasons_have_the_names_of_their_resources():
    """A person knows a gateway by its name."""
    unattached = replace(DETACHED, gateway=replace(DETACHED.gateway, tags={"Name": "hub"}))
    found = candidates([unattached], Decisions())

    text = view.text(found, "1", "eu-west-1", Invocation()).partition("verdict")[2]

    assert f'{unattached.gateway.id} "hub"' in " ".join(text.split())


def test_the_list_shows_what_blocks_and_plans_the_first_that_can_be():
    """The text has each gateway, and a command for one that can be migrated."""
    found = candidates([DETACHED, ORDINARY], Decisions())

    text = view.text(found, "123456789012", "eu-west-1", Invocation())

    assert "CANNOT be migrated" in text
    assert "VPM-B202 gateway-not-attached" in text
    assert text.rstrip().endswith(f"vpnmigrate plan --vpn-gateway {ORDINARY.gateway.id}")
    assert max(map(len, text.splitlines())) <= 80
    assert "next:" not in view.text(found[:1], "1", "eu-west-1", Invocation())
