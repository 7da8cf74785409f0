"""Calls of a run in its report: many equal ones are one row, and none is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from tests.report.examples import MIGRATION, NEW, TABLE, a_journal, a_plan
from vpnmigrate.journal.history import sorted_entries
from vpnmigrate.journal.records import Answered, Entry, Intended, Record, StepBegun
from vpnmigrate.model.changes import ArchiveConfiguration, CreateVpnGateway, ReplaceRoute
from vpnmigrate.model.changes.base import InDoubt, Later, Outcome, Performed, Refused
from vpnmigrate.model.clock import moment
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import GATEWAY_ROLE
from vpnmigrate.report.calls import LISTED, CallSeries, GroupedChanges, grouped, timeline
from vpnmigrate.report.document import ReportDocument
from vpnmigrate.report.evidence import RunEvidence, as_json, document

MANY = LISTED + 1
BUSY = Later("throttled", timedelta(minutes=1), "busy-1")


def change(number: int) -> ReplaceRoute:
    return ReplaceRoute(TABLE, f"10.{number}.0.0/16", NEW)


def sent(outcomes: Sequence[Outcome], first: int = 1) -> Iterator[Record]:
    """Yield a step 9 that sends a change of a route for each of *outcomes*."""
    yield StepBegun(9, "Restore routing")
    for number, outcome in enumerate(outcomes, start=first):
        yield Intended(number, 9, change(number))
        yield Answered(number, outcome)


def performed(count: int) -> list[Outcome]:
    return [Performed(f"id-{number}") for number in range(count)]


def series_of(entries: Sequence[Entry]) -> Sequence[CallSeries]:
    return grouped(sorted_entries(entries).changes).series


def rows_of(report: ReportDocument, title: str) -> list[tuple[str, ...]]:
    return [row for s in report.sections if s.title == title and s.table for row in s.table.rows]


def reported(*records: Record) -> RunEvidence:
    return RunEvidence(MIGRATION, a_plan(), a_journal(*records))


def test_many_equal_calls_are_one_row_and_one_line():
    """Equal calls of a step are one row with their number, the first and the last of them."""
    evidence = reported(*sent([*performed(MANY), *[BUSY] * MANY]))
    report = document(evidence)

    rows = rows_of(report, "Calls that alter AWS")
    last = [call.at for call in evidence.journal.calls][MANY - 1]
    assert [row[3] for row in rows] == [
        f"performed {MANY} times until {moment(last)}",
        f"refused for now (throttled) {MANY} times until {moment(evidence.journal.calls[-1].at)}",
    ]
    assert [row[5] for row in rows] == [
        f"first: {change(1)}; last: {change(MANY)}",
        f"first: {change(MANY + 1)}; last: {change(2 * MANY)}",
    ]
    lines = [what for _, what in rows_of(report, "Timeline") if "route" in what]
    assert lines == [f"ReplaceRoute, {row[3]}; {row[5]}" for row in rows]


def test_programs_have_each_call():
    """The JSON has every call with its request id, and every line of the timeline."""
    data = as_json(reported(*sent(performed(MANY))))

    assert [call["request_id"] for call in data["calls"]] == [f"id-{n}" for n in range(MANY)]
    assert sum("change route" in line["what"] for line in data["timeline"]) == MANY


def test_a_screen_of_equal_calls_is_listed():
    """A few equal calls are listed one by one, with their request ids."""
    report = document(reported(*sent(performed(LISTED))))

    rows = rows_of(report, "Calls that alter AWS")
    assert [row[4] for row in rows] == [f"id-{n}" for n in range(LISTED)]
    assert not any("report --json" in each for s in report.sections for each in s.says)


def test_a_call_that_stands_out_is_listed_among_thousands():
    """Calls that AWS refused, that are in doubt or that created something are never summarised."""
    apart: list[Outcome] = [Refused("Code", "no"), InDoubt("no answer"), Performed("id", "vgw-1")]
    for outcome in apart:
        assert series_of(a_journal(*sent([outcome] * MANY))) == []
    (one,) = series_of(a_journal(*sent([*performed(MANY), *apart])))
    assert len(one.calls) == MANY


def test_work_without_a_call_is_listed_where_it_is_no_call():
    """Many archived configurations are lines of the timeline, and no row of calls."""
    archived = [
        record
        for n in range(1, MANY + 1)
        for record in (
            Intended(n, 4, ArchiveConfiguration(VpnConnectionId(f"vpn-{n}"))),
            Answered(n, Performed()),
        )
    ]
    report = document(reported(StepBegun(4, "Archive"), *archived))

    assert rows_of(report, "Calls that alter AWS") == []
    lines = [what for _, what in rows_of(report, "Timeline") if "archive" in what]
    assert len(lines) == MANY


def test_a_step_that_begins_again_has_its_own_series():
    """Calls are summarised within one execution of a step: a resumed run has another one."""
    again = a_journal(*sent(performed(MANY)), *sent(performed(MANY), first=MANY + 1))
    few = a_journal(*sent(performed(LISTED)), *sent(performed(LISTED), first=LISTED + 1))

    assert [len(each.calls) for each in series_of(again)] == [MANY, MANY]
    assert series_of(few) == []


def test_what_is_no_part_of_a_series_keeps_its_lines():
    """The timeline has the other lines of the same time, and the answers of listed calls."""
    entries = a_journal(
        *sent(performed(MANY)),
        Intended(MANY + 1, 9, CreateVpnGateway(GATEWAY_ROLE)),
        Answered(MANY + 1, Performed("id", "vgw-1")),
    )
    journal = sorted_entries(entries)
    every = GroupedChanges((), journal.changes)
    whole = [what for _, what in timeline(journal.events, every)]
    short = [what for _, what in timeline(journal.events, grouped(journal.changes))]

    kept = [each for each in whole if "change route" not in each]
    assert "made vgw-1" in kept
    assert [each for each in short if not each.startswith("ReplaceRoute")] == kept
