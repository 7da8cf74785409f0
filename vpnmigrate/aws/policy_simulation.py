"""Policy simulation: IAM's own answer about calls that cannot be tried as dry runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final

from msgspec.structs import replace

from vpnmigrate.aws.read_errors import translate_errors
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.model.errors import AwsError, NotAuthorizedError
from vpnmigrate.model.permissions import (
    PermissionQuery,
    PermissionResult,
    PermissionVerdict,
    QueriedResource,
)

_SETTLED: Final = (PermissionVerdict.ALLOWED, PermissionVerdict.DENIED)
_SESSION: Final = re.compile(r"(arn:[^:]+):sts::(\d+):assumed-role/([^/]+)/")
_ALLOWED: Final = "allowed"


class _Decision(Enum):
    """IAM's answer about an action on a resource."""

    ALLOWED = auto()
    DENIED = auto()
    UNCLEAR = auto()
    """The policies have conditions on values that the program does not know."""


def simulated(
    clients: ClientSource,
    arn: str,
    queries: Sequence[PermissionQuery],
    tried: Sequence[PermissionResult],
) -> tuple[PermissionResult, ...]:
    """Return the results *tried*, with IAM's answer for each that is neither allowed nor denied.

    Without ``iam:SimulatePrincipalPolicy``, or if IAM does not answer, they are unchanged.
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
        self._of_session = _SESSION.match(arn) is not None
        self._answers: dict[tuple[str, QueriedResource, str], _Decision] = {}

    def result(self, query: PermissionQuery, tried: PermissionResult) -> PermissionResult:
        """Return *tried* with IAM's answer; unchanged if that answer is unclear.

        Raises:
            AwsError: IAM cannot be asked.
        """
        if not all(required.resources for required in query.actions) or not query.actions:
            return tried
        clear = True
        for required in query.actions:
            for resource in required.resources:
                decision = self._decision(required.action, resource, query.parameters)
                if decision is _Decision.DENIED:
                    why = f"IAM's policy simulation denies it on {resource.path}"
                    return PermissionResult(PermissionVerdict.DENIED, required.action, why)
                clear = clear and decision is _Decision.ALLOWED
        if not clear:
            return tried
        if self._of_session:
            why = f"{tried.why}; IAM's policy simulation allows it, without policies of the session"
            return replace(tried, verdict=PermissionVerdict.SIMULATED_ROLE, why=why)
        why = f"{tried.why}; IAM's policy simulation allows it"
        return replace(tried, verdict=PermissionVerdict.SIMULATED, why=why)

    def _decision(
        self, action: str, resource: QueriedResource, parameters: Mapping[str, Any]
    ) -> _Decision:
        context = [*self._context(resource), *_request_tags(parameters)]
        asked = action, resource, repr(context)
        if asked not in self._answers:
            self._answers[asked] = self._simulate(action, resource, context)
        return self._answers[asked]

    def _simulate(
        self, action: str, resource: QueriedResource, context: Sequence[Mapping[str, Any]]
    ) -> _Decision:
        with translate_errors("iam:SimulatePrincipalPolicy"):
            answer = self._iam.simulate_principal_policy(
                PolicySourceArn=self._principal,
                ActionNames=[action],
                ResourceArns=[self._arn(resource.path)],
                ContextEntries=context,
            )
            return _decision_of(answer["EvaluationResults"])

    def _arn(self, path: str) -> str:
        return f"arn:{self._partition}:ec2:{self._region}:{self._account}:{path}"

    def _context(self, resource: QueriedResource) -> Iterator[Mapping[str, Any]]:
        """Yield the condition keys of *resource*: the simulation reads neither tags nor VPC."""
        yield _entry("aws:RequestedRegion", self._region)
        for key, value in resource.tags:
            yield _entry(f"aws:ResourceTag/{key}", value)
            yield _entry(f"ec2:ResourceTag/{key}", value)
        if resource.vpc:
            yield _entry("ec2:Vpc", self._arn(f"vpc/{resource.vpc}"))

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


def _request_tags(parameters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the condition keys of the tags that the call sets or removes."""
    tags = parameters.get("Tags", ())
    if tags:
        yield {
            "ContextKeyName": "aws:TagKeys",
            "ContextKeyValues": [tag["Key"] for tag in tags],
            "ContextKeyType": "stringList",
        }
    for tag in tags:
        if "Value" in tag:
            yield _entry(f"aws:RequestTag/{tag['Key']}", tag["Value"])


def _entry(key: str, value: str) -> Mapping[str, Any]:
    return {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}


def _decision_of(rows: Sequence[Mapping[str, Any]]) -> _Decision:
    """Return the decision in *rows*; a refusal because a value is missing is not a denial."""
    refused = [row for row in rows if row["EvalDecision"] != _ALLOWED]
    if any(not _lacks_values(row) for row in refused):
        return _Decision.DENIED
    return _Decision.UNCLEAR if refused or not rows else _Decision.ALLOWED


def _lacks_values(row: Mapping[str, Any]) -> bool:
    """Return whether a condition needed a value that was not sent.

    IAM lists it in the row of the action, or in the part of the row for the resource.
    """
    parts = (row, *row.get("ResourceSpecificResults", ()))
    return any(part.get("MissingContextValues") for part in parts)
