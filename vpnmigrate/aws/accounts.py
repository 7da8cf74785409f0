"""Accounts: clients of several accounts and Regions, which share their connections.

A client costs 15 ms to create and a handshake to connect, so there is one for each Region and
service, for all accounts.  The account of a request is a property of the thread that makes it; a
request without an account is not sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from vpnmigrate.aws import describe
from vpnmigrate.aws.account import Reader
from vpnmigrate.aws.describe import pages
from vpnmigrate.aws.read_errors import translate_errors
from vpnmigrate.aws.session import (
    Clients,
    ClientSource,
    MonitoringService,
    credentials_of,
    session,
    session_with_models,
)
from vpnmigrate.engine.ports import Credentials, Identity
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.discovery import AccountTarget, OrganizationMember
from vpnmigrate.model.errors import NoCredentialsError, RefusedError

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_ec2 import EC2Client

SESSION_NAME: Final = "vpnmigrate-discover"
"""Name of the sessions of assumed roles, which CloudTrail of the account shows."""
SESSION_LENGTH: Final = timedelta(hours=1)
"""The most that a role allows by default, and when it is assumed by another role."""


class AccountAccess(Protocol):
    """Read access to one account."""

    def clients(self, region: str) -> ClientSource:
        """Return the account's clients of *region*."""
        ...


class AccountSource(Protocol):
    """Read access to several accounts."""

    @property
    def home(self) -> ClientSource:
        """The clients with the credentials at hand, in the Region of the command line."""
        ...

    def open(self, target: AccountTarget) -> AccountAccess:
        """Return access to *target*; its role is assumed here.

        Raises:
            AwsError: There are no credentials, or AWS refuses the role.
        """
        ...


def require_account(target: AccountTarget, who: Identity) -> None:
    """Check that AWS answers as the account of *target*.

    Raises:
        RefusedError: It answers as another one, so the endpoint ignores the role.
    """
    if target.account and who.account != target.account:
        raise RefusedError(
            f"AWS answers as account {who.account}, not {target.account}",
            advice="the endpoint ignores the credentials of the role; check --endpoint-url",
        )


def enabled_regions(clients: ClientSource) -> tuple[str, ...]:
    """Return the Regions that are enabled in the account of *clients*.

    Raises:
        AwsError: The describe call failed.
    """
    return tuple(sorted(row["RegionName"] for row in describe.regions(clients.reader())))


def organization_accounts(clients: ClientSource) -> tuple[OrganizationMember, ...]:
    """Return the accounts of the organization.

    Raises:
        AwsError: The account is not allowed to list them, or in no organization.
    """
    with translate_errors("organizations:ListAccounts"):
        found = pages(clients.organizations().list_accounts)
        return tuple(
            OrganizationMember(
                row["Id"],
                row.get("Name", ""),
                row.get("State") or row.get("Status", ""),  # Status is the older name.
            )
            for page in found
            for row in page["Accounts"]
        )


def identity_of(clients: ClientSource, clock: Clock) -> Identity:
    """Return the identity of the credentials of *clients*.

    Raises:
        AwsError: STS does not accept them.
    """
    return Reader(clients, clock).identity()


def assumed_credentials(sts: Any, role: str, name: str) -> Any:
    """Return credentials of *role*, which are renewed before they expire.

    Raises:
        AwsError: AWS refuses the role.
    """
    from botocore.credentials import RefreshableCredentials

    def assume() -> dict[str, str]:
        with translate_errors("sts:AssumeRole"):
            given = sts.assume_role(
                RoleArn=role,
                RoleSessionName=name,
                DurationSeconds=int(SESSION_LENGTH.total_seconds()),
            )["Credentials"]
            until: datetime = given["Expiration"]
            return {
                "access_key": given["AccessKeyId"],
                "secret_key": given["SecretAccessKey"],
                "token": given["SessionToken"],
                "expiry_time": until.isoformat(),
            }

    return RefreshableCredentials.create_from_metadata(
        assume(), refresh_using=assume, method="assume-role"
    )


def role_session(home: ClientSource, role: str, name: str) -> boto3.Session:
    """Return a session as *role*, assumed with the credentials of *home*, in its Region.

    Raises:
        AwsError: There are no credentials, or AWS refuses the role.
    """
    import botocore.session

    inner = botocore.session.Session()
    credentials = assumed_credentials(home.sts(), role, name)
    inner.register_component("credential_provider", _GivenCredentials(credentials))
    return session_with_models(inner, home.region)


class _GivenCredentials:
    """botocore's provider of the credentials that were assumed already."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Any:
        """Return the credentials (botocore's ``CredentialResolver``)."""
        return self._credentials


class SharedClients:
    """Clients of all accounts (``AccountSource``); each Region's are created once.

    *endpoint_url* and *prepare* are those of ``session.Clients``; *connections* is how many
    requests may be under way at once.
    """

    def __init__(
        self,
        profile: str | None,
        region: str | None,
        *,
        endpoint_url: str | None = None,
        prepare: Callable[[Any], None],
        connections: int,
    ) -> None:
        self._profile = profile
        self._endpoint_url = endpoint_url
        self._prepare = prepare
        self._connections = connections
        self._own = session(profile, region)
        self._regions: dict[str, Clients] = {}
        self._lock = threading.Lock()

    @property
    def home(self) -> ClientSource:
        """The clients with the credentials at hand, in their Region."""
        return self._access(self._own.get_credentials()).clients(str(self._own.region_name))

    def open(self, target: AccountTarget) -> AccountAccess:
        """Return access to *target* (``AccountSource``)."""
        if target.role:
            return self._access(self._assumed(target.role))
        if target.profile:
            opened = session(target.profile, str(self._own.region_name))
            return self._access(opened.get_credentials())
        return self._access(self._own.get_credentials())

    def _access(self, credentials: Any) -> AccountAccess:
        return _Access(self, credentials)

    def _assumed(self, role: str) -> Any:
        """Return credentials of *role*, which are renewed before they expire."""
        return assumed_credentials(self.home.sts(), role, SESSION_NAME)

    def of_region(self, region: str) -> Clients:
        """Return the clients of *region* that every account uses."""
        if (found := self._regions.get(region)) is not None:
            return found  # It does not wait for the clients of another Region.
        with self._lock:
            if region not in self._regions:
                made = Clients(
                    lambda: self._session_of(region),
                    endpoint_url=self._endpoint_url,
                    prepare=self._prepare,
                    connections=self._connections,
                )
                made.reader()  # botocore's sessions are not safe to be used by several threads.
                self._regions[region] = made
            return self._regions[region]

    def _session_of(self, region: str) -> boto3.Session:
        """Return a session that takes its credentials from the calling thread."""
        import botocore.session

        inner = botocore.session.Session(profile=self._profile)
        inner.register_component("credential_provider", _ThreadCredentials())
        return session_with_models(inner, region)


_account: ContextVar[Any] = ContextVar("vpnmigrate-account")
"""Credentials of the account that this thread reads; one for each thread."""


@contextmanager
def _reading_as(credentials: Any) -> Iterator[None]:
    before = _account.set(credentials)
    try:
        yield
    finally:
        _account.reset(before)


class _ThreadCredentials:
    """botocore's credentials and their provider: those of the account that the thread reads."""

    method = "vpnmigrate-account"

    def load_credentials(self) -> Any:
        """Return the credentials (botocore's ``CredentialResolver``)."""
        return self

    def get_frozen_credentials(self) -> Any:
        """Return the key of the account, to sign one request.

        Raises:
            NoCredentialsError: The thread reads no account.
        """
        credentials = _account.get(None)
        if credentials is None:
            raise NoCredentialsError("a request without an account was not sent")
        return credentials.get_frozen_credentials()

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        """Return a function that reads *name* of the credentials (for endpoints)."""
        return lambda: getattr(self.get_frozen_credentials(), name, None)


class _Access:
    """Access to the account of *credentials*."""

    def __init__(self, shared: SharedClients, credentials: Any) -> None:
        self._shared = shared
        self._credentials = credentials

    def clients(self, region: str) -> ClientSource:
        return _AccountClients(self._shared.of_region(region), self._credentials)


class _AccountClients:
    """Clients of one account and Region (``session.ClientSource``), which only read."""

    def __init__(self, shared: Clients, credentials: Any) -> None:
        self._shared = shared
        self._credentials = credentials

    @property
    def region(self) -> str:
        return self._shared.region

    @property
    def endpoint(self) -> str:
        return self._shared.endpoint

    def reader(self) -> EC2Client:
        made: EC2Client = self._of(self._shared.reader())
        return made

    def dry_runner(self) -> EC2Client:
        made: EC2Client = self._of(self._shared.dry_runner())
        return made

    def writer(self) -> EC2Client:
        """Return the client for reads, which refuses every change."""
        return self.reader()

    def sts(self) -> Any:
        return self._of(self._shared.sts())

    def direct_connect(self) -> Any:
        return self._of(self._shared.direct_connect())

    def service_quotas(self) -> Any:
        return self._of(self._shared.service_quotas())

    def iam(self) -> Any:
        return self._of(self._shared.iam())

    def organizations(self) -> Any:
        return self._of(self._shared.organizations())

    def monitoring(self, service: MonitoringService) -> Any:
        return self._of(self._shared.monitoring(service))

    def credentials(self) -> Credentials:
        return credentials_of(self._credentials)

    def renew(self) -> None:
        """Do nothing: those of a role are renewed when they are used, and a read is short."""

    def _of(self, client: Any) -> Any:
        return _AccountClient(client, self._credentials)


class _AccountClient:
    """A client whose requests are signed with the credentials of one account."""

    def __init__(self, client: Any, credentials: Any) -> None:
        self._client = client
        self._credentials = credentials

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        def call(*given: Any, **named: Any) -> Any:
            with _reading_as(self._credentials):
                return found(*given, **named)

        return call
