"""Timing: step durations and outage, computed from journal entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from vpnmigrate.journal.records import (
    DirectionTaken,
    Entry,
    OutageBegan,
    OutageEnded,
    StepBegun,
    StepSettled,
)
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, Direction


@dataclass(frozen=True)
class StepTiming:
    """A step of a passage, from and to when after the passage set out."""

    step: int
    cleaning: bool
    begun: timedelta
    settled: timedelta


def since_cutover(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries from the beginning of step 7 on; none if it never began."""
    for index, entry in enumerate(entries):
        match entry.record:
            case StepBegun(number=number) if number == FIRST_OF_CUTOVER:
                return entries[index:]
            case _:
                pass  # preparing still
    return ()


def since_turning_back(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries from the one on in which the run turned back; none if it did not."""
    for index, entry in enumerate(entries):
        match entry.record:
            case DirectionTaken(direction=Direction.ROLLBACK):
                return entries[index:]
            case _:
                pass  # still on the way forward
    return ()


def step_timings(entries: Sequence[Entry]) -> tuple[StepTiming, ...]:
    """Return the steps that settled, in the order in which they did."""
    found: list[StepTiming] = []
    if not entries:
        return ()
    begun = start = entries[0].at
    for entry in entries:
        match entry.record:
            case StepBegun():
                begun = entry.at
            case StepSettled(number=number, cleaning=cleaning):
                found.append(StepTiming(number, cleaning, begun - start, entry.at - start))
            case _:
                pass  # within a step
    return tuple(found)


def down(entries: Sequence[Entry]) -> timedelta:
    """Add up the time that traffic was down; an outage that lasts counts to the last entry."""
    total = timedelta(0)
    since = None
    for entry in entries:
        match entry.record:
            case OutageBegan(since=began):
                since = since or began
            case OutageEnded(at=at) if since is not None:
                total += at - since
                since = None
            case _:
                pass  # does not touch traffic
    return total if since is None else total + (entries[-1].at - since)


def length(entries: Sequence[Entry]) -> timedelta:
    """Return the time from the first entry to the last."""
    return entries[-1].at - entries[0].at if entries else timedelta(0)


def until_restored(return_leg: Sequence[Entry]) -> timedelta | None:
    """Return the time from turning back until an outage ended; None if none did."""
    for entry in return_leg:
        match entry.record:
            case OutageEnded(at=at):
                return at - return_leg[0].at
            case _:
                pass  # traffic is still down, or never was
    return None
