"""The gate before step 7: what is not known to be safe keeps it closed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.builders import (
    BOTH,
    FORWARD,
    NEW,
    NOTHING_TOLD,
    OLD,
    OLD_VPN,
    a_plan,
    a_snapshot,
    a_survey,
    a_table,
    role_of,
)
from vpnmigrate.facts import UNKNOWN, AttachmentOf, Existence
from vpnmigrate.gates import Closed, Open, before_cutover
from vpnmigrate.model import Attachment, State, VpcId
from vpnmigrate.plan import GATEWAY_ROLE
from vpnmigrate.ports import Path

OUTSIDE = Path("EC2", ("198.51.100.7",), "192.168.1.5")


def gate(now=None, *, plan=None, paths=(OUTSIDE,)):
    return before_cutover(plan or a_plan(), FORWARD, now or a_snapshot(), NOTHING_TOLD, paths)


def test_opens_when_both_sides_are_ready():
    """Old side attached, new side available and on no VPC: the cutover may begin."""
    assert gate() == Open()


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({AttachmentOf(NEW, VpcId("vpc-test")): Attachment.DETACHING}, "vpc-test"),
        ({Existence(GATEWAY_ROLE): State.PENDING}, "pending"),
        ({Existence(role_of(OLD_VPN)): State.PENDING}, OLD_VPN),
        ({Existence(OLD_VPN): State.DELETING}, "no way back"),
        ({Existence(GATEWAY_ROLE): UNKNOWN}, "unknown"),
        ({AttachmentOf(OLD, VpcId("vpc-1")): Attachment.DETACHED}, "detached"),
    ],
)
def test_stays_closed_and_says_why(facts, named):
    """Each thing that is not ready, or not known, keeps the gate closed by name."""
    now = a_snapshot()
    closed = gate(replace(now, facts={**now.facts, **facts}))

    assert isinstance(closed, Closed)
    assert any(named in why for why in closed.why)


class TestOwnPath:
    def test_an_endpoint_inside_the_vpc_is_reached_through_the_vpn(self):
        """An interface endpoint of EC2 in the VPC would be cut off with the VPN."""
        closed = gate(paths=(Path("EC2", ("10.0.3.4",), "192.168.1.5"),))

        assert isinstance(closed, Closed)
        assert "10.0.3.4" in closed.why[0]

    def test_a_host_in_the_vpc_behind_a_default_route_to_the_gateway_is_cut_off(self):
        """A host of the VPC that reaches everything through the gateway loses AWS, too."""
        before = a_survey(route_tables=(a_table(BOTH, static={"0.0.0.0/0": OLD}),))
        inside = (Path("STS", ("198.51.100.7",), "10.0.3.4"),)

        assert isinstance(gate(plan=a_plan(before=before), paths=inside), Closed)
        assert gate(paths=inside) == Open()

    def test_an_unknown_path_does_not_pass(self):
        """A name that does not resolve keeps the gate closed."""
        assert isinstance(gate(paths=(Path("EC2", (), ""),)), Closed)
