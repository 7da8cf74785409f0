"""What went wrong with a call, told apart by the one question that matters: was it carried out?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from vpnmigrate.devices.secret import Secret
from vpnmigrate.errors import NoCredentialsError


class NotAnAnswerError(Exception):
    """What came back could be parsed and is none of AWS's answers."""


class Kind(Enum):
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
class Failure:
    """A failed call.  ``message`` is AWS's or botocore's, without keys."""

    kind: Kind
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
)
FAILURES: Final = (
    sdk.BotoCoreError,
    sdk.ClientError,
    ResponseParserError,
    NotAnAnswerError,
    NoCredentialsError,
)
"""Everything that a call through a client may raise; anything else is a bug of ours."""


STUMBLES: Final = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""Raised over bytes that are no answer: by botocore's parsers, or by us for want of a part.

A proxy or a log-in page that answers in AWS's place, with status 200 and well-formed, is parsed
into an answer without anything.  Taken for AWS's it would say that nothing exists.
"""


def is_throttle(code: str) -> bool:
    """Tell whether AWS refuses *code* only for coming too fast."""
    return code in _THROTTLED or code.startswith("Throttling")


def is_denial(code: str) -> bool:
    """Tell whether AWS knows us and forbids it."""
    return code in _DENIED


def failure_of(exc: Exception, operation: str, hide: Iterable[Secret] = ()) -> Failure:
    """Tell what *exc*, one of ``FAILURES``, says of the call of *operation*.

    Both AWS and botocore quote a parameter they refuse, so every key in *hide* is blanked.
    """
    message = str(exc)
    code = request_id = ""
    if isinstance(exc, sdk.ClientError):
        answer: Mapping[str, Any] = exc.response
        code = str(answer.get("Error", {}).get("Code", ""))
        message = str(answer.get("Error", {}).get("Message") or message)
        request_id = str(answer.get("ResponseMetadata", {}).get("RequestId", ""))
    for key in hide:
        message = key.hidden_in(message)
    return Failure(_kind(exc, operation, code), operation, message, code, request_id)


def _kind(exc: Exception, operation: str, code: str) -> Kind:
    if isinstance(exc, sdk.ClientError):
        # A role is assumed on the way: its refusal comes before the call itself is sent.
        if code in _EXPIRED or exc.operation_name != operation:
            return Kind.CREDENTIALS
        if is_throttle(code):
            return Kind.ANSWERED
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        broken = code in _BROKEN or code.startswith("Internal") or status >= _SERVER_ERROR
        return Kind.UNKNOWN if broken else Kind.ANSWERED
    if isinstance(exc, _NO_CREDENTIALS):
        return Kind.CREDENTIALS
    if isinstance(exc, sdk.ParamValidationError):
        return Kind.MALFORMED
    if isinstance(exc, _NOT_SENT):
        return Kind.UNREACHED
    return Kind.UNKNOWN
