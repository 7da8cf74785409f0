"""Faults: errors and lost answers injected into named calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from vpnmigrate.sandbox.ec2.ids import ApiError


class FaultKind(StrEnum):
    """What happens to a call; only the last four come after its effect."""

    UNREACHABLE = "unreachable"
    THROTTLE = "throttle"
    SERVER_ERROR = "server-error"
    UNAVAILABLE = "unavailable"
    """Status 503, which is not a throttle."""
    TIMED_OUT = "timed-out"
    """No answer in time; the call never arrived."""
    SLOW = "slow"
    """The usual answer, but late."""
    FOREIGN = "foreign"
    """A proxy answers in AWS's place, well-formed and with status 200."""
    EXPIRED_TOKEN = "expired-token"  # noqa: S105 - a name
    DENIED = "denied"
    REFUSED = "refused"
    """An error with the fault's own code and message."""
    KILL_BEFORE = "kill-before"
    LOST_ANSWER = "lost-answer"
    """No answer in time; the call had its effect."""
    TRUNCATED = "truncated"
    """The answer is incomplete."""
    SERVER_ERROR_AFTER = "server-error-after"
    KILL_AFTER = "kill-after"


_AFTER = frozenset(
    {FaultKind.LOST_ANSWER, FaultKind.TRUNCATED, FaultKind.SERVER_ERROR_AFTER, FaultKind.KILL_AFTER}
)


class Killed(BaseException):
    """The process died here; only the outermost caller may catch it."""


class CannedAnswer(Exception):  # noqa: N818  an answer, not an error
    """The answer that a client reads instead of AWS's answer."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__("not AWS's answer")
        self.answer = answer


class Fault(Struct, frozen=True):
    """One injected fault.

    ``action`` is an operation, or ``service:operation`` for services other than EC2.  ``nth`` is
    the first affected call of that operation in one session, from 1; ``times`` is the number of
    affected calls, 0 for all from there on.  ``late`` is the extra duration of the call.
    """

    action: str
    kind: FaultKind
    nth: int = 1
    times: int = 1
    code: str = ""
    message: str = ""
    late: timedelta = timedelta(0)

    def matches(self, service: str, action: str, nth: int) -> bool:
        """Return whether the fault affects this call."""
        name = action if service == "ec2" else f"{service}:{action}"
        lasts = self.times == 0 or nth < self.nth + self.times
        return name == self.action and self.nth <= nth and lasts


class FaultSource(Protocol):
    """Source of faults for a client: both methods may raise the error that the caller gets."""

    def before(self, service: str, action: str, nth: int) -> None:
        """Raise a fault of the *nth* call of *action*, before the call takes effect."""
        ...

    def after(self, service: str, action: str, nth: int) -> None:
        """Raise a fault after the call took effect and before its answer is sent."""
        ...


class Faults:
    """A fixed list of faults, empty by default.  *sleep* waits for the time of late answers."""

    def __init__(
        self,
        faults: Iterable[Fault] = (),
        sleep: Callable[[timedelta], None] = lambda _: None,
    ) -> None:
        self._faults = tuple(faults)
        self._sleep = sleep

    def before(self, service: str, action: str, nth: int) -> None:
        """Raise a fault that occurs before the call takes effect."""
        for fault in self._faults:
            if fault.kind not in _AFTER and fault.matches(service, action, nth):
                self._sleep(fault.late)
                if fault.kind is not FaultKind.SLOW:
                    raise _raised(fault, service, action)

    def after(self, service: str, action: str, nth: int) -> None:
        """Raise a fault that occurs after the call took effect."""
        for fault in self._faults:
            if fault.kind in _AFTER and fault.matches(service, action, nth):
                self._sleep(fault.late)
                raise _raised(fault, service, action)


def _raised(fault: Fault, service: str, action: str) -> BaseException:  # noqa: C901  one per kind
    from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
    from botocore.parsers import ResponseParserError

    url = f"https://{service}.sandbox.invalid/"
    match fault.kind:
        case FaultKind.UNREACHABLE:
            return EndpointConnectionError(endpoint_url=url)
        case FaultKind.TIMED_OUT | FaultKind.LOST_ANSWER:
            return ReadTimeoutError(endpoint_url=url)
        case FaultKind.TRUNCATED:
            return ResponseParserError("Unable to parse response (unclosed token)")
        case FaultKind.FOREIGN:
            return CannedAnswer({})
        case FaultKind.THROTTLE:
            return ApiError("RequestLimitExceeded", "Request limit exceeded.", 503)
        case FaultKind.SERVER_ERROR | FaultKind.SERVER_ERROR_AFTER:
            return ApiError("InternalError", "An internal error has occurred", 500)
        case FaultKind.UNAVAILABLE:
            return ApiError("ServiceUnavailable", "Service is unavailable. Try again.", 503)
        case FaultKind.EXPIRED_TOKEN:
            return ApiError("RequestExpired", "Request has expired.")
        case FaultKind.DENIED:
            return ApiError(
                "UnauthorizedOperation",
                f"You are not authorized to perform this operation: {service}:{action}",
                403,
            )
        case FaultKind.REFUSED:
            return ApiError(fault.code, fault.message)
        case FaultKind.KILL_BEFORE | FaultKind.KILL_AFTER:
            return Killed(action)
        case FaultKind.SLOW:
            raise AssertionError("a late answer raises nothing")
