"""The hook that runs ten minutes before the back-out deadline."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.builders import a_plan, a_run, minutes
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import (
    DeadlineSet,
    DirectionTaken,
    HookRan,
    StepBegun,
    TrafficVerified,
)
from vpnmigrate.local.hooks import CommandHooks
from vpnmigrate.local.logs import log_of
from vpnmigrate.local.program_files import pinned
from vpnmigrate.local.settings import LogTo
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.decisions import Decisions, HookMoment
from vpnmigrate.model.plan import Direction

DECISIONS = Decisions(hooks={HookMoment.DEADLINE_NEAR: (sys.executable, "-c", "pass")})
PLAN = replace(a_plan(decisions=DECISIONS), programs=pinned(DECISIONS))


@pytest.fixture
def journal() -> MemoryJournal:
    """Return the journal of a cutover that has to be verified within half an hour."""
    clock = VirtualClock()
    journal = MemoryJournal(clock)
    deadline = DeadlineSet(clock.now() + minutes(30), minutes(2), "rehearsed")
    journal.write(DirectionTaken(Direction.FORWARD, 1), deadline, StepBegun(7, "Stop propagation"))
    return journal


@pytest.fixture
def told(tmp_path: Path, journal: MemoryJournal):
    """Return a function that observes a wait, after a time, and returns the hooks that ran."""
    run = a_run(tmp_path)

    def process(clock: VirtualClock) -> Callable[[float], list[HookRan]]:
        with log_of(run, LogTo.OFF, clock, sys.stderr) as log:
            hooks = CommandHooks(run, PLAN, journal.entries, clock, log)

        def after(span: float) -> list[HookRan]:
            clock.sleep(minutes(span))
            hooks.on_wait(8, "the gateway is detaching", timedelta(0), minutes(45))
            hooks.finish()
            return [each for each in hooks.ended() if isinstance(each, HookRan)]

        return after

    return process


def test_runs_once_ten_minutes_before(told):
    """Not earlier, and not again at the next wait."""
    after = told(VirtualClock())

    assert after(19) == []
    assert [(each.moment, each.fault) for each in after(2)] == [(HookMoment.DEADLINE_NEAR, "")]
    assert after(1) == []


def test_does_not_run_again_in_another_process(told, journal):
    """A process that resumes the cutover knows from the journal that it has run."""
    (ran,) = told(VirtualClock())(21)
    journal.write(ran)

    assert told(VirtualClock())(21) == []


def test_does_not_run_once_traffic_is_verified(told, journal):
    """A verified cutover has no deadline any more."""
    journal.write(TrafficVerified(VirtualClock().now()))

    assert told(VirtualClock())(21) == []
