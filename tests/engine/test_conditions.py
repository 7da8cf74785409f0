"""Gates on conditions that AWS sets, alone and in whole runs."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.engine.test_gates import asked, plan_with
from tests.support.builders import NEW_VPN, NOON, OLD_VPN, no_maintenance
from tests.support.stage import Stage
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal.records import Forced, GatesSeen
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.decisions import Exceptions, Finalize, Waits, Window
from vpnmigrate.model.encryption_control import EncryptionControl, EncryptionControls
from vpnmigrate.model.errors import HeldError
from vpnmigrate.model.errors.commands import one_line
from vpnmigrate.model.gates import Force, Gate, GateVerdict
from vpnmigrate.model.tunnel_maintenance import MaintenanceStatus, QueriedTunnel, TunnelMaintenance
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

NIGHT = Window(NOON, NOON + timedelta(hours=3), "noon to three, UTC")
DAY = timedelta(days=1)


def maintenance(status, after=None, *, of=NEW_VPN, why=""):
    """Return that *status* holds for one tunnel of *of*, and nothing for the others."""
    tunnel = QueriedTunnel(of, "192.0.2.9")
    return (*no_maintenance(), TunnelMaintenance(tunnel, status, after, why))


class TestMaintenance:
    @pytest.mark.parametrize("of", [OLD_VPN, NEW_VPN])
    def test_maintenance_without_a_time_fails(self, of):
        """AWS may apply it at any moment; old tunnels are needed for a rollback."""
        seen = asked(Gate.MAINTENANCE, maintenance=maintenance(MaintenanceStatus.PENDING, of=of))

        assert seen.verdict is GateVerdict.FAIL
        assert f"{of} 192.0.2.9: maintenance pending, which AWS may apply at any time" in (
            seen.observed
        )
        assert "aws ec2 replace-vpn-tunnel" in one_line(seen.advice)

    @pytest.mark.parametrize(
        ("decisions", "quiet"),
        [
            # Without a rehearsal, 20 minutes are assumed for the cutover, and for a rollback.
            ({}, timedelta(minutes=40)),
            ({"window": NIGHT}, timedelta(hours=3)),
            ({"window": NIGHT, "waits": Waits(soak=DAY / 24)}, timedelta(hours=4)),
            ({"window": NIGHT, "finalize": Finalize(soak=DAY)}, timedelta(hours=27)),
        ],
    )
    def test_maintenance_after_window_and_soak_passes(self, decisions, quiet):
        """It has to be applied after the end of the window and of both soak times."""
        plan = plan_with(**decisions)
        results = [
            asked(
                Gate.MAINTENANCE,
                plan=plan,
                maintenance=maintenance(MaintenanceStatus.PENDING, NOON + after),
            )
            for after in (quiet - timedelta(minutes=1), quiet)
        ]

        assert [each.verdict for each in results] == [GateVerdict.FAIL, GateVerdict.PASS]
        assert f"{NOON + quiet:%Y-%m-%d %H:%M}Z" in results[0].required
        assert f"applied after {NOON + quiet:%Y-%m-%d %H:%M}Z" in results[1].observed

    def test_an_unreadable_status_is_unknown(self):
        """What cannot be read does not pass, and its reason is shown."""
        seen = asked(
            Gate.MAINTENANCE, maintenance=maintenance(MaintenanceStatus.UNKNOWN, why="denied")
        )

        assert seen.verdict is GateVerdict.UNKNOWN
        assert "192.0.2.9: unknown: denied" in seen.observed

    def test_no_tunnel_is_unknown(self):
        """A run that read no tunnel at all does not pass."""
        assert asked(Gate.MAINTENANCE, maintenance=()).verdict is GateVerdict.UNKNOWN

    def test_an_endpoint_without_the_status_passes_and_says_so(self):
        """An endpoint that does not know the call announces no maintenance."""
        seen = asked(
            Gate.MAINTENANCE,
            maintenance=maintenance(MaintenanceStatus.NOT_OFFERED, why="InvalidAction"),
        )

        assert seen.verdict is GateVerdict.PASS
        assert "no such status (InvalidAction)" in seen.observed

    @pytest.mark.parametrize("status", [MaintenanceStatus.PENDING, MaintenanceStatus.UNKNOWN])
    def test_an_excepted_connection_holds_nothing(self, status):
        """A connection that step 10 does not wait for is reported, and the gate passes."""
        plan = plan_with(exceptions=Exceptions(connections=(OLD_VPN,)))

        seen = asked(Gate.MAINTENANCE, plan=plan, maintenance=maintenance(status, of=OLD_VPN))

        assert seen.verdict is GateVerdict.PASS
        assert "192.0.2.9" in seen.observed


class TestEncryption:
    @pytest.mark.parametrize(
        ("controls", "verdict"),
        [
            (EncryptionControls(), GateVerdict.PASS),
            (EncryptionControls(EncryptionControl("monitor", "available")), GateVerdict.PASS),
            (EncryptionControls(EncryptionControl("enforce", "available")), GateVerdict.FAIL),
            (
                EncryptionControls(account=EncryptionControl("attempt-enforce", "default-state")),
                GateVerdict.FAIL,
            ),
            (EncryptionControls(vpc_unread="denied"), GateVerdict.UNKNOWN),
            (None, GateVerdict.UNKNOWN),
        ],
    )
    def test_what_the_controls_say(self, controls, verdict):
        """A control that refuses or may refuse fails; one that was not read is unknown."""
        assert asked(Gate.ENCRYPTION, encryption=controls).verdict is verdict

    def test_a_certain_refusal_cannot_be_forced(self):
        """With encryption enforced a rollback could not attach the old gateway either."""
        sure = asked(
            Gate.ENCRYPTION,
            encryption=EncryptionControls(EncryptionControl("enforce", "available")),
        )
        changing = asked(
            Gate.ENCRYPTION,
            encryption=EncryptionControls(EncryptionControl("enforce", "deleting")),
        )

        assert sure.unforceable
        assert not changing.unforceable


def gate(stage, name):
    """Return the last result of the gate *name*."""
    seen = stage.records(GatesSeen)[-1]
    return next(each for each in seen.gates if each.gate is name)


def forcing(name):
    return GateInputs("ann", forces=(Force(name, "the change board knows"),))


class TestRuns:
    @pytest.mark.parametrize("number", range(4))
    def test_pending_maintenance_of_any_tunnel_holds(self, tmp_path, number):
        """Each tunnel is read, old and new: with maintenance pending the run is held."""
        stage = Stage(tmp_path, behaviour=Behaviour(classic_maintenance_shown=True))
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=6))
        with stage.world.alone() as state:
            tunnels = [t for c in state.connections.values() for t in c.tunnels]
            address = tunnels[number].outside_ip
            state.pending_maintenance[address] = None

        with pytest.raises(HeldError, match=f"tunnel-maintenance: .*{address}: maintenance pend"):
            stage.forward()
        assert stage.state.status is RunStatus.HELD
        with stage.world.alone() as state:
            state.pending_maintenance.clear()
        assert stage.forward().status is RunStatus.CUT_OVER

    def test_a_denied_status_is_accepted_by_a_force_with_a_reason(self, tmp_path):
        """A denied read holds the run; the operator accepts it by force, which is recorded."""
        denied = Fault("GetVpnTunnelReplacementStatus", FaultKind.DENIED, nth=1, times=0)
        stage = Stage(tmp_path, faults=Faults([denied]))

        with pytest.raises(HeldError, match="tunnel-maintenance: ") as held:
            stage.forward()
        assert "--force tunnel-maintenance --reason TEXT" in held.value.advice_text
        stage.run(Runner.apply, gate_inputs=forcing(Gate.MAINTENANCE))

        (forced,) = stage.records(Forced)
        assert (forced.gate, forced.reason) == (Gate.MAINTENANCE, "the change board knows")
        assert stage.state.status is RunStatus.CUT_OVER

    @pytest.mark.parametrize(
        ("action", "nth"),
        [
            ("GetVpnTunnelReplacementStatus", 1),
            # The first survey is that of the start.
            ("DescribeVpcEncryptionControls", 2),
            ("DescribeAccountVpcEncryptionControl", 2),
        ],
    )
    def test_a_passing_failure_is_waited_for(self, tmp_path, action, nth):
        """A read that fails for a moment is repeated before the gates judge it."""
        passing = Fault(action, FaultKind.UNAVAILABLE, nth, times=3)
        stage = Stage(tmp_path, faults=Faults([passing]))

        assert stage.forward().status is RunStatus.CUT_OVER
        assert any("AWS cannot be read: " in wait for wait in stage.lookout.waits_seen)

    def test_a_tunnel_that_was_read_is_not_read_again(self, tmp_path):
        """With many tunnels a read of each fails now and then, so only those are repeated."""
        action = "GetVpnTunnelReplacementStatus"
        first = Fault(action, FaultKind.UNAVAILABLE, nth=1)
        # The plan has four tunnels, and the first is read again with the fifth call.
        sixth = Fault(action, FaultKind.UNAVAILABLE, nth=6, times=0)
        stage = Stage(tmp_path, faults=Faults([first, sixth]))

        assert stage.forward().status is RunStatus.CUT_OVER

    def test_a_failure_that_stays_is_unknown_after_a_while(self, tmp_path):
        """A read that keeps failing holds the run at its gate, which can be forced."""
        lasting = Fault("GetVpnTunnelReplacementStatus", FaultKind.UNAVAILABLE, times=0)
        stage = Stage(tmp_path, faults=Faults([lasting]))

        with pytest.raises(HeldError, match=r"tunnel-maintenance: .*unknown: "):
            stage.forward()
        stage.run(Runner.apply, gate_inputs=forcing(Gate.MAINTENANCE))

        assert stage.state.status is RunStatus.CUT_OVER

    @pytest.mark.parametrize("classic", [True, False])
    def test_an_endpoint_without_the_calls_migrates(self, tmp_path, classic):
        """An endpoint that does not know the calls holds nothing; each gate says why it passes."""
        behaviour = Behaviour(newer_actions_known=False, classic_maintenance_shown=classic)
        stage = Stage(tmp_path, behaviour=behaviour)

        assert stage.forward().status is RunStatus.CUT_OVER
        assert "no such status" in gate(stage, Gate.MAINTENANCE).observed
        assert "not offered by this endpoint" in gate(stage, Gate.ENCRYPTION).observed

    def test_a_control_that_is_enforced_after_planning_holds(self, tmp_path):
        """Encryption enforced between plan and cutover: the gate cannot be forced."""
        stage = Stage(tmp_path)
        with stage.world.alone() as state:
            control = EncryptionControl("enforce", "available", "disabled")
            state.encryption_controls[stage.plan.vpc] = control

        with pytest.raises(HeldError, match="encryption-control: vpc-1: enforce"):
            stage.run(Runner.apply, gate_inputs=forcing(Gate.ENCRYPTION))
        with stage.world.alone() as state:
            excluded = msgspec.structs.replace(control, exclusion="enabled")
            state.encryption_controls[stage.plan.vpc] = excluded
        assert stage.forward().status is RunStatus.CUT_OVER
