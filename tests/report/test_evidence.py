"""The report of a run."""

from __future__ import annotations

from datetime import timedelta

from tests.report.examples import BEGAN, MIGRATION, a_journal, a_plan
from vpnmigrate.journal.records import (
    DirectionTaken,
    ExternalChange,
    Forced,
    GatesSeen,
    OperatorConfirmed,
    OutageBegan,
    OutageEnded,
    Probed,
)
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.gates import Gate, GateResult, GateVerdict, Milestone
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeEvent, ProbeStats
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.document import ReportDocument, text
from vpnmigrate.report.evidence import AfterComparison, RunEvidence, as_json, document


def report_of(*records, after=None, decisions=None) -> ReportDocument:
    evidence = RunEvidence(MIGRATION, a_plan(decisions), a_journal(*records), after)
    return document(evidence)


def titles(of: ReportDocument, *, loud: bool) -> list[str]:
    return [section.title for section in of.sections if section.loud is loud]


def test_the_title_names_the_change():
    """The title has the change number."""
    assert report_of(decisions=Decisions(change="CHG7")).title.endswith("change CHG7")


def test_other_hands_are_loud():
    """External changes have a marked section near the top."""
    assert titles(report_of(ExternalChange("rtb-1 is gone")), loud=True) == [
        "External changes and inconsistencies"
    ]
    assert titles(report_of(), loud=True) == []


def test_an_unexpected_end_is_loud_and_an_expected_one_is_not():
    """Differences that the plan did not predict are in a marked section."""
    differs = AfterComparison(BEGAN, "the survey before", ("vgw-1: tag team (x) is new",))
    same = AfterComparison(BEGAN, "the survey before", ())

    assert titles(report_of(after=differs), loud=True) == ["Before and after"]
    assert titles(report_of(after=same), loud=True) == []


def test_people_are_quoted_with_when_and_where():
    """Each confirmation has its person, host and time."""
    shown = text(report_of(OperatorConfirmed(Confirmation.TEST_PASSED, "bob", "console")))

    assert "2026-01-17 02:00:20Z  bob on console, bob confirmed: test-passed" in shown


def test_an_outage_of_unknown_beginning_is_a_least_length():
    """After a lost journal the report gives only a minimum duration."""
    minute = timedelta(minutes=1)
    shown = report_of(OutageBegan(BEGAN, earlier=True), OutageEnded(BEGAN + minute, minute))

    assert "at least 1 min from" in text(shown)


def test_the_documents_agree():
    """The JSON has every event that the text has."""
    entries = (OutageBegan(BEGAN), OutageEnded(BEGAN, timedelta()), ExternalChange("x"))
    as_data = as_json(RunEvidence(MIGRATION, a_plan(), a_journal(*entries)))
    (timeline,) = [s.table for s in report_of(*entries).sections if s.title == "Timeline"]

    assert timeline is not None
    assert [row[1] for row in timeline.rows] == [line["what"] for line in as_data["timeline"]]
    assert as_data["other_hands"] == ["x"]


SEEN = GateResult(
    Gate.WINDOW, GateVerdict.FAIL, "it is over", "inside the window", forced="agreed by phone"
)
ROUND = GatesSeen(
    Milestone.CUTOVER, (GateResult(Gate.CLOCK, GateVerdict.PASS, "0 s off", "within 60 s"), SEEN)
)
FORCED = Forced(Milestone.CUTOVER, Gate.WINDOW, "agreed by phone", "it is over", "bob")


def test_forces_are_loud_and_named():
    """The report shows who forced which gate and why, before what followed."""
    report = report_of(ROUND, FORCED)

    assert titles(report, loud=True) == ["Forced"]
    shown = text(report)
    assert "FORCED window before the cutover, by bob" in shown
    assert shown.index("agreed by phone") < shown.index("OUTAGE")


def test_every_round_of_gates_is_told_with_what_was_seen():
    """Each gate has its verdict, observation and requirement, in both forms."""
    report = report_of(ROUND)
    (gates,) = [s.table for s in report.sections if s.title.startswith("Gates before")]
    as_data = as_json(RunEvidence(MIGRATION, a_plan(), a_journal(ROUND, FORCED)))

    assert gates is not None
    assert gates.rows == (
        ("clock", "PASS", "0 s off", "required: within 60 s"),
        ("window", "FORCED (FAIL)", "it is over", "required: inside the window"),
    )
    assert [len(round_["gates"]) for round_ in as_data["gates"]] == [2]
    assert [each["reason"] for each in as_data["forced"]] == ["agreed by phone"]


MINUTE = timedelta(minutes=1)
REHEARSED = RehearsalResult(
    fingerprint="a1b2c3d4", at=BEGAN, tool="0", passed=True, cutover=MINUTE, back={8: 2 * MINUTE}
)


def test_the_outage_is_compared_with_the_rehearsal():
    """Each direction is compared with its rehearsed duration."""
    entries = a_journal(
        OutageBegan(BEGAN),
        OutageEnded(BEGAN + 3 * MINUTE, 3 * MINUTE),
        DirectionTaken(Direction.ROLLBACK, 1),
        OutageBegan(BEGAN + 5 * MINUTE),
        OutageEnded(BEGAN + 6 * MINUTE, MINUTE),
    )
    shown = text(document(RunEvidence(MIGRATION, a_plan(), entries, rehearsed=REHEARSED)))

    assert "2 min longer than rehearsed" in shown
    assert "1 min shorter than rehearsed" in shown
    assert "no rehearsal of this plan is recorded here" in text(report_of())


def test_what_probes_felt_stands_beside_what_ec2_showed():
    """Lost probes are reported with the outage; without probes, packet loss is unknown."""
    stats = ProbeStats("10.0.0.1:443", 300, 12, True, BEGAN, BEGAN, BEGAN + MINUTE)
    outage = (OutageBegan(BEGAN), OutageEnded(BEGAN + MINUTE, MINUTE))

    assert "12 of 300 lost" in text(report_of(*outage, Probed(ProbeEvent.END, (stats,))))
    assert "no probes were configured" in text(report_of(*outage))
