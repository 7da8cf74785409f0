"""Dry runs: whether credentials may make a call, without making it.

An endpoint that ignores ``DryRun`` carries a call out.  So a mutating call is sent as a dry run
only where that is proven not to happen:

- to AWS's own endpoint, to a sandbox of this program, and to a model in this process, after a
  describe call with ``DryRun`` was answered with ``DryRunOperation``;
- to any other endpoint, after the same call with ids that cannot exist was answered with
  ``DryRunOperation``.  A denial proves nothing there: an endpoint may check the permission of the
  ids first and ignore ``DryRun`` afterwards.  A call that creates a resource has no such form.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vpnmigrate.aws.allowance import asks, current, reports
from vpnmigrate.aws.answers import STUMBLES
from vpnmigrate.aws.dry_run_pace import DryRunQueue
from vpnmigrate.aws.errors import (
    FAILURES,
    CallFailure,
    FailureKind,
    NotSentError,
    failure_of,
    is_denial,
    is_throttle,
)
from vpnmigrate.aws.policy_simulation import simulated
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.model.clock import Clock, span
from vpnmigrate.model.errors import AwsUnreadableError
from vpnmigrate.model.permissions import PermissionQuery, PermissionResult, PermissionVerdict

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

SANDBOX_SERVER: Final = "vpnmigrate-sandbox"
"""Product in the header ``Server`` of a served sandbox, which honours every dry run."""

LONGEST_WAIT: Final = timedelta(minutes=4)
"""For the tokens of all dry runs of a proof: those of 200 route tables wait for three minutes.
A proof is made before the cutover only, so this time prolongs no outage."""
ATTEMPTS: Final = 5
"""For an answer that cannot be read; a throttled dry run is sent again as long as there is time."""
_SLICE: Final = timedelta(seconds=1)
"""The longest sleep, after which an abandoned proof ends."""
_UNREADABLE: Final = (FailureKind.UNKNOWN, FailureKind.UNREACHED)
_HONOURED: Final = "DryRunOperation"
_READ: Final = "DescribeVpnGateways"
_NO_SUCH: Final = "0fffffffffffffff0"
"""The hexadecimal part of ids that cannot exist: AWS draws them at random, models count up."""
_IDS: Final = {
    "AssociationId": "rtbassoc",
    "GatewayId": "vgw",
    "RouteTableId": "rtb",
    "SubnetId": "subnet",
    "VpcId": "vpc",
    "VpnConnectionId": "vpn",
    "VpnGatewayId": "vgw",
}
"""Parameters that name an existing resource, with the prefix of its ids."""
_ON_EXISTING: Final = frozenset(
    {
        "AssociateRouteTable",
        "AttachVpnGateway",
        "CreateRoute",
        "CreateTags",
        "DeleteSubnet",
        "DeleteTags",
        "DeleteVpc",
        "DeleteVpnConnection",
        "DeleteVpnGateway",
        "DetachVpnGateway",
        "DisableVgwRoutePropagation",
        "DisassociateRouteTable",
        "EnableVgwRoutePropagation",
        "ReplaceRoute",
    }
)
"""Operations that change an existing resource, so that without one they have no effect."""


@dataclass(frozen=True)
class _DryRunSupport:
    """Proof of an endpoint; *why_not* is the reason to send it no dry run, or empty."""

    every_call: bool = False
    """Whether it honours ``DryRun`` on every call that has it."""
    why_not: str = ""


class _Ending(Enum):
    """How an attempt ended."""

    NOT_SENT = auto()
    DECIDED = auto()
    THROTTLED = auto()
    UNREADABLE = auto()


@dataclass(frozen=True)
class _Attempt:
    """An attempt of a query; a later one may decide what is throttled or unreadable."""

    result: PermissionResult
    ending: _Ending


@dataclass(frozen=True)
class _Answer:
    """The answer to a dry run: *failure* is None if the call was carried out."""

    failure: CallFailure | None
    headers: Mapping[str, str]

    @property
    def honoured(self) -> bool:
        return self.failure is not None and self.failure.code == _HONOURED

    @property
    def ending(self) -> _Ending:
        if self.failure is not None and is_throttle(self.failure.code):
            return _Ending.THROTTLED
        if self.failure is not None and self.failure.kind in _UNREADABLE:
            return _Ending.UNREADABLE
        return _Ending.DECIDED

    def __str__(self) -> str:
        if self.failure is None:
            return "success instead of DryRunOperation"
        return f"{self.failure.code} {self.failure.message}".strip()


class DryRuns:
    """Dry runs of calls at one endpoint, which first has to prove that it honours ``DryRun``."""

    def __init__(self, clients: ClientSource) -> None:
        self._reader, self._dry_runner = clients.reader(), clients.dry_runner()
        self._endpoint, self._region = clients.endpoint, clients.region
        self._proven: dict[str, str] = {}
        """By operation, why the endpoint is not known to honour it; empty if it is."""
        self._support = self._support_of_endpoint()

    def attempt(self, query: PermissionQuery) -> _Attempt:
        """Try once whether the credentials may make the call of *query*."""
        action = f"ec2:{query.operation}"
        if why := self._why_not(query):
            return _unproven(action, why, _Ending.NOT_SENT)
        operation = query.operation
        if not self._support.every_call and operation not in self._proven:
            answer = _sent(self._dry_runner, operation, without_existing_ids(query.parameters))
            if answer.failure is not None and answer.ending is not _Ending.DECIDED:
                return _Attempt(_result(answer.failure, action), answer.ending)
            self._proven[operation] = self._shown(answer, operation)
            if why := self._proven[operation]:
                return _unproven(action, why, _Ending.DECIDED)
        answer = _sent(self._dry_runner, operation, query.parameters)
        if answer.failure is None:
            why = f"the endpoint ignored DryRun and carried out {operation}"
            self._support = _DryRunSupport(why_not=why)
            carried_out = PermissionResult(PermissionVerdict.UNKNOWN, action, why)
            return _Attempt(carried_out, _Ending.DECIDED)
        return _Attempt(_result(answer.failure, action), answer.ending)

    def _why_not(self, query: PermissionQuery) -> str:
        """Return why no dry run is sent for *query*; empty if one is."""
        if not query.has_dry_run:
            return "EC2 has no dry run of this call"
        if not query.complete:
            return "a resource of this call does not exist yet"
        operation = query.operation
        if self._support.why_not or self._support.every_call:
            return self._support.why_not
        if operation not in _ON_EXISTING:
            return (
                f"{self._endpoint} is not AWS's own endpoint, and no form of {operation} would "
                "show without effect whether DryRun is honoured"
            )
        return self._proven.get(operation, "")

    def _shown(self, answer: _Answer, operation: str) -> str:
        """Return why *answer*, for ids that do not exist, is no proof; empty if it is one."""
        if answer.honoured:
            return ""
        return (
            f"{self._endpoint} has not shown that it honours DryRun: for ids that do not exist it "
            f"answered {operation} with {answer}"
        )

    def _support_of_endpoint(self) -> _DryRunSupport:
        answer = _sent(self._reader, _READ, {})
        for _ in range(ATTEMPTS - 1):
            if answer.ending is _Ending.DECIDED:
                break
            answer = _sent(self._reader, _READ, {})
        where = self._endpoint or "the model in this process"
        if not answer.honoured:
            return _DryRunSupport(
                why_not=f"{where} is not known to honour DryRun: it answered {_READ} with {answer}"
            )
        known = (
            not self._endpoint
            or is_endpoint_of_aws(self._endpoint, self._region)
            or is_sandbox(self._endpoint, answer.headers)
        )
        return _DryRunSupport(every_call=known)


def _sent(ec2: EC2Client, operation: str, parameters: Mapping[str, Any]) -> _Answer:
    """Send a dry run with *ec2*."""
    from botocore import xform_name
    from botocore.exceptions import ClientError

    asks(f"ec2:{operation} as a dry run")
    call = getattr(ec2, xform_name(operation))
    try:
        answer = call(**parameters, DryRun=True)
    except (*FAILURES, *STUMBLES) as error:
        response: Any = error.response if isinstance(error, ClientError) else {}
        return _Answer(_failure(error, operation), _headers_of(response))
    return _Answer(None, _headers_of(answer))


def _failure(error: Exception, operation: str) -> CallFailure:
    if isinstance(error, FAILURES):
        return failure_of(error, operation)
    return CallFailure(FailureKind.UNKNOWN, operation, f"no answer of EC2 ({type(error).__name__})")


def _headers_of(answer: Mapping[str, Any]) -> Mapping[str, str]:
    headers: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def _unproven(action: str, why: str, ending: _Ending) -> _Attempt:
    return _Attempt(PermissionResult(PermissionVerdict.UNPROVEN, action, why), ending)


def _result(failure: CallFailure, action: str) -> PermissionResult:
    """Return the result of a dry run that the endpoint honours."""
    if failure.code == _HONOURED:
        return PermissionResult(PermissionVerdict.ALLOWED, action)
    if is_denial(failure.code):
        named = _DENIED_ACTION.search(failure.message)
        denied = named[1] if named else action
        return PermissionResult(PermissionVerdict.DENIED, denied, failure.code)
    why = f"the dry run was answered with {failure.code} {failure.message}".strip()
    return PermissionResult(PermissionVerdict.UNKNOWN, action, why)


_DENIED_ACTION: Final = re.compile(r"authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")
"""How AWS names the missing action in a denial, for example ``ec2:CreateTags`` of a creation."""


def permissions(
    clients: ClientSource, arn: str, queries: Sequence[PermissionQuery], clock: Clock
) -> tuple[PermissionResult, ...]:
    """Return for each of *queries* whether the credentials, which are *arn*'s, may make the call.

    Nothing is changed, and no answer of AWS is an error: what cannot be tried is UNPROVEN or
    UNKNOWN.  AWS's own policy simulation answers what a dry run cannot, if these credentials may
    use it.

    Raises:
        AwsUnreadableError: The caller has abandoned the proof, or its time has passed.
    """
    tried = _tried(DryRuns(clients), queries, clock)
    if not is_endpoint_of_aws(clients.endpoint, clients.region):
        return tried
    return simulated(clients, arn, queries, tried)


def _tried(
    dry_runs: DryRuns, queries: Sequence[PermissionQuery], clock: Clock
) -> tuple[PermissionResult, ...]:
    """Return the result of a dry run of each of *queries*; throttled ones are sent again.

    Raises:
        AwsUnreadableError: The caller has abandoned the proof, or its time has passed.
    """
    queue = DryRunQueue([query.operation for query in queries], clock.now())
    results: dict[int, PermissionResult] = {}
    unreadable = Counter[int]()
    throttled, waited = False, timedelta(0)
    while (turn := queue.next(clock.now())) is not None:
        _require_time()
        number, wait = turn
        if waited + wait > LONGEST_WAIT:
            break
        if wait:
            slept = min(wait, _SLICE)
            clock.sleep(slept)
            waited += slept
            continue
        attempt = dry_runs.attempt(queries[number])
        results[number] = attempt.result
        unreadable[number] += attempt.ending is _Ending.UNREADABLE
        match attempt.ending:
            case _Ending.NOT_SENT:
                queue.left_out(number)
            case _Ending.THROTTLED:
                throttled = True
                queue.throttled(number, clock.now())
            case _Ending.UNREADABLE if unreadable[number] < ATTEMPTS:
                queue.unreadable(number, clock.now())
            case _:
                queue.answered(number, clock.now())
        reports(progress(len(queries) - len(queue.waiting), len(queries), throttled=throttled))
    for number in queue.waiting:
        results[number] = _undecided(queries[number], results.get(number))
    reports("")
    return tuple(results[number] for number in range(len(queries)))


def _undecided(query: PermissionQuery, last: PermissionResult | None) -> PermissionResult:
    """Return the result of *query* at the end of the time; *last* is that of its last dry run."""
    end = f"after {span(LONGEST_WAIT)} of waiting for EC2's request limits"
    why = f"it was not tried, {end}" if last is None else f"{last.why}, {end}"
    return PermissionResult(PermissionVerdict.UNKNOWN, f"ec2:{query.operation}", why)


def _require_time() -> None:
    """Check that the caller still waits for the proof.

    Raises:
        AwsUnreadableError: It does not.
    """
    allowance = current()
    try:
        if allowance is not None:
            allowance.require_time()
    except NotSentError as error:
        raise AwsUnreadableError(f"the dry runs ended: {error}") from None


def progress(done: int, total: int, *, throttled: bool) -> str:
    """Return what an operator sees while dry runs are sent: a new text for each tenth."""
    answered = f"{10 * (10 * done // total)} % of {total} dry runs are answered"
    if throttled:
        return f"{answered}; EC2 throttles some, which are sent again"
    return f"{answered}; half of EC2's request limits is left free"


def is_endpoint_of_aws(url: str, region: str) -> bool:
    """Return whether *url* is EC2's own endpoint in *region*: public, FIPS or in a VPC.

    Other names below AWS's domains may belong to customers, such as those of load balancers.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" or parts.port not in (None, 443):
        return False
    return any(
        re.fullmatch(rf"(ec2|ec2-fips|[a-z0-9-]+\.ec2)\.{at}\.{re.escape(suffix)}", host)
        for suffix in _suffixes()
        for at in (re.escape(region), rf"{re.escape(region)}\.vpce")
    )


@cache
def _suffixes() -> tuple[str, ...]:
    """Return the domains of AWS's endpoints in every partition that botocore knows."""
    from botocore.loaders import Loader

    outputs = [part["outputs"] for part in Loader().load_data("partitions")["partitions"]]
    return tuple({o[name] for o in outputs for name in ("dnsSuffix", "dualStackDnsSuffix")})


def is_sandbox(url: str, headers: Mapping[str, str]) -> bool:
    """Return whether *url* is a sandbox of this program, by its address and its header."""
    host = urlsplit(url).hostname or ""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
    return local and headers.get("server", "").partition("/")[0] == SANDBOX_SERVER


def without_existing_ids(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return *parameters* with ids that cannot exist in place of those of resources."""
    changed = dict(parameters)
    for name, value in parameters.items():
        if name in _IDS:
            changed[name] = f"{_IDS[name]}-{_NO_SUCH}"
        elif name == "Resources":
            changed[name] = [f"{id_.partition('-')[0]}-{_NO_SUCH}" for id_ in value]
    return changed
