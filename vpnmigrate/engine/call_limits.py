"""Call limits: how long an AWS call may take, and what a run does while it waits.

A read that exceeds its limit counts as unreadable, and the next one is tried.  Limits are measured
in the machine's time; a sandbox's time may pass more quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final, Protocol

from vpnmigrate.engine.ports import (
    Calls,
    Ec2,
    Identity,
    NetworkPath,
    NetworkPaths,
    NewWaitCheck,
    PermissionReader,
    T,
    WaitCheck,
)
from vpnmigrate.model.changes import AwsChange
from vpnmigrate.model.changes.base import CallTags, Outcome
from vpnmigrate.model.ec2 import VpcId, VpnGatewayId
from vpnmigrate.model.encryption_control import EncryptionControls
from vpnmigrate.model.errors import AwsUnreadableError
from vpnmigrate.model.negotiated import NegotiatedTunnel
from vpnmigrate.model.permissions import PermissionQuery, PermissionResult
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Reading, ReadingPart
from vpnmigrate.model.survey import Survey
from vpnmigrate.model.tunnel_maintenance import QueriedTunnel, TunnelMaintenance, none_known

OBSERVATION_LIMIT: Final = timedelta(seconds=90)
"""For one observation with its pages and retries: shorter than the consistency delay of two
minutes, so that the result of an observation is recent."""
IDENTITY_LIMIT: Final = timedelta(seconds=60)
"""For STS, including the provider of the credentials."""
PATHS_LIMIT: Final = timedelta(seconds=30)
"""For two names: a resolver gives up on each after ten to twenty seconds."""
SURVEY_LIMIT: Final = timedelta(minutes=3)
"""For the dozen calls of a survey: shorter than a gate waits for one (two consistency delays)."""
PERMISSIONS_LIMIT: Final = timedelta(minutes=6)
"""For dry runs, which wait for tokens for four minutes at most (``aws.dry_runs``), and for IAM's
simulation.  They come before the other gates, and never in an outage."""
MAINTENANCE_LIMIT: Final = timedelta(seconds=90)
"""For one call for each tunnel, at most forty on the old and the new gateway (domain.md 5)."""
ENCRYPTION_LIMIT: Final = timedelta(seconds=30)
"""For two calls; the controls of a Region, one for each VPC, are one page or a few."""
NEGOTIATED_LIMIT: Final = timedelta(seconds=30)
"""For the two tunnels of one connection; nothing depends on the answer."""
SLOW: Final = timedelta(seconds=5)
"""After this time a message says that AWS is slow; most observations take a second."""


class Reads(Protocol):
    """The reads of an account (``ports.Ec2``, or ``aws.account.Reader``)."""

    def identity(self) -> Identity:
        """Return the identity of the credentials."""
        ...

    def survey(self, gateway: VpnGatewayId) -> Survey:
        """Return everything that planning and drift need."""
        ...

    def observe(self, plan: Plan) -> Reading:
        """Return the state of the resources of *plan*."""
        ...


def no_wait_check() -> WaitCheck:
    """Return a callback that never ends a wait: without a run there are no orders to read.

    A signal ends the process.
    """
    return lambda _in_flight: ""


class LimitedReader:
    """An account with limits: *calls* waits for answers, *new_wait_check* checks the run."""

    def __init__(
        self, reader: Reads, calls: Calls, new_wait_check: NewWaitCheck = no_wait_check
    ) -> None:
        self._reader = reader
        self._calls = calls
        self._new_wait_check = new_wait_check

    def identity(self) -> Identity:
        """Return the identity of the credentials (see ``ports.Ec2``)."""
        return self._read("sts:GetCallerIdentity", IDENTITY_LIMIT, self._reader.identity)

    def survey(self, gateway: VpnGatewayId) -> Survey:
        """Return a survey (see ``ports.Ec2``)."""
        return self._read("the survey", SURVEY_LIMIT, lambda: self._reader.survey(gateway))

    def observe(self, plan: Plan) -> Reading:
        """Return an observation of what *plan* touches (see ``ports.Ec2``)."""
        return self._read("the observation", OBSERVATION_LIMIT, lambda: self._reader.observe(plan))

    def _read(self, what: str, limit: timedelta, work: Callable[[], T]) -> T:
        return self._calls.read(what, limit, work, self._new_wait_check)


class LimitedEc2(LimitedReader):
    """AWS as the runner uses it, with limits."""

    def __init__(self, ec2: Ec2, calls: Calls, new_wait_check: NewWaitCheck) -> None:
        super().__init__(ec2, calls, new_wait_check)
        self._ec2 = ec2

    def maintenance(self, tunnels: Sequence[QueriedTunnel]) -> Sequence[TunnelMaintenance]:
        """Return the maintenance of *tunnels*, unknown if reading it takes too long."""
        try:
            return self._read(
                "the tunnels' maintenance",
                MAINTENANCE_LIMIT,
                lambda: self._ec2.maintenance(tunnels),
            )
        except AwsUnreadableError as error:
            return none_known(tunnels, error.message)

    def encryption(self, vpc: VpcId) -> EncryptionControls:
        """Return the encryption controls of *vpc*, unknown if reading them takes too long."""
        try:
            return self._read(
                "the encryption controls", ENCRYPTION_LIMIT, lambda: self._ec2.encryption(vpc)
            )
        except AwsUnreadableError as error:
            why = error.message
            return EncryptionControls(vpc_unread=why, account_unread=why, is_temporary=True)

    def negotiated(self, tunnels: Sequence[QueriedTunnel]) -> Sequence[NegotiatedTunnel]:
        """Return the algorithms of *tunnels* (see ``ports.Ec2``)."""
        return self._read(
            "the tunnels' algorithms", NEGOTIATED_LIMIT, lambda: self._ec2.negotiated(tunnels)
        )

    def differs(self, plan: Plan, earlier: Reading, part: ReadingPart) -> bool:
        """Return whether *part* differs from that of *earlier* (see ``ports.Ec2``)."""
        return self._read(
            f"the {part}", OBSERVATION_LIMIT, lambda: self._ec2.differs(plan, earlier, part)
        )

    def perform(self, change: AwsChange, tags: CallTags) -> Outcome:
        """Send *change* from this thread; ``Calls.send`` limits it."""
        return self._ec2.perform(change, tags)


class LimitedPaths:
    """This host's network paths to AWS; if resolving is too slow, the path is unknown."""

    def __init__(self, paths: NetworkPaths, calls: Calls, new_wait_check: NewWaitCheck) -> None:
        self._paths = paths
        self._calls = calls
        self._new_wait_check = new_wait_check

    def read(self) -> Sequence[NetworkPath]:
        """Return the paths, or one without an address if resolving them takes too long."""
        try:
            return self._calls.read(
                "the DNS names of EC2 and STS", PATHS_LIMIT, self._paths.read, self._new_wait_check
            )
        except AwsUnreadableError:
            return (NetworkPath("EC2 and STS", (), ""),)


class LimitedPermissions:
    """Permission checks (``PermissionReader``) with one limit for all of them together."""

    def __init__(
        self, reader: PermissionReader, calls: Calls, new_wait_check: NewWaitCheck
    ) -> None:
        self._reader = reader
        self._calls = calls
        self._new_wait_check = new_wait_check

    def permissions(self, queries: Sequence[PermissionQuery]) -> Sequence[PermissionResult]:
        """Return whether the credentials may make each of *queries* (see ``PermissionReader``)."""
        return self._calls.read(
            "the dry runs",
            PERMISSIONS_LIMIT,
            lambda: self._reader.permissions(queries),
            self._new_wait_check,
        )


class DirectCalls:
    """Calls answered by a model in this process: immediately, in order, and in this thread."""

    def read(
        self, what: str, limit: timedelta, work: Callable[[], T], new_wait_check: NewWaitCheck
    ) -> T:
        """Return the result of *work*."""
        return work()

    def send(
        self, works: Sequence[Callable[[], Outcome]], new_wait_check: NewWaitCheck
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcomes of *works*, which are done one after the other."""
        for index, work in enumerate(works):
            yield index, work()
