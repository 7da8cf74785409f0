"""Calls of a run in its report: rows, a timeline, and one row for many equal calls.

A cutover of a large VPC makes thousands of calls that differ in their route alone.  People read
those as one row; programs have each of them, in JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vpnmigrate import __version__
from vpnmigrate.journal.history import ABOUT_A_CHANGE, MutatingCall
from vpnmigrate.journal.records import Entry, Intended
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

    calls: Sequence[MutatingCall]

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


def series_of(calls: Iterable[MutatingCall]) -> tuple[CallSeries, ...]:
    """Return the series among *calls*, in the order of their first calls.

    A call that created something, that AWS refused or that is in doubt is in none of them.
    """
    equal: dict[tuple[int, type, str], list[MutatingCall]] = {}
    for call in calls:
        match call.outcome:
            case Performed(made=None):
                why = ""
            case Later(why=why):
                pass
            case _:
                continue
        equal.setdefault((call.begun, type(call.change), why), []).append(call)
    return tuple(CallSeries(each) for each in equal.values() if len(each) > LISTED)


def calls_section(
    migration: MigrationId, calls: Sequence[MutatingCall], series: Sequence[CallSeries]
) -> Section:
    """Return the calls that alter AWS as a table; each of *series* is one row."""
    agent = f"vpnmigrate/{__version__} run/{migration} step/N"
    says = [
        f"CloudTrail has them by request id, and under a user agent that ends in {agent}",
        "reads are not listed here; the user agent of a run's reads ends in run/ID",
    ]
    if series:
        says.append(
            f"more than {LISTED} equal calls are one row: report --json, which is report.json in "
            "a bundle, has each with its request id; refused calls and those in doubt are all here"
        )
    return Section(
        "Calls that alter AWS", tuple(says), DocumentTable(_HEAD, tuple(_rows(calls, series)))
    )


def _rows(calls: Sequence[MutatingCall], series: Sequence[CallSeries]) -> Iterator[tuple[str, ...]]:
    first, later = _places(series)
    for call in calls:
        number = call.intended.intent
        if number in later:
            continue
        lead = moment(call.at), f"step {call.step}", call.change.call
        if (many := first.get(number)) is not None:
            yield *lead, many.outcome, "in report --json", many.what
        else:
            request = call.request_id or "no request id"
            yield *lead, _ending(call), request, str(call.change)


def _places(series: Sequence[CallSeries]) -> tuple[dict[int, CallSeries], set[int]]:
    """Return each series by its first intent, and the intents of all the others."""
    first = {each.calls[0].intent: each for each in series}
    return first, {call.intended.intent for each in series for call in each.calls[1:]}


def timeline(
    entries: Iterable[Entry], series: Sequence[CallSeries] = ()
) -> Iterator[tuple[datetime, str]]:
    """Yield what the journal says and when; each of *series* is one line."""
    first, later = _places(series)
    narrator = Narrator()
    hidden = first.keys() | later
    for entry in entries:
        record = entry.record
        if isinstance(record, ABOUT_A_CHANGE) and record.intent in hidden:
            if isinstance(record, Intended) and record.intent in first:
                yield entry.wall, str(first[record.intent])
            continue  # Its series has it.
        for line in narrator.lines(entry):
            yield entry.wall, str(line).partition(" ")[2].strip()


def call_json(call: MutatingCall) -> dict[str, Any]:
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


def _ending(call: MutatingCall) -> str:
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
