"""The report of a run."""

from __future__ import annotations

import cProfile
from datetime import timedelta
from typing import get_args

import pytest
from msgspec.structs import replace

from tests.report.examples import BEGAN, MIGRATION, OLD, TABLE, a_journal, a_plan
from tests.support.large import Size, large_plan
from tests.support.long_journal import long_journal
from vpnmigrate.journal.records import (
    Answered,
    DirectionTaken,
    ExternalChange,
    Failed,
    Finished,
    Forced,
    GatesSeen,
    Intended,
    Noted,
    OperatorConfirmed,
    OutageBegan,
    OutageEnded,
    Probed,
    ResidueLeft,
    StepBegun,
    StepSettled,
    TrafficVerified,
)
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.changes import Change, CreateVpnGateway, DisablePropagation
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.gates import Gate, GateResult, GateVerdict, Milestone
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction
from vpnmigrate.model.probes import ProbeEvent, ProbeStats
from vpnmigrate.model.residue import ResidualChange
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.directions import CHANGE_WORDS
from vpnmigrate.report.document import ReportDocument, html, markdown, text
from vpnmigrate.report.evidence import AfterComparison, RunEvidence, as_json, document
from vpnmigrate.report.timeline import TimelinePicture


def report_of(*records, after=None, decisions=None) -> ReportDocument:
    evidence = RunEvidence(MIGRATION, a_plan(decisions), a_journal(*records), after)
    return document(evidence)


def titles(of: ReportDocument, *, loud: bool) -> list[str]:
    return [section.title for section in of.sections if section.loud is loud]


def test_the_title_names_the_change():
    """The title has the change number."""
    assert report_of(decisions=Decisions(change="CHG7")).title.endswith("change CHG7")


def test_names_are_beside_ids_but_not_in_commands_to_paste():
    """Title, sentences and cells have names; a command is pasted as it is."""
    records = (
        StepBegun(7, "Stop"),
        Intended(1, 7, DisablePropagation(TABLE, OLD)),
        Answered(1, Performed()),
        Noted(f"{OLD} is tagged"),
    )
    to_start = (("vpn-1a2b3c4d", "198.51.100.7"),)
    after = AfterComparison(BEGAN, "the plan", (f"{OLD}: tag x is new",), to_start)

    shown = report_of(*records, after=after)
    cells = [cell for s in shown.sections if s.table for row in s.table.rows for cell in row]
    said = [sentence for section in shown.sections for sentence in section.says]

    assert f'of {OLD} "to the office" on' in shown.title
    assert f'disable propagation from {OLD} "to the office" in {TABLE}' in cells
    assert {f'{OLD} "to the office" is tagged', f'{OLD} "to the office": tag x is new'} <= {*said}
    commands = [each for each in said if each.startswith("aws ec2")]
    assert commands
    assert not any('"' in each for each in commands)


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

    said = "2026-01-17 02:00:20Z bob on console, confirmed: the test in the test VPC passed"
    assert said in " ".join(shown.split())


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
    fingerprint="a1b2c3d4",
    at=BEGAN,
    tool="0",
    passed=True,
    cutover=9 * MINUTE,
    back={8: 2 * MINUTE},
    outage=MINUTE,
    back_outage={8: 5 * MINUTE, 10: 3 * MINUTE},
)
BOTH_WAYS = a_journal(
    OutageBegan(BEGAN),
    OutageEnded(BEGAN + 3 * MINUTE, 3 * MINUTE),
    DirectionTaken(Direction.ROLLBACK, 1),
    OutageBegan(BEGAN + 5 * MINUTE),
    OutageEnded(BEGAN + 6 * MINUTE, MINUTE),
)
TURNED = a_journal(
    StepBegun(8, "Swap"),
    OutageBegan(BEGAN),
    DirectionTaken(Direction.ROLLBACK, 1),
    OutageEnded(BEGAN + 6 * MINUTE, 6 * MINUTE),
)


@pytest.mark.parametrize(
    ("entries", "compared"),
    [
        (BOTH_WAYS, ("2 min longer than the rehearsal's 1 min", "1 min shorter than")),
        (TURNED, ("1 min longer than the rehearsal's 5 min",)),
    ],
)
def test_the_outage_is_compared_with_the_rehearsals_outage(entries, compared):
    """Cutover, rollback, and a rollback during the outage each have their rehearsed outage."""
    shown = " ".join(
        text(document(RunEvidence(MIGRATION, a_plan(), entries, rehearsed=REHEARSED))).split()
    )

    assert all(sentence in shown for sentence in compared)
    assert "no rehearsal of this plan is recorded here" in text(report_of())


def test_a_rehearsal_without_its_outage_is_not_compared():
    """With a result of an earlier version the expected outage is unknown."""
    earlier = replace(REHEARSED, outage=None, back_outage={})
    evidence = RunEvidence(MIGRATION, a_plan(), BOTH_WAYS, rehearsed=earlier)

    assert "than the rehearsal" not in text(document(evidence))
    assert [outage["expected"] for outage in as_json(evidence)["outages"]] == [None, None]


class TestSummary:
    def rows(self, *records, **evidence):
        section = document(
            RunEvidence(MIGRATION, a_plan(), a_journal(*records), **evidence)
        ).sections[0]
        assert section.boxed
        assert section.table is not None
        return [row for row in section.table.rows if row[0] not in {"plan", "account"}]

    def test_of_a_run_that_worked(self):
        """The box says whether it worked, the outage, who and when, and that finalize is open."""
        shown = list(
            self.rows(
                OutageBegan(BEGAN),
                OutageEnded(BEGAN + MINUTE, MINUTE),
                StepSettled(8),
                OperatorConfirmed(Confirmation.NEW_TUNNELS_ENABLED, "bob", "console"),
                TrafficVerified(BEGAN),
                Finished(Direction.FORWARD),
                rehearsed=REHEARSED,
                after=AfterComparison(BEGAN, "the plan", ()),
            )
        )

        rows = dict(shown)
        assert rows["did it work"].startswith("yes: cut over to the new gateway")
        assert rows["outage"] == "1 min measured, 1 min expected (forward at 2026-01-17 02:00:00Z)"
        assert rows["by"] == "run by ann on host; device tasks confirmed by bob"
        assert rows["forced"] == "no gate"
        assert ("open", "finalize: the old gateway and its connections still exist") in shown

    def test_of_a_run_that_is_not_finished(self):
        """A force, a stop, an open outage and external changes are all in the box."""
        rows = self.rows(
            FORCED, ExternalChange("x"), OutageBegan(BEGAN), Failed("no route", 8, stuck=True)
        )

        shown = [f"{name}: {text}" for name, text in rows]
        assert any(line.startswith("did it work: no: the run is stuck") for line in shown)
        assert any("forced: FORCED window before the cutover, by bob" in line for line in shown)
        assert {"open: stopped: no route", "open: TRAFFIC IS DOWN"} <= set(shown)
        assert "open: 1 external change, listed below" in shown


class TestAttempts:
    def rows(self, *records):
        return {
            row[0].split()[0] + ("c" if "(clean-up)" in row[0] else ""): row[3:]
            for section in report_of(*records).sections
            if section.title.startswith("Attempt ")
            for row in (section.table.rows if section.table else ())
        }

    def test_a_step_whose_goal_held_does_not_deviate(self):
        """A change that was not needed, and a step that was not reached, are no deviations."""
        rows = self.rows(
            StepBegun(7, "Stop"),
            Intended(1, 7, DisablePropagation(TABLE, OLD)),
            Answered(1, Performed()),
            StepSettled(7),
            StepBegun(8, "Swap"),
            StepSettled(8),
            Failed("stopped", 8),
        )

        assert rows["7"] == ("disable propagation", "as planned")
        assert rows["8"] == ("none", "not needed: attach a gateway, detach a gateway")
        assert rows["9"] == ("none", "not reached")

    def test_a_rollback_from_an_early_step_has_nothing_to_undo(self):
        """The planned rollback starts after step 10; from an earlier step it has less to do."""
        rows = self.rows(
            DirectionTaken(Direction.ROLLBACK, 1), StepBegun(8, "Swap"), StepSettled(8)
        )

        assert rows["8"] == ("none", "nothing to undo")

    def test_a_real_deviation_is_named(self):
        """A change that is missing in a step not done, was refused, or was not planned."""
        left = ResidualChange(DisablePropagation(TABLE, OLD), "AWS refused it")
        rows = self.rows(
            StepBegun(7, "Stop"),
            ResidueLeft((left,)),
            StepSettled(7),
            StepBegun(8, "Swap"),
            Intended(1, 8, CreateVpnGateway(GATEWAY_ROLE)),
        )

        assert rows["7"] == ("none", "NOT DONE: disable propagation")
        assert rows["8"][1] == (
            "not made: attach a gateway, detach a gateway; not planned: create the new gateway"
        )

    def test_every_kind_of_change_has_words(self):
        """No name of a class is shown to a person."""
        assert set(CHANGE_WORDS) == {kind.__name__ for kind in get_args(Change)}


class TestTimeline:
    def drawn(self, *records) -> TimelinePicture:
        (found,) = [s.timeline for s in report_of(*records).sections if s.timeline]
        return found

    def test_staging_and_cutover_have_bars_of_their_own_scale(self):
        """Steps are drawn in proportion, with the outage below them and people above."""
        drawn = self.drawn(
            StepBegun(2, "Create"),
            Noted("waits"),
            StepSettled(2),
            StepBegun(7, "Stop"),
            OutageBegan(BEGAN + timedelta(seconds=60)),
            OperatorConfirmed(Confirmation.NEW_TUNNELS_ENABLED, "bob", "console"),
            OutageEnded(BEGAN + timedelta(seconds=70), timedelta(seconds=10)),
            StepSettled(7),
        )

        staging, cutover = drawn.lanes
        assert (staging.title, cutover.title) == ("attempt 1, staging", "attempt 1, cutover")
        assert [(bar.x, bar.width, bar.label) for bar in staging.bars] == [(10, 980, "2")]
        (down,) = cutover.outages
        assert (down.x, down.width, down.label) == (255, 245, "OUTAGE 10 s")
        assert [mark.x for mark in cutover.people] == [500]
        assert (staging.outages, staging.people) == ((), ())

    def test_its_page_has_one_picture_and_its_text_the_same_in_words(self):
        """The HTML has the drawing, safe for any name; Markdown and text have a list."""
        evil = OperatorConfirmed(Confirmation.TEST_PASSED, "<script>x</script>", "console")
        report = report_of(StepBegun(7, "Stop"), evil, Noted(""))

        assert html(report).count("<svg ") == 1
        assert "<script" not in html(report)
        assert "- attempt 1, cutover: 2026-01-17 02:00:20Z, 20 s" in markdown(report)


def test_what_probes_felt_stands_beside_what_ec2_showed():
    """Lost probes are reported with the outage; without probes, packet loss is unknown."""
    stats = ProbeStats("10.0.0.1:443", 300, 12, True, BEGAN, BEGAN, BEGAN + MINUTE)
    outage = (OutageBegan(BEGAN), OutageEnded(BEGAN + MINUTE, MINUTE))

    assert "12 of 300 lost" in text(report_of(*outage, Probed(ProbeEvent.END, (stats,))))
    assert "no probes were configured" in text(report_of(*outage))


@pytest.mark.no_cover
@pytest.mark.parametrize("form", [text, markdown, html, as_json], ids=lambda form: form.__name__)
def test_twice_the_lines_take_twice_the_calls(form):
    """With the lines of the journal, its attempts grow, and each of them has its own section."""
    plan = large_plan(Size(connections=1, tables=1, propagated=1, static=1, others=1))
    longest = long_journal(plan, 1600, plan.migration)

    def calls(lines: int) -> int:
        evidence = RunEvidence(MIGRATION, plan, longest[:lines])
        profile = cProfile.Profile()
        profile.enable()
        form(evidence if form is as_json else document(evidence))
        profile.disable()
        return sum(entry.callcount for entry in profile.getstats())

    calls(10)  # The first time some modules are loaded.
    small, middle, large = calls(400), calls(800), calls(1600)
    assert large - middle <= 2.5 * (middle - small), (small, middle, large)
