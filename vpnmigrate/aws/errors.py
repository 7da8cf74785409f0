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
from vpnmigrate.model.errors import NoCredentialsError


class UnexpectedAnswerError(Exception):
    """The response could be parsed and is not an answer of AWS."""


class NotSentError(Exception):
    """The request was not sent, and will not be."""


class FailureKind(Enum):
    """The stage at which a call failed."""

    CREDENTIALS = auto()
    """Not executed: the credentials are missing or expired and must be renewed."""
    MALFORMED = auto()
    """Not sent: botocore refuses the parameters."""
    UNREACHED = auto()
    """Not sent: no connection could be made."""
    ANSWERED = auto()
    """Refused by AWS, with a code."""
    UNKNOWN = auto()
    """Sent, and its result is unknown."""


@dataclass(frozen=True)
class CallFailure:
    """A failed call.  ``message`` is short and contains no key and no unparsed answer."""

    kind: FailureKind
    operation: str
    message: str
    code: str = ""
    request_id: str = ""
    not_offered: bool = False
    """Whether the endpoint does not know the operation."""


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
"""Codes for unknown credentials or a wrong clock."""

_NOT_OFFERED: Final = frozenset(
    {"InvalidAction", "UnsupportedOperation", "NotImplemented", "UnknownOperationException"}
)
"""Codes of an endpoint that does not know an operation, as EC2 and servers like it use them."""
_NOT_IMPLEMENTED: Final = 501
"""HTTP status that EC2-compatible servers use for the same."""
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
"""Every exception that a client call may raise; any other is a bug in this program."""

_SAFE_MESSAGES: Final = (
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
"""Their messages name endpoints, files and parameters, and do not quote an answer."""

LONGEST: Final = 300
"""Maximum length of a message, which may be logged with every observation."""
_MOST_CAUSES: Final = 3
_LONGEST_DENIAL: Final = 2000
"""A denial may contain an encoded message, which ``aws sts decode-authorization-message`` reads."""


def is_throttle(code: str) -> bool:
    """Return whether *code* means that the request rate was exceeded."""
    return code in _THROTTLED or code.startswith("Throttling")


def is_denial(code: str) -> bool:
    """Return whether *code* means that the credentials are valid and lack permission."""
    return code in _DENIED


def failure_of(exc: Exception, operation: str, hide: Iterable[Secret] = ()) -> CallFailure:
    """Return the failure of a call of *operation* that raised *exc*, one of ``FAILURES``.

    AWS and botocore quote parameters that they refuse, so every key in *hide* is removed.
    """
    message = words_of(exc)
    code = request_id = ""
    not_offered = False
    longest = LONGEST
    if isinstance(exc, sdk.ClientError):
        answer: Mapping[str, Any] = exc.response
        code = str(answer.get("Error", {}).get("Code", ""))[:LONGEST]
        message = str(answer.get("Error", {}).get("Message") or message)
        request_id = str(answer.get("ResponseMetadata", {}).get("RequestId", ""))[:LONGEST]
        longest = _LONGEST_DENIAL if is_denial(code) else LONGEST
        not_offered = code in _NOT_OFFERED or _status_of(exc) == _NOT_IMPLEMENTED
    for key in hide:
        message = key.hidden_in(message)
    return CallFailure(
        _kind(exc, operation, code),
        operation,
        shortened(message, longest),
        code,
        request_id,
        not_offered,
    )


def words_of(exc: BaseException) -> str:
    """Return the printable message of *exc*: only its class if it may quote an answer.

    An error of the HTTP library quotes the invalid bytes, and an error of a parser may quote a
    whole document.
    """
    if isinstance(exc, sdk.ClientError):
        return f"{exc.operation_name} was refused without a message"
    if isinstance(exc, _SAFE_MESSAGES):
        return shortened(str(exc), LONGEST)
    names = dict.fromkeys(type(each).__name__ for each in _with_causes(exc))
    return f"the answer could not be read ({', '.join(names)})"


def _with_causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield *exc* and its causes, as far as they are known."""
    current: BaseException | None = exc
    for _ in range(_MOST_CAUSES):
        if current is None:
            return
        yield current
        inner = current.__cause__ or getattr(current, "kwargs", {}).get("error")
        current = inner if isinstance(inner, BaseException) else None


def shortened(text: str, longest: int) -> str:
    """Return *text*, cut to *longest* characters."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _status_of(exc: sdk.ClientError) -> int:
    return int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _kind(exc: Exception, operation: str, code: str) -> FailureKind:
    if isinstance(exc, sdk.ClientError):
        # An error of another operation (assuming a role) comes before the call itself is sent.
        if code in _EXPIRED or exc.operation_name != operation:
            return FailureKind.CREDENTIALS
        if is_throttle(code):
            return FailureKind.ANSWERED
        server_error = _status_of(exc) >= _SERVER_ERROR
        broken = code in _BROKEN or code.startswith("Internal") or server_error
        return FailureKind.UNKNOWN if broken else FailureKind.ANSWERED
    if isinstance(exc, _NO_CREDENTIALS):
        return FailureKind.CREDENTIALS
    if isinstance(exc, sdk.ParamValidationError):
        return FailureKind.MALFORMED
    if isinstance(exc, _NOT_SENT):
        return FailureKind.UNREACHED
    return FailureKind.UNKNOWN
