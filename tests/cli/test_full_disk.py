"""A full disk, simulated by a limit of the kernel."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from vpnmigrate.sandbox.faults import FaultKind


@contextmanager
def full_disk(beyond: int = 0) -> Iterator[None]:
    """Limit files of this process to *beyond* bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_in_an_outage_does_not_hide_that_traffic_is_down(terminal):
    """The run cannot be locked: nothing is sent, and exit code 5 calls for an operator.

    When there is space again, the same command resumes.
    """
    run = terminal.killed_at("AttachVpnGateway", FaultKind.KILL_BEFORE).name

    with full_disk():
        refused = terminal.run("apply", run)
        unsent = terminal.world.execute("ec2", "DescribeVpnGateways", {})
    ran = terminal.run("apply", run)

    output = " ".join(refused.err.split())
    states = [a["State"] for g in unsent["VpnGateways"] for a in g["VpcAttachments"]]
    assert refused.code == 5
    assert "File too large" in output
    assert "on-premises traffic is DOWN" in output
    assert "attaching" not in states
    assert ran.code == 0


def test_a_rollback_on_a_full_disk_advises_what_works_once_there_is_room(terminal):
    """The lock succeeds but the journal fails: no process is running that an abort could reach."""
    folder = terminal.killed_at("AttachVpnGateway", FaultKind.KILL_BEFORE)
    run, journal = folder.name, folder / "journal.jsonl"

    with full_disk(beyond=journal.stat().st_size // 2):
        refused = terminal.run("rollback", run)
    ran = terminal.run("rollback", run)

    output = " ".join(refused.err.split())
    assert refused.code == 5
    assert "File too large" in output
    assert f"vpnmigrate rollback {run}" in output
    assert "abort" not in output
    assert ran.code == 0
