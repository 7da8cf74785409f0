"""Gates: each has what it observed, and UNKNOWN does not pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path as FilePath

import msgspec
import pytest

from tests.support.builders import (
    BOTH,
    FORWARD,
    MAIN,
    NEW,
    NEW_VPN,
    NOON,
    OLD,
    OLD_VPN,
    a_connection,
    a_plan,
    a_snapshot,
    a_survey,
    a_table,
    an_approval,
    journal_facts,
    minutes,
    no_maintenance,
    role_of,
)
from vpnmigrate.engine.gates import (
    GateContext,
    RollbackProofResult,
    before_cutover,
    before_finalize,
    forced,
    in_the_cutover,
    observable_gates,
    traffic_reading_final,
)
from vpnmigrate.engine.ports import Credentials, Identity, NetworkPath, Renewal
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.decisions import Approvals, Decisions, Exceptions, Finalize, Waits, Window
from vpnmigrate.model.ec2 import Attachment, ResourceState, VpcId
from vpnmigrate.model.encryption_control import EncryptionControls
from vpnmigrate.model.errors.commands import one_line
from vpnmigrate.model.facts import UNKNOWN, AttachmentOf, Existence
from vpnmigrate.model.gates import UNFORCEABLE, Force, Gate, GateVerdict, Milestone, gates_before
from vpnmigrate.model.plan import GATEWAY_ROLE
from vpnmigrate.model.signatures import UNSIGNED, CheckedSignature, SignatureChecks
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.planning.drift import Drift
from vpnmigrate.steps.base import StepInput

ROOT = FilePath(__file__).parents[2]
OUTSIDE = NetworkPath("EC2", ("198.51.100.7",), "192.168.1.5")
PLAN = msgspec.structs.replace(a_plan(), fingerprint="f" * 64)
OPERATOR = "arn:aws:iam::123456789012:user/ann"
NOW = timedelta(0)
FOREVER = Credentials(Renewal.NEVER_EXPIRES)
SAID = journal_facts(Confirmation.DEVICES_CONFIGURED)
NIGHT = Window(NOON, NOON + timedelta(hours=3), "noon to three, UTC")


def an_identity(**changes):
    return msgspec.structs.replace(
        Identity("123456789012", OPERATOR, FOREVER, timedelta(0)), **changes
    )


def ports(**changes):
    plain = GateContext(
        now=NOON,
        identity=an_identity(),
        user="ann",
        paths=(OUTSIDE,),
        maintenance=no_maintenance(),
        encryption=EncryptionControls(),
    )
    return replace(plain, **changes)


def plan_with(**decisions):
    return msgspec.structs.replace(PLAN, decisions=Decisions(**decisions))


def asked(gate, now=None, *, plan=PLAN, said=SAID, later=NOW, **circumstances):
    """Return the result of *gate* before the cutover."""
    there = ports(now=NOON + later, **circumstances)
    seen = before_cutover(StepInput(plan, FORWARD, now or a_snapshot(), said), there)
    assert len({each.gate for each in seen}) == len(seen)
    return next(each for each in seen if each.gate is gate)


def with_facts(facts):
    now = a_snapshot()
    return msgspec.structs.replace(now, facts={**now.facts, **facts})


def test_all_open_when_everything_is_ready():
    """With the old side intact, the new side ready, and people and time as planned, all pass."""
    allowed = ports(missing_permissions=())
    seen = before_cutover(StepInput(PLAN, FORWARD, a_snapshot(), SAID), allowed)

    # The runner evaluates the gates of programs itself.
    own = (Gate.DRIVERS, Gate.HOOK)
    asked = [gate for gate in gates_before(Milestone.CUTOVER) if gate not in own]
    assert [each.gate for each in seen] == asked
    assert {each.verdict for each in seen} == {GateVerdict.PASS}
    assert all(each.observed and each.required for each in seen)


@pytest.mark.parametrize(
    ("gate", "facts", "named"),
    [
        (
            Gate.NEW_GATEWAY,
            {AttachmentOf(NEW, VpcId("vpc-test")): Attachment.DETACHING},
            "vpc-test",
        ),
        (Gate.NEW_GATEWAY, {AttachmentOf(NEW, VpcId("vpc-2")): UNKNOWN}, "vpc-2"),
        (Gate.NEW_GATEWAY, {Existence(GATEWAY_ROLE): ResourceState.PENDING}, "pending"),
        (Gate.NEW_GATEWAY, {Existence(GATEWAY_ROLE): UNKNOWN}, "unknown"),
        (Gate.NEW_CONNECTIONS, {Existence(role_of(OLD_VPN)): ResourceState.PENDING}, OLD_VPN),
        (
            Gate.WAY_BACK,
            {Existence(OLD_VPN): ResourceState.DELETING},
            "a rollback would be impossible",
        ),
        (Gate.WAY_BACK, {Existence(MAIN): ResourceState.ABSENT}, MAIN),
        (Gate.WAY_BACK, {Existence(MAIN): UNKNOWN}, "rtb-main is unknown"),
        (Gate.WAY_BACK, {AttachmentOf(OLD, VpcId("vpc-1")): Attachment.DETACHED}, "detached"),
    ],
)
def test_what_is_not_ready_or_not_known_is_named(gate, facts, named):
    """Each AWS state that is not ready or unknown fails its gate."""
    seen = asked(gate, with_facts(facts))

    assert seen.verdict is not GateVerdict.PASS
    assert named in seen.observed


def test_drift_closes_the_first_gate():
    """Every difference from the plan's survey is listed."""
    seen = asked(Gate.WORLD, drift=Drift(("rtb-1: route is gone", "vgw-1: tag is new")))

    assert (seen.verdict, seen.observed) == (
        GateVerdict.FAIL,
        "rtb-1: route is gone; vgw-1: tag is new",
    )


def test_a_controllers_change_is_named_and_closes_nothing():
    """No step depends on a node's route, so the gate passes and names it."""
    seen = asked(Gate.WORLD, drift=Drift(independent=("rtb-1: route 10.0.7.0/24 to eni-1 is new",)))

    assert seen.verdict is GateVerdict.PASS
    assert "route 10.0.7.0/24 to eni-1 is new" in seen.observed


def test_the_devices_need_a_confirmation():
    """Without the confirmation of step 5 the device configuration is unknown."""
    assert asked(Gate.DEVICES, said=journal_facts()).verdict is GateVerdict.FAIL


def test_a_rollback_test_counts():
    """A test of the rollback decides; without one, the gate says that it was not tested."""
    assert "rollback not tested" in asked(Gate.WAY_BACK).observed
    assert asked(Gate.WAY_BACK, proof=RollbackProofResult(True, "may attach")).observed.endswith(
        "may attach"
    )
    failed = asked(Gate.WAY_BACK, proof=RollbackProofResult(False, "may not call AttachVpnGateway"))
    assert (failed.verdict, failed.observed) == (GateVerdict.FAIL, "may not call AttachVpnGateway")


class TestWindow:
    @pytest.mark.parametrize(
        ("after", "call", "observed"),
        [
            (minutes(-90), GateVerdict.FAIL, "opens 2026-03-01 12:00Z, in 1 h 30 min"),
            (minutes(0), GateVerdict.PASS, "open; latest start 2026-03-01 13:50Z"),
            (minutes(110), GateVerdict.PASS, "open; latest start 2026-03-01 13:50Z"),
            (
                minutes(111),
                GateVerdict.FAIL,
                "too late: the latest start was 2026-03-01 13:50Z",
            ),
            (minutes(180), GateVerdict.FAIL, "ended 2026-03-01 15:00Z"),
        ],
    )
    def test_a_cutover_starts_only_if_its_rollback_fits(self, after, call, observed):
        """Outside the window, and where a rollback would no longer fit, the gate fails."""
        seen = asked(Gate.WINDOW, plan=plan_with(window=NIGHT), later=after)

        assert seen.verdict is call
        assert seen.observed.startswith(observed)
        assert "noon to three, UTC" in seen.required
        assert "not rehearsed" in seen.required

    def test_what_was_rehearsed_replaces_the_defaults(self):
        """A rehearsal of this plan gives the durations; that of another plan does not."""
        plan = plan_with(window=NIGHT)

        assert (
            "latest start 2026-03-01 14:24Z"
            in asked(Gate.WINDOW, plan=plan, rehearsed=REHEARSED).observed
        )
        for other in ({"fingerprint": "0" * 64}, {"passed": False}):
            rehearsed = msgspec.structs.replace(REHEARSED, **other)
            assert "13:50Z" in asked(Gate.WINDOW, plan=plan, rehearsed=rehearsed).observed

    def test_a_soak_takes_its_time_too(self):
        """Without a rehearsal the plan's soak time is added to the defaults."""
        plan = plan_with(window=NIGHT, waits=Waits(soak=minutes(30)))

        assert "latest start 2026-03-01 13:20Z" in asked(Gate.WINDOW, plan=plan).observed

    def test_a_window_that_is_too_short_says_what_is_needed(self):
        """A window that is too short fails before it opens."""
        short = Window(NOON, NOON + minutes(45), "three quarters of an hour")

        seen = asked(Gate.WINDOW, plan=plan_with(window=short))

        assert seen.observed == "too short: 45 min long, 1 h 10 min needed"


REHEARSED = RehearsalResult(
    fingerprint="f" * 64,
    at=NOON - timedelta(days=2),
    tool="test",
    passed=True,
    cutover=minutes(2),
    back={7: minutes(1), 9: minutes(4)},
)


class TestRehearsal:
    @pytest.mark.parametrize(
        ("within", "rehearsed", "call"),
        [
            (None, None, GateVerdict.PASS),
            (timedelta(days=7), None, GateVerdict.FAIL),
            (timedelta(days=7), REHEARSED, GateVerdict.PASS),
            (timedelta(days=1), REHEARSED, GateVerdict.FAIL),
            (timedelta(days=7), msgspec.structs.replace(REHEARSED, passed=False), GateVerdict.FAIL),
            (
                timedelta(days=7),
                msgspec.structs.replace(REHEARSED, fingerprint="0"),
                GateVerdict.FAIL,
            ),
            (
                timedelta(days=7),
                msgspec.structs.replace(REHEARSED, at=NOON + timedelta(days=1)),
                GateVerdict.FAIL,
            ),
        ],
    )
    def test_only_a_recent_one_of_this_very_plan_counts(self, within, rehearsed, call):
        """A plan that requires a rehearsal needs a passed and recent one of itself."""
        plan = plan_with(rehearsed_within=within)

        assert asked(Gate.REHEARSAL, plan=plan, rehearsed=rehearsed).verdict is call


def a_day_old(who="bob", **changes):
    lasts = {"at": NOON - timedelta(days=1), "expires": NOON + timedelta(days=6)}
    return an_approval(who, **{**lasts, **changes})


def a_session(role, name):
    return f"arn:aws:sts::123456789012:assumed-role/{role}/{name}"


class TestApprovals:
    @pytest.mark.parametrize(
        ("approvals", "call", "text"),
        [
            ((), GateVerdict.FAIL, "none"),
            ((a_day_old(),), GateVerdict.PASS, "by arn:aws:iam::123456789012:user/bob"),
            (
                (a_day_old("ann"),),
                GateVerdict.FAIL,
                "does not count: the operator cannot approve their own change",
            ),
            ((a_day_old(fingerprint="0" * 64),), GateVerdict.FAIL, "is for another plan"),
            ((a_day_old(expires=NOON),), GateVerdict.FAIL, "expired 2026-03-01 12:00Z"),
            ((a_day_old(at=NOON - timedelta(days=8)),), GateVerdict.FAIL, "expired 2026-02-28"),
            ((a_day_old(at=NOON + minutes(6)),), GateVerdict.FAIL, "is in the future"),
            ((a_day_old(expires=NOON), a_day_old()), GateVerdict.PASS, "bob"),
        ],
    )
    def test_four_eyes_require_another_person(self, approvals, call, text):
        """Only a valid approval of the same plan by another person counts."""
        plan = plan_with(approvals=Approvals(four_eyes=True))

        seen = asked(Gate.APPROVALS, plan=plan, approvals=approvals)

        assert seen.verdict is call
        assert text in seen.observed

    def test_two_are_two_people(self):
        """Two approvals by one person count once."""
        plan = plan_with(approvals=Approvals(required=2))
        twice = (a_day_old(), a_day_old(host="laptop", user="root"))

        assert asked(Gate.APPROVALS, plan=plan, approvals=twice).verdict is GateVerdict.FAIL
        assert (
            asked(Gate.APPROVALS, plan=plan, approvals=(a_day_old(), a_day_old("eve"))).verdict
            is GateVerdict.PASS
        )

    def test_a_session_name_does_not_make_another_person(self):
        """With an assumed role the session name is free: the login names have to differ as well."""
        plan = plan_with(approvals=Approvals(four_eyes=True))
        me = an_identity(arn=a_session("admin", "ann"))
        myself = a_day_old("ann", approver=a_session("admin", "bob"))
        other = a_day_old("bob", approver=a_session("admin", "bob"))

        assert (
            asked(Gate.APPROVALS, plan=plan, approvals=(myself,), identity=me).verdict
            is GateVerdict.FAIL
        )
        assert (
            asked(Gate.APPROVALS, plan=plan, approvals=(other,), identity=me).verdict
            is GateVerdict.PASS
        )

    def test_a_plan_cannot_extend_an_approval_beyond_a_month(self):
        """A plan that was not made from a playbook has the same limit."""
        rule = Approvals(required=1, valid=timedelta(days=365))
        bob = a_day_old(at=NOON, expires=NOON + timedelta(days=365))

        verdicts = [
            asked(
                Gate.APPROVALS, plan=plan_with(approvals=rule), approvals=(bob,), later=later
            ).verdict
            for later in (timedelta(days=29), timedelta(days=30))
        ]

        assert verdicts == [GateVerdict.PASS, GateVerdict.FAIL]

    def test_without_four_eyes_ones_own_counts(self):
        """A plan that only records its approvals accepts the operator's own."""
        plan = plan_with(approvals=Approvals(required=1))

        assert (
            asked(Gate.APPROVALS, plan=plan, approvals=(a_day_old("ann"),)).verdict
            is GateVerdict.PASS
        )


SIGNED = Approvals(required=1, four_eyes=True, signed=True, allowed_signers="/etc/signers")
AUTHOR = CheckedSignature(key="SHA256:ann")


def signed(*approvals, plan=AUTHOR, **faults):
    """Return checks in which each approval is signed with its user's key, except for *faults*."""
    checks = {
        each.digest: CheckedSignature(faults.get(each.user, ""), f"SHA256:{each.user}")
        for each in approvals
    }
    return SignatureChecks(plan, checks)


class TestSignatures:
    def gate(self, *approvals, signatures=None, rule=SIGNED, **context):
        return asked(
            Gate.APPROVALS,
            plan=plan_with(approvals=rule),
            approvals=approvals,
            signatures=signatures,
            later=minutes(1),
            **context,
        )

    def test_signed_ones_count(self):
        """A signed plan with a signed approval passes."""
        bob = a_day_old(at=NOON)

        assert self.gate(bob, signatures=signed(bob)).verdict is GateVerdict.PASS

    @pytest.mark.parametrize(
        ("plan", "bob", "verdict", "text"),
        [
            (UNSIGNED, "", GateVerdict.FAIL, "the plan is not signed"),
            (AUTHOR, "is signed badly", GateVerdict.FAIL, "user/bob is signed badly"),
            (
                CheckedSignature("cannot be checked", undecided=True),
                "",
                GateVerdict.UNKNOWN,
                "the plan cannot be checked",
            ),
        ],
    )
    def test_a_fault_closes_the_gate(self, plan, bob, verdict, text):
        """Plan and approval both need a good signature; one that was not checked is UNKNOWN."""
        given = a_day_old(at=NOON)
        found = self.gate(given, signatures=signed(given, plan=plan, bob=bob))

        assert (found.verdict, text in found.observed) == (verdict, True)
        assert found.advice

    def test_an_approval_that_could_not_be_checked_is_unknown(self):
        """Without a check there is no verdict."""
        bob = a_day_old(at=NOON)
        checks = {bob.digest: CheckedSignature("cannot be checked", undecided=True)}

        found = self.gate(bob, signatures=SignatureChecks(AUTHOR, checks))

        assert found.verdict is GateVerdict.UNKNOWN

    @pytest.mark.parametrize("signatures", [None, SignatureChecks(AUTHOR)])
    def test_without_checks_none_counts(self, signatures):
        """A plan that demands signatures is never satisfied by approvals without a check."""
        assert self.gate(a_day_old(at=NOON), signatures=signatures).verdict is GateVerdict.FAIL

    def test_one_from_before_the_plan_does_not_count(self):
        """The date of an approval decides whether its key had expired, so it cannot be free."""
        bob = a_day_old(at=NOON - minutes(6))

        found = self.gate(bob, signatures=signed(bob))

        assert "before the plan was made" in found.observed

    def test_with_a_lost_journal_an_approval_of_the_first_attempt_does_not_count(self):
        """The lost journal may have had a rollback; after one in this journal there is a name."""
        first, later = a_day_old(at=NOON), a_day_old(at=NOON, after="7-00")

        lost = self.gate(first, signatures=signed(first), journal_lost=True)
        assert (lost.verdict, "the journal was lost" in lost.observed) == (GateVerdict.FAIL, True)
        assert "vpnmigrate rollback RUN" in one_line(lost.advice)
        found = self.gate(later, signatures=signed(later), journal_lost=True, after="7-00")
        assert found.verdict is GateVerdict.PASS
        assert self.gate(first, rule=Approvals(required=1), journal_lost=True).verdict is (
            GateVerdict.PASS
        )

    def test_after_a_rollback_an_approval_names_it(self):
        """The gate of another attempt accepts an approval after the rollback alone."""
        first, second = a_day_old(at=NOON), a_day_old(at=NOON, after="7-00")
        rule = Approvals(required=1)

        old = self.gate(first, rule=rule, after="7-00")
        assert (old.verdict, "rolled back" in old.observed) == (GateVerdict.FAIL, True)
        assert "--after 7-00" in one_line(old.advice)
        assert self.gate(second, rule=rule, after="7-00").verdict is GateVerdict.PASS
        assert self.gate(second, rule=rule).verdict is GateVerdict.FAIL
        assert self.gate(second, rule=rule, after="9-00").verdict is GateVerdict.FAIL


class TestOldTunnels:
    def now(self, up):
        snapshot = a_snapshot()
        old = a_connection(up=up)
        return msgspec.structs.replace(snapshot, connections={**snapshot.connections, OLD_VPN: old})

    def test_a_tunnel_that_went_down_since_closes_it(self):
        """Tunnels that are down before are not required after: a cutover would hide the fault."""
        seen = asked(Gate.OLD_TUNNELS, self.now(1))

        assert (seen.verdict, seen.observed) == (
            GateVerdict.FAIL,
            "vpn-old has 1 UP, 2 when planned",
        )

    def test_every_old_connection_is_in_the_observation(self):
        """With several connections, the observation has each of them."""
        two = (a_connection(), a_connection("vpn-b", customer_gateway="cgw-2", up=1))
        plan = msgspec.structs.replace(PLAN, before=a_survey(connections=two))
        now = msgspec.structs.replace(
            a_snapshot(), connections={record.id: record for record in two}
        )

        assert asked(Gate.OLD_TUNNELS, now, plan=plan).observed == (
            "vpn-old has 2 UP, 2 when planned; vpn-b has 1 UP, 1 when planned"
        )

    def test_a_site_that_the_plan_excepts_may_be_down(self):
        """A playbook can leave a connection out by name."""
        plan = plan_with(exceptions=Exceptions(connections=(OLD_VPN,)))

        assert asked(Gate.OLD_TUNNELS, self.now(0), plan=plan).verdict is GateVerdict.PASS

    def test_no_telemetry_is_unknown(self):
        """A connection that an observation does not show is UNKNOWN."""
        blank = msgspec.structs.replace(a_snapshot(), connections={})

        assert asked(Gate.OLD_TUNNELS, blank).verdict is GateVerdict.UNKNOWN


class TestCredentials:
    @pytest.mark.parametrize(
        ("credentials", "call"),
        [
            (FOREVER, GateVerdict.PASS),
            (Credentials(Renewal.AUTOMATIC, NOON), GateVerdict.PASS),
            (Credentials(Renewal.AUTOMATIC), GateVerdict.PASS),
            (Credentials(Renewal.MANUAL), GateVerdict.UNKNOWN),
            (Credentials(Renewal.MANUAL, NIGHT.end), GateVerdict.FAIL),
            (Credentials(Renewal.MANUAL, NIGHT.end + minutes(1)), GateVerdict.PASS),
        ],
    )
    def test_outlast_the_window(self, credentials, call):
        """Credentials that a person must renew have to be valid until after the window."""
        plan = plan_with(window=NIGHT)

        found = asked(Gate.CREDENTIALS, plan=plan, identity=an_identity(credentials=credentials))

        assert found.verdict is call

    @pytest.mark.parametrize(
        ("until", "call"), [(minutes(200), GateVerdict.FAIL), (minutes(201), GateVerdict.PASS)]
    )
    def test_outlast_a_rollback_that_the_window_does_not_leave_time_for(self, until, call):
        """A cutover that is forced to begin 20 minutes before its end needs 40 minutes."""
        plan, late = plan_with(window=NIGHT), minutes(160)
        held = an_identity(credentials=Credentials(Renewal.MANUAL, NOON + until))

        assert asked(Gate.CREDENTIALS, plan=plan, later=late, identity=held).verdict is call

    @pytest.mark.parametrize(
        ("until", "call"), [(minutes(55), GateVerdict.FAIL), (minutes(56), GateVerdict.PASS)]
    )
    def test_outlast_the_soak_time_of_the_cutover(self, until, call):
        """The rollback may begin at the end of the soak time."""
        plan = plan_with(waits=Waits(soak=minutes(15)))
        held = an_identity(credentials=Credentials(Renewal.MANUAL, NOON + until))

        assert asked(Gate.CREDENTIALS, plan=plan, identity=held).verdict is call

    @pytest.mark.parametrize(
        ("until", "call"), [(minutes(40), GateVerdict.FAIL), (minutes(41), GateVerdict.PASS)]
    )
    def test_without_a_window_outlast_the_rollback(self, until, call):
        """Without a window they have to last for a cutover and a rollback."""
        held = Credentials(Renewal.MANUAL, NOON + until)

        assert asked(Gate.CREDENTIALS, identity=an_identity(credentials=held)).verdict is call


@pytest.mark.parametrize(
    ("ahead", "call"),
    [
        (timedelta(seconds=2), GateVerdict.PASS),
        (-minutes(5), GateVerdict.PASS),
        (minutes(5) + timedelta(seconds=1), GateVerdict.FAIL),
        (-minutes(6), GateVerdict.FAIL),
        (None, GateVerdict.UNKNOWN),
    ],
)
def test_the_clock_is_near_aws(ahead, call):
    """AWS refuses signatures that are minutes off; a clock without comparison is UNKNOWN."""
    assert asked(Gate.CLOCK, identity=an_identity(ahead=ahead)).verdict is call


class TestOwnPath:
    def test_an_endpoint_inside_the_vpc_is_reached_through_the_vpn(self):
        """An interface endpoint of EC2 in the VPC would be cut off with the VPN."""
        seen = asked(Gate.OWN_PATH, paths=(NetworkPath("EC2", ("10.0.3.4",), "192.168.1.5"),))

        assert seen.verdict is GateVerdict.FAIL
        assert "10.0.3.4" in seen.observed

    def test_a_host_in_the_vpc_with_a_default_route_to_the_gateway_fails(self):
        """A host in the VPC whose default route is the gateway would lose AWS as well."""
        before = a_survey(route_tables=(a_table(BOTH, static={"0.0.0.0/0": OLD}),))
        inside = (NetworkPath("STS", ("198.51.100.7",), "10.0.3.4"),)

        assert (
            asked(Gate.OWN_PATH, plan=a_plan(before=before), paths=inside).verdict
            is GateVerdict.FAIL
        )
        assert asked(Gate.OWN_PATH, paths=inside).verdict is GateVerdict.PASS

    def test_an_unknown_path_does_not_pass(self):
        """A name that does not resolve is UNKNOWN, and does not hide a known path."""
        lost = NetworkPath("EC2", (), "")
        through = NetworkPath("STS", ("10.0.3.4",), "192.168.1.5")

        assert asked(Gate.OWN_PATH, paths=(lost, OUTSIDE)).verdict is GateVerdict.UNKNOWN
        assert asked(Gate.OWN_PATH, paths=(lost, through)).verdict is GateVerdict.FAIL


class TestOtherRounds:
    def test_a_resumed_cutover_needs_no_people_and_no_window(self):
        """With traffic down only gates that avoid more harm are evaluated."""
        plan = plan_with(window=NIGHT, approvals=Approvals(required=1))

        seen = in_the_cutover(StepInput(plan, FORWARD, a_snapshot(), journal_facts()), (OUTSIDE,))

        assert all(each.verdict is GateVerdict.PASS for each in seen)

    def test_only_gates_on_aws_state_are_observed_again(self):
        """Only gates that AWS may show with a delay are observed again."""
        seen = observable_gates(StepInput(PLAN, FORWARD, a_snapshot(), journal_facts()))

        assert all(each.verdict is GateVerdict.PASS for each in seen)

    def test_finalize_wants_traffic_and_archives(self):
        """Finalize requires traffic on the new side and archived configurations."""
        flows = a_snapshot(old="detached", new="attached", up=2, tables=_moved())
        archived = journal_facts(Confirmation.DEVICES_CONFIGURED, files=[OLD_VPN, NEW_VPN])

        seen = before_finalize(StepInput(PLAN, FORWARD, flows, archived), ports())

        assert [each.verdict for each in seen] == [GateVerdict.PASS] * 5
        missing = _archived(
            before_finalize(
                StepInput(PLAN, FORWARD, flows, journal_facts(files=[NEW_VPN])), ports()
            )
        )
        assert "no configuration of vpn-old" in missing.observed
        assert missing.verdict is GateVerdict.FAIL
        unseen = journal_facts(files=[NEW_VPN])
        unseen = msgspec.structs.replace(unseen, files={**unseen.files, OLD_VPN: ""})
        noted = _archived(before_finalize(StepInput(PLAN, FORWARD, flows, unseen), ports()))
        assert (noted.verdict, noted.observed) == (missing.verdict, missing.observed)
        down = before_finalize(StepInput(PLAN, FORWARD, a_snapshot(), archived), ports())
        assert down[0].verdict is GateVerdict.FAIL

    def test_so_soon_after_the_cutover_a_tunnel_may_be_seen_as_it_was(self):
        """Within a consistency delay of the verification DOWN is not final; later it is."""
        flows = a_snapshot(old="detached", new="attached", up=2, tables=_moved())
        early, late = (a_snapshot(begun=NOON + minutes(n)) for n in (1, 2))
        verified = journal_facts(verified=NOON)

        assert traffic_reading_final(StepInput(PLAN, FORWARD, flows, verified))
        assert not traffic_reading_final(StepInput(PLAN, FORWARD, early, verified))
        assert traffic_reading_final(StepInput(PLAN, FORWARD, late, verified))
        assert traffic_reading_final(StepInput(PLAN, FORWARD, early, journal_facts()))

    @pytest.mark.parametrize(
        ("after", "call"),
        [
            (minutes(-1), GateVerdict.FAIL),
            (minutes(0), GateVerdict.PASS),
            (minutes(180), GateVerdict.FAIL),
        ],
    )
    def test_finalize_has_a_window_of_its_own(self, after, call):
        """A plan may have a window for finalize, and require approvals for it."""
        plan = plan_with(
            finalize=Finalize(approved=True, window=NIGHT), approvals=Approvals(required=1)
        )

        seen = before_finalize(
            StepInput(plan, FORWARD, a_snapshot(), journal_facts()), ports(now=NOON + after)
        )

        found = {each.gate: each.verdict for each in seen}
        assert found[Gate.WINDOW] is call
        assert found[Gate.APPROVALS] is GateVerdict.FAIL


def _archived(results):
    return next(each for each in results if each.gate is Gate.ARCHIVED)


def _moved():
    return (
        a_table(BOTH, propagates=NEW, learned=["10.1.0.0/16"], static={"192.168.0.0/16": NEW}),
        a_table(MAIN, main=True, propagates=NEW, learned=["10.1.0.0/16"]),
    )


class TestForcing:
    def test_a_forced_gate_keeps_its_call_and_its_reason(self):
        """A force opens one gate, and its result keeps the observation and the reason."""
        seen = before_cutover(
            StepInput(PLAN, FORWARD, a_snapshot(), SAID), ports(identity=an_identity(ahead=None))
        )

        found = {
            each.gate: each
            for each in forced(seen, [Force(Gate.CLOCK, "NTP is late"), Force(Gate.WINDOW, "x")])
        }

        assert found[Gate.CLOCK].verdict is GateVerdict.UNKNOWN
        assert found[Gate.CLOCK].forced == "NTP is late"
        assert found[Gate.CLOCK].lets_through
        assert not found[Gate.WINDOW].forced, "an open gate needs no force"

    @pytest.mark.parametrize("gate", sorted(UNFORCEABLE))
    def test_some_gates_cannot_be_forced(self, gate):
        """Some gates cannot be forced: the rollback would be lost, or the cutover would fail."""
        down = with_facts(
            {
                Existence(OLD_VPN): ResourceState.DELETING,
                Existence(GATEWAY_ROLE): ResourceState.PENDING,
                Existence(role_of(OLD_VPN)): ResourceState.PENDING,
            }
        )
        seen = (
            *before_cutover(
                StepInput(PLAN, FORWARD, down, journal_facts()), ports(drift=Drift(("x",)))
            ),
            *before_finalize(StepInput(PLAN, FORWARD, down, journal_facts()), ports()),
        )

        judged = forced(seen, [Force(gate, "because I say so")])

        assert not [each for each in judged if each.gate is gate and each.lets_through]
        assert UNFORCEABLE[gate]
