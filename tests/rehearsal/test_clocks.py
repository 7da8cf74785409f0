"""Simulated hosts with wrong and changed clocks: drawn, applied and checked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.builders import NOON
from vpnmigrate.journal import RunState, replay
from vpnmigrate.journal.chain import read_chain
from vpnmigrate.journal.records import ClockMoved, Entry, OutageBegan, OutageEnded
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.rehearsal.simulation.clocks import Clocks, DurationChecker, Hosts, Jump, Move
from vpnmigrate.rehearsal.simulation.schedule import (
    CallFaults,
    Kill,
    KillPoint,
    Schedule,
    TrialRoute,
)
from vpnmigrate.rehearsal.simulation.search import schedule_of
from vpnmigrate.rehearsal.simulation.topology import topology
from vpnmigrate.rehearsal.simulation.trial import run_trial, setting_of

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def test_seeds_draw_clocks_that_jump_both_ways_and_slow_answers() -> None:
    """Clocks change during a process, between processes and between hosts."""
    drawn = [schedule_of(seed) for seed in range(200)]
    jumps = [jump.by for schedule in drawn for jump in schedule.clocks.jumps]
    moves = [move for schedule in drawn for move in schedule.clocks.moves]

    assert min(jumps) < -HOUR < HOUR < max(jumps)
    for elsewhere in (False, True):
        offs = [move.by for move in moves if move.elsewhere is elsewhere]
        assert min(offs) < -HOUR < HOUR < max(offs)
    assert any(schedule.call_faults.slow for schedule in drawn)
    assert any(schedule.clocks == Clocks() for schedule in drawn)


def test_a_host_gives_each_process_its_clock() -> None:
    """A jump happens at its call; a move with the next process, on this boot or another."""
    true = VirtualClock(NOON)
    hosts = Hosts(Clocks((Jump(2, HOUR),), (Move(-2 * HOUR, elsewhere=True),)))

    first = hosts.begin(true)
    hosts.apply_jumps(1)
    assert (first.wall(), first.ahead()) == (NOON, timedelta(0))
    hosts.apply_jumps(2)
    assert (first.wall(), first.now(), first.ahead()) == (NOON + HOUR, NOON, HOUR)
    assert hosts.was_set
    second = hosts.begin(true)

    assert (second.wall(), second.now()) == (NOON - HOUR, NOON - HOUR)
    assert second.stamp().boot != first.stamp().boot
    assert not hosts.was_set


@pytest.mark.parametrize("route", [TrialRoute.ROUND_TRIP, TrialRoute.REVERSED, TrialRoute.FINALIZE])
@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_trial_says_that_its_clocks_were_set_and_ends_as_ever(
    route: TrialRoute, by: timedelta
) -> None:
    """With a kill, a jump in a process, another host, and slow answers."""
    schedule = Schedule(
        route,
        kills=(Kill(9, KillPoint.BEFORE_ANSWER),),
        call_faults=CallFaults(7, slow=0.05),
        clocks=Clocks((Jump(3, by),), (Move(-2 * by, elsewhere=False), Move(by, elsewhere=True))),
    )

    outcome = run_trial(setting_of(topology(1)), schedule)

    assert (outcome.error, outcome.broken) == ("", ())
    assert outcome.deaths == 1
    assert outcome.fault_count > 0
    entries = read_chain(outcome.journal, setting_of(topology(1)).plan.migration).entries
    lines = [entry.record.by for entry in entries if isinstance(entry.record, ClockMoved)]
    assert {moved > timedelta(0) for moved in lines} == {True, False}


def judged(*entries: tuple[Entry, timedelta]) -> list[str]:
    """Return what is wrong with *entries*, each written at its true time after noon."""
    judge, state = DurationChecker(), RunState()
    broken: list[str] = []
    for entry, true in entries:
        state = replay((entry,), state)
        broken += judge.of_entry(entry, NOON + true, state)
    return broken


@pytest.mark.parametrize(
    ("shown", "boots", "wrong"),
    [
        (3 * MINUTE, "aa", False),
        (0 * MINUTE, "aa", True),
        (HOUR, "aa", True),
        (HOUR, "ab", False),
        (-HOUR, "ab", True),
    ],
)
def test_an_outage_that_one_machine_has_measured_has_to_be_right(
    shown: timedelta, boots: str, wrong: bool
) -> None:
    """The length seen by two machines cannot be checked, but it is never negative."""
    ended = NOON + shown
    broken = judged(
        (Entry(1, NOON, OutageBegan(NOON), boots[0]), 0 * MINUTE),
        (Entry(2, max(NOON, ended), OutageEnded(ended, shown), boots[1]), 3 * MINUTE),
    )

    assert bool(broken) is wrong


def test_a_journal_does_not_go_back_in_time() -> None:
    """Each line is later than the line before it."""
    assert judged(
        (Entry(1, NOON, ClockMoved(HOUR)), 0 * MINUTE),
        (Entry(2, NOON - MINUTE, ClockMoved(HOUR)), 1 * MINUTE),
    )
