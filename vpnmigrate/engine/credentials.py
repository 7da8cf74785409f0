"""Credentials that expire during a run: the operator has time to renew them."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.engine.pause import ActiveClock
from vpnmigrate.engine.ports import CREDENTIALS_LIMIT
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.errors.commands import Advice
from vpnmigrate.journal.state import ExpiredCredentials
from vpnmigrate.model.clock import Clock, span


class CredentialTime:
    """The time that expired credentials add to the limit of a step."""

    def __init__(self, recorder: RunRecorder, clock: Clock, time: ActiveClock) -> None:
        self._recorder = recorder
        self._clock = clock
        self._time = time
        self._seen: ExpiredCredentials | None = None

    def observed(self) -> None:
        """Leave out of all limits the time since they expired, once AWS accepts them again."""
        before, self._seen = self._seen, self._recorder.state.expired
        if before is not None and self._seen is None:
            self._time.exclude_since(before.since)

    @property
    def left(self) -> bool:
        """Whether they are expired, and the operator still has time to renew them."""
        expired = self._recorder.state.expired
        return expired is not None and self._clock.now() - expired.since < CREDENTIALS_LIMIT

    def exceeded(self, limit: timedelta) -> tuple[str, Advice]:
        """Return the *limit* of a step that has passed, for a message, and how to renew them."""
        expired = self._recorder.state.expired
        if expired is None:
            return span(limit), ""
        waited = f"the credentials were not renewed for {span(CREDENTIALS_LIMIT)}"
        return f"{span(limit)}, and {waited}", expired.renew
