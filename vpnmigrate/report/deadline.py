"""The moments by which somebody has to decide, in the words of every view."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from vpnmigrate.journal.records import (
    Armed,
    ConfirmWished,
    DeadlinePassed,
    DecideBy,
    WatchdogMissed,
)
from vpnmigrate.model.clock import moment, span, time_of_day
from vpnmigrate.report.words import Labelled, RunCommands

Moment = DecideBy | DeadlinePassed | ConfirmWished | Armed | WatchdogMissed


def lines(about: Moment, on: RunCommands | None) -> Iterator[str | Labelled]:
    """Say by when to decide, and what happens then; with commands where *on* has them."""
    match about:
        case DecideBy(at, rollback, source):
            yield f"to be green, or going back, by {moment(at)}:"
            yield f"the way back takes {span(rollback)} ({source})"
        case DeadlinePassed(at, asks):
            yield f"THE BACK-OUT DEADLINE, {time_of_day(at)}, HAS PASSED without verified traffic:"
            yield "a way back that begins now may not end in the window"
            if asks and on is not None:
                yield from choices(on)
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


def choices(on: RunCommands) -> Iterator[Labelled]:
    """Yield the commands that decide, from any terminal."""
    yield Labelled("to roll back: ", on.command("abort"))
    yield Labelled("to go on:     ", on.command("continue"))


def left(at: datetime, now: datetime) -> str:
    """Say how long there is to decide."""
    if now >= at:
        return f"PAST THE BACK-OUT DEADLINE for {span(now - at)}"
    return f"decide within {span(at - now)}"
