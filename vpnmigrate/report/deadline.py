"""The moments by which somebody has to decide, in the words of every view."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from vpnmigrate.records import DeadlinePassed, DecideBy
from vpnmigrate.spoken import Armed, ConfirmWished, WatchdogMissed
from vpnmigrate.times import moment, span, time_of_day

Moment = DecideBy | DeadlinePassed | ConfirmWished | Armed | WatchdogMissed


def lines(about: Moment, run: str) -> Iterator[str]:
    """Say by when to decide, and what happens then; with commands where *run* is known."""
    match about:
        case DecideBy(at, rollback, source):
            yield f"to be green, or going back, by {moment(at)}:"
            yield f"the way back takes {span(rollback)} ({source})"
        case DeadlinePassed(at, asks):
            yield f"THE BACK-OUT DEADLINE, {time_of_day(at)}, HAS PASSED without verified traffic:"
            yield "a way back that begins now may not end in the window"
            if asks and run:
                yield from choices(run)
        case ConfirmWished(within):
            if within is None:
                yield "the cutover is not to be confirmed: nothing goes back by itself"
            else:
                yield f"the cutover is to be confirmed within {span(within)}"
        case Armed(within, process):
            yield f"commit-confirm: process {process} goes back by itself, unless somebody"
            yield f"confirms within {span(within)} of the first verified traffic"
        case WatchdogMissed(why):
            yield f"NOTHING GOES BACK BY ITSELF: {why};"
            yield "confirm or roll back by hand"


def choices(run: str) -> Iterator[str]:
    """Give the commands that decide, from any terminal."""
    yield f"to roll back: vpnmigrate abort {run}"
    yield f"to go on:     vpnmigrate continue {run}"


def left(at: datetime, now: datetime) -> str:
    """Say how long there is to decide."""
    if now >= at:
        return f"PAST THE BACK-OUT DEADLINE for {span(now - at)}"
    return f"decide within {span(at - now)}"
