"""Rehearsal with faults: kills, API faults and rollbacks, repeated with seeds.

Each trial is the production runner on a sandbox of the plan's survey, with what a seed draws:
which way it goes, where its processes die, which calls go astray, how fast EC2 is and how far its
describes lag.  What goes wrong is drawn by ``search.schedule_of``, as in every other simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from vpnmigrate.journal.chain import read_chain
from vpnmigrate.journal.records import Entry
from vpnmigrate.journal.timing import since_turning_back, until_restored
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.simulation.clocks import Clocks
from vpnmigrate.rehearsal.simulation.schedule import Schedule, TrialRoute
from vpnmigrate.rehearsal.simulation.search import schedule_of
from vpnmigrate.rehearsal.simulation.topology import topology
from vpnmigrate.rehearsal.simulation.trial import (
    TrialResult,
    TrialSetting,
    run_trial,
    setting_of_plan,
    trial_problems,
)
from vpnmigrate.sandbox.behaviour import Behaviour

TOLD_EVERY = 100
"""Trials between two words about progress."""
_TEMPER = (
    "gateway_creation",
    "gateway_deletion",
    "attach",
    "attachment_visible_after",
    "gateway_ready_after",
    "gateway_not_ready",
    "workflow_ends_after",
    "workflow_refusal",
    "reattached_row",
    "detach",
    "connection_creation",
    "connection_deletion",
    "prefix_change",
    "propagation_delay",
    "read_lag",
    "propagation_setting_survives_detach",
    "propagated_routes_of_detached",
    "reattach_restores_propagation",
    "edge_association_survives_detach",
    "tunnels_up_while_detached",
    "attach_while_other_detaches",
    "mutating_objects",
)
"""What is drawn of EC2's temper: paces, and switches that no plan is refused for."""


@dataclass(frozen=True)
class FaultedTrial:
    """One run under hardship."""

    seed: int
    schedule: Schedule
    deaths: int
    fault_count: int
    """Calls that went astray."""
    outage: timedelta
    """The longest time that traffic was down in one piece."""
    restored: timedelta | None
    """From turning back until traffic flowed on the old side; None if it did not have to."""
    wrong: tuple[str, ...]
    """How it did not end safely; empty for a good one."""


@dataclass(frozen=True)
class DurationSpread:
    """How a duration is distributed over trials; all zero over none."""

    trials: int
    least: timedelta
    median: timedelta
    most_often_below: timedelta
    """Nineteen of twenty stay below."""
    most: timedelta


@dataclass(frozen=True)
class FaultedRehearsal:
    """What many trials have shown."""

    seed: int
    trials: tuple[FaultedTrial, ...]
    worst: FaultedTrial | None
    """The one with the longest outage; None without trials."""
    story: tuple[Entry, ...]
    """What the journal of the worst one says."""

    @property
    def unsafe(self) -> tuple[FaultedTrial, ...]:
        """Every trial that did not end safely."""
        return tuple(trial for trial in self.trials if trial.wrong)

    @property
    def outage(self) -> DurationSpread:
        """How long traffic was down, where it was."""
        return spread_of(trial.outage for trial in self.trials if trial.outage)

    @property
    def restored(self) -> DurationSpread:
        """How long it took to restore traffic, where a run turned back in the outage."""
        return spread_of(trial.restored for trial in self.trials if trial.restored is not None)


def rehearse_with_faults(
    plan: Plan, trials: int, seed: int, tell: Callable[[str], None]
) -> FaultedRehearsal:
    """Try *plan* in *trials* worlds of its own survey, drawn from *seed* on; *tell* hears how far.

    *plan* has no window and needs no approval: see ``rehearsal.unbound``.
    """
    done: list[FaultedTrial] = []
    worst: tuple[FaultedTrial, TrialResult] | None = None
    for number in range(trials):
        if number and number % TOLD_EVERY == 0:
            tell(f"under hardship: {number} of {trials} runs")
        setting, schedule = _drawn(plan, seed + number)
        outcome = run_trial(setting, schedule)
        trial = _judged(plan, seed + number, schedule, setting, outcome)
        done.append(trial)
        if worst is None or _badness(trial) > _badness(worst[0]):
            worst = trial, outcome
    story = () if worst is None else read_chain(worst[1].journal, plan.migration).entries
    return FaultedRehearsal(seed, tuple(done), worst and worst[0], story)


def spread_of(lengths: Iterable[timedelta]) -> DurationSpread:
    """Return how *lengths* are distributed."""
    found = sorted(lengths)
    if not found:
        return DurationSpread(0, *[timedelta(0)] * 4)
    below = found[min(len(found) - 1, len(found) * 19 // 20)]
    return DurationSpread(len(found), found[0], found[len(found) // 2], below, found[-1])


def _drawn(plan: Plan, seed: int) -> tuple[TrialSetting, Schedule]:
    """Draw a temper and a schedule, without orders: this is about what nobody wants to happen.

    Nobody sets a clock: a plan may have a window, which follows it.

    Processes are punctual, because a board is shown how long outages last.  Finalize is left out,
    for nothing leads back from it.
    """
    drawn = topology(seed)
    temper = Behaviour(**{name: getattr(drawn.behaviour, name) for name in _TEMPER})
    schedule = replace(
        schedule_of(seed), orders=(), taggings=(), late=timedelta(0), clocks=Clocks()
    )
    if schedule.route is TrialRoute.FINALIZE:
        schedule = replace(schedule, route=TrialRoute.ROUND_TRIP)
    return setting_of_plan(plan, temper, seed=seed, reaction=drawn.reaction), schedule


def _judged(
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
