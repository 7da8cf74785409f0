"""Search: trials by seed and by enumerated kill points."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from functools import lru_cache

from msgspec import structs

from vpnmigrate.journal.records import OrderVerb
from vpnmigrate.model.ec2 import ConnectionRecord
from vpnmigrate.model.errors import PreflightError
from vpnmigrate.rehearsal.simulation.clocks import Clocks, Jump, Move
from vpnmigrate.rehearsal.simulation.denials import LASTING, Denials, drawn_denials
from vpnmigrate.rehearsal.simulation.driver_faults import drawn_driver_faults
from vpnmigrate.rehearsal.simulation.schedule import (
    CallFaults,
    Kill,
    KillPoint,
    Schedule,
    ScheduledOrder,
    TrialRoute,
)
from vpnmigrate.rehearsal.simulation.seeded_random import SeededRandom
from vpnmigrate.rehearsal.simulation.tagger import drawn_taggings
from vpnmigrate.rehearsal.simulation.topology import (
    STOPS_PLANNING,
    Topology,
    driven,
    topology,
)
from vpnmigrate.rehearsal.simulation.trial import (
    TrialResult,
    TrialSetting,
    run_trial,
    setting_of,
    trial_problems,
)

TRIES = 4
"""How many seeds share one world: planning takes as long as half a trial."""

LEAST_LAG = timedelta(seconds=60)
"""Minimum lag of describes in trials that lose the answers to create calls."""

LONGEST_LAG = timedelta(seconds=119)
"""Below the consistency delay, including everything that delays the visibility of a change."""


@dataclass(frozen=True)
class TrialFailure:
    """A trial that did not end as required, with what is needed to repeat it."""

    seed: int
    """The seed of the trial if it was drawn from one, else that of the world."""
    schedule: Schedule
    why: tuple[str, ...]

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.schedule}: {'; '.join(self.why[:4])}"


@dataclass(frozen=True)
class _Refusal:
    """The reason why planning refuses a world."""

    topology: Topology
    why: str


@dataclass
class SearchStats:
    """The counts and failures of a search so far."""

    worlds: int = 0
    trials: int = 0
    deaths: int = 0
    fault_count: int = 0
    """Calls with a fault."""
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The denials and unknown codes, by operation and kind."""
    calls: int = 0
    looks: int = 0
    failures: list[TrialFailure] = field(default_factory=list)

    def count(self, outcome: TrialResult) -> None:
        """Add the result of one trial."""
        self.trials += 1
        self.deaths += outcome.deaths
        self.fault_count += outcome.fault_count
        self.refused += outcome.refused
        self.calls += outcome.calls
        self.looks += outcome.looks

    def add(self, other: SearchStats) -> None:
        """Add the counts and failures of another search."""
        for each in fields(SearchStats):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def schedule_of(seed: int) -> Schedule:
    """Return the schedule drawn for the trial of *seed*."""
    random = SeededRandom(f"schedule/{seed}")
    route = random.one(tuple(TrialRoute))
    killed = route is TrialRoute.REVERSED or random.chance(0.8)
    moments = tuple(KillPoint)
    calls = sorted(random.number(1, 30) for _ in range(random.number(1, 3) if killed else 0))
    rough = random.chance(0.6)
    return Schedule(
        route,
        kills=tuple(Kill(call, random.one(moments)) for call in calls),
        call_faults=CallFaults(
            seed,
            lost_creates=random.one((0.0, 0.3, 0.6)) if rough else 0.0,
            lost=random.one((0.0, 0.1, 0.3)) if rough else 0.0,
            refused=random.one((0.0, 0.1, 0.3)) if rough else 0.0,
            unread=random.one((0.0, 0.0, 0.0, 0.05)) if rough else 0.0,
            passing=SeededRandom(f"passing/{seed}").one((0.0, 0.1, 0.4)) if rough else 0.0,
            slow=SeededRandom(f"slowness/{seed}").one((0.0, 0.0, 0.0, 0.03)),
        ),
        restart=timedelta(seconds=random.one((0, 1, 1, 30, 119, 600))),
        late=_lateness(random),
        memory_lost=route in (TrialRoute.FORWARD, TrialRoute.REVERSED) and random.chance(0.15),
        orders=_orders(random, route),
        clocks=_clocks(SeededRandom(f"clocks/{seed}")),
        taggings=drawn_taggings(seed),
        denials=drawn_denials(seed),
    )


def driven_schedule_of(seed: int) -> Schedule:
    """Return the schedule of *seed*, with faults of the drivers."""
    return replace(schedule_of(seed), drivers=drawn_driver_faults(seed))


def _orders(random: SeededRandom, route: TrialRoute) -> tuple[ScheduledOrder, ...]:
    """Return drawn orders of another terminal; a route with a second command is not aborted."""
    if not random.chance(0.3):
        return ()
    call = random.number(0, 25)
    if route in (TrialRoute.FORWARD, TrialRoute.REVERSED) and random.chance(0.5):
        return (ScheduledOrder(call, OrderVerb.ABORT),)
    return (
        ScheduledOrder(call, OrderVerb.PAUSE, timedelta(seconds=random.one((20, 1200, 26 * 3600)))),
    )


_SET_BY = (5, 90, 3600, 30 * 86_400)
"""Clock changes in seconds, in either direction: NTP, a wrong time zone, a restored machine."""


def _clocks(random: SeededRandom) -> Clocks:
    """Return drawn clock changes, and the hosts of the next processes."""
    if random.chance(0.5):
        return Clocks()
    jumps = sorted(random.number(0, 25) for _ in range(random.number(0, 2)))
    return Clocks(
        tuple(Jump(call, _set_by(random)) for call in jumps),
        tuple(Move(_set_by(random), elsewhere=random.chance(0.5)) for _ in range(3)),
    )


def _set_by(random: SeededRandom) -> timedelta:
    return timedelta(seconds=random.one((1, -1)) * random.one(_SET_BY))


def _lateness(random: SeededRandom) -> timedelta:
    """Return a drawn lateness of wake-ups; without any, a trial has ten times the observations."""
    return timedelta(seconds=0 if random.chance(0.04) else random.one((14, 19, 24)))


def topology_of(seed: int) -> Topology:
    """Return the world of the trial of *seed*."""
    return topology(seed // TRIES)


def trial_of(seed: int) -> tuple[Topology, Schedule]:
    """Return the world and the schedule of *seed*."""
    world = topology_of(seed)
    return world, driven_schedule_of(seed) if world.decisions.drivers else schedule_of(seed)


def run_seed(seed: int, stats: SearchStats) -> None:
    """Run the trial of *seed*."""
    stats.worlds += seed % TRIES == 0
    planned = _planned(seed // TRIES)
    drivers = planned.topology.decisions.drivers
    schedule = driven_schedule_of(seed) if drivers else schedule_of(seed)
    if why := _problems(planned, schedule, stats):
        stats.failures.append(TrialFailure(seed, schedule, why))


def try_drivers(seed: int, stats: SearchStats) -> None:
    """Run a trial in the world of *seed* with drivers at some of its devices."""
    run_schedule(driven(seed), driven_schedule_of(seed), stats)


def try_lost_answers(seed: int, stats: SearchStats) -> None:
    """Run a trial in the world of *seed* with most create answers lost and describes that lag."""
    world = laggard(seed)
    if not world.stops:
        run_schedule(world, lost_answers(seed), stats)


def laggard(seed: int) -> Topology:
    """Return the world of *seed*, with describes that lag by ``LEAST_LAG`` or more."""
    world = topology(seed)
    lag = max(world.behaviour.read_lag, LEAST_LAG)
    return replace(world, behaviour=structs.replace(world.behaviour, read_lag=lag))


def lost_answers(seed: int) -> Schedule:
    """Return a schedule that loses most answers to create calls, with late wake-ups."""
    return Schedule(call_faults=CallFaults(seed, lost_creates=0.8), late=_late_in(seed))


def try_doubtful_outage(seed: int, stats: SearchStats) -> None:
    """Run a trial of *seed* with many calls in doubt in its outage (``doubtful_outage``)."""
    world = doubtful(seed)
    if not world.stops:
        run_schedule(world, doubtful_outage(seed), stats)


def doubtful(seed: int) -> Topology:
    """Return the world of *seed*, with describes that lag by up to two minutes."""
    world = topology(seed)
    lag = LONGEST_LAG - world.behaviour.attachment_visible_after.most
    return replace(world, behaviour=structs.replace(world.behaviour, read_lag=lag))


def doubtful_outage(seed: int) -> Schedule:
    """Return a schedule with kills, and calls lost or refused three times, around the outage.

    The next process, or a rollback after the migration, begins at once or minutes later.
    """
    random = SeededRandom(f"doubt/{seed}")
    moments = tuple(KillPoint)
    calls = sorted(random.number(6, 30) for _ in range(random.number(1, 2)))
    return Schedule(
        random.one((TrialRoute.FORWARD, TrialRoute.REVERSED, TrialRoute.ROUND_TRIP)),
        kills=tuple(Kill(call, random.one(moments)) for call in calls),
        call_faults=CallFaults(seed, lost=0.3, refused=0.3, passing=0.2, in_a_row_of_outage=3),
        restart=timedelta(seconds=random.one((0, 10, 60, 300))),
        late=_lateness(random),
    )


def run_schedule(world: Topology, schedule: Schedule, stats: SearchStats) -> None:
    """Run one schedule in a drawn world, whose behaviour may prevent the migration by design."""
    stats.worlds += 1
    why = _problems(_plan(world), schedule, stats)
    if why:
        stats.failures.append(TrialFailure(world.seed, schedule, why))


@lru_cache(maxsize=1)
def _planned(number: int) -> TrialSetting | _Refusal:
    """Return the plan of the world with *number*, made once for all seeds that share it."""
    return _plan(topology(number))


def _plan(world: Topology) -> TrialSetting | _Refusal:
    try:
        return setting_of(world)
    except PreflightError as refusal:
        return _Refusal(world, refusal.message)


def _problems(
    planned: TrialSetting | _Refusal, schedule: Schedule, stats: SearchStats
) -> tuple[str, ...]:
    """Run *schedule* if there is a plan, and return what is wrong with its result."""
    if isinstance(planned, _Refusal):
        stats.trials += 1
        due = planned.topology.stops == STOPS_PLANNING
        return () if due else (f"planning refuses: {planned.why}",)
    outcome = _run_counted(planned, schedule, stats)
    return trial_problems(outcome, planned.topology)


def _run_counted(setting: TrialSetting, schedule: Schedule, stats: SearchStats) -> TrialResult:
    """Run one trial and count it.

    Its objects reference each other, so they are collected now, while they are in the youngest
    generation, which is fast.
    """
    outcome = run_trial(setting, schedule)
    stats.count(outcome)
    gc.collect(0)
    return outcome


def enumerate_kills(seed: int, stats: SearchStats, *, pairs: bool = False) -> None:
    """Run every kill point of the world of *seed*, or pairs; a world that stops has none."""
    _run_all(seed, Schedule(late=_late_in(seed)), stats, pairs=pairs)


def enumerate_denied_kills(seed: int, stats: SearchStats) -> None:
    """Run every kill point of the world of *seed*, with calls that AWS denies (``denied``)."""
    _run_all(seed, denied(seed), stats, pairs=False)


def denied(seed: int) -> Schedule:
    """Return a schedule that denies some calls of steps 7 to 10 and of the clean-up."""
    random = SeededRandom(f"denied kills/{seed}")
    denials = Denials(
        seed,
        tables=random.one((0.0, 0.3)),
        undivided=0.2,
        lasts=random.one(LASTING),
        unknown=random.chance(0.3),
    )
    faults = CallFaults(seed, passing=random.one((0.0, 0.2)))
    return Schedule(call_faults=faults, late=_late_in(seed), denials=denials)


def _late_in(seed: int) -> timedelta:
    return _lateness(SeededRandom(f"late/{seed}"))


def _run_all(seed: int, undisturbed: Schedule, stats: SearchStats, *, pairs: bool) -> None:
    world = topology(seed)
    if world.stops:
        return
    stats.worlds += 1
    points = KillPointSearch(setting_of(world), undisturbed)
    for schedule in points.twice() if pairs else points.once():
        outcome = _run_counted(points.setting, schedule, stats)
        if why := points.wrong(schedule, outcome):
            stats.failures.append(TrialFailure(seed, schedule, why))


SMALL = 25
"""All pairs of kills are tried up to this number of calls of apply; above it, a sample."""

SAMPLED_PAIRS = 200
"""The number of sampled pairs of each route."""

_TWO_COMMANDS = (TrialRoute.ROUND_TRIP, TrialRoute.FINALIZE)
"""The routes with two commands: apply to its end, and then another."""


class KillPointSearch:
    """The schedules with one kill or two, and the end that each must reach.

    All else is as in *base*.
    """

    def __init__(self, setting: TrialSetting, base: Schedule | None = None) -> None:
        self.setting = setting
        self._base = base or Schedule()
        self._ends = {
            route: run_trial(setting, self._schedule(route))
            for route in (TrialRoute.FORWARD, *_TWO_COMMANDS)
        }
        self.forward = self._ends[TrialRoute.FORWARD].calls
        """How many calls an undisturbed apply makes."""
        self._alone: dict[tuple[TrialRoute, Kill], TrialResult] = {}

    def once(self) -> Iterator[Schedule]:
        """Yield every schedule with one kill: in apply, rollback and finalize."""
        for route in TrialRoute:
            for kill in self._after(route) or self._apply():
                yield self._schedule(route, kill)

    def twice(self) -> Iterator[Schedule]:
        """Yield the schedules with two kills, all of them if there are few calls.

        The first kill may be in any command, the second anywhere in the resumed run: in the same
        command, in a rollback from there, or in the command after apply.
        """
        for route in TrialRoute:
            firsts = self._apply() + self._after(route)
            few = self.forward <= SMALL
            for pair in self._all(route, firsts) if few else self._drawn(route, firsts):
                yield self._schedule(route, *pair)

    def wrong(self, schedule: Schedule, outcome: TrialResult) -> tuple[str, ...]:
        """Return how *outcome* differs from that of an undisturbed trial."""
        route = TrialRoute.ROUND_TRIP if schedule.route is TrialRoute.REVERSED else schedule.route
        wanted = self._ends[route]
        lines = [*trial_problems(outcome, self.setting.topology)]
        # In a rollback the engineer enables every old tunnel.  Whether that is requested depends
        # on where the rollback starts, and on whether traffic flows before the engineer reacts.
        either = {f"{c.id} is up" for c in self.setting.plan.before.living if not _was_up(c)}
        more, less = outcome.end - wanted.end - either, wanted.end - outcome.end - either
        if more or less:
            lines.append(f"the end differs: more {sorted(more)[:3]}, less {sorted(less)[:3]}")
        if outcome.deaths != len(schedule.kills):
            lines.append(f"{outcome.deaths} of {len(schedule.kills)} kills happened")
        return tuple(lines)

    def _schedule(self, route: TrialRoute, *kills: Kill) -> Schedule:
        return replace(self._base, route=route, kills=kills)

    def _apply(self) -> list[Kill]:
        return _kills(1, self.forward)

    def _after(self, route: TrialRoute) -> list[Kill]:
        return _kills(self.forward + 1, self._ends[route].calls) if route in _TWO_COMMANDS else []

    def _seconds(self, route: TrialRoute, first: Kill) -> Sequence[Kill]:
        """Return the possible second kills after *first*; repeated calls are counted again.

        Two kills in apply belong to the route that is an apply alone.
        """
        killed = self._with(route, first)
        if route in _TWO_COMMANDS and first.call <= self.forward:
            return _kills(self._with(TrialRoute.FORWARD, first).calls + 1, killed.calls)
        return _kills(killed.died_at[0] + 1, killed.calls)

    def _all(self, route: TrialRoute, firsts: Sequence[Kill]) -> Iterator[tuple[Kill, Kill]]:
        for first in firsts:
            for second in self._seconds(route, first):
                yield first, second

    def _drawn(self, route: TrialRoute, firsts: Sequence[Kill]) -> Iterator[tuple[Kill, Kill]]:
        random = SeededRandom(f"pairs/{self.setting.topology.seed}/{route}")
        for _ in range(SAMPLED_PAIRS):
            first = random.one(firsts)
            if seconds := self._seconds(route, first):
                yield first, random.one(seconds)

    def _with(self, route: TrialRoute, kill: Kill) -> TrialResult:
        """Return the result of a trial with *kill* alone."""
        if (route, kill) not in self._alone:
            self._alone[route, kill] = run_trial(self.setting, self._schedule(route, kill))
        return self._alone[route, kill]


def _kills(begin: int, end: int) -> list[Kill]:
    return [Kill(call, moment) for call in range(begin, end + 1) for moment in KillPoint]


def _was_up(connection: ConnectionRecord) -> bool:
    return any(tunnel.up for tunnel in connection.telemetry)
