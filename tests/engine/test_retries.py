"""The retry policy: which refusals end a step, and when a call is retried."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.builders import NOON, OLD, minutes
from tests.support.stage import Lookout
from vpnmigrate.engine.execute import ChangeResult
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.engine.retries import PERSISTENT, RetryPolicy
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import DirectionTaken, Noted
from vpnmigrate.model.changes import DeleteVpnGateway, DisablePropagation, PlaceClaim, RemoveClaim
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import RouteTableId, VpnGatewayId
from vpnmigrate.model.errors import ChangeRefusedError, DidNotSettleError
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction
from vpnmigrate.steps.s01_claim_gateway import ClaimGateway, RemoveOurClaim
from vpnmigrate.steps.s02_create_gateway import RemoveGateway
from vpnmigrate.steps.s07_disable_propagation import StopPropagation

CHANGE = DisablePropagation(RouteTableId("rtb-1"), OLD)
OTHER = DisablePropagation(RouteTableId("rtb-2"), OLD)
STEP = StopPropagation()
PUT_OFF = Later("throttled", minutes(3))
UNHEARD = InDoubt("the line was cut")
GONE = Refused("InvalidRouteTableID.NotFound", "no such table", "look for it")


class Claimant:
    """The part of the state reader that the retry policy uses."""

    forgone = False
    journal_lost = False

    def leave_out_claim(self) -> None:
        self.forgone = True


class Bearing:
    """A retry policy with a clock and a recorder of its own."""

    def __init__(self, direction: Direction = Direction.FORWARD) -> None:
        self.clock = VirtualClock(NOON)
        self.journal = MemoryJournal(self.clock)
        self.state_reader = Claimant()
        recorder = RunRecorder(self.journal, Lookout())
        recorder.write(DirectionTaken(direction, 1))
        self.policy = RetryPolicy(recorder, self.state_reader, self.clock)  # type: ignore[arg-type]

    def may_retry(self, outcome, change=CHANGE, step=STEP, *, outage=False):
        return self.policy.decide(step, ChangeResult(change, outcome), outage=outage) is None

    def error(self, outcome, change=CHANGE, *, outage=False):
        return self.policy.decide(STEP, ChangeResult(change, outcome), outage=outage)

    def is_due(self, change=CHANGE):
        return change in self.policy.due([change])

    def notes(self):
        return [e.record.what for e in self.journal.entries if isinstance(e.record, Noted)]


def test_what_is_put_off_is_borne_up_to_its_limit():
    """A change may be retried until its limit has passed since the first time."""
    run = Bearing()

    assert run.may_retry(PUT_OFF)
    run.clock.sleep(minutes(3) - timedelta(seconds=1))
    assert run.may_retry(PUT_OFF)
    run.clock.sleep(timedelta(seconds=1))
    error = run.error(PUT_OFF)

    assert isinstance(error, ChangeRefusedError)
    assert error.message == f"not possible after 3 min of retries: {CHANGE}: throttled"
    assert (error.step, error.outage) == (7, False)


def test_each_reason_and_each_change_has_its_own_beginning():
    """Another limit, or another change, is counted from its own start."""
    run = Bearing()
    run.may_retry(PUT_OFF)
    run.clock.sleep(minutes(3))

    assert run.may_retry(Later("still attaching", minutes(2)))
    assert run.may_retry(PUT_OFF, OTHER)
    assert not run.may_retry(PUT_OFF)


@pytest.mark.parametrize("between", [Performed("req-1"), UNHEARD, GONE])
def test_another_kind_of_answer_begins_the_count_afresh(between):
    """The limit counts only uninterrupted retries."""
    run = Bearing()
    run.may_retry(PUT_OFF)
    run.clock.sleep(minutes(3))

    assert run.may_retry(between)
    assert run.may_retry(PUT_OFF)


def test_a_change_that_was_not_sent_has_not_failed():
    """A call that this process held back is due at once, and does not count as refused by AWS."""
    run = Bearing()
    held_back = Later("not sent", minutes(60), sent=False)

    for _ in range(2 * PERSISTENT):
        assert run.may_retry(held_back, outage=True)

    assert run.is_due()
    assert not run.policy.is_refused_too_often(CHANGE)


def test_silence_is_borne_for_a_quarter_of_an_hour():
    """A call that is never answered ends the step after fifteen minutes."""
    run = Bearing()

    assert run.may_retry(UNHEARD)
    run.clock.sleep(minutes(15) - timedelta(seconds=1))
    assert run.may_retry(UNHEARD)
    run.clock.sleep(timedelta(seconds=1))
    error = run.error(UNHEARD)

    assert isinstance(error, DidNotSettleError)
    assert error.message == f"AWS has not answered for 15 min: {CHANGE}: the line was cut"
    assert (error.step, error.outage) == (7, False)


@pytest.mark.parametrize(
    ("answer", "may_retry"),
    [
        (Performed("req-1"), True),
        (Later("throttled", minutes(3), "req-1"), True),
        (Later("no connection", minutes(3)), False),
    ],
)
def test_only_an_answer_ends_a_silence(answer, may_retry):
    """Any answer of AWS itself starts the fifteen minutes again."""
    run = Bearing()
    run.may_retry(UNHEARD)
    run.clock.sleep(minutes(15))
    run.may_retry(answer)

    assert run.may_retry(UNHEARD) is may_retry


def test_what_is_refused_ends_the_step():
    """The error for a refusal has its code, its message and its advice."""
    error = Bearing().error(
        Refused("UnauthorizedOperation", "you may not", "ask for the right"), outage=True
    )

    assert isinstance(error, ChangeRefusedError)
    assert error.message == f"AWS refused to {CHANGE}: UnauthorizedOperation: you may not"
    assert (error.step, error.outage, error.advice) == (7, True, "ask for the right")


NEVER_SEEN = Refused("OperationNotPermitted", "not at this time", definite=False)


class TestOutage:
    """During the outage only a definite refusal ends a step; its limit ends the others."""

    @pytest.mark.parametrize(
        "outcome", [PUT_OFF, UNHEARD, NEVER_SEEN], ids=["later", "doubt", "never seen"]
    )
    def test_whatever_may_pass_is_sent_again(self, outcome):
        """A refusal with any code does not end a step whose goal may still be reached."""
        run = Bearing()

        assert run.may_retry(outcome, outage=True)
        run.clock.sleep(minutes(45))
        assert run.may_retry(outcome, outage=True)

    def test_a_definite_refusal_ends_the_step(self):
        """A missing permission does not pass."""
        assert not Bearing().may_retry(Refused("UnauthorizedOperation", "you may not"), outage=True)

    def test_what_is_gone_is_definite_after_one_delay(self):
        """A deleted route table does not come back."""
        run = Bearing()

        assert run.may_retry(GONE, outage=True)
        run.clock.sleep(minutes(2))
        assert not run.may_retry(GONE, outage=True)


def test_a_code_never_seen_ends_a_step_while_traffic_flows():
    """Before the outage only errors that are known to pass are retried."""
    error = Bearing().error(NEVER_SEEN)

    assert isinstance(error, ChangeRefusedError)
    assert "OperationNotPermitted" in error.message


def test_a_code_never_seen_is_sent_again_in_the_clean_up():
    """During clean-up a retry costs nothing, and stopping leaves resources behind."""
    run = Bearing(Direction.ROLLBACK)
    change = DeleteVpnGateway(GATEWAY_ROLE, VpnGatewayId("vgw-2"))

    assert run.may_retry(NEVER_SEEN, change, RemoveGateway())
    assert not run.may_retry(
        Refused("UnauthorizedOperation", "you may not"), change, RemoveGateway()
    )


class TestBackoff:
    """A change that is refused repeatedly is sent less and less often."""

    def test_the_first_refusals_delay_nothing(self):
        """An error that passes within three tries is retried at each observation."""
        run = Bearing()

        for _ in range(3):
            run.may_retry(PUT_OFF, outage=True)
            assert run.is_due()

    @pytest.mark.parametrize(
        "outcome", [PUT_OFF, NEVER_SEEN, UNHEARD], ids=["later", "never seen", "doubt"]
    )
    def test_later_ones_double_the_pause_up_to_ten_seconds(self, outcome):
        """Each change has a backoff of its own, which ends."""
        run = Bearing()
        pauses = []
        for _ in range(60):
            run.may_retry(outcome, outage=True)
            pause = 0
            while not run.is_due():
                assert run.is_due(OTHER)
                run.clock.sleep(timedelta(seconds=1))
                pause += 1
            pauses.append(pause)

        assert pauses[:8] == [0, 0, 0, 2, 4, 8, 10, 10]
        assert set(pauses[8:]) == {10}

    def test_success_ends_the_pauses(self):
        """Only consecutive failures count."""
        run = Bearing()
        for _ in range(9):
            run.may_retry(PUT_OFF, outage=True)
        run.may_retry(Performed("req-1"), outage=True)
        run.may_retry(PUT_OFF, outage=True)

        assert run.is_due()


@pytest.mark.parametrize(
    "gone",
    [GONE, Refused("InvalidParameterValue", "There is No Route Defined for it", missing=True)],
)
def test_what_is_gone_has_one_delay_to_vanish_from_sight(gone):
    """A change to a deleted resource is retried until a describe has to show its deletion."""
    run = Bearing()

    assert run.may_retry(gone)
    run.clock.sleep(minutes(2) - timedelta(seconds=1))
    assert run.may_retry(gone)
    run.clock.sleep(timedelta(seconds=1))
    assert not run.may_retry(gone)
    assert run.may_retry(gone, OTHER), "each change has its own beginning"


def test_before_the_cutover_nothing_is_borne_that_is_gone():
    """In preparation, a run does not wait until a deleted resource disappears."""
    assert not Bearing().may_retry(GONE, step=ClaimGateway())


class TestWayBack:
    """Changes without which a rollback can continue do not end it."""

    @pytest.mark.parametrize("outcome", [PUT_OFF, UNHEARD, GONE], ids=["later", "doubt", "refused"])
    def test_it_does_without_placing_its_claim(self, outcome):
        """An error about the claim tag is recorded, and the rollback restores connectivity."""
        run = Bearing(Direction.ROLLBACK)
        change = PlaceClaim(OLD, "ann@desk/1")

        assert run.may_retry(outcome, change)
        assert run.state_reader.forgone
        (note,) = run.notes()
        assert note.startswith(f"AWS did not {change}; ")
        assert note.endswith(("throttled", "the line was cut", "no such table"))

    @pytest.mark.parametrize(
        "outcome", [UNHEARD, NEVER_SEEN, PUT_OFF], ids=["doubt", "new", "later"]
    )
    def test_removing_its_claim_is_retried_until_the_limit(self, outcome):
        """Traffic flows by then: what may pass is waited for, and then left as residue."""
        run = Bearing(Direction.ROLLBACK)
        change = RemoveClaim(OLD, "ann@desk/1")

        for _ in range(3):
            assert run.may_retry(outcome, change, RemoveOurClaim())
            run.clock.sleep(RemoveOurClaim.limit)
        assert not run.state_reader.forgone

    def test_a_refusal_to_take_its_claim_off_is_final(self):
        """A definite refusal is not retried: the claim is left as residue."""
        run = Bearing(Direction.ROLLBACK)
        refused = Refused("UnauthorizedOperation", "you may not")

        assert not run.may_retry(refused, RemoveClaim(OLD, "ann@desk/1"), RemoveOurClaim())
        assert not run.state_reader.forgone

    def test_it_does_not_do_without_anything_else(self):
        """A route is not a tag: a rollback stops where AWS refuses to change one."""
        run = Bearing(Direction.ROLLBACK)

        assert not run.may_retry(Refused("UnauthorizedOperation", "you may not"))
        assert not run.state_reader.forgone

    def test_a_migration_needs_its_claim(self):
        """A migration does not continue without the claim tag."""
        run = Bearing()

        assert not run.may_retry(Refused("X", "no"), PlaceClaim(OLD, "ann@desk/1"), ClaimGateway())
        assert not run.state_reader.forgone


def test_the_time_of_refusals_is_no_part_of_a_limit():
    """Only a change that was refused before extends a limit, and only once."""
    run = Bearing()
    began = run.clock.now()

    run.may_retry(Performed("r-1"), OTHER)
    assert run.policy.refused_for(began) == minutes(0)
    for _ in range(3):
        run.may_retry(PUT_OFF, outage=True)
        run.clock.sleep(minutes(2))
    run.may_retry(Performed("r-2"))
    assert run.policy.refused_for(began) == minutes(6)

    run.clock.sleep(minutes(1))
    run.may_retry(PUT_OFF, outage=True)
    run.may_retry(Performed("r-3"))
    assert run.policy.refused_for(began) == minutes(6)
    assert run.policy.refused_for(run.clock.now()) == minutes(0)
