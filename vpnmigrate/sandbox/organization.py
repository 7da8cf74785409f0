"""Organization: accounts and Regions of a served sandbox, and AssumeRole between them.

The account of a request is in its access key id: ``AssumeRole`` returns a key id with the number of
the role's account, and any other key id belongs to the first account.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, unquote

from vpnmigrate.model.ec2 import partition_of
from vpnmigrate.sandbox.authorization import CalledWorld
from vpnmigrate.sandbox.ec2.dispatch import ROLE
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.ec2.request import Params, Result, required
from vpnmigrate.sandbox.world import World

_KEY: Final = re.compile(r"ASIA(\d{12})")
_ROLE_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(?:[\w+=,.@/-]*/)?([\w+=,.@-]+)")
_SESSION: Final = "SANDBOX/"
_LENGTH: Final = timedelta(hours=1)
_ORGANIZATION: Final = "o-sandbox0001"


class Organization:
    """The worlds of several accounts; the first world's account is the management account."""

    def __init__(self, home: World, others: Iterable[World] = ()) -> None:
        self._home = home
        self._given = (home, *others)
        self._worlds = {(world.account, world.region): world for world in self._given}
        self._lock = threading.Lock()

    @property
    def worlds(self) -> tuple[World, ...]:
        """The worlds that were given, the home world first."""
        return self._given

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts, the management account first."""
        return tuple(dict.fromkeys(world.account for world in self._given))

    def regions(self, account: str) -> tuple[str, ...]:
        """Return the Regions of *account* that have a world of their own."""
        return tuple(sorted({w.region for w in self._given if w.account == account}))

    def account_of(self, access_key: str) -> str:
        """Return the account of the credentials with *access_key*."""
        found = _KEY.fullmatch(access_key)
        return found[1] if found and found[1] in self.accounts else self._home.account

    def world(self, account: str, region: str) -> World:
        """Return the world of *account* in *region*; an empty one if none was given."""
        home = self._home
        with self._lock:
            if (account, region) not in self._worlds:
                empty = World(home.clock, home.behaviour, account, region, home.seed)
                self._worlds[account, region] = empty
            return self._worlds[account, region]


class MemberWorld:
    """A world of an organization: *through*, with the actions that concern several accounts."""

    def __init__(self, through: CalledWorld, organization: Organization) -> None:
        self.account = through.account
        self.region = through.region
        self.clock = through.clock
        self._through = through
        self._organization = organization

    def handles(self, service: str, action: str) -> bool:
        """Return whether the world or its organization answers *action*."""
        return (service, action) in ACTIONS or self._through.handles(service, action)

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Execute *action* and return its answer.

        Raises:
            ApiError: The error that AWS would return.
        """
        if found := ACTIONS.get((service, action)):
            return dict(found(self._organization, self._through, params))
        return self._through.execute(service, action, params)


def _assume_role(organization: Organization, caller: CalledWorld, params: Params) -> Result:
    """AssumeRole, of any role in an account of the organization."""
    arn, session = required(params, "RoleArn"), required(params, "RoleSessionName")
    found = _ROLE_ARN.fullmatch(arn)
    if found is None:
        raise ApiError("ValidationError", f"{arn} is invalid")
    account, name = found.groups()
    if account not in organization.accounts:
        raise ApiError(
            "AccessDenied",
            f"User: arn:aws:iam::{caller.account}:user/sandbox is not authorized to perform: "
            f"sts:AssumeRole on resource: {arn}",
            403,
        )
    seconds = int(params.get("DurationSeconds") or _LENGTH.total_seconds())
    return {
        "Credentials": {
            "AccessKeyId": f"ASIA{account}",
            "SecretAccessKey": "SANDBOX",
            "SessionToken": f"{_SESSION}{quote(name, safe='')}/{quote(session, safe='')}",
            "Expiration": caller.clock.now() + timedelta(seconds=seconds),
        },
        "AssumedRoleUser": {
            "AssumedRoleId": f"AROA{name.upper()}:{session}",
            "Arn": _session_arn(caller.region, account, f"{name}/{session}"),
        },
    }


def caller_of(token: str) -> dict[str, str]:
    """Return the parameters of GetCallerIdentity for a session token of this organization."""
    if not token.startswith(_SESSION):
        return {}
    return {ROLE: unquote(token.removeprefix(_SESSION))}


def _session_arn(region: str, account: str, session: str) -> str:
    return f"arn:{partition_of(region)}:sts::{account}:assumed-role/{session}"


def _list_accounts(organization: Organization, caller: CalledWorld, params: Params) -> Result:
    """ListAccounts, for the management account alone."""
    del params
    management = organization.accounts[0]
    if caller.account != management:
        raise ApiError(
            "AccessDeniedException", "You don't have permissions to access this resource."
        )
    return {"Accounts": list(_members(organization, management))}


def _members(organization: Organization, management: str) -> Iterator[dict[str, str]]:
    for number, account in enumerate(organization.accounts):
        yield {
            "Id": account,
            "Arn": f"arn:aws:organizations::{management}:account/{_ORGANIZATION}/{account}",
            "Email": f"{account}@example.com",
            "Name": f"sandbox-{number + 1}",
            "Status": "ACTIVE",
            "State": "ACTIVE",
        }


def _describe_regions(organization: Organization, caller: CalledWorld, params: Params) -> Result:
    """DescribeRegions: those of the account that have a world."""
    del params
    return {
        "Regions": [
            {
                "RegionName": region,
                "Endpoint": f"ec2.{region}.amazonaws.com",
                "OptInStatus": "opt-in-not-required",
            }
            for region in organization.regions(caller.account) or (caller.region,)
        ]
    }


OrganizationAction = Callable[[Organization, CalledWorld, Params], Result]

ACTIONS: Final[Mapping[tuple[str, str], OrganizationAction]] = {
    ("ec2", "DescribeRegions"): _describe_regions,
    ("organizations", "ListAccounts"): _list_accounts,
    ("sts", "AssumeRole"): _assume_role,
}
