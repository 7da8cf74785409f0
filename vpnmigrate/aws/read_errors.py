"""Read errors: failed describe calls, and whether a later one may succeed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from vpnmigrate.aws.allowance import asks
from vpnmigrate.aws.answers import STUMBLES, UnreadableAnswerError
from vpnmigrate.aws.errors import (
    FAILURES,
    NOT_KNOWN,
    CallFailure,
    FailureKind,
    failure_of,
    is_denial,
    is_throttle,
)
from vpnmigrate.aws.renewal import RENEW
from vpnmigrate.model.errors import (
    AwsError,
    AwsUnreadableError,
    CredentialsExpiredError,
    NoCredentialsError,
    NoRegionError,
    NotAuthorizedError,
    NotFoundError,
    UnreachableError,
)
from vpnmigrate.model.errors.commands import aws, cli


class ConfigurationMissingError(AwsUnreadableError):
    """EC2 does not show a new connection's whole configuration, or does not show it yet."""

    id = "VPM-E706"
    remedy = "Wait: EC2 shows a new configuration late; a run asks again."


class ActionNotOfferedError(AwsError):
    """The endpoint does not know a call that this program makes."""

    id = "VPM-E707"
    remedy = (
        "Use an endpoint that has the call; where a migration can do without it, its gate or "
        "finding says so."
    )


_LOOK: Final = (
    "try again; if it still fails, make the same call with the AWS CLI and --output text, and "
    "check the proxy on the path to AWS: it truncates or alters answers"
)
_NO_SUCH_QUOTA: Final = "NoSuchResourceException"


@contextmanager
def translate_errors(action: str) -> Iterator[None]:
    """Translate exceptions of a read of *action*, as IAM names it (``ec2:DescribeVpcs``).

    Raises:
        AwsError: The read failed; the subclass states whether a later one may succeed.
    """
    asks(action)
    try:
        yield
    except NoRegionError:
        raise  # Its own advice helps, and credentials do not.
    except UnreadableAnswerError as error:
        raise AwsUnreadableError(f"{action} failed: {error}", advice=_LOOK) from None
    except FAILURES as error:
        operation = action.partition(":")[2]
        raise error_of(failure_of(error, operation), action) from None
    except STUMBLES as error:
        raise AwsUnreadableError(
            f"{action} failed: unexpected response ({type(error).__name__})",
            advice="a proxy or captive portal may answer instead of AWS; check the network path",
        ) from None


def error_of(failure: CallFailure, action: str) -> AwsError:
    """Return the error for a failed read."""
    text = f"{action} failed: {failure.message}"
    if failure.not_offered:
        return ActionNotOfferedError(
            f"the endpoint does not offer {action} ({failure.code}: {failure.message})",
            advice="check --endpoint-url and --region; or use an endpoint that has this call",
        )
    match failure.kind:
        case FailureKind.CREDENTIALS if failure.code:
            return CredentialsExpiredError(
                f"the AWS credentials have expired or are refused ({failure.code}); {text}",
                advice=RENEW,
            )
        case FailureKind.CREDENTIALS:
            return NoCredentialsError(text, advice=RENEW)
        case FailureKind.UNREACHED:
            return UnreachableError(
                text, advice="check the network path to AWS, --endpoint-url and --region"
            )
        case FailureKind.UNKNOWN:
            return AwsUnreadableError(text, advice="AWS may recover: try again")
        case FailureKind.MALFORMED:
            return AwsError(text, advice="this is a bug in vpnmigrate: please report it")
        case FailureKind.ANSWERED:
            return _answered(failure, action)


def _answered(failure: CallFailure, action: str) -> AwsError:
    text = f"{action} was refused: {failure.code}: {failure.message}"
    if is_throttle(failure.code):
        return AwsUnreadableError(text, advice="the account's request limit is shared: try again")
    if is_denial(failure.code):
        return NotAuthorizedError(
            f"these credentials may not call {action}: {failure.message}",
            advice=f"allow {action} for this role, or use another one",
        )
    if failure.code in NOT_KNOWN:
        return NoCredentialsError(
            f"AWS does not accept these credentials ({failure.code}): {failure.message}",
            advice=(
                "check the credentials and this machine's clock:",
                aws("sts", "get-caller-identity"),
            ),
        )
    if failure.code == _NO_SUCH_QUOTA:
        return NotFoundError(text, advice="check --profile and --region")
    if failure.code.endswith((".NotFound", ".Malformed")):
        return NotFoundError(
            text,
            advice=("check the id, --profile and --region; to see what there is:", cli("list")),
        )
    return AwsError(text, advice=f"look {failure.code} up in EC2's list of error codes")
