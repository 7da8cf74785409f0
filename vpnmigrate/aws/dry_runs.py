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
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from vpnmigrate.aws.allowance import asks
from vpnmigrate.aws.answers import STUMBLES
from vpnmigrate.aws.errors import FAILURES, CallFailure, FailureKind, failure_of, is_denial
from vpnmigrate.aws.policy_simulation import simulated
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.permissions import PermissionQuery, PermissionResult, PermissionVerdict
from vpnmigrate.model.request_bucket import BURST, REFILL

SANDBOX_SERVER: Final = "vpnmigrate-sandbox"
"""Product in the header ``Server`` of a served sandbox, which honours every dry run."""

_ATTEMPTS: Final = 3
"""For an answer that cannot be read; botocore waits and repeats after errors of the server."""
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
    """What an endpoint has proven; *why_not* is empty if a dry run may be sent to it at all."""

    every_call: bool = False
    """Whether it honours ``DryRun`` on every call that has it."""
    why_not: str = ""


@dataclass(frozen=True)
class _Answer:
    """The answer to a dry run: *failure* is None if the call was carried out."""

    failure: CallFailure | None
    headers: Mapping[str, str]

    @property
    def honoured(self) -> bool:
        return self.failure is not None and self.failure.code == _HONOURED

    def __str__(self) -> str:
        if self.failure is None:
            return "success instead of DryRunOperation"
        return f"{self.failure.code} {self.failure.message}".strip()


class DryRuns:
    """Tries calls as dry runs against one endpoint; it has to prove that it honours them."""

    def __init__(self, clients: ClientSource) -> None:
        self._ec2 = clients.reader()
        self._endpoint, self._region = clients.endpoint, clients.region
        self._proven: dict[str, str] = {}
        """By operation, why the endpoint is not known to honour it; empty if it is."""
        self._support = self._support_of_endpoint()

    def attempt(self, query: PermissionQuery) -> PermissionResult:
        """Return whether the credentials may make the call of *query*."""
        action = f"ec2:{query.operation}"
        if why := self._why_not(query):
            return PermissionResult(PermissionVerdict.UNPROVEN, action, why)
        answer = self._send(query.operation, query.parameters)
        if answer.failure is None:
            why = f"the endpoint ignored DryRun and carried out {query.operation}"
            self._support = _DryRunSupport(why_not=why)
            return PermissionResult(PermissionVerdict.UNKNOWN, action, why)
        return _result(answer.failure, action)

    def _why_not(self, query: PermissionQuery) -> str:
        """Return why *query* is not sent; empty if the endpoint honours its dry run."""
        if not query.has_dry_run:
            return "EC2 has no dry run of this call"
        if not query.complete:
            return "a resource of this call does not exist yet"
        operation = query.operation
        if self._support.why_not or self._support.every_call:
            return self._support.why_not
        if operation not in self._proven:
            self._proven[operation] = self._without_effect(query)
        return self._proven[operation]

    def _without_effect(self, query: PermissionQuery) -> str:
        """Try *query* with ids that do not exist; return why this proves nothing, or empty."""
        operation = query.operation
        if operation not in _ON_EXISTING:
            return (
                f"{self._endpoint} is not AWS's own endpoint, and no form of {operation} would "
                "show without effect whether DryRun is honoured"
            )
        answer = self._send(operation, without_existing_ids(query.parameters))
        if answer.honoured:
            return ""
        return (
            f"{self._endpoint} has not shown that it honours DryRun: for ids that do not exist it "
            f"answered {operation} with {answer}"
        )

    def _support_of_endpoint(self) -> _DryRunSupport:
        answer = self._send(_READ, {})
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

    def _send(self, operation: str, parameters: Mapping[str, Any]) -> _Answer:
        """Send a dry run, and again if it has no readable answer."""
        for _ in range(_ATTEMPTS - 1):
            answer = self._sent(operation, parameters)
            if answer.failure is None or answer.failure.kind not in _UNREADABLE:
                return answer
        return self._sent(operation, parameters)

    def _sent(self, operation: str, parameters: Mapping[str, Any]) -> _Answer:
        from botocore import xform_name
        from botocore.exceptions import ClientError

        asks(f"ec2:{operation} as a dry run")
        call = getattr(self._ec2, xform_name(operation))
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

    Nothing is changed, and no error of AWS is raised: what cannot be tried is UNPROVEN or UNKNOWN.
    AWS's own policy simulation answers what a dry run cannot, if these credentials may use it.
    """
    dry_runs = DryRuns(clients)
    answers: dict[int, PermissionResult] = {}
    begun = clock.now()
    for number, nth in _in_turn(queries):
        if (early := begun + earliest(nth) - clock.now()) > timedelta(0):
            clock.sleep(early)
        answers[number] = dry_runs.attempt(queries[number])
    tried = tuple(answers[number] for number in range(len(queries)))
    if not is_endpoint_of_aws(clients.endpoint, clients.region):
        return tried
    return simulated(clients, arn, queries, tried)


def _in_turn(queries: Sequence[PermissionQuery]) -> Sequence[tuple[int, int]]:
    """Return the index of each of *queries*, and how many of its operation come before it.

    One of each operation comes first, then the second of each: every operation has a request
    bucket of its own, and none is emptied by many calls in a row.
    """
    before = Counter[str]()
    places: list[tuple[int, int]] = []
    for index, query in enumerate(queries):
        places.append((before[query.operation], index))
        before[query.operation] += 1
    return [(index, nth) for nth, index in sorted(places)]


def earliest(nth: int) -> timedelta:
    """Return when to send a dry run that *nth* others of its operation precede.

    Dry runs use half of each request bucket.  The other half is for other tools, and for the
    cutover that begins right after them.
    """
    return timedelta(seconds=max(0.0, nth - BURST / 2) / (REFILL / 2))


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
    """Return whether *url* is a sandbox of this program on this machine, which says so."""
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
