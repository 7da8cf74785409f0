"""A disk that takes nothing more, refused by the kernel itself."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from vpnmigrate.sandbox.faults import Fault, Faults, Killed, Kind


@contextmanager
def no_room() -> Iterator[None]:
    """Let the kernel refuse every write to a file of this process, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_in_an_outage_does_not_hide_that_traffic_is_down(terminal):
    """The run cannot be taken in hand: nothing is sent, and 5 says that a person must act.

    Once there is room the same command goes on.
    """
    run = terminal.planned()
    terminal.meets(Faults([Fault("AttachVpnGateway", Kind.KILL_BEFORE)]))
    with suppress(Killed):
        terminal.run("apply", "plan.json")
    terminal.meets(Faults())

    with no_room():
        refused = terminal.run("apply", run)
        unsent = terminal.world.execute("ec2", "DescribeVpnGateways", {})
    ran = terminal.run("apply", run)

    told = " ".join(refused.err.split())
    states = [a["State"] for g in unsent["VpnGateways"] for a in g["VpcAttachments"]]
    assert refused.code == 5
    assert "File too large" in told
    assert "on-premises traffic is down" in told
    assert "attaching" not in states
    assert ran.code == 0
