"""Kill points by enumeration: every place where a process can die once, and every place twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from vpnmigrate.model.ec2 import ConnectionRecord
from vpnmigrate.simulation.schedule import Course, Kill, Moment, Schedule
from vpnmigrate.simulation.topology import Dice
from vpnmigrate.simulation.trial import Outcome, Setting, try_out, wrong_with

SMALL = 25
"""Up to so many deeds of apply all pairs of kills are tried; beyond, a sample."""
SAMPLED_PAIRS = 200
"""Of each course."""
_THERE_AND_ON = (Course.RETURN, Course.RETIRE)
"""Two journeys: apply to its end, and then another."""


class KillPoints:
    """Every schedule with one kill, or with two, and the end that each must come to.

    All their processes are *late* alike.
    """

    def __init__(self, setting: Setting, late: timedelta = timedelta(0)) -> None:
        self.setting = setting
        self._late = late
        self._ends = {
            course: try_out(setting, Schedule(course, late=late))
            for course in (Course.FORWARD, *_THERE_AND_ON)
        }
        self.forward = self._ends[Course.FORWARD].deeds
        """How many deeds an undisturbed apply takes."""
        self._alone: dict[tuple[Course, Kill], Outcome] = {}

    def once(self) -> Iterator[Schedule]:
        """Give every schedule with one kill: in apply, rollback and finalize."""
        for course in Course:
            for kill in self._after(course) or self._apply():
                yield Schedule(course, (kill,), late=self._late)

    def twice(self) -> Iterator[Schedule]:
        """Give the schedules with two kills, all of them where there are few deeds.

        The first strikes in any journey; the second wherever a run goes on that the first has
        struck: in the same journey, on the way back from there, or in what follows an apply.
        """
        for course in Course:
            firsts = self._apply() + self._after(course)
            few = self.forward <= SMALL
            for pair in self._all(course, firsts) if few else self._drawn(course, firsts):
                yield Schedule(course, pair, late=self._late)

    def wrong(self, schedule: Schedule, outcome: Outcome) -> tuple[str, ...]:
        """Say how *outcome* differs from what an undisturbed trial comes to."""
        course = Course.RETURN if schedule.course is Course.TURNED else schedule.course
        wanted = self._ends[course]
        told = [*wrong_with(outcome, self.setting.topology)]
        # An engineer who is asked on the way back enables every old tunnel.  Whether they come to
        # it hangs on where it begins, and on whether traffic flows before they have reacted.
        either = {f"{c.id} is up" for c in self.setting.plan.before.living if not _was_up(c)}
        more, less = outcome.end - wanted.end - either, wanted.end - outcome.end - either
        if more or less:
            told.append(f"the end differs: more {sorted(more)[:3]}, less {sorted(less)[:3]}")
        if outcome.deaths != len(schedule.kills):
            told.append(f"{outcome.deaths} of {len(schedule.kills)} kills struck")
        return tuple(told)

    def _apply(self) -> list[Kill]:
        return _kills(1, self.forward)

    def _after(self, course: Course) -> list[Kill]:
        return _kills(self.forward + 1, self._ends[course].deeds) if course in _THERE_AND_ON else []

    def _seconds(self, course: Course, first: Kill) -> Sequence[Kill]:
        """Give where a run can die again that *first* has struck; what it repeats counts anew.

        Two kills in apply are those of an apply alone, whatever follows.
        """
        struck = self._with(course, first)
        if course in _THERE_AND_ON and first.deed <= self.forward:
            return _kills(self._with(Course.FORWARD, first).deeds + 1, struck.deeds)
        return _kills(struck.died_at[0] + 1, struck.deeds)

    def _all(self, course: Course, firsts: Sequence[Kill]) -> Iterator[tuple[Kill, Kill]]:
        for first in firsts:
            for second in self._seconds(course, first):
                yield first, second

    def _drawn(self, course: Course, firsts: Sequence[Kill]) -> Iterator[tuple[Kill, Kill]]:
        dice = Dice(f"pairs/{self.setting.topology.seed}/{course}")
        for _ in range(SAMPLED_PAIRS):
            first = dice.one(firsts)
            if seconds := self._seconds(course, first):
                yield first, dice.one(seconds)

    def _with(self, course: Course, kill: Kill) -> Outcome:
        """Try *kill* alone."""
        if (course, kill) not in self._alone:
            schedule = Schedule(course, (kill,), late=self._late)
            self._alone[course, kill] = try_out(self.setting, schedule)
        return self._alone[course, kill]


def _kills(begin: int, end: int) -> list[Kill]:
    return [Kill(deed, moment) for deed in range(begin, end + 1) for moment in Moment]


def _was_up(connection: ConnectionRecord) -> bool:
    return any(tunnel.up for tunnel in connection.telemetry)
