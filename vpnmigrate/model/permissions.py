"""Permissions: calls to be tried as dry runs, and the result of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct


class PermissionVerdict(StrEnum):
    """Whether credentials may make a call."""

    ALLOWED = "allowed"
    """EC2 answered a dry run so."""
    DENIED = "denied"
    SIMULATED = "simulated"
    """No dry run shows it; IAM's policy simulation of the user's policies allows it."""
    SIMULATED_ROLE = "simulated-for-the-role"
    """The same of a role's policies: a policy of the session, which is not seen, may deny it."""
    UNPROVEN = "unproven"
    """It was not tried: EC2 has no dry run of it, the endpoint may ignore dry runs, or a resource
    of the call does not exist yet."""
    UNKNOWN = "unknown"
    """It was tried, and the answer shows neither."""


class QueriedResource(Struct, frozen=True):
    """A resource that an action is authorized on, as the end of its ARN: ``vpn-gateway/vgw-1``."""

    path: str
    tags: tuple[tuple[str, str], ...] = ()
    """The tags that a policy may require of it."""
    vpc: str = ""
    """The VPC that a policy may require it to be in; only route tables have one."""


class QueriedAction(Struct, frozen=True):
    """An IAM action with the resources that it must be allowed on."""

    action: str
    resources: tuple[QueriedResource, ...] = ()


class PermissionQuery(Struct, frozen=True):
    """A call to be tried: ``operation`` as EC2 names it, ``parameters`` as boto3 takes them."""

    operation: str
    parameters: dict[str, Any]
    actions: tuple[QueriedAction, ...]
    has_dry_run: bool = True
    """Whether the operation has the parameter ``DryRun``."""
    complete: bool = True
    """Whether *parameters* name only resources that exist; otherwise it cannot be tried yet."""


class PermissionResult(Struct, frozen=True):
    """The result of a query.  ``action`` is the denied or unproven IAM action."""

    verdict: PermissionVerdict
    action: str
    why: str = ""


class MissingPermission(Struct, frozen=True):
    """An action that no dry run shows to be allowed on all the resources that need it."""

    action: str
    verdict: PermissionVerdict
    why: str
    resources: tuple[str, ...] = ()
    """Ids of the resources; empty for a call that creates one."""
    only_removes: bool = False
    """Whether only clean-up and finalize need it: traffic flows without it."""
    phases: tuple[str, ...] = ()
    """The phases whose policy has it: ``stage``, ``cutover``, ``rollback``, ``finalize``."""

    @property
    def simulated(self) -> bool:
        """Whether IAM's policy simulation allows it; the simulation sees no policy of a session."""
        return self.verdict in (PermissionVerdict.SIMULATED, PermissionVerdict.SIMULATED_ROLE)

    def __str__(self) -> str:
        return f"{self.action} on {', '.join(self.resources)}" if self.resources else self.action
