"""The status of runs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from tests.report.examples import BEGAN, BGP, ENABLE, MIGRATION, a_journal
from vpnmigrate.engine.gates.base import failed
from vpnmigrate.engine.gates.change_control import ANOTHER
from vpnmigrate.engine.gates.permissions import calls_allowed
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import (
    AbortAsked,
    Acceptable,
    Accepted,
    CredentialsExpired,
    DirectionTaken,
    Failed,
    Finished,
    Forced,
    GatesSeen,
    Held,
    Intended,
    OutageBegan,
    OutageEnded,
    ResidueLeft,
    StepBegun,
    StepSettled,
    TrafficVerified,
)
from vpnmigrate.model.changes import ReplaceRoute
from vpnmigrate.model.ec2 import RouteTableId, VpnConnectionId, VpnGatewayId
from vpnmigrate.model.errors.commands import Invocation, aws, cli, one_line
from vpnmigrate.model.gates import Gate, GateResult, GateVerdict, Milestone
from vpnmigrate.model.permissions import MissingPermission, PermissionVerdict
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.progress import Waiting
from vpnmigrate.model.residue import ResidualChange
from vpnmigrate.model.snapshot import Shortage
from vpnmigrate.report import results, runs_table, status_json, status_text
from vpnmigrate.report.runs_table import RunsView
from vpnmigrate.report.status import RunStatusView


def a_standing(*records, alive=False, after=timedelta(minutes=5), waiting=None):
    return RunStatusView(
        MIGRATION,
        "a1b2c3d4",
        replay(a_journal(*records)),
        (BGP,),
        BEGAN + after,
        "/runs/m-7f3c",
        alive,
        waiting=waiting,
    )


DOWN = (StepBegun(8, "Swap gateways"), OutageBegan(BEGAN))
SET_OUT = DirectionTaken(Direction.FORWARD, 1)
STAGED = (StepBegun(6, "Add routes"), StepSettled(6))
SHORT = Shortage(BGP, VpnConnectionId("vpn-99"), "vpn-99 has 1 of 2 tunnels UP")
MIGRATED = (*DOWN, OutageEnded(BEGAN, timedelta(seconds=101)), Finished(Direction.FORWARD))


EXPIRED = CredentialsExpired("ExpiredToken: expired", ("log in again:", aws("sso", "login")))


def test_expired_credentials_are_shown_with_the_command_that_renews_them():
    """The command has the run's profile, and no option that a login does not take."""
    given = Invocation(profile="prod", region="eu-west-1", endpoint_url="http://127.0.0.1:1")
    view = replace(a_standing(SET_OUT, *DOWN, EXPIRED, alive=True), invocation=given)

    shown, document = status_text.one(view), status_json.one_as_json(view)

    assert "AWS        CANNOT BE READ since 2026-01-17 02:00:50Z: the credentials" in shown
    assert "credentials  ExpiredToken: expired" in shown
    assert "  aws sso login --profile prod\n" in shown
    assert document["credentials"]["renew"] == "log in again: aws sso login --profile prod"
    assert status_json.one_as_json(a_standing(*DOWN))["credentials"] is None


class TestJson:
    def test_one_run_has_at_least_what_the_design_promises(self):
        """The JSON of a run has every documented field."""
        document = json.loads(json.dumps(status_json.one_as_json(a_standing(*DOWN))))

        assert document["run"] == MIGRATION
        assert document["plan"] == "a1b2c3d4"
        assert document["phase"] == "cutover"
        assert document["step"] == 8
        assert document["waiting_for"] == ""
        assert document["traffic"] == "none"
        assert document["outage"] == 300.0
        assert document["outage_earlier"] is False
        assert document["next"] == f"vpnmigrate apply {MIGRATION}"

    def test_next_never_forces_a_gate(self):
        """A program may run it: what opens the gates, to be read by an operator, is ``to_open``."""
        for lacking in (
            calls_allowed([MissingPermission("ec2:CreateTags", PermissionVerdict.UNPROVEN, "no")]),
            failed(Gate.WINDOW, "ended", "a window", advice=ANOTHER),
            failed(Gate.CLOCK, "late", "a clock", advice="set the clock"),
        ):
            seen = GatesSeen(Milestone.CUTOVER, (lacking,), "")
            document = status_json.one_as_json(
                a_standing(SET_OUT, *STAGED, seen, Held("a gate", 7))
            )

            assert document["next"] == f"vpnmigrate apply {MIGRATION}"
            assert one_line(lacking.advice) in document["to_open"]
        assert status_json.one_as_json(a_standing(*DOWN))["to_open"] == ""

    def test_every_run_is_listed_under_runs(self):
        """The JSON list has the same fields for each run."""
        document = runs_table.as_json(RunsView([a_standing(), a_standing(*MIGRATED)]), Invocation())

        assert document["schema"] == status_json.SCHEMA
        assert [run["traffic"] for run in document["runs"]] == ["old", "new"]

    @pytest.mark.parametrize(
        ("records", "phase"),
        [
            ((), "prepare"),
            ((StepBegun(6, "Try"),), "prepare"),
            ((StepBegun(7, "Stop"),), "cutover"),
            ((StepBegun(10, "Switch"),), "cutover"),
            ((StepBegun(11, "Delete"),), "finalize"),
            ((StepBegun(3, "Remove", cleaning=True),), "clean-up"),
        ],
    )
    def test_the_phase_follows_from_the_step(self, records, phase):
        """The phase distinguishes prepare, cutover, finalize and clean-up."""
        assert status_json.one_as_json(a_standing(*records))["phase"] == phase


class TestText:
    def test_an_open_outage_counts_on(self):
        """During an outage the status shows its start and duration."""
        assert (
            "NONE: on-premises traffic is DOWN since 2026-01-17 02:00:00Z, 5 min so far"
            in " ".join(status_text.one(a_standing(*DOWN)).split())
        )

    def test_a_process_that_is_gone_is_noticed(self):
        """A killed run is shown as stopped."""
        died = " ".join(status_text.one(a_standing(*DOWN)).split())

        assert "STOPPED while migrating, step 8 of 11: Swap gateways: the process died" in died
        assert "STOPPED" not in status_text.one(a_standing(*DOWN, alive=True))

    def test_a_task_shows_how_to_say_it_is_done(self):
        """An open task has the command that confirms it, apart from the next command."""
        output = status_text.one(
            a_standing(StepBegun(10, "Switch"), Intended(1, 10, ENABLE), alive=True)
        )

        assert "TO DO      enable the tunnels of vpn-99" in output
        assert f"WHEN DONE  vpnmigrate done {MIGRATION} 10" in output
        assert (
            "NEXT       to watch the running process:\n"
            f"             vpnmigrate status {MIGRATION} --watch\n" in output
        )

    def test_an_active_process_needs_no_second_one(self):
        """While a process is active, the next command does not start a second one."""
        view = a_standing(*DOWN, alive=True)

        assert str(view.next) == f"vpnmigrate status {MIGRATION}"
        assert str(a_standing(*DOWN).next) == f"vpnmigrate apply {MIGRATION}"

    def test_a_hold_says_why(self):
        """A held run has its reason once."""
        output = status_text.one(a_standing(StepSettled(6), Held("everything is prepared", 6)))

        assert output.count("everything is prepared") == 1

    def test_no_runs_shows_how_to_start(self):
        """Without runs the status shows how to start."""
        assert "vpnmigrate list" in runs_table.text(RunsView(), Invocation())

    def test_each_run_is_a_line_that_fits(self):
        """A list of runs fits eighty columns."""
        address = "postgresql://vpnmigrate@db/fleet"
        runs = RunsView(
            [a_standing(*DOWN), a_standing(*MIGRATED)],
            {"m-9": "line 3 was altered"},
            {"m-7": address, "m-8": address},
        )
        found = runs_table.text(runs, Invocation())

        assert len(found.splitlines()) >= 2
        assert all(len(line) <= 80 for line in found.splitlines())

    def test_acceptable_shortages_have_the_accept_command(self):
        """The accept command is shown until the shortage is accepted, then its acceptance."""
        lacks = (SET_OUT, *DOWN, Acceptable((SHORT,)))
        accepted = Accepted(SHORT, "one will do", "ann", "laptop")
        offered = " ".join(status_text.one(a_standing(*lacks)).split())
        taken = " ".join(status_text.one(a_standing(*lacks, accepted)).split())

        assert "MISSING vpn-99 has 1 of 2 tunnels UP" in offered
        assert f"continue {MIGRATION} --accept-degraded vpn-99 --reason TEXT" in offered
        assert "MISSING" not in taken
        assert "--accept-degraded" not in taken
        assert "ACCEPTED DEGRADED, by ann on laptop" in taken


class TestOutcome:
    def test_a_migration_ends_with_the_traffic_and_both_ways_on(self):
        """The result shows the path of traffic, and how to finalize and to roll back."""
        output = results.outcome_text(a_standing(*MIGRATED))

        assert output.startswith("Migrated.")
        assert "through the new gateway" in output
        assert f"vpnmigrate finalize {MIGRATION} --confirm {BGP}" in output
        assert f"vpnmigrate rollback {MIGRATION}" in output

    def test_after_a_failure_the_traffic_is_told_as_well(self):
        """After a failure the current state is shown as well."""
        output = results.now(a_standing(*DOWN, Failed("x", 8, stuck=True)))

        assert "NONE" in output
        assert f"vpnmigrate apply {MIGRATION}" in output
        assert f"vpnmigrate rollback {MIGRATION}" in output

    @pytest.mark.parametrize(
        ("records", "alive", "verb"),
        [(DOWN, True, "abort"), (DOWN, False, "rollback"), (MIGRATED, True, "rollback")],
    )
    def test_the_rollback_command_is_not_refused(self, records, alive, verb):
        """An active process gets an abort; a rollback beside it would be refused."""
        view = a_standing(SET_OUT, *records, alive=alive)

        assert str(view.rollback_command) == f"vpnmigrate {verb} {MIGRATION}"

    @pytest.mark.parametrize("task", [(), (Intended(1, 10, ENABLE),)])
    def test_an_abort_in_progress_is_not_offered_again(self, task):
        """After an abort no rollback, second abort or task is shown."""
        down = (SET_OUT, StepBegun(10, "Switch"), OutageBegan(BEGAN), *task)
        output = results.now(a_standing(*down, AbortAsked("bob", "desk"), alive=True))

        assert "next:" not in output
        assert "roll back:" not in output
        assert "done" not in output
        assert f"status:   vpnmigrate status {MIGRATION}" in output

    def test_an_abort_before_the_cutover_shows_one_command(self):
        """After the process has stopped, the rollback command is shown once."""
        output = results.now(a_standing(SET_OUT, StepBegun(3, "Create"), AbortAsked("bob", "desk")))

        assert "next:" not in output
        assert f"roll back:  vpnmigrate rollback {MIGRATION}" in output

    def test_after_a_rollback_no_rollback_is_offered(self):
        """After a rollback no rollback command is shown."""
        back = a_standing(
            *MIGRATED, DirectionTaken(Direction.ROLLBACK, 1), Finished(Direction.ROLLBACK)
        )

        assert "rollback" not in results.outcome_text(back).replace("Rolled back", "")
        assert f"vpnmigrate apply {MIGRATION}" in results.outcome_text(back)

    def test_what_others_took_away_is_named(self):
        """A rollback reports a table that was deleted."""
        output = results.outcome_text(
            a_standing(
                *MIGRATED,
                DirectionTaken(Direction.ROLLBACK, 1),
                Finished(Direction.ROLLBACK, ("rtb-9 is gone",)),
            )
        )

        assert "changed outside this run: rtb-9 is gone" in output


class TestGates:
    """The results of the gates in the status."""

    CLOSED = GateResult(Gate.WINDOW, GateVerdict.FAIL, "over since 03:00Z", "2 to 4", "plan again")
    FORCED = Forced(Milestone.CUTOVER, Gate.CLOCK, "NTP is late", "no date", "ann")

    def view(self):
        return a_standing(GatesSeen(Milestone.CUTOVER, (self.CLOSED,)), self.FORCED)

    def test_a_person_sees_the_last_round_and_every_force(self):
        """Status shows the table of gates, and every view the forced gates."""
        text = status_text.one(self.view())

        assert "gates before the cutover: 1 of 1 not passed, 2026-01-17 02:00:20Z" in text
        assert "FAIL" in text
        assert "FORCED clock before the cutover, by ann" in text
        assert "NTP is late" in results.outcome_text(self.view())
        assert all(len(line) <= 80 for line in text.splitlines())

    def test_a_program_finds_observed_and_required(self):
        """A monitoring program can read each gate."""
        document = json.loads(json.dumps(status_json.one_as_json(self.view())))

        assert document["gates"]["before"] == "cutover"
        assert document["gates"]["open"] is False
        (gate,) = document["gates"]["gates"]
        assert (gate["gate"], gate["call"]) == ("window", "FAIL")
        assert (gate["observed"], gate["required"]) == ("over since 03:00Z", "2 to 4")
        assert document["forced"][0]["reason"] == "NTP is late"
        assert status_json.one_as_json(a_standing())["gates"] is None

    def test_the_command_of_a_gate_can_be_pasted(self):
        """In JSON too it has the options of this process."""
        closed = structs.replace(self.CLOSED, advice=("plan again:", cli("plan")))
        view = replace(
            a_standing(GatesSeen(Milestone.CUTOVER, (closed,))),
            invocation=Invocation(region="eu-west-1"),
        )

        (gate,) = status_json.one_as_json(view)["gates"]["gates"]

        assert gate["advice"] == "plan again: vpnmigrate plan --region eu-west-1"


class TestWaiting:
    SLOW = Waiting(
        BEGAN + timedelta(minutes=4),
        8,
        "AWS is slow: no answer from ec2:DescribeVpnGateways yet",
        timedelta(seconds=20),
        timedelta(seconds=90),
    )

    def test_status_tells_what_the_process_at_work_waits_for(self):
        """``status`` in another terminal shows a slow AWS and the duration of the wait."""
        output = status_text.one(a_standing(SET_OUT, *DOWN, alive=True, waiting=self.SLOW))

        assert "WAITS FOR  1 min 20 s of 1 min 30 s: AWS is slow: no answer from" in output

    def test_a_program_reads_it_too(self):
        """The JSON has the fields of the wait; null without one."""
        view = a_standing(SET_OUT, *DOWN, alive=True, waiting=self.SLOW)

        assert status_json.one_as_json(view)["waits"] == {
            "at": (BEGAN + timedelta(minutes=4)).isoformat(),
            "step": 8,
            "why": self.SLOW.why,
            "waited": 20.0,
            "limit": 90.0,
            "usual": "",
        }
        assert status_json.one_as_json(a_standing(SET_OUT, *DOWN))["waits"] is None


class TestResidue:
    LEFT = ResidualChange(
        ReplaceRoute(RouteTableId("rtb-1"), "10.9.0.0/16", VpnGatewayId("vgw-1")),
        "UnauthorizedOperation: not authorized",
    )
    GONE = "rtb-1: 10.9.0.0/16 went to vgw-1 before and goes to a black hole now"
    COMMAND = (
        "aws ec2 replace-route --route-table-id rtb-1 --gateway-id vgw-1 "
        "--destination-cidr-block 10.9.0.0/16 --region eu-west-1"
    )

    @property
    def view(self):
        residue = ResidueLeft((self.LEFT,), (self.GONE,))
        view = a_standing(SET_OUT, *DOWN, residue, TrafficVerified(BEGAN), Failed("no", 10))
        return replace(view, invocation=Invocation(region="eu-west-1"))

    @pytest.mark.parametrize("shown", [status_text.one, results.now])
    def test_what_is_missing_is_shown_with_its_command(self, shown):
        """Each change that was not made has its reason and its command, and traffic its gaps."""
        plain = " ".join(shown(self.view).replace("\\\n", " ").split())

        assert "change route 10.9.0.0/16 in rtb-1 to vgw-1: UnauthorizedOperation" in plain
        assert self.COMMAND in plain
        assert self.GONE in plain
        assert "through the new gateway, EXCEPT 1 destination since" in plain

    def test_programs_get_the_same(self):
        """JSON has each change with reason and command, and each destination."""
        document = status_json.one_as_json(self.view)

        assert document["residue"] == [
            {"change": str(self.LEFT.change), "why": self.LEFT.why, "command": self.COMMAND}
        ]
        assert document["unreached"] == [self.GONE]
