"""Policy simulation: IAM's own answer about calls that cannot be tried as dry runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from vpnmigrate.aws.read_errors import translate_errors
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.errors import AwsError, NotAuthorizedError
from vpnmigrate.model.permissions import (
    PermissionQuery,
    PermissionResult,
    PermissionVerdict,
    QueriedResource,
)

_SETTLED: Final = (PermissionVerdict.ALLOWED, PermissionVerdict.DENIED)
_SESSION: Final = re.compile(r"(arn:[^:]+):sts::(\d+):assumed-role/([^/]+)/")
_ALLOWED: Final = "allowed"


def simulated(
    clients: ClientSource,
    arn: str,
    queries: Sequence[PermissionQuery],
    tried: Sequence[PermissionResult],
) -> tuple[PermissionResult, ...]:
    """Return the results *tried*, with IAM's answer for each that is neither allowed nor denied.

    Without ``iam:SimulatePrincipalPolicy``, or if IAM cannot be asked, they stay as they are.
    """
    if all(result.verdict in _SETTLED for result in tried):
        return tuple(tried)
    simulation = _Simulation(clients, arn)
    try:
        return tuple(
            result if result.verdict in _SETTLED else simulation.result(query, result)
            for query, result in zip(queries, tried, strict=True)
        )
    except AwsError:
        return tuple(tried)


class _Simulation:
    """Simulates the policies of one user or role; equal questions are asked once."""

    def __init__(self, clients: ClientSource, arn: str) -> None:
        self._iam = clients.iam()
        self._region = clients.region
        self._partition, self._account = _of(arn)
        self._principal = self._principal_of(arn)
        self._answers: dict[tuple[str, QueriedResource], bool] = {}

    def result(self, query: PermissionQuery, tried: PermissionResult) -> PermissionResult:
        """Return *tried* with IAM's answer.

        Raises:
            AwsError: IAM cannot be asked.
        """
        if not all(required.resources for required in query.actions) or not query.actions:
            return tried
        for required in query.actions:
            for resource in required.resources:
                if not self._may(required.action, resource):
                    why = f"IAM's policy simulation denies it on {resource.path}"
                    return PermissionResult(PermissionVerdict.DENIED, required.action, why)
        why = f"{tried.why}; IAM's policy simulation allows it"
        return replace(tried, verdict=PermissionVerdict.ALLOWED, why=why)

    def _may(self, action: str, resource: QueriedResource) -> bool:
        asked = action, resource
        if asked not in self._answers:
            self._answers[asked] = self._simulate(action, resource)
        return self._answers[asked]

    def _simulate(self, action: str, resource: QueriedResource) -> bool:
        named = f"arn:{self._partition}:ec2:{self._region}:{self._account}:{resource.path}"
        with translate_errors("iam:SimulatePrincipalPolicy"):
            answer = self._iam.simulate_principal_policy(
                PolicySourceArn=self._principal,
                ActionNames=[action],
                ResourceArns=[named],
                ContextEntries=[*_context(resource, self._region)],
            )
            decisions = [row["EvalDecision"] for row in answer["EvaluationResults"]]
            return bool(decisions) and all(each == _ALLOWED for each in decisions)

    def _principal_of(self, arn: str) -> str:
        """Return the user or role whose policies apply to *arn*, which may be a session's."""
        session = _SESSION.match(arn)
        if session is None:
            return arn
        partition, account, role = session.groups()
        try:
            with translate_errors("iam:GetRole"):
                return str(self._iam.get_role(RoleName=role)["Role"]["Arn"])
        except NotAuthorizedError:
            # Right for every role without a path.
            return f"{partition}:iam::{account}:role/{role}"


def _of(arn: str) -> tuple[str, str]:
    """Return the partition and the account of *arn*."""
    parts = [*arn.split(":"), "", "", "", "", ""]
    return parts[1], parts[4]


def _context(resource: QueriedResource, region: str) -> Iterator[Mapping[str, Any]]:
    """Yield the condition keys of a call: the simulation does not read tags of resources."""
    yield _entry("aws:RequestedRegion", region)
    for key, value in resource.tags:
        yield _entry(f"aws:ResourceTag/{key}", value)
        yield _entry(f"ec2:ResourceTag/{key}", value)


def _entry(key: str, value: str) -> Mapping[str, Any]:
    return {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
