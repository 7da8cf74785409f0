"""AWS session: clients, credentials and their expiry.

botocore's environment variables and configuration files have their usual meaning; this program
sets only retries and time-outs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from vpnmigrate.aws.allowance import ANSWER_BYTES
from vpnmigrate.aws.answers import watch_answers
from vpnmigrate.aws.bounded_http import bound
from vpnmigrate.aws.request_hooks import PROGRAM, install_send_guard, mark_calls, refuse_changes
from vpnmigrate.engine.ports import Credentials, Renewal
from vpnmigrate.model.errors import NoCredentialsError, NoRegionError, UsageError
from vpnmigrate.model.errors.commands import aws

if TYPE_CHECKING:
    import boto3
    import botocore.session
    from botocore.loaders import Loader
    from mypy_boto3_ec2 import EC2Client


CONNECT_TIMEOUT: Final = 5
"""Seconds.  The runner repeats an observation that cannot connect, so it must not block long."""

READ_TIMEOUT: Final = 20
"""Seconds for a describe call; the slowest one returns a hundred rows."""

WRITE_TIMEOUT: Final = 60
"""Seconds for a mutating call: botocore's default, because an early time-out leaves it in doubt."""

READ_ATTEMPTS: Final = 5
"""Waits of at most 1, 2, 4 and 8 s in between, in botocore's standard mode."""

ASIDE_ATTEMPTS: Final = 2
"""For optional services: an endpoint that cannot be reached costs seconds."""


def session(profile: str | None, region: str | None) -> boto3.Session:
    """Return a session from botocore's environment, its files, *profile* and *region*.

    Raises:
        NoCredentialsError: No such profile, or no credentials.
        NoRegionError: No Region is set.
    """
    import botocore.session
    from botocore.exceptions import BotoCoreError

    from vpnmigrate.aws.errors import words_of

    try:
        opened = session_with_models(botocore.session.Session(profile=profile), region)
        named, known = opened.region_name, opened.get_credentials()
    except BotoCoreError as exc:
        raise NoCredentialsError(
            f"AWS credentials cannot be found: {words_of(exc)}",
            advice=(
                "check --profile, AWS_PROFILE and ~/.aws/config:",
                aws("configure", "list"),
            ),
        ) from exc
    if not named:
        raise NoRegionError(
            "no AWS Region is set", advice="add --region, or set AWS_DEFAULT_REGION, and try again"
        )
    if known is None:
        raise NoCredentialsError(
            "there are no AWS credentials",
            advice="add --profile, or log in (aws sso login, aws configure), and try again",
        )
    return opened


def session_with_models(inner: botocore.session.Session, region: str | None) -> boto3.Session:
    """Return a session around *inner* that uses the service models of this process."""
    import boto3

    models = _models(inner.get_config_variable("data_path"))
    inner.register_component("data_loader", models)
    opened = boto3.Session(botocore_session=inner, region_name=region)
    # Each session of boto3 adds the folder of its own models again.
    models.search_paths[:] = dict.fromkeys(models.search_paths)
    return opened


@cache
def _models(data_path: str | None) -> Loader:
    """Return the models of AWS's services, which are read once.

    Those of one client take a quarter of a second of CPU and 30 MB, and a worker of a fleet makes
    clients for each of its runs.
    """
    from botocore.loaders import create_loader

    return create_loader(data_path)


@dataclass(frozen=True)
class _ClientSettings:
    """Settings of a client."""

    service: str
    attempts: int
    timeout: int = READ_TIMEOUT


_READER = _ClientSettings("ec2", READ_ATTEMPTS)

_DRY_RUNNER = _ClientSettings("ec2", 1)

_WRITER = _ClientSettings("ec2", 1, WRITE_TIMEOUT)

_STS = _ClientSettings("sts", READ_ATTEMPTS)

_DIRECT_CONNECT = _ClientSettings("directconnect", ASIDE_ATTEMPTS)

_SERVICE_QUOTAS = _ClientSettings("service-quotas", ASIDE_ATTEMPTS)

_IAM = _ClientSettings("iam", ASIDE_ATTEMPTS)

_ORGANIZATIONS = _ClientSettings("organizations", READ_ATTEMPTS)

MonitoringService = Literal["cloudwatch", "events", "logs"]
"""Services whose resources may name a connection."""

CONNECTIONS: Final = 10
"""Requests at once of one client: botocore's default."""


def _unprepared(client: Any) -> None:
    """Leave *client* unchanged."""


class _Opened:
    """A session and its clients, created on demand by one thread at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.session: boto3.Session | None = None
        self.made: dict[_ClientSettings, Any] = {}


class Clients:
    """Clients of an account and Region, for several threads; credentials can be renewed.

    *open_session* is called for the first client and again after every ``renew``; *endpoint_url*
    applies to every service.  A client is created on its first use, which raises
    NoCredentialsError if no session can be opened; *prepare* is called with each.  No client reads
    more than *answer_bytes* of an answer, and each keeps up to *connections* open.
    """

    def __init__(
        self,
        open_session: Callable[[], boto3.Session],
        *,
        endpoint_url: str | None = None,
        prepare: Callable[[Any], None] = _unprepared,
        answer_bytes: int = ANSWER_BYTES,
        connections: int = CONNECTIONS,
    ) -> None:
        self._open_session = open_session
        self._connections = connections
        self._endpoint_url = endpoint_url
        self._prepare = prepare
        self._answer_bytes = answer_bytes
        self._opened = _Opened()

    @property
    def region(self) -> str:
        """The Region of the clients."""
        opened = self._opened
        with opened.lock:
            return str(self._session_of(opened).region_name)

    @property
    def endpoint(self) -> str:
        """The URL of the EC2 endpoint."""
        return str(self._client(_READER).meta.endpoint_url)

    def reader(self) -> EC2Client:
        """Return the EC2 client for describe calls, which botocore retries.

        It sends nothing else but dry runs.
        """
        made: EC2Client = self._client(_READER)
        return made

    def dry_runner(self) -> EC2Client:
        """Return the EC2 client for dry runs, each of which is sent once.

        They have a pace (``dry_run_pace``), which a retry of botocore would not keep.
        """
        made: EC2Client = self._client(_DRY_RUNNER)
        return made

    def writer(self) -> EC2Client:
        """Return the EC2 client for mutating calls, each of which is sent once."""
        made: EC2Client = self._client(_WRITER)
        return made

    def sts(self) -> Any:
        """Return the STS client."""
        return self._client(_STS)

    def direct_connect(self) -> Any:
        """Return the Direct Connect client, for which the permission may be missing."""
        return self._client(_DIRECT_CONNECT)

    def service_quotas(self) -> Any:
        """Return the Service Quotas client, for which the permission may be missing."""
        return self._client(_SERVICE_QUOTAS)

    def iam(self) -> Any:
        """Return the IAM client, for which the permission may be missing."""
        return self._client(_IAM)

    def organizations(self) -> Any:
        """Return the Organizations client, for the accounts to discover."""
        return self._client(_ORGANIZATIONS)

    def monitoring(self, service: MonitoringService) -> Any:
        """Return the client of *service*, for which the permission may be missing."""
        return self._client(_ClientSettings(service, ASIDE_ATTEMPTS))

    def credentials(self) -> Credentials:
        """Return how long the credentials in use are valid."""
        opened = self._opened
        with opened.lock:
            return credentials_of(self._session_of(opened).get_credentials())

    def renew(self) -> None:
        """Discard the session, so that the next call loads renewed credentials.

        A thread that hangs while it opens the old session does not block later calls.
        """
        self._opened = _Opened()

    def _session_of(self, opened: _Opened) -> boto3.Session:
        if opened.session is None:
            opened.session = self._open_session()
        return opened.session

    def _client(self, kind: _ClientSettings) -> Any:
        opened = self._opened
        with opened.lock:
            if kind not in opened.made:
                opened.made[kind] = self._make(self._session_of(opened), kind)
            return opened.made[kind]

    def _make(self, session: boto3.Session, kind: _ClientSettings) -> Any:
        from botocore.config import Config

        _keep_bodies_out_of_logs()
        config = Config(
            user_agent_extra=PROGRAM,
            max_pool_connections=self._connections,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=kind.timeout,
            retries={"mode": "standard", "total_max_attempts": kind.attempts},
        )
        open_client: Any = session.client
        try:
            made = open_client(kind.service, config=config, endpoint_url=self._endpoint_url)
        except ValueError as exc:
            raise UsageError(
                f"no client can be made for {kind.service}: {exc}",
                advice="check --region, --endpoint-url and AWS_ENDPOINT_URL",
            ) from exc
        mark_calls(made)
        install_send_guard(made)
        if kind in (_READER, _DRY_RUNNER):
            refuse_changes(made)
        watch_answers(made)
        bound(made, alters=kind is _WRITER, most=self._answer_bytes)
        self._prepare(made)
        return made


def _keep_bodies_out_of_logs() -> None:
    """Stop botocore from writing requests and answers, which contain keys, to a debug log."""
    logger = logging.getLogger("botocore")
    if logger.level < logging.WARNING:
        logger.setLevel(logging.WARNING)


class ClientSource(Protocol):
    """Clients of one account and Region, for several threads (``session.Clients``).

    A client raises botocore's exceptions and never retries a mutating call.
    """

    @property
    def region(self) -> str:
        """The Region of the clients."""
        ...

    @property
    def endpoint(self) -> str:
        """The URL of the EC2 endpoint; empty for a model in this process."""
        ...

    def reader(self) -> EC2Client:
        """Return the EC2 client for describe calls."""
        ...

    def dry_runner(self) -> EC2Client:
        """Return the EC2 client for dry runs, each of which is sent once."""
        ...

    def writer(self) -> EC2Client:
        """Return the EC2 client for mutating calls, each of which is sent once."""
        ...

    def sts(self) -> Any:
        """Return the STS client."""
        ...

    def direct_connect(self) -> Any:
        """Return the Direct Connect client."""
        ...

    def service_quotas(self) -> Any:
        """Return the Service Quotas client."""
        ...

    def iam(self) -> Any:
        """Return the IAM client."""
        ...

    def organizations(self) -> Any:
        """Return the Organizations client."""
        ...

    def monitoring(self, service: MonitoringService) -> Any:
        """Return the client of *service*."""
        ...

    def credentials(self) -> Credentials:
        """Return how long the credentials in use are valid."""
        ...

    def renew(self) -> None:
        """Load new credentials for the next call."""
        ...


FROM_ENVIRONMENT = "env"
"""botocore's name for credentials from variables, which stay the same when read again."""


def credentials_of(held: Any) -> Credentials:
    """Return how long *held*, a session's credentials, are valid.

    botocore knows the expiry of those that it can renew.  Other keys with a session token expire
    at an unknown time.
    """
    until = getattr(held, "_expiry_time", None)
    source = str(getattr(held, "method", None) or "")
    if isinstance(until, datetime):
        automatic = source != FROM_ENVIRONMENT
        renewal = Renewal.AUTOMATIC if automatic else Renewal.MANUAL
        return Credentials(renewal, until.astimezone(UTC), source)
    if hasattr(held, "refresh_needed"):
        return Credentials(Renewal.AUTOMATIC, source=source)
    if getattr(held, "token", None):
        return Credentials(Renewal.MANUAL, source=source)
    return Credentials(Renewal.NEVER_EXPIRES, source=source)


def clock_offset(answer: Mapping[str, Any], now: datetime) -> timedelta | None:
    """Return how far *now*, the local time of *answer*, is ahead of the Date in it.

    The Date has whole seconds and excludes the network delay; both are negligible here.
    """
    written = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        there = parsedate_to_datetime(written)
    except (ValueError, TypeError):
        return None
    if there.tzinfo is None:
        there = there.replace(tzinfo=UTC)
    return now - there
