"""Timing: step durations and outage, computed from journal entries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from vpnmigrate.journal.records import (
    DirectionTaken,
    Entry,
    OutageBegan,
    OutageEnded,
    StepBegun,
    StepSettled,
)
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, Direction


class StepTiming(Struct, frozen=True):
    """Begin and end of a step, relative to the start of its direction."""

    step: int
    cleaning: bool
    begun: timedelta
    settled: timedelta


def since_cutover(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries from the start of step 7; empty if it never began."""
    for index, entry in enumerate(entries):
        match entry.record:
            case StepBegun(number=number) if number == FIRST_OF_CUTOVER:
                return entries[index:]
            case _:
                pass  # Before step 7.
    return ()


def since_turning_back(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries from the start of the rollback; empty if there was none."""
    for index, entry in enumerate(entries):
        match entry.record:
            case DirectionTaken(direction=Direction.ROLLBACK):
                return entries[index:]
            case _:
                pass  # Still forward.
    return ()


def step_timings(entries: Sequence[Entry]) -> tuple[StepTiming, ...]:
    """Return the steps that are done, in the order in which they were done."""
    found: list[StepTiming] = []
    if not entries:
        return ()
    start = entries[0].at
    begun: dict[tuple[int, bool], datetime] = {}
    for entry in entries:
        match entry.record:
            case StepBegun(number=number, cleaning=cleaning):
                begun[number, cleaning] = entry.at
            case StepSettled(number=number, cleaning=cleaning):
                since = begun.get((number, cleaning), start)
                found.append(StepTiming(number, cleaning, since - start, entry.at - start))
            case _:
                pass  # Within a step.
    return tuple(found)


def down(entries: Sequence[Entry]) -> timedelta:
    """Return the total time of outage; one that is not over counts to the last entry."""
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
                pass  # Does not affect traffic.
    return total if since is None else total + (entries[-1].at - since)


def length(entries: Sequence[Entry]) -> timedelta:
    """Return the time from the first entry to the last."""
    return entries[-1].at - entries[0].at if entries else timedelta(0)


def until_restored(return_leg: Sequence[Entry]) -> timedelta | None:
    """Return the time from the start of the rollback to the end of the outage, or None."""
    for entry in return_leg:
        match entry.record:
            case OutageEnded(at=at):
                return at - return_leg[0].at
            case _:
                pass  # Traffic is still down, or never was.
    return None
