"""Tunnels whose start-up action is set back after a migration."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.builders import NEW_VPN, OLD_VPN, a_connection, a_plan, a_survey
from vpnmigrate.model.ec2 import ConnectionRecord, TunnelOptions, TunnelRecord
from vpnmigrate.model.plan import connection_role
from vpnmigrate.planning.start_up import tunnels_to_start

START = TunnelOptions(startup_action="start")
OTHER = TunnelOptions(dpd_timeout_seconds=40)


def connection(id_: str, *tunnels: tuple[str, TunnelOptions]) -> ConnectionRecord:
    """Return an AWS VPN connection with *tunnels*."""
    records = tuple(TunnelRecord(outside, options=options) for outside, options in tunnels)
    return replace(a_connection(id_, category="VPN"), tunnels=records)


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ((START, START), (("b", TunnelOptions()), ("a", TunnelOptions())), ["b", "a"]),
        ((START, START), (("a", START), ("b", TunnelOptions())), ["b"]),
        ((START, START), (("a", START), ("b", START)), []),
        # The tunnel with the other option takes the place of the one that AWS did not initiate.
        ((START, OTHER), (("a", OTHER), ("b", TunnelOptions())), ["b"]),
        ((OTHER, OTHER), (("a", OTHER), ("b", OTHER)), []),
    ],
)
def test_the_tunnels_that_lack_it_are_named(
    old: tuple[TunnelOptions, TunnelOptions],
    new: tuple[tuple[str, TunnelOptions], ...],
    left: list[str],
) -> None:
    """AWS lists tunnels in any order, so they are recognised by their other options."""
    before = a_survey(connections=(connection(OLD_VPN, ("1", old[0]), ("2", old[1])),))
    after = a_survey(connections=(connection(NEW_VPN, *new),))
    made = {connection_role(OLD_VPN): NEW_VPN}

    found = tunnels_to_start(a_plan(before=before), made, after)

    assert found == tuple((NEW_VPN, outside) for outside in left)


def test_a_successor_that_is_gone_has_none() -> None:
    """Without the connection there is nothing to set."""
    before = a_survey(connections=(connection(OLD_VPN, ("1", START), ("2", START)),))

    assert tunnels_to_start(a_plan(before=before), {}, a_survey()) == ()
