"""Edge cases of unreliable tunnels: whole runs on the sandbox, with its device model."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.support.stage import Lookout, Stage
from vpnmigrate.journal.records import Flapped, OutageEnded, StepSettled, TrafficVerified
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.decisions import Decisions, TunnelPolicy, Verification, Waits
from vpnmigrate.model.ec2 import AWS_VPN
from vpnmigrate.model.errors import HeldError
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.device_engineer import DeviceEngineer


@pytest.fixture
def stage(tmp_path) -> Stage:
    return Stage(tmp_path)


def new_connection(stage: Stage) -> str:
    """Return the connection that the run has created."""
    rows = stage.world.execute("ec2", "DescribeVpnConnections", {})["VpnConnections"]
    (new,) = [row["VpnConnectionId"] for row in rows if row["Category"] == AWS_VPN]
    return str(new)


class Idler(Lookout):
    """Lookout that lets the new tunnels idle out for a while, once, when traffic flows."""

    def __init__(self, stage: Stage, idle: timedelta) -> None:
        super().__init__()
        self._stage = stage
        self._idle = idle
        self.back_up: datetime | None = None

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        super().on_wait(step, why, waited, limit)
        if self.back_up is None and "until it is stable" in why:
            new = new_connection(self._stage)
            self._stage.world.devices.disable(new)
            self._stage.clock.sleep(self._idle)
            self.back_up = self._stage.clock.now()
            self._stage.world.devices.enable(new)


def test_ipsec_without_bgp_is_down_and_says_why(stage):
    """Case 57: a tunnel with the message that IPsec is up still counts as DOWN, and is shown."""
    stage.forward()

    without_bgp = [why for why in stage.lookout.waits_seen if "IPSEC IS UP" in why]
    assert without_bgp
    assert all("0 of 2 tunnels UP" in why for why in without_bgp)


def test_a_tunnel_that_idles_out_is_not_yet_stable(stage):
    """Case 59: the first UP does not end the outage; a drop restarts the wait for stability."""
    idler = Idler(stage, timedelta(seconds=5))

    stage.forward(lookout=idler)

    (verified,) = stage.records(TrafficVerified)
    (ended,) = stage.records(OutageEnded)
    assert idler.back_up is not None
    assert verified.since > idler.back_up
    assert ended.at == verified.since


class Flapper(Idler):
    """Lookout that lets the new tunnels idle out, once, during the soak time."""

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        super().on_wait(step, why if "soak time" in why else "", waited, limit)


def test_a_flap_while_it_soaks_begins_the_soak_again(tmp_path):
    """The outage ends when traffic is verified; step 10 is done only after an unbroken soak."""
    soak = timedelta(minutes=5)
    stage = Stage(tmp_path, decisions=Decisions(waits=Waits(soak=soak)))
    flapper = Flapper(stage, timedelta(seconds=20))

    stage.forward(lookout=flapper)

    (ended,) = stage.records(OutageEnded)
    assert flapper.back_up is not None
    assert ended.at < flapper.back_up
    assert len(stage.records(Flapped)) == stage.state.flaps == 1
    (settled,) = [
        e.at for e in stage.entries if isinstance(e.record, StepSettled) and e.record.number == 10
    ]
    assert settled >= flapper.back_up + soak
    # Finalize counts from the end of the flap, not from the first verified traffic.
    begins = stage.state.soak_begins
    assert begins is not None
    assert begins >= settled > ended.at


def test_one_tunnel_is_good_enough_if_the_playbook_says_so(tmp_path):
    """Case 55: with one of two tunnels UP the run succeeds, and every view shows it as degraded."""
    content = Verification(tunnels=TunnelPolicy.AT_LEAST_ONE)
    stage = Stage(tmp_path, decisions=Decisions(verification=content))

    class OneTunnel(DeviceEngineer):
        """An engineer whose device can run only one tunnel."""

        def ask(self, task):
            word = super().ask(task)
            if word is Confirmation.NEW_TUNNELS_ENABLED:
                stage.world.devices.one_tunnel(new_connection(stage))
            return word

    stage.forward(operator=OneTunnel(stage.world))

    (degraded,) = stage.state.shortages.degraded
    assert "has 1 of 2 tunnels UP" in degraded
    assert stage.state.status is RunStatus.CUT_OVER


@pytest.mark.parametrize("up_while_detached", [True, False])
def test_tunnels_enabled_early_prove_nothing(tmp_path, up_while_detached):
    """Case 63: traffic is verified only after step 9, even if tunnels are UP before the attach."""
    stage = Stage(tmp_path, behaviour=Behaviour(tunnels_up_while_detached=up_while_detached))
    with pytest.raises(HeldError):
        stage.run(lambda runner: runner.apply(until=6))
    stage.world.devices.enable(new_connection(stage))
    stage.clock.sleep(timedelta(minutes=5))

    stage.forward()

    (verified,) = [e.record.since for e in stage.entries if isinstance(e.record, TrafficVerified)]
    (routed,) = [
        e.at for e in stage.entries if isinstance(e.record, StepSettled) and e.record.number == 9
    ]
    assert verified >= routed
