"""Credentials that expire in the outage: AWS is observed on, and every view says so at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.stage import Lookout, Stage
from vpnmigrate.engine.ports import CREDENTIALS_LIMIT
from vpnmigrate.journal.records import (
    CredentialsExpired,
    CredentialsRenewed,
    Entry,
    OutageBegan,
    StepBegun,
)
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.errors import DidNotSettleError
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.faults import Faults


class Expiring(Faults):
    """Credentials that AWS refuses while they are *expired*; *calls* counts the refusals."""

    expired = False
    calls = 0

    def before(self, service: str, action: str, nth: int) -> None:
        if self.expired:
            self.calls += 1
            raise ApiError("ExpiredToken", "The security token has expired.")
        super().before(service, action, nth)


class ExpiringAt(Lookout):
    """Observer at whose step 7 or 9 the credentials expire, and are renewed after *renewed*."""

    def __init__(self, stage: Stage, faults: Expiring, step: int, renewed: timedelta | None):
        super().__init__(self._on_entry)
        self._stage, self._faults, self._step, self._renewed = stage, faults, step, renewed
        self._since = stage.clock.now()
        self.first_wait: timedelta | None = None

    def _on_entry(self, entry: Entry) -> None:
        if isinstance(entry.record, StepBegun) and entry.record.number == self._step:
            self._faults.expired = True
            self._since = self._stage.clock.now()
        if isinstance(entry.record, CredentialsExpired):
            self.first_wait = self._stage.clock.now() - self._since

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        super().on_wait(step, why, waited, limit)
        over = self._renewed is not None and self._stage.clock.now() - self._since > self._renewed
        if over:
            self._faults.expired = False


@pytest.fixture
def faults() -> Expiring:
    return Expiring()


@pytest.fixture
def stage(tmp_path, faults: Expiring) -> Stage:
    return Stage(tmp_path, faults=faults)


def test_observing_goes_on_longer_than_the_step_may_take(stage: Stage, faults: Expiring) -> None:
    """Case 53: step 9 may take 15 minutes; it completes with credentials renewed after 40."""
    lookout = ExpiringAt(stage, faults, 9, timedelta(minutes=40))

    state = stage.forward(lookout=lookout)

    assert state.status is RunStatus.CUT_OVER
    assert state.expired is None
    assert len(stage.records(CredentialsExpired)) == len(stage.records(CredentialsRenewed)) == 1
    assert lookout.first_wait is not None
    assert lookout.first_wait <= timedelta(seconds=1)
    assert faults.calls > timedelta(minutes=30).total_seconds()


def test_credentials_that_stay_expired_end_the_process_with_the_command(
    stage: Stage, faults: Expiring
) -> None:
    """After an hour the step fails; the status keeps the reason, and a later process resumes."""
    with pytest.raises(DidNotSettleError, match="not renewed for 1 h") as failed:
        stage.forward(lookout=ExpiringAt(stage, faults, 9, None))

    expired = stage.state.expired
    assert failed.value.outage
    assert expired is not None
    assert failed.value.advice == expired.renew
    assert "aws sso login" in failed.value.advice_text
    began = next(e.at for e in stage.entries if isinstance(e.record, OutageBegan))
    assert stage.clock.now() - began >= CREDENTIALS_LIMIT
    faults.expired = False
    assert stage.forward().status is RunStatus.CUT_OVER


def test_a_rollback_goes_on_as_well(stage: Stage, faults: Expiring) -> None:
    """Credentials that expire in the outage of a rollback, and are renewed, do not end it."""
    stage.forward()

    state = stage.back(lookout=ExpiringAt(stage, faults, 9, timedelta(minutes=40)))

    assert state.status is RunStatus.ROLLED_BACK
