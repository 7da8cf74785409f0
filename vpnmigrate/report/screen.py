"""Live screen: the state of a run as lines for any terminal size.

Plain ASCII without colour, so that it reads the same on every terminal.  The first line always
begins with the outage clock while traffic is down: however small the window, that is seen.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vpnmigrate.journal import RunState, accept_command
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.clock import span, time_of_day
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.progress import CutoverView, TableView, TunnelView, Waiting
from vpnmigrate.report.gates import choices, left
from vpnmigrate.report.progress import LAST_STEP, probe_line
from vpnmigrate.report.text import Labelled, RunCommands, count, safe

TALLEST = 16
"""Lines of the screen at most: what happened stands above it, and is to be read too."""
LEFT_OVER = 2
"""Lines of a window that are not the screen's: where people type."""
LEAST = 1


@dataclass(frozen=True)
class ScreenContent:
    """What is on the screen."""

    on: RunCommands | None
    state: RunState
    now: datetime
    waiting: Waiting | None = None
    sight: CutoverView | None = None
    alive: bool = True
    ahead: timedelta = timedelta(0)
    """How far the clock on the wall is ahead of *now*."""

    @property
    def wall(self) -> datetime:
        """What the clock on the wall shows."""
        return self.now + self.ahead


def screen(shown: ScreenContent, width: int, height: int) -> list[str]:
    """Return the screen's lines, none longer than *width*, for a window of that size."""
    room = max(LEAST, min(TALLEST, height - LEFT_OVER))
    head = [
        _first(shown, width),
        *_waiting(shown, width, room),
        *_to_do(shown, width),
        *_acceptable(shown, width),
        *_deadline(shown, width),
    ]
    lines = [*head, *_details(shown, room - len(head))]
    return [cut(line, width) for line in lines[:room]]


def cut(text: str, width: int) -> str:
    """Shorten *text* to *width*, visibly, in characters that every terminal has."""
    plain = safe(text).encode("ascii", "replace").decode("ascii").rstrip()
    if len(plain) <= width:
        return plain
    return plain[: width - 3] + "..." if width > 8 else plain[:width]  # noqa: PLR2004


def _first(shown: ScreenContent, width: int) -> str:
    state = shown.state
    parts = [_clock(shown), _step(state)]
    left = "  ".join(part for part in parts if part)
    right = f"  {time_of_day(shown.wall)}"
    return left.ljust(width - len(right)) + right if len(left) + len(right) <= width else left


def _clock(shown: ScreenContent) -> str:
    """Return the outage: running, over, or not begun."""
    state = shown.state
    lasted = state.outage(shown.now)
    if lasted is None:
        return ""
    least = "at least " if state.outage_earlier else ""
    if state.outage_open:
        return f"OUTAGE {least}{span(lasted)}"
    # Verified once, and lacking something again: that is no outage yet, and not to be overlooked.
    lacking = shown.sight is not None and shown.sight.green is None and not state.finished
    text = f"{state.traffic.value}{', LACKING' if lacking else ''}"
    return f"traffic {text} (outage was {least}{span(lasted)})"


def _step(state: RunState) -> str:
    if not state.step:
        return "sets out"
    clean = " (clean-up)" if state.cleaning else ""
    return f"step {state.step} of {LAST_STEP}: {state.title}{clean}"


def _waiting(shown: ScreenContent, width: int, room: int) -> Iterator[str]:
    """Return what is waited for; a long reason may have a second line where there is room."""
    waiting = shown.waiting
    if waiting is None:
        return
    waited = waiting.waited + max(timedelta(0), shown.now - waiting.at)
    text = f"waits {span(waited)} of {span(waiting.limit)}: {waiting.why}"
    if room < TALLEST // 2:
        yield text
        return
    first, *rest = textwrap.wrap(text, max(LEAST, width), break_on_hyphens=False) or [text]
    yield first
    if rest:
        yield f"    {' '.join(rest)}"


def _to_do(shown: ScreenContent, width: int) -> Iterator[str]:
    """Return which task waits for a person, and the command that says it is done."""
    if (task := shown.state.task) is not None:
        yield f"TO DO: {task}"
        if isinstance(task, AskOperator):
            yield from _pasted("  when done: ", shown, width, "done", str(task.step))


def _acceptable(shown: ScreenContent, width: int) -> Iterator[str]:
    """Return what is all that is lacking, and the command that is content with it."""
    what = shown.state.acceptable
    if what:
        yield f"ONLY TUNNELS ARE LACKING: {'; '.join(each.text for each in what)}"
        if shown.on is not None and (accept := accept_command(what, shown.on.run)) is not None:
            line = Labelled("  to accept: ", shown.on.invocation.complete(accept))
            yield from line.lines(width)


def _deadline(shown: ScreenContent, width: int) -> Iterator[str]:
    """Return by when to turn back while traffic is down, and by when to confirm once it flows."""
    state = shown.state
    if state.outage_open and state.deadline is not None:
        yield f"{left(state.deadline.at, shown.wall)}: {time_of_day(state.deadline.at)}"
        if state.asks_to_decide:
            for choice in choices(shown.on) if shown.on is not None else ():
                yield from choice.after("  ").lines(width)
        elif shown.now >= state.deadline.at and state.direction is Direction.FORWARD:
            yield from _pasted("  to abort: ", shown, width, "abort")
    if (until := state.unconfirmed_until) is not None:
        rest = span(until - shown.now)
        lead = f"UNCONFIRMED: goes back in {rest} unless: "
        yield from _pasted(lead, shown, width, "confirm")


def _pasted(lead: str, shown: ScreenContent, width: int, verb: str, *words: str) -> Iterator[str]:
    """Yield a command about the run, folded so that it can be pasted from the screen."""
    if shown.on is not None:
        yield from Labelled(lead, shown.on.command(verb, *words)).lines(width)


def _details(shown: ScreenContent, room: int) -> list[str]:
    """Return a line for each kind of thing, and what is not well one by one as far as room goes."""
    sight = shown.sight
    if sight is None or room <= 0:
        return []
    groups = [g for g in (_tunnels(sight.tunnels), _tables(sight.tables), _probes(sight)) if g]
    summaries = [*_green(sight), *_degraded(shown.state)]
    shares = _shares([len(g) - 1 for g in groups], room - len(summaries) - len(groups))
    return [
        *summaries,
        *(line for group, rows in zip(groups, shares, strict=True) for line in group[: 1 + rows]),
    ]


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """Divide *room* lines among groups that want so many each: in turns, until it is used up."""
    shares = [0] * len(wanted)
    while room > 0 and shares != list(wanted):
        for index, wants in enumerate(wanted):
            if shares[index] < wants and room > 0:
                shares[index] += 1
                room -= 1
    return shares


def _green(sight: CutoverView) -> list[str]:
    if sight.green is None:
        return []
    often = f"{sight.readings} readings in a row of {sight.readings_asked}"
    return [f"green for {span(sight.green)} of {span(sight.holds_for)}, {often}"]


def _degraded(state: RunState) -> list[str]:
    if not state.degraded:
        return []
    accepted = " (accepted)" if state.journal_facts.accepted else ""
    return [f"DEGRADED{accepted}: {'; '.join(state.degraded)}"]


def _tunnels(tunnels: Sequence[TunnelView]) -> list[str]:
    if not tunnels:
        return []
    up = sum(t.up for t in tunnels)
    rows = [
        f"  {t.connection} {t.outside_ip:<15} {'UP  ' if t.up else 'DOWN'} {t.detail}"
        + (f", {count(t.readings, 'reading')}" if t.readings else "")
        for t in sorted(tunnels, key=lambda t: t.up)
    ]
    return [f"tunnels  {up} of {len(tunnels)} UP", *rows]


def _tables(tables: Sequence[TableView]) -> list[str]:
    if not tables:
        return []
    reached, asked = sum(t.reached for t in tables), sum(t.asked for t in tables)
    rows = [
        f"  {t.table} {t.reached} of {t.asked}" + (f", lacks {t.lacking}" if t.lacking else "")
        for t in sorted(tables, key=lambda t: t.reached == t.asked)
    ]
    return [f"routes   {reached} of {asked} destinations lead where they did", *rows]


def _probes(sight: CutoverView) -> list[str]:
    if not sight.probes:
        return []
    lost, sent = sum(p.lost for p in sight.probes), sum(p.sent for p in sight.probes)
    rows = [f"  {probe_line(p)}" for p in sorted(sight.probes, key=lambda p: bool(p.works))]
    return [f"probes   {lost} of {sent} lost", *rows]
