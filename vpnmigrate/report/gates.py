"""Gates and deadlines, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from vpnmigrate.commands import Advice, Invocation, one_line
from vpnmigrate.journal import accept_command
from vpnmigrate.journal.records import (
    Accepted,
    Armed,
    ConfirmRequested,
    DeadlinePassed,
    DeadlineSet,
    Forced,
    GatesSeen,
    WatchdogMissed,
)
from vpnmigrate.model.clock import moment, span, time_of_day
from vpnmigrate.model.gates import GateResult, GateVerdict, Milestone
from vpnmigrate.model.snapshot import Shortage
from vpnmigrate.report.text import Labelled, RunCommands, safe, wrapped

_TITLES = {Milestone.CUTOVER: "before the cutover", Milestone.FINALIZE: "before finalize"}

_CALL = 8

_GATE = 24
"""Widths of the first two columns: the longest word in each, and a gap."""


def title(seen: GatesSeen) -> str:
    """Return which round of gates it is, and how it ended."""
    closed = sum(not each.lets_through for each in seen.gates)
    forced = sum(bool(each.forced) for each in seen.gates)
    ended = "all open" if not closed else f"{closed} of {len(seen.gates)} closed"
    if forced:
        ended += f", {forced} FORCED"
    return f"gates {_TITLES[seen.before]}: {ended}"


def lines(seen: Sequence[GateResult], invocation: Invocation) -> Iterator[str | Labelled]:
    """Return a line for each gate; one that is closed also says what it asks for and what to do."""
    for each in seen:
        call = "FORCED" if each.forced else each.call.value
        yield f"{call:<{_CALL}}{each.gate.value:<{_GATE}}{each.observed}"
        if each.call is not GateVerdict.PASS:
            yield f"{'':<{_CALL}}required: {each.required}"
            if each.forced:
                yield f"{'':<{_CALL}}{each.call}, and forced because: {each.forced}"
            elif each.advice:
                yield from _to_do(invocation.advise(each.advice))


def _to_do(advice: Advice) -> Iterator[str | Labelled]:
    parts = advice if isinstance(advice, tuple) else (advice,)
    lead = f"{'':<{_CALL}}to do: "
    for part in parts:
        yield f"{lead}{part}" if isinstance(part, str) else Labelled(lead, part)
        lead = " " * len(lead)


def table(seen: GatesSeen, at: datetime, invocation: Invocation) -> str:
    """Return the whole round."""
    head = f"{title(seen)}, {moment(at)}"
    rows = (
        line.folded(first="  ")
        if isinstance(line, Labelled)
        else wrapped(line, first="  ", rest=" " * (_CALL + 4))
        for line in lines(seen.gates, invocation)
    )
    return "\n".join([head, *rows])


def forced_line(forced: Forced) -> str:
    """Say loudly that a gate was forced."""
    return (
        f"FORCED {forced.gate} {_TITLES[forced.before]}, by {forced.who or 'somebody'}, although "
        f"{forced.observed}; because: {forced.reason}"
    )


def acceptable_lines(what: Sequence[Shortage], on: RunCommands | None) -> Iterator[str | Labelled]:
    """Yield what is all that is lacking; with the command that accepts it where *on* has it."""
    yield "ONLY TUNNELS ARE LACKING, and every destination leads where it did:"
    yield from (f"  {each.text}" for each in what)
    if on is not None and (accept := accept_command(what, on.run)) is not None:
        yield Labelled("  to accept: ", on.invocation.complete(accept))


def accepted_line(accepted: Accepted) -> str:
    """Say loudly that somebody was content with less than before."""
    return (
        f"ACCEPTED DEGRADED, by {accepted.who} on {accepted.host}, although {accepted.what.text}; "
        f"because: {accepted.reason}"
    )


def as_json(seen: GatesSeen | None, at: datetime | None) -> dict[str, Any] | None:
    """Return the last round as JSON values; None before the first."""
    if seen is None or at is None:
        return None
    return {
        "before": seen.before.value,
        "at": at.isoformat(),
        "open": all(each.lets_through for each in seen.gates),
        "gates": [
            {
                **msgspec.structs.asdict(each),
                "observed": safe(each.observed),
                "advice": one_line(each.advice),
            }
            for each in seen.gates
        ],
    }


Moment = DeadlineSet | DeadlinePassed | ConfirmRequested | Armed | WatchdogMissed


def deadline_lines(about: Moment, on: RunCommands | None) -> Iterator[str | Labelled]:
    """Return by when to decide, and what happens then; with commands where *on* has them."""
    match about:
        case DeadlineSet(at, rollback, source):
            yield f"to be green, or going back, by {moment(at)}:"
            yield f"the way back takes {span(rollback)} ({source})"
        case DeadlinePassed(at, asks):
            yield f"THE BACK-OUT DEADLINE, {time_of_day(at)}, HAS PASSED without verified traffic:"
            yield "a way back that begins now may not end in the window"
            if asks and on is not None:
                yield from choices(on)
        case ConfirmRequested(within):
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
    """Return how long there is to decide."""
    if now >= at:
        return f"PAST THE BACK-OUT DEADLINE for {span(now - at)}"
    return f"decide within {span(at - now)}"
