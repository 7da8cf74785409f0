"""Live screen: the state of a run as lines for any terminal size.

Plain ASCII without colour, so that it looks the same on every terminal.  While traffic is down the
first line begins with the outage clock, which is visible in a window of any size.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from vpnmigrate.journal import RunState, accept_command
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.clock import moment, span, time_of_day
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, Direction
from vpnmigrate.model.progress import CutoverView, TableView, TunnelView, Waiting
from vpnmigrate.report.device_progress import DeviceProgress, devices_text
from vpnmigrate.report.gates import choices, left
from vpnmigrate.report.names import NO_NAMES, Names
from vpnmigrate.report.progress import LAST_STEP, probe_line, renewal_lines, step_line
from vpnmigrate.report.text import Labelled, RunCommands, count, safe
from vpnmigrate.report.tunnel_progress import HARMLESS, early_confirmation

TALLEST = 16
"""Lines of the screen in a window of 24 lines, to leave room for the log above it.

A task or a question is shown whole, even if that takes more.
"""
LEFT_OVER = 2
"""Lines of the window left free: one for typing, and one of the log."""
LEAST = 1
_INDENT = "    "
FEW = 4
"""Lines of a window so small that what is left out is not counted."""
MOST_REASON = 3
"""Lines of the reason of a wait."""


class Beside(Protocol):
    """What a live screen shows beside the run."""

    @property
    def pace(self) -> float:
        """Seconds between two redraws."""
        ...

    def lines(self) -> Sequence[str]:
        """Return the lines below the first one, as they are now."""
        ...


class TypedLine(Struct, frozen=True):
    """The line that is being typed."""

    text: str
    answers: tuple[str, ...] = ()
    """What can be typed now."""
    question: str = ""
    """The open question, if its answers alone do not say what is asked."""


class ScreenContent(Struct, frozen=True):
    """Content of the screen."""

    on: RunCommands | None
    state: RunState
    now: datetime
    waiting: Waiting | None = None
    sight: CutoverView | None = None
    alive: bool = True
    ahead: timedelta = timedelta(0)
    """How far the system clock is ahead of *now*."""
    names: Names = NO_NAMES
    usual_outage: str = ""
    """How long the outage usually is, with the source; empty if that is not known."""
    devices: Sequence[DeviceProgress] = ()
    """The devices of the open task, and whether it is done there."""
    typing: TypedLine | None = None
    """What the operator types; None where it is not read here."""
    beside: Sequence[str] = ()
    """Lines about what the run does not observe itself, such as the packets of the lab."""

    @property
    def wall(self) -> datetime:
        """The time on the system clock."""
        return self.now + self.ahead


def screen(shown: ScreenContent, width: int, height: int) -> list[str]:
    """Return the lines of the screen for a window of *width* and *height*."""
    most = max(LEAST, height - LEFT_OVER)
    room = min(most, max(TALLEST, height // 2))
    head = [
        _first(shown, width),
        *shown.beside,
        *_usual_outage(shown),
        *(question := _question(shown, width)),
        *(_waiting(shown, width, room) if not question or shown.state.outage.open else ()),
        *_credentials(shown, width),
        *_to_do(shown, width),
        *_acceptable(shown, width),
        *_deadline(shown, width),
    ]
    lines = [*_within(head, most, shown), *_details(shown, room - len(head))]
    return [cut(line, width) for line in lines]


def _within(head: Sequence[str], most: int, shown: ScreenContent) -> Sequence[str]:
    """Return at most that many lines; the last says how many more there are, and where."""
    if len(head) <= most or most < FEW:
        return head[:most]
    status = "" if shown.on is None else f", see {shown.on.command('status')}"
    return [*head[: most - 1], f"and {count(len(head) - most + 1, 'line')} more{status}"]


def _question(shown: ScreenContent, width: int) -> list[str]:
    """Return the open question, whole; none where its answers say what is asked."""
    if shown.typing is None or not shown.typing.question:
        return []
    return list(_wrapped(shown.typing.question, width, first="QUESTION: ", rest=" " * 10))


def input_text(shown: ScreenContent, width: int) -> str:
    """Return the line below the screen: the answers that are known, and what is typed.

    Of a text that is too long the end is shown, where the next key appears.
    """
    typing = shown.typing
    if typing is None:
        return ""
    text = f"{' or '.join(typing.answers)}> {typing.text}".encode("ascii", "replace").decode()
    return text[-max(LEAST, width - 1) :]


def cut(text: str, width: int) -> str:
    """Return *text* in ASCII, shortened to *width* with an ellipsis."""
    plain = safe(text).encode("ascii", "replace").decode("ascii").rstrip()
    if len(plain) <= width:
        return plain
    return plain[: width - 3] + "..." if width > 8 else plain[:width]  # noqa: PLR2004


def _first(shown: ScreenContent, width: int) -> str:
    right = f"  {time_of_day(shown.wall)}"
    clock = _clock(shown)
    left = "  ".join(filter(None, (clock, _step(shown.state))))
    if shown.state.is_prepared and len(left) + len(right) > width:
        # The length of the outage of an earlier attempt matters less than where this one is.
        left = "  ".join((clock.partition(" (")[0], _step(shown.state)))
    return left.ljust(width - len(right)) + right if len(left) + len(right) <= width else left


def _usual_outage(shown: ScreenContent) -> Iterator[str]:
    """Yield how long the outage usually is, while there is one."""
    if shown.usual_outage and shown.state.outage.open:
        yield f"the outage is {shown.usual_outage}"


def _clock(shown: ScreenContent) -> str:
    """Return the outage: running, ended, or nothing before it begins."""
    state = shown.state
    lasted = state.outage.duration(shown.now)
    if lasted is None:
        return ""
    least = "at least " if state.outage.earlier else ""
    if state.outage.open:
        return f"OUTAGE {least}{span(lasted)}"
    # Traffic was verified and something is missing again: not an outage yet, but shown.
    unstable = shown.sight is not None and shown.sight.stable_for is None and not state.finished
    text = f"{state.traffic.value}{', NOT STABLE' if unstable else ''}"
    return f"traffic {text} (outage was {least}{span(lasted)})"


def _step(state: RunState) -> str:
    if not state.step:
        return "starting"
    if state.is_prepared:
        return f"prepared; step {FIRST_OF_CUTOVER} of {LAST_STEP}, the cutover, has not begun"
    return step_line(state.step, state.title, cleaning=state.cleaning)


def _waiting(shown: ScreenContent, width: int, room: int) -> Iterator[str]:
    """Yield the current wait; a long reason has more lines if there is room."""
    waiting = shown.waiting
    if waiting is None:
        return
    waited = waiting.waited + max(timedelta(0), shown.now - waiting.at)
    why = shown.names.text(waiting.why)
    usual = f", {waiting.usual}" if waiting.usual else ""
    text = f"waits {span(waited)} of {span(waiting.limit)}{usual}: {why}"
    if room < TALLEST // 2:
        yield text
        return
    yield from textwrap.wrap(
        safe(text),
        max(2 * len(_INDENT), width),
        subsequent_indent=_INDENT,
        break_on_hyphens=False,
        max_lines=MOST_REASON,
        placeholder=" ...",
    )


def _credentials(shown: ScreenContent, width: int) -> Iterator[str]:
    """Yield that the credentials have expired, and how to renew them."""
    expired = shown.state.expired
    if expired is None:
        return
    yield f"CREDENTIALS EXPIRED {span(shown.now - expired.since)} ago"
    for line in renewal_lines(expired.renew, shown.on):
        if isinstance(line, Labelled):
            yield from _pasted(line, width)
        else:
            yield from _wrapped(line, width, first="  ", rest="  ")


def _to_do(shown: ScreenContent, width: int) -> Iterator[str]:
    """Yield the operator's open task, whole, and the command that confirms it."""
    if (task := shown.state.task) is not None:
        text = shown.names.text(str(task))
        yield from _wrapped(text, width, first="TO DO: ", rest="       ")
        if devices := devices_text(shown.devices):
            yield from _wrapped(devices, width, first="  done at: ", rest=" " * 11)
        if isinstance(task, AskOperator):
            yield from _folded("  when done: ", shown, width, "done", str(task.step))
    elif (early := early_confirmation(shown.state, shown.sight, shown.names)) is not None:
        text = f"{early.text}; {HARMLESS}"
        yield from _wrapped(text, width, first="CONFIRMED: ", rest="    ")
        if shown.on is not None:
            sheet = shown.on.device_sheet(early.sites[0].argument)
            yield from _pasted(Labelled("  check: ", sheet), width)


def _wrapped(text: str, width: int, *, first: str, rest: str) -> Iterator[str]:
    """Yield *text* in lines of *width*; a window that is too narrow for the indent has none."""
    narrow = width <= 2 * len(first)
    yield from textwrap.wrap(
        safe(text) if not narrow else f"{first.strip()} {safe(text)}".strip(),
        max(LEAST, width),
        initial_indent="" if narrow else first,
        subsequent_indent="" if narrow else rest,
        break_on_hyphens=False,
    )


def _acceptable(shown: ScreenContent, width: int) -> Iterator[str]:
    """Yield the missing tunnels if nothing else is missing, and the command that accepts it."""
    what = shown.state.shortages.acceptable
    if what:
        missing = shown.names.text("; ".join(each.text for each in what))
        yield from _wrapped(missing, width, first="ONLY TUNNELS ARE MISSING: ", rest="    ")
        if shown.on is not None and (accept := accept_command(what, shown.on.run)) is not None:
            line = Labelled(
                "  to accept (TEXT: the reason): ", shown.on.invocation.complete(accept)
            )
            yield from _pasted(line, width)


def _deadline(shown: ScreenContent, width: int) -> Iterator[str]:
    """Yield the back-out deadline during the outage, and the confirmation deadline after it."""
    state = shown.state
    if state.outage.open and state.deadline is not None:
        yield f"{left(state.deadline.at, shown.wall)}: {moment(state.deadline.at)}"
        if state.asks_to_decide:
            for choice in choices(shown.on) if shown.on is not None else ():
                yield from _pasted(choice.after("  "), width)
        elif shown.now >= state.deadline.at and state.direction is Direction.FORWARD:
            yield from _folded("  to abort: ", shown, width, "abort")
    if (until := state.confirm.until) is not None:
        at, rest = moment(until + shown.ahead), span(until - shown.now)
        yield from _wrapped(
            f"automatic rollback at {at}, in {rest}", width, first="UNCONFIRMED: ", rest=_INDENT
        )
        yield from _folded("  to confirm: ", shown, width, "confirm")


def _folded(lead: str, shown: ScreenContent, width: int, verb: str, *words: str) -> Iterator[str]:
    """Yield the lines of a command about the run, folded so that it can be pasted."""
    if shown.on is not None:
        yield from _pasted(Labelled(lead, shown.on.command(verb, *words)), width)


def _pasted(line: Labelled, width: int) -> list[str]:
    """Return the lines of a command; one with a word that does not fit would be cut, and fail."""
    lines = line.lines(width)
    if all(len(each) <= width for each in lines):
        return lines
    return [f"{line.label}too long for this window; status prints it"]


def _details(shown: ScreenContent, room: int) -> list[str]:
    """Return a summary per kind, and the items that are not well as far as there is room."""
    sight = shown.sight
    if sight is None or room <= 0:
        return []
    names = shown.names
    tunnels, tables = _tunnels(sight.tunnels, names), _tables(sight.tables, names)
    groups = [g for g in (tunnels, tables, _probes(sight)) if g]
    summaries = [*_stability(sight), *map(names.text, _degraded(shown.state))]
    shares = _shares([len(g) - 1 for g in groups], room - len(summaries) - len(groups))
    shown_rows = zip(groups, shares, strict=True)
    lines = [*summaries, *(line for group, rows in shown_rows for line in _first_of(group, rows))]
    return lines[:room]


def _first_of(group: Sequence[str], rows: int) -> list[str]:
    """Return the summary of a group and its first rows; the summary counts those left out."""
    summary, *items = group
    left_out = len(items) - rows
    more = f" ({rows or 'none'} shown, and {left_out} more)" if left_out > 0 else ""
    return [f"{summary}{more}", *items[:rows]]


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """Return the share of each group in *room* lines, given in turns up to what it wants."""
    shares = [0] * len(wanted)
    while room > 0 and shares != list(wanted):
        for index, wants in enumerate(wanted):
            if shares[index] < wants and room > 0:
                shares[index] += 1
                room -= 1
    return shares


def _stability(sight: CutoverView) -> list[str]:
    if sight.stable_for is None:
        return []
    often = f"{sight.readings} readings in a row ({sight.readings_asked} required)"
    return [f"stable for {span(sight.stable_for)} of {span(sight.holds_for)}, {often}"]


def _degraded(state: RunState) -> list[str]:
    if not state.shortages.degraded:
        return []
    accepted = " (accepted)" if state.journal_facts.accepted else ""
    return [f"DEGRADED{accepted}: {'; '.join(state.shortages.degraded)}"]


def _tunnels(tunnels: Sequence[TunnelView], names: Names) -> list[str]:
    if not tunnels:
        return []
    up = sum(t.up for t in tunnels)
    wide = max(len(names.named(t.connection)) for t in tunnels)
    rows = [
        f"  {names.named(t.connection):<{wide}} {t.outside_ip:<15} "
        f"{'UP  ' if t.up else 'DOWN'} {t.detail}"
        + (f", {count(t.readings, 'reading')}" if t.readings else "")
        for t in sorted(tunnels, key=lambda t: t.up)
    ]
    return [f"tunnels  {up} of {len(tunnels)} UP", *rows]


def _tables(tables: Sequence[TableView], names: Names) -> list[str]:
    if not tables:
        return []
    reached, asked = sum(t.reached for t in tables), sum(t.asked for t in tables)
    rows = [
        f"  {names.named(t.table)}: {t.reached} of {count(t.asked, 'route')}"
        + (f", {t.lacking}" if t.lacking else "")
        for t in sorted(tables, key=lambda t: t.reached == t.asked)
    ]
    return [f"routes   {reached} of {asked} restored", *rows]


def _probes(sight: CutoverView) -> list[str]:
    if not sight.probes:
        return []
    lost, sent = sum(p.lost for p in sight.probes), sum(p.sent for p in sight.probes)
    rows = [f"  {probe_line(p)}" for p in sorted(sight.probes, key=lambda p: bool(p.works))]
    return [f"probes   {lost} of {sent} lost", *rows]
