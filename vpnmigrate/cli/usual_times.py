"""Usual times of a run's steps: from its rehearsal, and from the runs of its directory.

A rehearsal does not measure people, so runs come first for the tasks at the devices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.journal import RunState
from vpnmigrate.journal.usual_times import (
    OUTAGE,
    Timed,
    UsualTime,
    UsualTimes,
    times_of_run,
    usual_of_runs,
)
from vpnmigrate.local.documents import read_plan
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.steps.sequences import FORWARD

MOST_RUNS = 5
"""The newest runs that are read; more would delay the start of a run."""
LARGEST_JOURNAL = 2_000_000
"""Bytes of a journal; a larger one takes longer to read than its times are worth."""
_AT_DEVICES = frozenset({5, 10})
"""Steps with a task for people."""


def usual_times(
    context: CommandContext, plan: Plan, rehearsed: RehearsalResult | None, before: RunState
) -> UsualTimes:
    """Return what is known of the times of a run of *plan*, in the direction that it had *before*.

    Times that cannot be read are left out, because they are only displayed.
    """
    runs = usual_of_runs(_earlier(context, plan))
    rehearsal = dict(_rehearsed(rehearsed))
    at_devices = {what: time for what, time in runs.items() if what[1] in _AT_DEVICES}
    known = {**runs, **rehearsal, **at_devices}
    limits = {step.number: step.limit_for(plan) for step in FORWARD}
    return UsualTimes(known, limits, before.direction)


def _rehearsed(rehearsed: RehearsalResult | None) -> Iterator[tuple[Timed, UsualTime]]:
    if rehearsed is None or not rehearsed.passed:
        return
    for step, length in rehearsed.steps.items():
        people = ", without people" if step in _AT_DEVICES else ""
        yield (Direction.FORWARD, step), UsualTime(length, f"rehearsal{people}")
    if rehearsed.outage is not None:
        yield (Direction.FORWARD, OUTAGE), UsualTime(rehearsed.outage, "rehearsal")


def _earlier(context: CommandContext, plan: Plan) -> Iterator[Mapping[Timed, timedelta]]:
    """Yield the times of the newest runs in the plan's account and Region."""
    with suppress(VpnMigrateError, OSError):
        runs = [run for run in context.runs.list() if run.journal.is_file()]
        newest = sorted(runs, key=lambda run: run.journal.stat().st_mtime, reverse=True)
        yield from (times for run in newest[:MOST_RUNS] if (times := _times(run, plan)))


def _times(run: Run, plan: Plan) -> Mapping[Timed, timedelta]:
    with suppress(VpnMigrateError, OSError):
        if run.journal.stat().st_size <= LARGEST_JOURNAL:
            of = read_plan(run.plan)
            if (of.account, of.region) == (plan.account, plan.region):
                return times_of_run(read_journal(run).entries)
    return {}
