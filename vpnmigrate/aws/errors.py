"""AWS errors: failed calls, by whether the change may have been made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from vpnmigrate.aws.answers import UnreadableAnswerError
from vpnmigrate.devices.secret import Secret
from vpnmigrate.errors import NoCredentialsError


class UnexpectedAnswerError(Exception):
    """What came back could be parsed and is none of AWS's answers."""


class NotSentError(Exception):
    """The request has not left, and will not."""


class FailureKind(Enum):
    """How far a failed call came."""

    CREDENTIALS = auto()
    """Not carried out: the credentials are missing or expired; somebody has to renew them."""
    MALFORMED = auto()
    """Not sent: botocore refuses our parameters."""
    UNREACHED = auto()
    """Not sent: there was no connection to send it over."""
    ANSWERED = auto()
    """Refused by AWS, with a code."""
    UNKNOWN = auto()
    """Sent, and no answer says what became of it."""


@dataclass(frozen=True)
class CallFailure:
    """A failed call.  ``message`` is short, has no key, and quotes no answer that was not read."""

    kind: FailureKind
    operation: str
    message: str
    code: str = ""
    request_id: str = ""


_EXPIRED: Final = frozenset(
    {
        "RequestExpired",
        "ExpiredToken",
        "ExpiredTokenException",
        "TokenRefreshRequired",
    }
)
_THROTTLED: Final = frozenset(
    {
        "RequestLimitExceeded",
        "EC2ThrottledException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "BandwidthLimitExceeded",
        "TooManyRequestsException",
    }
)
_BROKEN: Final = frozenset({"ServerInternal", "ServiceUnavailable", "Unavailable"})
_DENIED: Final = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"})
NOT_KNOWN: Final = frozenset(
    {
        "AuthFailure",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "MissingAuthenticationToken",
        "IncompleteSignature",
    }
)
"""Codes for credentials that AWS does not know, or a clock that is wrong."""

_SERVER_ERROR: Final = 500
_NO_CREDENTIALS: Final = (
    sdk.NoCredentialsError,
    sdk.PartialCredentialsError,
    sdk.CredentialRetrievalError,
    sdk.TokenRetrievalError,
    sdk.RefreshWithMFAUnsupportedError,
    sdk.NoAuthTokenError,
    sdk.ProfileNotFound,
    sdk.SSOError,
    sdk.LoginError,
    NoCredentialsError,
)
_NOT_SENT: Final = (
    sdk.EndpointConnectionError,
    sdk.ConnectTimeoutError,
    sdk.ProxyConnectionError,
    NotSentError,
)
FAILURES: Final = (
    sdk.BotoCoreError,
    sdk.ClientError,
    ResponseParserError,
    UnreadableAnswerError,
    UnexpectedAnswerError,
    NotSentError,
    NoCredentialsError,
)
"""Everything that a call through a client may raise; anything else is a bug of ours."""

_OWN_WORDS: Final = (
    *_NOT_SENT,
    *_NO_CREDENTIALS,
    sdk.ReadTimeoutError,
    sdk.ConnectionClosedError,
    sdk.SSLError,
    sdk.ParamValidationError,
    sdk.NoRegionError,
    sdk.ConfigNotFound,
    sdk.ConfigParseError,
    UnreadableAnswerError,
    UnexpectedAnswerError,
    NotSentError,
)
"""Their messages name endpoints, files and parameters, and quote nothing that was received."""

LONGEST: Final = 300
"""Characters of a message: one that is waited on is logged with every look."""
_MOST_CAUSES: Final = 3
_LONGEST_DENIAL: Final = 2000
"""A denial may carry an encoded message, which ``aws sts decode-authorization-message`` reads."""


def is_throttle(code: str) -> bool:
    """Return whether AWS refuses *code* only for coming too fast."""
    return code in _THROTTLED or code.startswith("Throttling")


def is_denial(code: str) -> bool:
    """Return whether AWS knows us and forbids it."""
    return code in _DENIED


def failure_of(exc: Exception, operation: str, hide: Iterable[Secret] = ()) -> CallFailure:
    """Return what *exc*, one of ``FAILURES``, says of the call of *operation*.

    Both AWS and botocore quote a parameter they refuse, so every key in *hide* is blanked.
    """
    message = words_of(exc)
    code = request_id = ""
    longest = LONGEST
    if isinstance(exc, sdk.ClientError):
        answer: Mapping[str, Any] = exc.response
        code = str(answer.get("Error", {}).get("Code", ""))[:LONGEST]
        message = str(answer.get("Error", {}).get("Message") or message)
        request_id = str(answer.get("ResponseMetadata", {}).get("RequestId", ""))[:LONGEST]
        longest = _LONGEST_DENIAL if is_denial(code) else LONGEST
    for key in hide:
        message = key.hidden_in(message)
    return CallFailure(
        _kind(exc, operation, code), operation, shortened(message, longest), code, request_id
    )


def words_of(exc: BaseException) -> str:
    """Return what may be told of *exc*: its class alone where its message may quote an answer.

    An error of the HTTP library quotes the bytes that it stumbled on, and one of a parser may
    quote a whole document.
    """
    if isinstance(exc, sdk.ClientError):
        return f"{exc.operation_name} was refused without a message"
    if isinstance(exc, _OWN_WORDS):
        return shortened(str(exc), LONGEST)
    names = dict.fromkeys(type(each).__name__ for each in _with_causes(exc))
    return f"no answer could be read ({', '.join(names)})"


def _with_causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield *exc* and what it was raised over, as far as that is told."""
    one: BaseException | None = exc
    for _ in range(_MOST_CAUSES):
        if one is None:
            return
        yield one
        inner = one.__cause__ or getattr(one, "kwargs", {}).get("error")
        one = inner if isinstance(inner, BaseException) else None


def shortened(text: str, longest: int) -> str:
    """Return *text*, cut to *longest* characters."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _kind(exc: Exception, operation: str, code: str) -> FailureKind:
    if isinstance(exc, sdk.ClientError):
        # A role is assumed on the way: its refusal comes before the call itself is sent.
        if code in _EXPIRED or exc.operation_name != operation:
            return FailureKind.CREDENTIALS
        if is_throttle(code):
            return FailureKind.ANSWERED
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        broken = code in _BROKEN or code.startswith("Internal") or status >= _SERVER_ERROR
        return FailureKind.UNKNOWN if broken else FailureKind.ANSWERED
    if isinstance(exc, _NO_CREDENTIALS):
        return FailureKind.CREDENTIALS
    if isinstance(exc, sdk.ParamValidationError):
        return FailureKind.MALFORMED
    if isinstance(exc, _NOT_SENT):
        return FailureKind.UNREACHED
    return FailureKind.UNKNOWN
