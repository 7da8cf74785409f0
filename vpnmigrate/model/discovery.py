"""Discovery: what was read of several accounts and Regions, and what could not be read."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from vpnmigrate.model.ec2 import AccountId, ConnectionRecord, CustomerGatewayRecord
from vpnmigrate.model.errors.commands import Advice
from vpnmigrate.model.survey import Survey


class AccountTarget(Struct, frozen=True):
    """An account to read, and how it is reached: by *role*, by *profile*, or as it is."""

    role: str = ""
    """ARN of the role to assume."""
    profile: str = ""
    """Profile of the AWS CLI; without it, the credentials of the process."""
    account: str = ""
    """Its number, where that is known before it is read."""
    name: str = ""
    """Its name in the organization."""
    regions: tuple[str, ...] = ()
    """The Regions to read; empty for those of the command line."""

    @property
    def label(self) -> str:
        """How an operator named it."""
        return self.role or (self.profile and f"profile {self.profile}") or self.account


class OrganizationMember(Struct, frozen=True):
    """An account as AWS Organizations lists it."""

    account: str
    name: str
    status: str
    """ACTIVE, SUSPENDED, PENDING_CLOSURE, ..."""


class RegionSurvey(Struct, frozen=True):
    """Everything about VPN in one account and Region."""

    taken: datetime
    account: AccountId
    region: str
    surveys: tuple[Survey, ...] = ()
    """One for each virtual private gateway that is not deleted."""
    elsewhere: tuple[ConnectionRecord, ...] = ()
    """Connections that end on none of these gateways."""
    customer_gateways: tuple[CustomerGatewayRecord, ...] = ()
    """Every customer gateway of the Region."""
    name: str = ""
    """The account's name in the organization."""


class UnreadPlace(Struct, frozen=True):
    """An account, or a Region of it, that could not be read."""

    why: str
    account: str = ""
    """Empty if it is not known."""
    region: str = ""
    """Empty if nothing of the account could be read."""
    label: str = ""
    """How the account was to be reached."""
    advice: Advice = ""
    name: str = ""


class ClosedAccount(Struct, frozen=True):
    """An account that AWS has suspended or is closing, so that it cannot be read."""

    account: str
    name: str
    status: str
    """As AWS Organizations names it: SUSPENDED or PENDING_CLOSURE."""


class NamingResource(Struct, frozen=True):
    """A resource of the Region that may name others: ``alarm``, ``dashboard``, ``rule``, ...."""

    kind: str
    name: str
    text: str = ""
    """Its definition."""


class TerraformResource(Struct, frozen=True):
    """A resource of a Terraform state, with the ids and addresses that it holds, and no more."""

    address: str
    values: tuple[str, ...]
    type: str = ""
    id: str = ""
    """Its id, if it is one of AWS's network resources."""

    @property
    def keyed(self) -> bool:
        """Whether it is an instance of count or for_each, or in such a module."""
        return "[" in self.address


class Discovery(Struct, frozen=True):
    """Result of reading several accounts and Regions."""

    regions: tuple[RegionSurvey, ...] = ()
    unread: tuple[UnreadPlace, ...] = ()
    closed: tuple[ClosedAccount, ...] = ()
