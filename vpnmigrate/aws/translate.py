"""What became of a mutating call that raised: EC2's refusal, or no word from it, as an outcome."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from vpnmigrate.aws.failures import Failure, Kind, is_denial, is_throttle
from vpnmigrate.aws.refusals import THROTTLE_LIMIT, UNKNOWN_YET_LIMIT, Done, Stop, Wait, decision_on
from vpnmigrate.aws.unreadable import RENEW, CredentialsExpiredError
from vpnmigrate.errors import (
    AwsError,
    AwsUnreadableError,
    NoCredentialsError,
    NotFoundError,
    UnreachableError,
)
from vpnmigrate.model.changes.base import InDoubt, Later, Outcome, Refused

CREDENTIALS_LIMIT: Final = timedelta(minutes=60)
"""For a person to log in again; a run waits as long for one at a device (``options.Waits``)."""
OFFLINE_LIMIT: Final = timedelta(minutes=30)
"""For this machine's way to AWS to return; as long as the longest wait of a cutover."""

_TAGGING: Final = frozenset(
    {"CreateVpnGateway", "CreateVpnConnection", "CreateVpc", "CreateSubnet"}
)
"""Calls that carry tags, for which EC2 asks the permission to tag as well."""


def outcome_of(failure: Failure) -> Outcome:
    """Say what *failure* means for its change."""
    told = f"{failure.operation}: {failure.message}"
    match failure.kind:
        case Kind.CREDENTIALS:
            why = f"the AWS credentials have expired or are missing; {RENEW} ({told})"
            return Later(why, CREDENTIALS_LIMIT, failure.request_id)
        case Kind.UNREACHED:
            return Later(f"AWS cannot be reached: {told}", OFFLINE_LIMIT)
        case Kind.UNKNOWN:
            return InDoubt(f"{failure.code} {told}".strip())
        case Kind.MALFORMED:
            return Refused(
                "ParamValidation",
                told,
                advice="botocore refuses a value of the plan: correct it and plan again",
            )
        case Kind.ANSWERED:
            return _answered(failure)


def outcome_of_read(error: AwsError) -> Outcome:
    """Say what it means for a change that a read it needs has failed: nothing was sent."""
    told = error.message
    match error:
        case CredentialsExpiredError() | NoCredentialsError():
            return Later(f"{told}; {error.advice}", CREDENTIALS_LIMIT)
        case UnreachableError():
            return Later(told, OFFLINE_LIMIT)
        case AwsUnreadableError():
            return Later(told, THROTTLE_LIMIT)
        case NotFoundError():
            return Later(told, UNKNOWN_YET_LIMIT)
        case _:
            return Refused(type(error).__name__.removesuffix("Error"), told, error.next_step)


def _answered(failure: Failure) -> Outcome:
    code, message, call = failure.code, failure.message, failure.operation
    if is_throttle(code):
        return Later(f"{code}: {message}", THROTTLE_LIMIT, failure.request_id)
    if is_denial(code):
        return Refused(code, message, advice=_missing(call), request_id=failure.request_id)
    match decision_on(code, message, call):
        case Wait(limit):
            return Later(f"{code}: {message}", limit, failure.request_id)
        case Done():
            # Of what was made a moment ago EC2 says so too: only a look can tell.
            return InDoubt(f"{code}: {message}")
        case Stop(advice, definite):
            return Refused(code, message, advice, failure.request_id, definite=definite)


def _missing(call: str) -> str:
    also = " and ec2:CreateTags" if call in _TAGGING else ""
    return f"allow ec2:{call}{also} for this role; the run goes on from here when it is run again"
