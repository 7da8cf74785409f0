"""Gates and deadlines, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

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
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.errors.commands import Advice, Invocation, one_line
from vpnmigrate.model.gates import GateResult, GateVerdict, Milestone, closed_results
from vpnmigrate.model.snapshot import Shortage
from vpnmigrate.report.names import NO_NAMES, Names
from vpnmigrate.report.text import Labelled, RunCommands, safe, wrapped

_TITLES = {Milestone.CUTOVER: "before the cutover", Milestone.FINALIZE: "before finalize"}

_CALL = 8

_GATE = 24
"""Width of the second column: its longest word and a gap; ``_CALL`` is that of the first."""


def title(seen: GatesSeen) -> str:
    """Return which evaluation of the gates it is, and its result."""
    closed = len(closed_results(seen.gates))
    forced = sum(bool(each.forced) for each in seen.gates)
    ended = "all passed" if not closed else f"{closed} of {len(seen.gates)} not passed"
    if forced:
        ended += f", {forced} FORCED"
    return f"gates {_TITLES[seen.before]}: {ended}"


def lines(seen: Sequence[GateResult], invocation: Invocation) -> Iterator[str | Labelled]:
    """Return a line per gate; a gate that does not pass also has its requirement and advice."""
    for each in seen:
        call = "FORCED" if each.forced else each.verdict.value
        yield f"{call:<{_CALL}}{each.gate.value:<{_GATE}}{each.observed}"
        if each.verdict is not GateVerdict.PASS:
            yield f"{'':<{_CALL}}required: {each.required}"
            if each.forced:
                yield f"{'':<{_CALL}}{each.verdict}, forced because: {each.forced}"
                continue
            if each.unforceable:
                yield f"{'':<{_CALL}}cannot be forced: {each.unforceable}"
            if each.advice:
                yield from _to_do(invocation.advise(each.advice))


def _to_do(advice: Advice) -> Iterator[str | Labelled]:
    parts = advice if isinstance(advice, tuple) else (advice,)
    lead = f"{'':<{_CALL}}to do: "
    for part in parts:
        yield f"{lead}{part}" if isinstance(part, str) else Labelled(lead, part)
        lead = " " * len(lead)


def table(
    seen: GatesSeen,
    at: datetime,
    invocation: Invocation,
    names: Names = NO_NAMES,
    *,
    all_gates: bool = True,
) -> str:
    """Return the evaluation; without *all_gates*, only what does not pass."""
    shown = [each for each in seen.gates if all_gates or each.verdict is not GateVerdict.PASS]
    head = f"{title(seen)}, {moment(at)}"
    rows = (
        line.folded(first="  ")
        if isinstance(line, Labelled)
        else wrapped(names.text(line), first="  ", rest=" " * (_CALL + 4))
        for line in lines(shown, invocation)
    )
    return "\n".join([head, *rows])


def forced_line(forced: Forced) -> str:
    """Return the notice that a gate was forced."""
    return (
        f"FORCED {forced.gate} {_TITLES[forced.before]}, by {forced.who or 'unknown'}, although "
        f"{forced.observed}; because: {forced.reason}"
    )


def acceptable_lines(what: Sequence[Shortage], on: RunCommands | None) -> Iterator[str | Labelled]:
    """Yield the missing tunnels if nothing else is missing, and the command that accepts it."""
    yield "ONLY TUNNELS ARE MISSING; all routes are restored:"
    yield from (f"  {each.text}" for each in what)
    if on is not None and (accept := accept_command(what, on.run)) is not None:
        yield Labelled("  to accept (TEXT: the reason): ", on.invocation.complete(accept))


def accepted_line(accepted: Accepted) -> str:
    """Return the notice that an operator accepted fewer tunnels than before."""
    return (
        f"ACCEPTED DEGRADED, by {accepted.who} on {accepted.host}, although {accepted.what.text}; "
        f"because: {accepted.reason}"
    )


def as_json(
    seen: GatesSeen | None, at: datetime | None, invocation: Invocation
) -> dict[str, Any] | None:
    """Return the last evaluation as JSON values; None before the first."""
    if seen is None or at is None:
        return None
    return {
        "before": seen.before.value,
        "at": at.isoformat(),
        "open": not closed_results(seen.gates),
        "gates": [
            {
                **msgspec.to_builtins(each),
                "observed": safe(each.observed),
                "advice": one_line(invocation.advise(each.advice)),
            }
            for each in seen.gates
        ],
    }


Moment = DeadlineSet | DeadlinePassed | ConfirmRequested | Armed | WatchdogMissed


def deadline_lines(about: Moment, on: RunCommands | None) -> Iterator[str | Labelled]:
    """Return a deadline and what happens then, with commands if *on* is set."""
    match about:
        case DeadlineSet(at, rollback, source):
            yield f"back-out deadline: {moment(at)};"
            yield f"a rollback takes {span(rollback)} ({source})"
        case DeadlinePassed(at, asks):
            yield f"THE BACK-OUT DEADLINE, {moment(at)}, HAS PASSED without verified traffic:"
            yield "a rollback that starts now may not end within the window"
            if asks and on is not None:
                yield from choices(on)
        case ConfirmRequested(within):
            if within is None:
                yield "the cutover needs no confirmation: automatic rollback is off"
            else:
                yield f"the cutover must be confirmed within {span(within)}"
        case Armed(within, process, verified=True):
            yield f"automatic rollback by process {process} {span(within)} from now,"
            yield "unless you run vpnmigrate confirm"
        case Armed(within, process):
            yield f"automatic rollback by process {process} {span(within)} after the first verified"
            yield "traffic, unless you run vpnmigrate confirm"
        case WatchdogMissed(why):
            yield f"AUTOMATIC ROLLBACK IS OFF: {why};"
            yield "confirm, or roll back yourself"


def choices(on: RunCommands) -> Iterator[Labelled]:
    """Yield the two commands to choose from; they work in any terminal."""
    yield Labelled("to roll back: ", on.command("abort"))
    yield Labelled("to continue:  ", on.command("continue"))


def left(at: datetime, now: datetime) -> str:
    """Return the time left to decide."""
    if now >= at:
        return f"PAST THE BACK-OUT DEADLINE by {span(now - at)}"
    return f"decide within {span(at - now)}"
