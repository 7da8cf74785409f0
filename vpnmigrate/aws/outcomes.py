"""Outcomes: EC2 error codes of mutating calls, and their meaning for a run.

This is the table of domain.md 12.2, in the order in which the rules are tried.  EC2's API model
has no errors, so a rule matches the code, words of the message, or both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from vpnmigrate.aws.errors import CallFailure, FailureKind, is_denial, is_throttle
from vpnmigrate.aws.read_errors import ConfigurationMissingError
from vpnmigrate.aws.renewal import RENEW
from vpnmigrate.engine.ports import CREDENTIALS_LIMIT
from vpnmigrate.model.changes.base import InDoubt, Later, Outcome, Refused
from vpnmigrate.model.errors import (
    AwsError,
    AwsUnreadableError,
    CredentialsExpiredError,
    NoCredentialsError,
    NotFoundError,
    UnreachableError,
)

OFFLINE_LIMIT: Final = timedelta(minutes=30)
"""Time for the network path to AWS to recover; as long as the longest wait of a cutover."""

CONFIGURATION_LIMIT: Final = timedelta(minutes=8)
"""Time for EC2 to show the whole configuration of a new connection: most of step 4's limit."""

_TAGGING: Final = frozenset(
    {"CreateVpnGateway", "CreateVpnConnection", "CreateVpc", "CreateSubnet"}
)
"""Calls with tags, for which EC2 also requires the permission to tag."""


def outcome_of(failure: CallFailure) -> Outcome:
    """Return what *failure* means for its change."""
    text = f"{failure.operation}: {failure.message}"
    match failure.kind:
        case FailureKind.CREDENTIALS:
            why = f"the AWS credentials have expired or are missing; {RENEW} ({text})"
            return Later(why, CREDENTIALS_LIMIT, failure.request_id)
        case FailureKind.UNREACHED:
            return Later(f"AWS cannot be reached: {text}", OFFLINE_LIMIT)
        case FailureKind.UNKNOWN:
            return InDoubt(f"{failure.code} {text}".strip())
        case FailureKind.MALFORMED:
            return Refused(
                "ParamValidation",
                text,
                advice="botocore refuses a value of the plan: correct it and plan again",
            )
        case FailureKind.ANSWERED:
            return _answered(failure)


def outcome_of_read(error: AwsError) -> Outcome:
    """Return the outcome of a change that needs a failed read: the change was not sent."""
    text = error.message
    match error:
        case CredentialsExpiredError() | NoCredentialsError():
            return Later(f"{text}; {error.advice_text}", CREDENTIALS_LIMIT)
        case ConfigurationMissingError():
            return Later(text, CONFIGURATION_LIMIT, holds=True)
        case UnreachableError():
            return Later(text, OFFLINE_LIMIT)
        case AwsUnreadableError():
            return Later(text, THROTTLE_LIMIT)
        case NotFoundError():
            return Later(text, UNKNOWN_YET_LIMIT)
        case _:
            return Refused(type(error).__name__.removesuffix("Error"), text, error.advice)


def _answered(failure: CallFailure) -> Outcome:
    code, message, call = failure.code, failure.message, failure.operation
    if is_throttle(code):
        return Later(f"{code}: {message}", THROTTLE_LIMIT, failure.request_id, throttled=True)
    if is_denial(code):
        return Refused(code, message, advice=_missing(call), request_id=failure.request_id)
    match decision_on(code, message, call):
        case Transient(limit):
            return Later(f"{code}: {message}", limit, failure.request_id)
        case AlreadyDone():
            # EC2 also returns this for a resource created a moment ago: an observation decides.
            return InDoubt(f"{code}: {message}", already=True)
        case Permanent(advice, definite, missing):
            return Refused(
                code, message, advice, failure.request_id, definite=definite, missing=missing
            )


def _missing(call: str) -> str:
    also = " and ec2:CreateTags" if call in _TAGGING else ""
    return f"allow ec2:{call}{also} for this role; then run the same command to resume"


@dataclass(frozen=True)
class Transient:
    """A temporary refusal; *limit* is the longest time that it was observed to last."""

    limit: timedelta


@dataclass(frozen=True)
class AlreadyDone:
    """The requested state seems to exist already; an observation decides."""


@dataclass(frozen=True)
class Permanent:
    """A refusal that ends the step; *advice* is what the operator can do.

    *definite* is false for a refusal that no rule covers and that may be temporary.
    """

    advice: str
    definite: bool = True
    missing: bool = False
    """Whether what the call alters does not exist; a step may create it again."""


Decision = Transient | AlreadyDone | Permanent


@dataclass(frozen=True)
class RefusalRule:
    """A decision on any of *codes*; *calls* and *saying* restrict it further."""

    codes: frozenset[str]
    """Empty for any code."""
    decision: Decision
    calls: frozenset[str] = frozenset()
    saying: tuple[str, ...] = ()
    """Words of which the code or the message contains one, in upper or lower case."""

    def covers(self, code: str, message: str, call: str) -> bool:
        """Return whether this rule covers a refusal of *call*."""
        text = f"{code} {message}".lower()
        return (
            (not self.codes or code in self.codes)
            and (not self.calls or call in self.calls)
            and (not self.saying or any(words in text for words in self.saying))
        )


THROTTLE_LIMIT: Final = timedelta(minutes=15)
"""Buckets refill within a minute (domain.md 5), but other tools in the account use them too."""

UNKNOWN_YET_LIMIT: Final = timedelta(minutes=2)
"""Until a new resource or attachment is visible everywhere (domain.md 3.1)."""

_NEW_RESOURCE: Final = Transient(UNKNOWN_YET_LIMIT)

_GATEWAY: Final = Transient(timedelta(minutes=10))
"""A gateway's creation, or its deletion once nothing uses it (domain.md 3.1)."""

_CONNECTION: Final = Transient(timedelta(minutes=40))
"""A connection's creation (domain.md 3.1)."""

_DETACH: Final = Transient(timedelta(minutes=30))
"""A slow detach (domain.md 3.1)."""

_VPC: Final = Transient(timedelta(minutes=10))
"""Until the content of a test VPC is deleted; its detach is awaited before (domain.md 2.10)."""

_WORKFLOW: Final = Transient(timedelta(minutes=40))
"""Another operation on the same resource; the longest is a connection's creation."""

_BUSY: Final = (
    *("pending", "conflict", "concurrent", "simultaneous", "another operation", "another request"),
    *("in progress", "in-progress", "inprogress", "ongoing", "under way", "underway", "being "),
    *("transition", "modifying", "updating", "attaching", "detaching", "deleting", "processing"),
    *("busy", " locked", "temporar", "try again", "retry", "wait ", "not yet", "not ready"),
)
"""Words of a refusal that lasts until another workflow on the resource ends (domain.md 12.2)."""

_ELSEWHERE: Final = (
    *("different network", "different vpc", "same network", "same vpc", "not attached"),
    *("not been attached", "no gateway", "does not exist", "not found", "could not be found"),
)
"""Words of a refusal that lasts until an attachment is visible everywhere (domain.md 12.2)."""

_NAMING_GATEWAY: Final = frozenset(
    {"EnableVgwRoutePropagation", "CreateRoute", "ReplaceRoute", "AssociateRouteTable"}
)
"""Calls that accept a gateway only when its attachment is visible."""

_ATTACH: Final = frozenset({"AttachVpnGateway"})

_DETACHES: Final = frozenset({"DetachVpnGateway"})

_ENDS: Final = frozenset(
    {
        "DetachVpnGateway",
        "DeleteVpnGateway",
        "DeleteVpnConnection",
        "DeleteVpc",
        "DeleteSubnet",
        "DisassociateRouteTable",
        "DeleteRoute",
        "DeleteVpnConnectionRoute",
        "DeleteTags",
    }
)


def _rule(
    codes: str,
    decision: Decision,
    *,
    calls: Iterable[str] = (),
    saying: tuple[str, ...] = (),
) -> RefusalRule:
    return RefusalRule(frozenset(codes.split()), decision, frozenset(calls), saying)


REFUSALS: Final = (
    _rule(
        "VpnGatewayLimitExceeded",
        _GATEWAY,
        saying=("maximum number of mutating objects",),
    ),
    _rule(
        "VpnConnectionLimitExceeded",
        _CONNECTION,
        saying=("maximum number of mutating objects",),
    ),
    _rule(
        "VpnGatewayLimitExceeded",
        Permanent(
            "raise the quota L-7029FAB6 (virtual private gateways per Region), or delete one"
        ),
    ),
    _rule(
        "VpnConnectionLimitExceeded",
        Permanent("raise the quota L-3E6EC3A3 (per Region) or L-B91E5754 (per gateway)"),
    ),
    _rule("VpcLimitExceeded", Permanent("raise the quota L-F678F1CE, or plan without a test VPC")),
    _rule(
        "InvalidVpnGatewayID.NotFound InvalidVpnConnectionID.NotFound InvalidVpcID.NotFound "
        "InvalidSubnetID.NotFound InvalidSubnetId.NotFound InvalidAssociationID.NotFound "
        "InvalidRoute.NotFound InvalidVpnGatewayAttachment.NotFound",
        AlreadyDone(),
        calls=_ENDS,
    ),
    _rule(
        "InvalidVpnGatewayID.NotFound InvalidVpnConnectionID.NotFound InvalidVpcID.NotFound",
        _NEW_RESOURCE,
    ),
    _rule(
        "InvalidRouteTableID.NotFound InvalidRouteTableId.NotFound",
        Permanent("the route table was deleted outside this run: plan again, or roll back"),
    ),
    _rule(
        "InvalidCustomerGatewayID.NotFound InvalidCustomerGatewayState",
        Permanent("the customer gateway is being deleted or gone: plan again with an existing one"),
    ),
    _rule(
        "InvalidParameterValue",
        Permanent("the route was deleted outside this run: it is created again", missing=True),
        calls=("ReplaceRoute",),
        saying=("no route defined",),
    ),
    _rule("RouteAlreadyExists", AlreadyDone(), calls=("CreateRoute",)),
    _rule(
        "RouteAlreadyExists",
        Permanent("the destination already has another route: decide which one is right"),
    ),
    _rule(
        "RouteLimitExceeded",
        Permanent("raise the quota L-93826ACB (routes per table), or remove a route"),
    ),
    _rule("Resource.AlreadyAssociated", _NEW_RESOURCE),
    _rule("InvalidVpnConnection.InvalidState", _CONNECTION),
    _rule(
        "InvalidVpnConnection.InvalidType",
        Permanent("static prefixes need a static connection: this is a bug, please report it"),
    ),
    _rule(
        "InvalidCustomerGateway.DuplicateIpAddress",
        Permanent(
            "AWS will not use this customer gateway's address twice: create a customer gateway "
            "with another address, or delete the Classic connections first (AWS's option 3)"
        ),
    ),
    _rule(
        "AsnConflict",
        Permanent("the device has the gateway's ASN: roll back and plan with another --asn"),
    ),
    _rule("DependencyViolation", _VPC),
    _rule("ConcurrentTagAccess", _NEW_RESOURCE),
    _rule(
        "TagPolicyViolation TagLimitExceeded",
        Permanent("the organisation's tag policy or the tag limit forbids a tag of the plan"),
    ),
    _rule(
        "AuthFailure InvalidClientTokenId UnrecognizedClientException SignatureDoesNotMatch "
        "MissingAuthenticationToken IncompleteSignature",
        Permanent("AWS does not know these credentials, or this machine's clock is wrong"),
    ),
    _rule(
        "OptInRequired Blocked PendingVerification",
        Permanent("the account may not do this now: ask its owner, or AWS Support"),
    ),
    _rule("", _WORKFLOW, saying=_BUSY),
    _rule("InvalidVpcState VpnGatewayAttachmentLimitExceeded", _DETACH, calls=_ATTACH),
    _rule("IncorrectState", _DETACH, calls=_ATTACH | _DETACHES),
    _rule("IncorrectState InvalidVpnGatewayState", _GATEWAY),
    _rule("InvalidVpcState", _VPC),
    _rule("Gateway.NotAttached InvalidGatewayID.NotFound", _NEW_RESOURCE),
    _rule("", _NEW_RESOURCE, calls=_NAMING_GATEWAY, saying=_ELSEWHERE),
    _rule(
        "InvalidAction InvalidParameter InvalidParameterCombination InvalidQueryParameter "
        "MalformedQueryString MissingAction MissingParameter UnknownParameter ValidationError",
        Permanent("EC2 rejects the form of this call: this is a bug, please report it"),
    ),
)
"""The first rule that covers a refusal applies."""


def decision_on(code: str, message: str, call: str) -> Decision:
    """Return the decision on a refusal of *call*, which is neither a throttle nor a denial.

    Without a rule, a refusal is definite only if its code is about a missing or malformed id.
    """
    for rule in REFUSALS:
        if rule.covers(code, message, call):
            return rule.decision
    return Permanent(
        "look the code up in EC2's list of error codes",
        definite=code.endswith((".NotFound", ".Malformed")),
    )
