"""The answers of ``status``: traffic, what is wrong or awaited, and what to type."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec.structs import replace as altered

from tests.report.examples import (
    BEGAN,
    BGP,
    ENABLE,
    MIGRATION,
    OLD,
    STATIC,
    TABLE,
    VPC,
    a_journal,
    a_plan,
)
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import (
    Answered,
    Armed,
    ConfirmRequested,
    CredentialsExpired,
    DeadlinePassed,
    DeadlineSet,
    Degraded,
    DirectionTaken,
    FinalizeRequested,
    Finished,
    GatesSeen,
    Held,
    Intended,
    Opened,
    OperatorConfirmed,
    OutageBegan,
    OutageEnded,
    Record,
    ResidueLeft,
    StepBegun,
    StepSettled,
    TrafficVerified,
)
from vpnmigrate.model.changes import (
    CreateVpnGateway,
    DeleteVpnGateway,
    DisablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.model.ec2 import CustomerGatewayId, VpcRecord
from vpnmigrate.model.errors.commands import Invocation, aws, cli
from vpnmigrate.model.gates import Gate, GateResult, GateVerdict, Milestone
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction
from vpnmigrate.model.progress import CutoverView, TunnelView, Unreadable, Waiting
from vpnmigrate.model.residue import ResidualChange
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report import results, runs_table, status, status_json, status_text
from vpnmigrate.report.names import names_of
from vpnmigrate.report.runs_table import RunsView
from vpnmigrate.report.status import RunStatusView

LONG = Invocation("/srv/network/changes/runs", "production", "eu-west-1", "http://127.0.0.1:5055")
PASSED = GateResult(Gate.CLOCK, GateVerdict.PASS, "0 s ahead", "5 minutes")
CLOSED = GateResult(Gate.WINDOW, GateVerdict.FAIL, "over", "2 to 4", ("plan again:", cli("plan")))
WORST: tuple[Record, ...] = (
    StepBegun(10, "Switch the tunnels"),
    OutageBegan(BEGAN),
    GatesSeen(Milestone.CUTOVER, (PASSED,) * 14),
    ResidueLeft(
        tuple(
            ResidualChange(ReplaceRoute(TABLE, f"10.{n}.0.0/16", OLD), "not authorized: " * 4)
            for n in range(9)
        ),
        tuple(f"rtb-1: 10.{n}.0.0/16 has no path" for n in range(9)),
    ),
    Degraded(tuple(f"vpn-{n} has 1 of 2 tunnels UP" for n in range(9))),
    CredentialsExpired("ExpiredToken: " + "x " * 200, ("set new keys " * 8, aws("sts", "x"))),
    ConfirmRequested(timedelta(hours=1)),
    Armed(timedelta(hours=1), 7, "desk"),
    Intended(1, 10, ENABLE),
)


UNCONFIRMED: tuple[Record, ...] = (
    ConfirmRequested(timedelta(hours=1)),
    Armed(timedelta(hours=1), 7, "desk"),
    StepBegun(10, "Switch"),
    TrafficVerified(BEGAN),
    Finished(Direction.FORWARD),
)
CALL = Intended(1, 7, DisablePropagation(TABLE, OLD))
ASKED = Intended(2, 10, ENABLE)


def a_view(*records: Record, alive: bool = False) -> RunStatusView:
    """Return the status of a run with the example's plan."""
    entries = tuple(a_journal(*records))
    return RunStatusView(
        MIGRATION,
        "a1b2c3d4" * 8,
        replay(entries),
        (BGP,),
        BEGAN + timedelta(minutes=5),
        "/runs/m-7f3c",
        alive,
        plan=a_plan(),
        entries=entries,
    )


def last_screen(text: str) -> str:
    """Return what a window of 24 lines shows above the prompt."""
    return "\n".join(text.splitlines()[-23:])


def test_a_decision_past_the_deadline_has_both_commands():
    """To roll back and to go on, as on the live screen of the run itself."""
    at = BEGAN + timedelta(minutes=4)
    down = (StepBegun(8, "Swap"), OutageBegan(BEGAN), DeadlineSet(at, timedelta(), "rehearsed"))

    before = status_text.one(a_view(*down, alive=True))
    asked = status_text.one(a_view(*down, DeadlinePassed(at, asks=True), alive=True))

    assert "vpnmigrate continue" not in before
    shown = " ".join(asked.split())
    assert f"to continue without a rollback: vpnmigrate continue {MIGRATION}" in shown
    assert f"vpnmigrate abort {MIGRATION}" in shown


@pytest.mark.parametrize("invocation", [Invocation(), LONG])
@pytest.mark.parametrize("all_gates", [False, True])
def test_the_last_screen_has_the_three_answers_however_long_the_rest_is(invocation, all_gates):
    """Traffic, what is awaited and what to type are in the last 23 lines of the worst case too."""
    view = replace(a_view(*WORST), invocation=invocation)

    text = status_text.one(view, all_gates=all_gates)
    shown = last_screen(text)

    assert len(text.splitlines()) > 23
    assert "TRAFFIC    NONE: on-premises traffic is DOWN since 2026-01-17 02:00:00Z" in shown
    for label in ("NOW ", "AWS ", "RENEW ", "TO DO ", "WHEN DONE", "NEXT"):
        assert f"\n{label}" in shown
    assert "10.8.0.0/16" in text
    assert f"vpnmigrate rollback {MIGRATION}" in text


def test_a_short_status_begins_with_the_answers():
    """If everything fits a screen, the first line says whether traffic is up."""
    text = status_text.one(a_view(StepBegun(3, "Create")))

    assert text.startswith("TRAFFIC")
    assert len(text.splitlines()) <= 23


def test_gates_that_passed_are_one_line_until_they_are_asked_for():
    """The line has the command that shows each gate; a closed gate is always shown."""
    passed = a_view(GatesSeen(Milestone.CUTOVER, (PASSED,)))
    closed = a_view(GatesSeen(Milestone.CUTOVER, (PASSED, CLOSED)))

    short = status_text.one(passed)

    assert "gates before the cutover: all passed" in short
    assert f"vpnmigrate status {MIGRATION} --gates" in short
    assert "0 s ahead" not in short
    assert "0 s ahead" in status_text.one(passed, all_gates=True)
    assert "FAIL" in status_text.one(closed)
    assert "0 s ahead" not in status_text.one(closed)


@pytest.mark.parametrize("later", [Direction.FORWARD, Direction.ROLLBACK])
def test_gates_of_an_earlier_attempt_or_before_a_rollback_are_not_shown(later):
    """The next attempt evaluates them again."""
    attempt = 2 if later is Direction.FORWARD else 1
    view = a_view(GatesSeen(Milestone.CUTOVER, (PASSED,)), DirectionTaken(later, attempt))
    again = a_view(
        GatesSeen(Milestone.CUTOVER, (PASSED,)),
        DirectionTaken(Direction.FORWARD, 2),
        GatesSeen(Milestone.CUTOVER, (PASSED,)),
    )

    assert "gates before the cutover" not in status_text.one(view, all_gates=True)
    assert "gates before the cutover: all passed" in status_text.one(again)


def test_another_attempt_after_a_rollback_is_not_the_next_step():
    """It is offered as such, and holds before its cutover; a program gets the command as before."""
    view = a_view(DirectionTaken(Direction.ROLLBACK, 1), Finished(Direction.ROLLBACK))

    text = status_text.one(view)

    assert f"TRY AGAIN  vpnmigrate apply {MIGRATION} --until cutover" in text
    assert "\nNEXT" not in text
    assert view.next == cli("apply", MIGRATION)


def test_a_rollback_of_the_watchdog_names_its_reason_and_what_is_kept():
    """The state before the migration is not restored while the new side exists."""
    rolled_back = (
        DirectionTaken(Direction.ROLLBACK, 1, keep_new=True),
        Finished(Direction.ROLLBACK),
    )
    watchdog = Opened(MIGRATION, "a1b2c3d4", "desk", "ann", 7, "0.1.0")
    view = a_view(Armed(timedelta(hours=2), 7, "desk"), watchdog, *rolled_back)

    text = " ".join(status_text.one(view).split())

    assert "the new gateway and connections are kept, and CLEAN UP deletes them" in text
    assert "WHY not confirmed in time: the watchdog rolled back" in text
    assert "is restored" not in text
    assert "are kept" in results.outcome_text(view)
    assert "WHY" not in status_text.one(a_view(*rolled_back))
    begun = a_view(Armed(timedelta(hours=2), 7, "desk"), watchdog, rolled_back[0], alive=True)
    assert "rolled back" not in status_text.one(begun)


def test_a_confirmation_that_no_process_has_read_is_shown_instead_of_its_command():
    """It takes effect when the run resumes."""
    open_task = a_view(StepBegun(10, "Switch"), Intended(1, 10, ENABLE))
    view = replace(open_task, unread_done="ann on desk at 02:03:00Z")

    text = status_text.one(view)

    assert "CONFIRMED  by ann on desk at 02:03:00Z; read when the run resumes" in text
    assert "WHEN DONE" not in text
    assert "WHEN DONE" in status_text.one(open_task)


def test_a_killed_cutover_can_be_resumed_before_the_device_task_is_done():
    """Both orders of ``done`` and ``apply`` are right."""
    view = a_view(DirectionTaken(Direction.FORWARD, 1), StepBegun(10, "Switch"), CALL, ASKED)

    text = " ".join(status_text.one(view).split())

    assert "NEXT at once, also before the task at the devices is done: vpnmigrate apply" in text


def test_a_process_that_asks_before_the_cutover_says_where():
    """Another terminal shows that the answer is awaited, not a step."""
    passed = GatesSeen(Milestone.CUTOVER, (PASSED,))
    asking = a_view(StepBegun(6, "Test"), StepSettled(6), passed, alive=True)
    before = a_view(StepBegun(6, "Test"), StepSettled(6), alive=True)

    shown = " ".join(status_text.one(asking).split())

    awaited = "; waits for the operator's answer in the terminal of apply (ann on host)"
    assert f"NOW prepared; the cutover has not begun{awaited}" in shown
    assert "operator's answer" not in status_text.one(before)


def test_the_history_of_a_staged_run_says_that_it_is_held():
    """It is as far as it was to go."""
    text = status_text.one(a_view(StepSettled(6), Held("staged", 6)))

    assert "prepared, held" in text
    assert "not finished" not in text


def test_a_finalized_run_names_all_that_is_deleted_and_its_report():
    """What finalize is to do is done."""
    request = FinalizeRequested(delete_old_gateway=True)
    deleted = (Intended(1, 11, DeleteVpnGateway(GATEWAY_ROLE, OLD)), Answered(1, Performed("r-1")))
    begun = (request, DirectionTaken(Direction.FINALIZE, 1), *deleted)
    ended = (*begun, Finished(Direction.FINALIZE))

    text = " ".join(status_text.one(a_view(*ended)).split())

    assert "the old connections and the old gateway are deleted" in text
    assert f"NEXT vpnmigrate report {MIGRATION}" in text
    assert "is to delete" not in text
    assert "is to delete" in " ".join(status_text.one(a_view(*begun)).split())


def test_a_run_that_is_being_rolled_back_offers_no_rollback():
    """Another one would be refused, unless the watchdog could not roll back."""
    late = replace(a_view(*UNCONFIRMED), now=BEGAN + timedelta(hours=2), watchdog=7)
    retry = replace(late, retry=status.Retry("no route", BEGAN))

    assert late.rollback_command is None
    assert retry.rollback_command == cli("rollback", MIGRATION)


def test_a_person_reads_what_opens_a_closed_gate_first():
    """The command that the gate refused comes after that; a program gets it alone."""
    view = a_view(
        StepSettled(6), GatesSeen(Milestone.CUTOVER, (CLOSED,)), Held("the cutover cannot start", 6)
    )

    assert view.next == cli("apply", MIGRATION)
    assert view.next_step == ("plan again:", cli("plan"), "then:", cli("apply", MIGRATION))
    assert "NEXT       plan again:\n             vpnmigrate plan\n" in status_text.one(view)
    assert a_view(StepSettled(6), Held("staged", 6)).next == cli("apply", MIGRATION)


def test_that_aws_cannot_be_read_is_said_with_since_when():
    """A program gets the same."""
    since = BEGAN + timedelta(minutes=2)
    view = replace(
        a_view(StepBegun(8, "Swap"), OutageBegan(BEGAN), alive=True),
        unreadable=Unreadable(since, "no route to host"),
        waiting=Waiting(since, 8, "AWS cannot be read", timedelta(0), timedelta(minutes=45)),
    )

    text = " ".join(status_text.one(view).split())

    assert "AWS CANNOT BE READ since 2026-01-17 02:02:00Z; it is tried again: no route" in text
    assert status_json.fields(view)["unreadable"] == {
        "since": since.isoformat(),
        "why": "no route to host",
    }


def test_a_run_that_never_took_a_direction_has_a_status():
    """Orders before the first process leave entries without a direction."""
    entries = tuple(a_journal()[:1])
    view = replace(a_view(), state=replay(entries), entries=entries)

    assert "NOW      not started" in status_text.one(view)


def test_traffic_that_flows_says_since_when():
    """After an outage: since its end, and how long it lasted."""
    ended = OutageEnded(BEGAN + timedelta(seconds=101), timedelta(seconds=101))
    view = a_view(StepBegun(8, "Swap"), OutageBegan(BEGAN), ended, Finished(Direction.FORWARD))

    assert status.traffic(view) == (
        "UP through the new gateway since 2026-01-17 02:01:41Z; the outage before it lasted "
        "1 min 41 s"
    )


class TestNames:
    PLAN = altered(
        a_plan(),
        before=altered(
            a_plan().before,
            vpcs=(VpcRecord(VPC, tags={"Name": "production"}),),
            customer_gateways=tuple(
                altered(c, tags={"Name": "Munich"} if c.id == CustomerGatewayId("cgw-1") else {})
                for c in a_plan().before.customer_gateways
            ),
        ),
    )

    def test_each_id_has_its_name_where_it_is_first_mentioned(self):
        """A connection without a name has that of its device; ids without one stay alone."""
        names = names_of(self.PLAN)

        assert names.text(f"{VPC}: {BGP}, {BGP}, {TABLE}") == (
            f'{VPC} "production": {BGP} "Munich", {BGP}, {TABLE}'
        )
        assert names.text(names.text(str(VPC))) == f'{VPC} "production"'

    def test_without_any_tag_a_site_has_the_name_that_its_device_has_in_ec2(self):
        """The field of the customer gateway, which every list of sites shows."""
        devices = tuple(
            altered(each, tags={}, device_name="graz")
            for each in self.PLAN.before.customer_gateways
        )
        plan = altered(self.PLAN, before=altered(self.PLAN.before, customer_gateways=devices))

        assert names_of(plan).named(BGP) == f'{BGP} "graz"'

    def test_what_the_run_created_has_the_name_of_what_it_replaces(self):
        """It is called new."""
        made = (
            Intended(1, 2, CreateVpnGateway(GATEWAY_ROLE, 64512)),
            Answered(1, Performed(made="vgw-99")),
        )

        assert names_of(self.PLAN, a_journal(*made)).named("vgw-99") == (
            'vgw-99 "to the office" (new)'
        )

    def test_a_command_has_ids_alone(self):
        """What is pasted works; text for people has the names."""
        view = replace(a_view(StepBegun(8, "Swap"), OutageBegan(BEGAN)), plan=self.PLAN)
        expired = replace(view, invocation=Invocation(region="eu-west-1"))
        left = ResidueLeft((ResidualChange(ReplaceRoute(TABLE, "10.0.0.0/8", OLD), "no"),))
        view = replace(expired, state=replay(a_journal(left), view.state))

        text = " ".join(status_text.one(view).replace("\\\n", "").split())

        assert f'{OLD} "to the office"' in text
        assert f"--gateway-id {OLD} --destination-cidr-block" in text


class TestTable:
    def test_every_run_is_a_row_that_fits(self):
        """Run, VPC by name, account, phase, traffic, since, window; long names are folded."""
        long = altered(TestNames.PLAN.before, vpcs=(VpcRecord(VPC, tags={"Name": "prod " * 9}),))
        down = replace(
            a_view(StepBegun(8, "Swap"), OutageBegan(BEGAN)),
            plan=altered(TestNames.PLAN, before=long),
            change="CHG1",
        )

        text = runs_table.text(
            RunsView([a_view(alive=True), down], {"m-9": "damaged"}), Invocation()
        )
        lines = text.splitlines()

        assert lines[0].split() == ["RUN", "VPC", "ACCOUNT", "PHASE", "TRAFFIC", "SINCE", "WINDOW"]
        assert [MIGRATION, VPC, "123456789012"] in [line.split()[:3] for line in lines]
        assert "cutover, NONE 5 min -" in " ".join(lines[1].split())
        assert "stopped" in lines[2]
        assert lines[lines.index("next:") + 1] == f"  vpnmigrate status {MIGRATION}"
        assert all(len(line) <= 80 for line in lines)
        assert "m-9  CANNOT BE READ: damaged" in lines
        assert "    change CHG1" in lines


def test_the_renewal_is_a_command_of_its_own():
    """The command that renews credentials is among the answers."""
    view = a_view(StepBegun(8, "Swap"), CredentialsExpired("x", ("log in:", aws("sso", "login"))))

    assert "RENEW      log in:\n             aws sso login" in status_text.one(view)


SWITCHING: tuple[Record, ...] = (
    OutageBegan(BEGAN),
    StepBegun(10, "Switch the tunnels"),
    Intended(1, 10, ENABLE),
)
ENABLED = OperatorConfirmed(Confirmation.NEW_TUNNELS_ENABLED, "ann", "desk")
ONE_DOWN = CutoverView((TunnelView("vpn-99", "", up=True), TunnelView("vpn-99", "", up=False)))


def test_a_confirmation_that_came_too_early_says_which_tunnels_are_down():
    """It names the sites and the command that prints a device's sheet; programs get the numbers."""
    named = replace(a_view(*SWITCHING, ENABLED, alive=True), sight=ONE_DOWN)

    text = status_text.one(named)

    assert "CONFIRMED  at 2026-01-17 02:00:50Z, but 1 of 2 tunnels still DOWN (vpn-99" in text
    assert "need not be taken back" in " ".join(text.split())
    assert f"vpnmigrate device sheet {MIGRATION} vpn-99" in text
    assert status_json.fields(named)["tunnels"] == [
        {"connection": "vpn-99", "site": "vpn-99", "up": 1, "tunnels": 2}
    ]


@pytest.mark.parametrize(
    ("records", "sight"),
    [
        (SWITCHING, ONE_DOWN),
        ((*SWITCHING, ENABLED), None),
        ((*SWITCHING, ENABLED), CutoverView(ONE_DOWN.tunnels[:1])),
        ((*SWITCHING, ENABLED, TrafficVerified(BEGAN)), ONE_DOWN),
    ],
)
def test_a_confirmation_in_time_is_not_mentioned(records, sight):
    """Nor is one of tunnels that were not observed, or that have carried traffic since."""
    assert "CONFIRMED" not in status_text.one(replace(a_view(*records, alive=True), sight=sight))


def test_done_says_which_tunnels_are_still_down():
    """The person who reports a task as done sees at once that AWS does not agree yet."""
    view = replace(a_view(*SWITCHING, alive=True), sight=ONE_DOWN)
    up = replace(view, sight=CutoverView(ONE_DOWN.tunnels[:1]))

    assert "1 of 2 tunnels still DOWN (vpn-99 1 of 2)" in results.done_text(view, ENABLE)
    assert "will continue now" in results.done_text(up, ENABLE)


@pytest.mark.parametrize(
    ("records", "alive", "says", "verb"),
    [
        ((StepBegun(3, "Create"),), True, "before the cutover; nothing is interrupted", "abort"),
        (WORST, True, "roll back at its next safe point", "abort"),
        (WORST, False, "", "rollback"),
    ],
)
def test_an_order_to_the_running_process_says_what_it_does(records, alive, says, verb):
    """``abort`` is not obviously the way to roll back; ``rollback`` is."""
    view = a_view(*records, alive=alive)
    row = status_text.one(view).partition("\nROLL BACK")[2]

    assert says in " ".join(row.split())
    assert ("safe point" in row) is bool(says)
    assert f"vpnmigrate {verb} {MIGRATION}" in row
    assert str(view.rollback_command) == status_json.fields(view)["way_back"]


def test_a_rollback_of_a_prepared_run_is_not_called_prepared():
    """The steps of the way forward are done, and the run goes the other way now."""
    back = DirectionTaken(Direction.ROLLBACK, 1)
    view = a_view(StepSettled(6), back, StepBegun(3, "Create", cleaning=True))

    assert "everything is prepared" not in status_text.one(view)
    assert "STOPPED while rolling back" in status_text.one(view)
    assert "everything is prepared" in status_text.one(a_view(StepSettled(6)))


def test_a_rollback_names_devices_whose_new_tunnels_nobody_has_disabled():
    """What AWS shows ends a rollback, so people may not have said that they did their part."""
    migrated = (
        StepBegun(10, "Switch the tunnels"),
        DirectionTaken(Direction.ROLLBACK, 1),
    )
    returned = OperatorConfirmed(Confirmation.TUNNELS_RETURNED, "ann", "desk")
    finished = Finished(Direction.ROLLBACK)
    open_view = a_view(*migrated, finished)
    done_view = a_view(*migrated, returned, finished)

    for text in (status_text.one(open_view), results.outcome_text(open_view)):
        words = " ".join(text.split())
        assert f"the device of {BGP}, {STATIC}: new tunnels may still be enabled" in words
        assert f"vpnmigrate device config {MIGRATION}" in words
    assert status_json.fields(open_view)["new_tunnels_left"] == [BGP, STATIC]
    assert "may still be enabled" not in status_text.one(done_view)
    assert status_json.fields(done_view)["new_tunnels_left"] == []
