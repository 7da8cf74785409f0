"""AWS account: the ``Ec2`` port implemented with boto3, and the only code that alters AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from vpnmigrate.aws import conditions, describe, dry_runs, negotiation, survey
from vpnmigrate.aws.archive import ConfigurationStore, archive
from vpnmigrate.aws.errors import FAILURES, FailureKind, UnexpectedAnswerError, failure_of
from vpnmigrate.aws.outcomes import outcome_of, outcome_of_read
from vpnmigrate.aws.parse import configuration_of
from vpnmigrate.aws.read_errors import translate_errors
from vpnmigrate.aws.reading import RowParser, differs, reading
from vpnmigrate.aws.renewal import RENEW, renewal_advice
from vpnmigrate.aws.request_hooks import SendGuard, allow_all, guard_sends, tag_calls
from vpnmigrate.aws.session import ClientSource, clock_offset
from vpnmigrate.devices.secret import Secret
from vpnmigrate.engine.ports import Identity
from vpnmigrate.model.changes import ArchiveConfiguration, AwsChange, CreateVpnConnection
from vpnmigrate.model.changes.base import BaseCall, CallTags, Outcome, Performed, Refused, Request
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.model.discovery import RegionSurvey
from vpnmigrate.model.ec2 import CustomerGatewayRecord, VpcId, VpnConnectionId, VpnGatewayId
from vpnmigrate.model.encryption_control import EncryptionControls
from vpnmigrate.model.errors import (
    AwsError,
    CredentialsExpiredError,
    NoCredentialsError,
    VaultError,
)
from vpnmigrate.model.errors.commands import Advice
from vpnmigrate.model.negotiated import NegotiatedTunnel
from vpnmigrate.model.permissions import PermissionQuery, PermissionResult
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Reading, ReadingPart
from vpnmigrate.model.survey import Survey
from vpnmigrate.model.tunnel_maintenance import QueriedTunnel, TunnelMaintenance

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_CREATED: Final = {
    "VpnGateway": "VpnGatewayId",
    "VpnConnection": "VpnConnectionId",
    "Vpc": "VpcId",
    "Subnet": "SubnetId",
}
"""The member of an answer that describes a new resource, and its id."""


class Reader:
    """Read-only access to an account; planning needs nothing else."""

    def __init__(
        self, clients: ClientSource, clock: Clock, parser: RowParser | None = None
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._parser = parser or RowParser()

    def identity(self) -> Identity:
        """Return the identity of the credentials (``ports.Ec2``)."""
        with self._renewing(), translate_errors("sts:GetCallerIdentity"):
            answer = self._clients.sts().get_caller_identity()
            return Identity(
                account=answer["Account"],
                arn=answer.get("Arn", ""),
                credentials=self._clients.credentials(),
                ahead=clock_offset(answer, self._clock.wall()),
            )

    def find_gateway(self, connection: VpnConnectionId) -> VpnGatewayId:
        """Return the virtual private gateway that *connection* ends on.

        Raises:
            NotFoundError: This account has no such connection in this Region.
            RefusedError: The connection ends on another kind of gateway, or on none.
            AwsError: The describe call failed.
        """
        who = self.identity()
        with self._renewing():
            clients = self._clients
            return survey.find_gateway(clients.reader(), connection, who, clients.region)

    def survey(self, gateway: VpnGatewayId) -> Survey:
        """Return everything that planning and drift need (``ports.Ec2``).

        Raises:
            NotFoundError: This account has no such gateway in this Region.
            AwsError: A describe call failed.
        """
        who = self.identity()
        with self._renewing():
            return survey.survey(self._clients, gateway, who, self._clock, self._parser)

    def surveys(self) -> tuple[Survey, ...]:
        """Return a survey of each gateway of the Region that is not deleted.

        Raises:
            AwsError: A describe call failed.
        """
        who = self.identity()
        with self._renewing():
            return survey.surveys(self._clients, who, self._clock)

    def customer_gateways(self) -> tuple[CustomerGatewayRecord, ...]:
        """Return every customer gateway of the Region.

        Raises:
            AwsError: The describe call failed.
        """
        with self._renewing():
            return survey.customer_gateways(self._clients)

    def region_survey(self, who: Identity) -> RegionSurvey:
        """Return everything about VPN in the Region, for the account of *who*.

        Raises:
            AwsError: A describe call failed.
        """
        with self._renewing():
            return survey.region_survey(self._clients, who, self._clock)

    def observe(self, plan: Plan) -> Reading:
        """Return the state of what *plan* touches (``ports.Ec2``).

        A run's credentials were valid when it started.  If they are missing now, the operator can
        renew them, so this error is retried.
        """
        try:
            with tag_calls(plan.migration), self._renewing():
                return reading(self._clients.reader(), plan, self._clock, self._parser)
        except NoCredentialsError as exc:
            raise CredentialsExpiredError(exc.message, advice=exc.advice) from exc

    def differs(self, plan: Plan, earlier: Reading, part: ReadingPart) -> bool:
        """Return whether *part* differs from that of *earlier* (``ports.Ec2``)."""
        with tag_calls(plan.migration), self._renewing():
            return differs(self._clients.reader(), plan, earlier, part, self._parser)

    def maintenance(self, tunnels: Sequence[QueriedTunnel]) -> tuple[TunnelMaintenance, ...]:
        """Return the announced maintenance of each of *tunnels* (``ports.Ec2``)."""
        with self._renewing():
            return conditions.maintenance(self._clients.reader(), tunnels)

    def encryption(self, vpc: VpcId) -> EncryptionControls:
        """Return the encryption controls that apply to *vpc* (``ports.Ec2``)."""
        with self._renewing():
            return conditions.encryption_controls(self._clients.reader()).of(vpc)

    def negotiated(self, tunnels: Sequence[QueriedTunnel]) -> tuple[NegotiatedTunnel, ...]:
        """Return what each of *tunnels* has negotiated (``ports.Ec2``)."""
        with self._renewing():
            return negotiation.negotiated(self._clients.reader(), tunnels)

    def permissions(self, queries: Sequence[PermissionQuery]) -> tuple[PermissionResult, ...]:
        """Return whether the credentials may make each of *queries* (``PermissionReader``).

        Raises:
            AwsError: The identity of the credentials could not be read.
        """
        who = self.identity()
        with self._renewing():
            return dry_runs.permissions(self._clients, who.arn, queries, self._clock)

    @contextmanager
    def _renewing(self) -> Iterator[None]:
        """Discard the session if its credentials fail, so that the next call loads new ones."""
        try:
            yield
        except (CredentialsExpiredError, NoCredentialsError) as error:
            if error.advice == RENEW:
                error.advice = self._how_to_renew()
            self._clients.renew()
            raise

    def _how_to_renew(self) -> Advice:
        """Return how to renew the credentials of the current session."""
        try:
            return renewal_advice(self._clients.credentials().source)
        except FAILURES:
            return RENEW  # The session cannot be opened either.


class Account(Reader):
    """Read and write access to an account.  Device files go to *vault*.

    *may_send* is called immediately before a mutating request is sent (``guard_sends``).
    """

    def __init__(
        self,
        clients: ClientSource,
        clock: Clock,
        vault: ConfigurationStore,
        may_send: SendGuard = allow_all,
        parser: RowParser | None = None,
    ) -> None:
        super().__init__(clients, clock, parser)
        self._vault = vault
        self._may_send = may_send

    def perform(self, change: AwsChange, tags: CallTags) -> Outcome:
        """Send *change* once and return its outcome (``ports.Ec2``)."""
        try:
            with tag_calls(tags.migration, tags.step), self._renewing():
                match change:
                    case ArchiveConfiguration():
                        return archive(change, self._clients.reader(), self._vault, tags.migration)
                    case CreateVpnConnection(keys=KeyMode.REUSE):
                        return self._send(change, tags, self._old_keys(change))
                    case _:
                        return self._send(change, tags, ())
        except AwsError as exc:
            return outcome_of_read(exc)
        except VaultError as exc:
            return Refused("Vault", exc.message, exc.advice)

    def _send(self, change: BaseCall, tags: CallTags, keys: Sequence[Secret]) -> Outcome:
        """Send *change* once; *keys* are those of the tunnels of a connection that reuses them."""
        request = change.request(tags)
        if keys:
            tunnels = request.parameters["Options"]["TunnelOptions"]
            for tunnel, key in zip(tunnels, keys, strict=False):
                tunnel["PreSharedKey"] = key.reveal()
        try:
            with guard_sends(self._may_send):
                return _call(request, self._clients.writer())
        except FAILURES as exc:
            return self._failed(exc, change, keys)

    def _failed(self, exc: Exception, change: BaseCall, keys: Sequence[Secret]) -> Outcome:
        failure = failure_of(exc, change.call, hide=keys)
        if failure.kind is FailureKind.CREDENTIALS:
            self._clients.renew()
        return outcome_of(failure)

    def _old_keys(self, change: CreateVpnConnection) -> tuple[Secret, ...]:
        """Return the keys of the connection that *change* replaces, by outside address."""
        row = describe.connection(self._clients.reader(), change.replaces)
        configuration = configuration_of(row) if row else None
        keys = configuration.keys if configuration else ()
        if configuration is None or len(keys) != len(configuration.tunnels):
            raise AwsError(
                f"EC2 does not show the keys of {change.replaces}, so they cannot be reused",
                advice="roll back, then plan with a playbook that uses new keys",
            )
        return keys


def _call(request: Request, ec2: EC2Client) -> Performed:
    """Call EC2 and return its answer; exceptions of the client pass through.

    ``DetachVpnGateway`` is sent as ``ec2.detach_vpn_gateway(**parameters)``, and so on.

    Raises:
        UnexpectedAnswerError: The answer is not from AWS.
    """
    from botocore import xform_name

    answer: Mapping[str, Any] = getattr(ec2, xform_name(request.operation))(**request.parameters)
    made = next(
        (answer[kind].get(name) for kind, name in _CREATED.items() if answer.get(kind)), None
    )
    named = answer.get("ResponseMetadata", {}).get("RequestId")
    if not named:
        raise UnexpectedAnswerError("unexpected response, not from AWS: it has no request id")
    return Performed(named, made)
