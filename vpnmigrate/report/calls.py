"""Calls of a run in its report: rows, a timeline, and one row for many equal calls.

A cutover of a large VPC makes thousands of calls that differ in their route alone.  People read
those as one row; programs have each of them, in JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import attrgetter
from typing import Any

from vpnmigrate import __version__
from vpnmigrate.journal.history import RunChange
from vpnmigrate.journal.records import Entry
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.clock import moment
from vpnmigrate.model.ec2 import MigrationId
from vpnmigrate.report.document import DocumentTable, Section
from vpnmigrate.report.progress import Narrator
from vpnmigrate.report.text import safe

LISTED = 20
"""Equal calls that are still listed one by one; more of them are a series."""

_HEAD = ("when", "step", "call", "outcome", "request id", "what")


@dataclass(frozen=True)
class CallSeries:
    """Calls of one operation with one outcome, while their step was in progress."""

    calls: Sequence[RunChange]

    @property
    def outcome(self) -> str:
        """What AWS answered, how often, and when the last one was sent."""
        return f"{_ending(self.calls[0])} {len(self.calls)} times until {moment(self.calls[-1].at)}"

    @property
    def what(self) -> str:
        """The first and the last change."""
        return f"first: {self.calls[0].change}; last: {self.calls[-1].change}"

    def __str__(self) -> str:
        return f"{self.calls[0].change.call}, {self.outcome}; {self.what}"


@dataclass(frozen=True)
class GroupedChanges:
    """The changes of a run: many equal calls as series, and all others."""

    series: Sequence[CallSeries]
    """In the order of their first calls."""
    others: Sequence[RunChange]
    """The rest, with each call that created something, that AWS refused or that is in doubt."""


def grouped(changes: Iterable[RunChange]) -> GroupedChanges:
    """Return *changes* with the series among them."""
    equal: dict[tuple[int, str, str], list[RunChange]] = {}
    others: list[RunChange] = []
    for each in changes:
        call = each.intended.change.call
        match each.outcome:
            case Performed(made=None) if call and not each.earlier:
                why = ""
            case Later(why=why) if call and not each.earlier:
                pass
            case _:
                others.append(each)
                continue
        equal.setdefault((each.begun, call, why), []).append(each)
    series = [CallSeries(each) for each in equal.values() if len(each) > LISTED]
    few = (each for each in equal.values() if len(each) <= LISTED)
    return GroupedChanges(series, [*others, *chain.from_iterable(few)])


def calls_section(migration: MigrationId, changes: GroupedChanges) -> Section:
    """Return the calls that alter AWS as a table; each series is one row."""
    agent = f"vpnmigrate/{__version__} run/{migration} step/N"
    says = [
        f"CloudTrail has them by request id, and under a user agent that ends in {agent}",
        "reads are not listed here; the user agent of a run's reads ends in run/ID",
    ]
    if changes.series:
        says.append(
            f"more than {LISTED} equal calls are one row: report --json, which is report.json in "
            "a bundle, has each with its request id; refused calls and those in doubt are all here"
        )
    return Section("Calls that alter AWS", tuple(says), DocumentTable(_HEAD, _rows(changes)))


def _rows(changes: GroupedChanges) -> tuple[tuple[str, ...], ...]:
    rows: dict[int, tuple[str, ...]] = {}
    """By the line of the journal."""
    for many in changes.series:
        first = many.calls[0]
        rows[first.asked.seq] = (*_lead(first), many.outcome, "in report --json", many.what)
    for each in changes.others:
        if each.change.call:
            request = each.request_id or "no request id"
            rows[each.asked.seq] = (*_lead(each), _ending(each), request, str(each.change))
    return tuple(rows[line] for line in sorted(rows))


def _lead(call: RunChange) -> tuple[str, str, str]:
    return moment(call.at), f"step {call.step}", call.change.call


def timeline(events: Iterable[Entry], changes: GroupedChanges) -> Iterator[tuple[datetime, str]]:
    """Yield the events of the journal with their times; each series is one line."""
    series = {many.calls[0].asked.seq: many for many in changes.series}
    firsts = (many.calls[0].asked for many in changes.series)
    others = chain.from_iterable(each.entries for each in changes.others)
    narrator = Narrator()
    for entry in sorted((*events, *firsts, *others), key=attrgetter("seq")):
        if (many := series.get(entry.seq)) is not None:
            yield entry.wall, str(many)
            continue
        for line in narrator.lines(entry):
            yield entry.wall, str(line).partition(" ")[2].strip()


def call_json(call: RunChange) -> dict[str, Any]:
    """Return one call as JSON values."""
    return {
        "at": call.at.isoformat(),
        "answered": call.answered and call.answered.isoformat(),
        "step": call.step,
        "call": call.change.call,
        "what": safe(str(call.change)),
        "outcome": safe(_ending(call)),
        "request_id": call.request_id,
    }


def _ending(call: RunChange) -> str:
    match call.outcome:
        case Performed():
            return "performed"
        case Later(why=why):
            return f"refused for now ({why})"
        case Refused(code=code):
            return f"refused ({code})"
        case InDoubt(why=why):
            return f"in doubt ({why})"
        case None:
            return "in doubt (its process ended)"
