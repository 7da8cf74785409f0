"""Slow answers during the outage: orders and signals still work in real processes."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.operators import PLAYBOOK, SCENARIO, Migration, ended, until
from tests.e2e.slow_proxy import SlowProxy, slowed
from tests.support.warm.processes import WarmProcess
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.plan import Direction
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import serve

BACKED_OUT = 1
INTERRUPTED = 7
SPEED = 60
"""The slow observation takes longer than every limit in sandbox time; the order comes first."""
SECONDS = 40
"""Much less than the limit of an observation (90 s), and enough to start a command."""


@contextmanager
def slow_in_the_outage(home: Path) -> Iterator[tuple[Migration, SlowProxy, WarmProcess]]:
    """Apply until traffic is down and an observation of the gateways is slow."""
    with (
        serve(load_world(load(SCENARIO), ScaledClock(SPEED))) as server,
        slowed(server.environment["AWS_ENDPOINT_URL"], "DescribeVpnGateways") as proxy,
    ):
        environment = {**server.environment, "AWS_ENDPOINT_URL": proxy.url}
        migration = Migration(environment, home, PLAYBOOK)
        migration.hold_outage()
        process = migration.begin("apply")
        try:
            assert until(
                process, lambda: migration.lines() > 0 and migration.state().outage.open
            ), migration.output("apply")
            proxy.slow.set()
            assert until(process, lambda: proxy.trickled > 0)
            migration.release_outage()
            yield migration, proxy, process
        finally:
            process.kill()
            process.communicate()


@pytest.mark.no_cover
def test_an_abort_turns_back_while_an_answer_trickles(tmp_path: Path) -> None:
    """Status shows it, an abort takes effect within seconds, and the rollback works."""
    with slow_in_the_outage(tmp_path) as (migration, proxy, process):
        found = ""
        end = time.monotonic() + SECONDS
        while "AWS is slow: no answer from ec2:DescribeVpnGateways yet" not in found:
            assert time.monotonic() < end, found
            waits = migration.terminal.quick("status", migration.run.id)["waits"]
            found = waits["why"] if waits else ""

        asked = time.monotonic()
        migration.terminal.quick("abort", migration.run.id)
        assert until(process, lambda: migration.state().direction is Direction.ROLLBACK)
        assert time.monotonic() - asked < SECONDS
        proxy.slow.clear()
        ended(process, BACKED_OUT, lambda: migration.output("apply"))

        after = migration.state()
        assert after.status is RunStatus.ROLLED_BACK
        assert after.traffic is Traffic.OLD
        assert not [note for note in after.notes if "was suspended" in note]


@pytest.mark.no_cover
def test_a_signal_ends_a_process_whose_answer_trickles(tmp_path: Path) -> None:
    """No abandoned thread keeps the process alive, and the run resumes from its journal."""
    with slow_in_the_outage(tmp_path) as (migration, proxy, process):
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        ended(process, INTERRUPTED, lambda: migration.output("apply"))

        assert time.monotonic() - asked < SECONDS
        proxy.slow.clear()
        migration.finish("rollback")
        migration.assert_returned()
