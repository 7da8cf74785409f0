"""Rehearsal with faults: kills, API faults and rollbacks, repeated with seeds.

Each trial is the production runner on a sandbox of the plan's survey.  A seed draws its route,
where its processes are killed, which calls of AWS and of the plan's drivers fail, how fast EC2 is
and how far its describes lag.
Kills and faults are drawn by ``search.schedule_of``, as in every other simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from vpnmigrate.journal.chain import read_chain
from vpnmigrate.journal.records import Entry
from vpnmigrate.journal.timing import since_turning_back, until_restored
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.simulation.behaviours import rehearsed_behaviour
from vpnmigrate.rehearsal.simulation.clocks import Clocks
from vpnmigrate.rehearsal.simulation.schedule import Schedule, TrialRoute
from vpnmigrate.rehearsal.simulation.search import driven_schedule_of, schedule_of
from vpnmigrate.rehearsal.simulation.topology import topology
from vpnmigrate.rehearsal.simulation.trial import (
    TrialResult,
    TrialSetting,
    run_trial,
    setting_of_plan,
    trial_problems,
)

PROGRESS_EVERY = 100
"""Trials between two progress messages."""


@dataclass(frozen=True)
class FaultedTrial:
    """One run with faults."""

    seed: int
    schedule: Schedule
    deaths: int
    fault_count: int
    """The number of faulted calls."""
    outage: timedelta
    """The longest continuous outage."""
    restored: timedelta | None
    """From the start of the rollback until traffic flows on the old side; None if not needed."""
    wrong: tuple[str, ...]
    """Why the trial is unsafe; empty for a safe one."""


@dataclass(frozen=True)
class DurationSpread:
    """The distribution of a duration over trials; all zero for no trial."""

    trials: int
    least: timedelta
    median: timedelta
    most_often_below: timedelta
    """The value that 19 of 20 trials stay below."""
    most: timedelta


@dataclass(frozen=True)
class FaultedRehearsal:
    """The results of many trials."""

    seed: int
    trials: tuple[FaultedTrial, ...]
    worst: FaultedTrial | None
    """The unsafe trial, or else any trial, with the longest outage; None without trials."""
    story: tuple[Entry, ...]
    """The journal of the worst trial."""

    @property
    def unsafe(self) -> tuple[FaultedTrial, ...]:
        """Every trial that did not end safely."""
        return tuple(trial for trial in self.trials if trial.wrong)

    @property
    def outage(self) -> DurationSpread:
        """The outages of the trials that had one."""
        return spread_of(trial.outage for trial in self.trials if trial.outage)

    @property
    def restored(self) -> DurationSpread:
        """The times to restore traffic in the trials that rolled back during the outage."""
        return spread_of(trial.restored for trial in self.trials if trial.restored is not None)


def rehearse_with_faults(
    plan: Plan, trials: int, seed: int, tell: Callable[[str], None]
) -> FaultedRehearsal:
    """Run *trials* of *plan* on sandboxes of its survey, with consecutive seeds from *seed* on.

    *tell* is called with progress messages.  *plan* has no window and needs no approval: see
    ``rehearse.without_restrictions``.
    """
    done: list[FaultedTrial] = []
    worst: tuple[FaultedTrial, TrialResult] | None = None
    for number in range(trials):
        if number and number % PROGRESS_EVERY == 0:
            tell(f"with faults: {number} of {trials} runs")
        setting, schedule = _drawn(plan, seed + number)
        outcome = run_trial(setting, schedule)
        trial = _faulted_trial(plan, seed + number, schedule, setting, outcome)
        done.append(trial)
        if worst is None or _badness(trial) > _badness(worst[0]):
            worst = trial, outcome
    story = () if worst is None else read_chain(worst[1].journal, plan.migration).entries
    return FaultedRehearsal(seed, tuple(done), worst and worst[0], story)


def spread_of(lengths: Iterable[timedelta]) -> DurationSpread:
    """Return the distribution of *lengths*."""
    found = sorted(lengths)
    if not found:
        return DurationSpread(0, *[timedelta(0)] * 4)
    below = found[min(len(found) - 1, len(found) * 19 // 20)]
    return DurationSpread(len(found), found[0], found[len(found) // 2], below, found[-1])


def _drawn(plan: Plan, seed: int) -> tuple[TrialSetting, Schedule]:
    """Return a drawn setting and schedule, without operator orders, tag changes and clock changes.

    A changed clock could close the plan's window.  Processes wake up on time, so that the outages
    are realistic.  Finalize is left out, because it cannot be rolled back.
    """
    drawn = topology(seed)
    drawn_schedule = driven_schedule_of(seed) if plan.is_driven else schedule_of(seed)
    schedule = replace(drawn_schedule, orders=(), taggings=(), late=timedelta(0), clocks=Clocks())
    if schedule.route is TrialRoute.FINALIZE:
        schedule = replace(schedule, route=TrialRoute.ROUND_TRIP)
    return setting_of_plan(
        plan, rehearsed_behaviour(drawn.behaviour), seed=seed, reaction=drawn.reaction
    ), schedule


def _faulted_trial(
    plan: Plan, seed: int, schedule: Schedule, setting: TrialSetting, outcome: TrialResult
) -> FaultedTrial:
    entries = read_chain(outcome.journal, plan.migration).entries
    return FaultedTrial(
        seed=seed,
        schedule=schedule,
        deaths=outcome.deaths,
        fault_count=outcome.fault_count,
        outage=outcome.outage,
        restored=until_restored(since_turning_back(entries)),
        wrong=trial_problems(outcome, setting.topology),
    )


def _badness(trial: FaultedTrial) -> tuple[bool, timedelta]:
    return bool(trial.wrong), trial.outage
