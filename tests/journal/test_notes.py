"""Records about the run itself, and the state they lead to."""

from __future__ import annotations

from tests.support.builders import NOON
from tests.support.journals import entries
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import (
    BaselineTaken,
    DirectionTaken,
    FinalizeRequested,
    Finished,
    JournalLost,
    OutageBegan,
    StepSettled,
    TakenOver,
    TrafficVerified,
)
from vpnmigrate.journal.state import Traffic
from vpnmigrate.model.plan import Direction

HOLDER = "ann@desk/7"


def test_a_take_over_lasts_until_the_claim_is_this_runs() -> None:
    """Step 1 ends the take-over, so a later claim of another holder is respected."""
    named = replay(entries(TakenOver(HOLDER)))

    assert named.taken_over_from == HOLDER
    assert replay(entries(TakenOver(HOLDER), StepSettled(2))).taken_over_from == HOLDER
    assert replay(entries(TakenOver(HOLDER), StepSettled(1, cleaning=True))).taken_over_from
    assert replay(entries(TakenOver(HOLDER), StepSettled(1))).taken_over_from == ""


def test_a_lost_journal_is_made_up_for_by_a_finished_direction() -> None:
    """Once a direction is finished, the lost journal no longer matters."""
    assert replay(entries(JournalLost())).journal_lost
    assert not replay(entries(JournalLost(), Finished(Direction.ROLLBACK))).journal_lost


def test_the_last_finalize_decides_on_the_old_gateway() -> None:
    """The request is valid only for the finalize it was made for."""
    request, withdrawal = FinalizeRequested(True), FinalizeRequested(False)
    finalize = DirectionTaken(Direction.FINALIZE, 1)

    assert replay(entries(request, finalize)).delete_old_gateway
    assert not replay(entries(request, finalize, withdrawal)).delete_old_gateway
    assert not replay(entries(request, DirectionTaken(Direction.ROLLBACK, 1))).delete_old_gateway
    assert not replay(entries(request, finalize, Finished(Direction.FINALIZE))).delete_old_gateway


def test_the_report_lists_them_as_notes() -> None:
    """A request made by an option is listed like any other note."""
    state = replay(entries(TakenOver(HOLDER), JournalLost(), FinalizeRequested(True)))

    assert len(state.notes) == 3
    assert HOLDER in state.notes[0]


def test_without_an_earlier_journal_the_path_is_known_once_traffic_is_seen() -> None:
    """An earlier process may have begun an outage, so nothing says yet that traffic flows."""
    forward = DirectionTaken(Direction.FORWARD, 1)
    begun = (JournalLost(), forward)

    assert replay(entries(forward)).known_traffic is Traffic.OLD
    assert replay(entries(*begun)).known_traffic is Traffic.UNKNOWN
    assert replay(entries(*begun, BaselineTaken(NOON, {}, {}))).known_traffic is Traffic.OLD
    down = OutageBegan(NOON, earlier=True)
    assert replay(entries(*begun, down)).known_traffic is Traffic.NONE
    verified = replay(entries(*begun, down, TrafficVerified(NOON)))
    assert verified.known_traffic is Traffic.NEW
