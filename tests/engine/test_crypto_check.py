"""Negotiated algorithms in whole runs: read after the cutover, and recorded."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.stage import Stage
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.journal.records import Finished, OutageBegan, OutageEnded, StepSettled
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.decisions import Decisions, UnsetOptions
from vpnmigrate.model.negotiated import CryptoVerdict
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

CALL = "GetActiveVpnTunnelStatus"
WEAK = Behaviour(devices_choose="weakest")


def seen_in(stage: Stage) -> CryptoSeen:
    """Return the only record of what the tunnels have negotiated."""
    (seen,) = stage.records(CryptoSeen)
    return seen


def verdicts(seen: CryptoSeen) -> list[CryptoVerdict]:
    return [each.verdict for each in seen.tunnels]


class Watched(Faults):
    """Faults that keep the last record of a journal at each read of algorithms."""

    def __init__(self, stage: list[Stage]) -> None:
        super().__init__([])
        self._stage = stage
        self.journals: list[list[type[Any]]] = []

    def before(self, service: str, action: str, nth: int) -> None:
        if action == CALL:
            entries = self._stage[0].journal.entries
            self.journals.append([type(entry.record) for entry in entries])
        super().before(service, action, nth)


def test_the_new_tunnels_are_read_once_the_outage_is_over(tmp_path):
    """No read is made before step 10 is done, and each new tunnel is recorded with a verdict."""
    stages: list[Stage] = []
    watched = Watched(stages)
    stages.append(Stage(tmp_path, faults=watched))
    stage = stages[0]

    assert stage.forward().status is RunStatus.CUT_OVER

    assert verdicts(seen_in(stage)) == [CryptoVerdict.MET] * 2
    assert len(watched.journals) == 2
    for so_far in watched.journals:
        assert {OutageBegan, OutageEnded} <= {*so_far}
        assert so_far[-1] is StepSettled
    assert [type(entry.record) for entry in stage.entries][-1] is Finished


@pytest.mark.parametrize(
    ("decisions", "behaviour", "verdict"),
    [
        (Decisions(), WEAK, CryptoVerdict.MET),
        (Decisions(unset_options=UnsetOptions.AWS), WEAK, CryptoVerdict.BELOW),
        (Decisions(), Behaviour(newer_actions_known=False), CryptoVerdict.UNKNOWN),
    ],
)
def test_a_verdict_stops_nothing(tmp_path, decisions, behaviour, verdict):
    """Weak or unknown algorithms are recorded; the run ends as migrated, without a rollback."""
    stage = Stage(tmp_path, decisions=decisions, behaviour=behaviour)

    assert stage.forward().status is RunStatus.CUT_OVER
    assert verdicts(seen_in(stage)) == [verdict] * 2
    assert not stage.state.outage.open


@pytest.mark.parametrize(
    "kind", [FaultKind.DENIED, FaultKind.UNAVAILABLE, FaultKind.FOREIGN, FaultKind.EXPIRED_TOKEN]
)
def test_a_failed_read_is_recorded_and_stops_nothing(tmp_path, kind):
    """A read that fails in any way is recorded as unknown with its reason."""
    stage = Stage(tmp_path, faults=Faults([Fault(CALL, kind, times=0)]))

    assert stage.forward().status is RunStatus.CUT_OVER
    seen = seen_in(stage)
    assert seen.unknown
    assert not seen.below


def test_a_tunnel_that_is_down_is_not_asked(tmp_path):
    """A tunnel that is not UP has negotiated nothing, and is no open end."""
    stage = Stage(tmp_path)
    stage.forward()
    stage.world.devices.one_tunnel(seen_in(stage).tunnels[0].negotiated.connection)

    stage.run(Runner.check_crypto)

    last = stage.records(CryptoSeen)[-1]
    assert sorted(each.negotiated.status for each in last.tunnels) == ["down", "shown"]
    assert last.unknown == ()
