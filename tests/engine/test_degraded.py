"""Degraded operation: fewer tunnels than before, accepted by name during a cutover."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.builders import NOON, OLD_VPN
from tests.support.stage import Lookout, Stage
from vpnmigrate.journal import Hold, OperatorOrder, RunState
from vpnmigrate.journal.orders import acceptance
from vpnmigrate.journal.records import (
    Acceptable,
    Accepted,
    Degraded,
    Entry,
    OrderDeclined,
    OrderVerb,
    OutageBegan,
    OutageEnded,
)
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.journal.state_parts import TunnelShortages
from vpnmigrate.model.changes import OperatorTask
from vpnmigrate.model.decisions import Decisions, OldTunnels, Waits
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import DidNotSettleError
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.snapshot import Confirmation, Shortage
from vpnmigrate.sandbox.device_engineer import DeviceEngineer

SHORT = Shortage(OLD_VPN, VpnConnectionId("vpn-new"), "vpn-new has 1 of 2 tunnels UP")
WAITS = RunState(direction=Direction.FORWARD, shortages=TunnelShortages(acceptable=(SHORT,)))
IN_SHORT = Decisions(old_tunnels=OldTunnels.LEAVE, waits=Waits(tunnels=timedelta(minutes=5)))


class OneTunnel(DeviceEngineer):
    """An engineer whose router can run only one tunnel."""

    def ask(self, task: OperatorTask) -> Confirmation | None:
        word = super().ask(task)
        if word is Confirmation.NEW_TUNNELS_ENABLED:
            for connection in self._connections()[1]:
                self._world.devices.one_tunnel(connection)
        return word


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path, decisions=IN_SHORT)


def accepting(stage: Stage) -> Lookout:
    """Return an observer through which the operator accepts an offer immediately."""

    def watch(entry: Entry) -> None:
        if isinstance(entry.record, Acceptable) and entry.record.what:
            lines = ("one will do tonight", "ann", "laptop", "letter-1")
            named = [each.connection for each in entry.record.what]
            stage.letters.extend(acceptance(named, _state(stage), *lines))

    return Lookout(watch)


def _state(stage: Stage) -> RunState:
    stage.entries = tuple(stage.journal.entries)
    return stage.state


class TestARun:
    def test_offers_it_once_only_tunnels_are_missing_and_keeps_waiting(self, stage):
        """Without the operator's acceptance the outage lasts until the step's limit."""
        with pytest.raises(DidNotSettleError, match="DEGRADED"):
            stage.forward(operator=OneTunnel(stage.world))

        (offer,) = stage.records(Acceptable)
        assert [each.replaces for each in offer.what] == [OLD_VPN]
        assert "has 1 of 2 tunnels UP" in offer.what[0].text
        assert stage.state.outage.open
        assert stage.state.status is RunStatus.STUCK

    def test_ends_the_outage_with_what_was_accepted_and_names_it(self, stage):
        """Traffic must be stable over one tunnel; the journal has who accepted it and why."""
        state = stage.forward(operator=OneTunnel(stage.world), lookout=accepting(stage))

        kinds = [type(entry.record) for entry in stage.entries]
        assert state.status is RunStatus.CUT_OVER
        assert kinds.index(Accepted) < kinds.index(OutageEnded) < kinds.index(Degraded)
        ended = next(e for e in stage.entries if isinstance(e.record, OutageEnded))
        word = next(e for e in stage.entries if isinstance(e.record, Accepted))
        assert ended.at - word.at >= stage.plan.decisions.waits.steady
        assert [each.reason for each in state.shortages.accepted] == ["one will do tonight"]
        assert state.shortages.acceptable == ()
        assert state.shortages.degraded

    def test_that_stopped_is_accepted_in_between_and_resumed(self, stage):
        """A dead run is accepted in its journal, and the next process ends the outage."""
        with pytest.raises(DidNotSettleError):
            stage.forward(operator=OneTunnel(stage.world))
        lines = ("one will do", "ann", "laptop", "letter-1")
        stage.letters.extend(acceptance([OLD_VPN], stage.state, *lines))

        state = stage.forward(operator=OneTunnel(stage.world))

        assert state.status is RunStatus.CUT_OVER
        assert not state.outage.open

    def test_does_not_offer_it_while_anything_else_is_lacking(self, tmp_path):
        """A prefix that its device does not announce prevents the offer."""
        stage = Stage(tmp_path, decisions=IN_SHORT)

        def silence(entry: Entry) -> None:
            if isinstance(entry.record, OutageBegan):
                stage.world.devices.advertise("cgw-1", [])

        with pytest.raises(DidNotSettleError):
            stage.forward(operator=OneTunnel(stage.world), lookout=Lookout(silence))

        assert stage.records(Acceptable) == []

    def test_withdraws_the_offer_when_the_second_tunnel_comes(self, stage):
        """An offer that is no longer valid cannot be accepted."""

        def mend(entry: Entry) -> None:
            if isinstance(entry.record, Acceptable) and entry.record.what:
                stage.world.devices.enable(entry.record.what[0].connection)

        state = stage.forward(operator=OneTunnel(stage.world), lookout=Lookout(mend))

        assert [len(offer.what) for offer in stage.records(Acceptable)] == [1, 0]
        assert (state.status, state.shortages.degraded) == (RunStatus.CUT_OVER, ())

    def test_forgets_it_with_the_attempt(self, stage):
        """Another attempt requires all tunnels, and its report still has the acceptance."""
        stage.forward(operator=OneTunnel(stage.world), lookout=accepting(stage))
        stage.run(lambda runner: runner.rollback(keep_new=True))

        with pytest.raises(DidNotSettleError):
            stage.forward(operator=OneTunnel(stage.world))

        assert stage.state.journal_facts.accepted == frozenset()
        assert len(stage.state.shortages.accepted) == 1


class TestTheWord:
    @pytest.mark.parametrize("name", ["vpn-new", OLD_VPN])
    def test_counts_for_the_connection_that_is_named(self, name):
        """A connection is named by its own id or by that of the old one."""
        (record,) = acceptance([name], WAITS, "why", "ann", "laptop", "m-1")

        assert record == Accepted(SHORT, "why", "ann", "laptop", "m-1")

    @pytest.mark.parametrize(
        ("state", "named", "why"),
        [
            (
                RunState(direction=Direction.FORWARD),
                "vpn-new",
                "tunnels, or routes of a tunnel, are all that",
            ),
            (WAITS, "vpn-9", "no tunnel is missing on vpn-9, but: vpn-new has 1 of 2"),
            (RunState(direction=Direction.ROLLBACK), "vpn-new", "it is rolling back"),
        ],
    )
    def test_is_declined_where_it_changes_nothing(self, state, named, why):
        """Only what is offered can be accepted."""
        (record,) = acceptance([named], state, "why", "ann", "laptop", "m-1")

        assert isinstance(record, OrderDeclined)
        assert record.verb is OrderVerb.ACCEPT
        assert why in record.why

    def test_does_not_go_over_an_abort(self):
        """A rollback does not wait for tunnels."""
        aborted = replace(WAITS, order=OperatorOrder(Hold.ABORTED, "bob", "desk", NOON))

        (record,) = acceptance(["vpn-new"], aborted, "why", "ann", "laptop", "m-1")

        assert isinstance(record, OrderDeclined)
        assert record.why.startswith("it is aborted by bob")
