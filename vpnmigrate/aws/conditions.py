"""Conditions that AWS sets for a migration: tunnel maintenance and VPC encryption control.

A plan can be carried out without these reads, so a failed one is a result instead of an error.  An
endpoint that does not offer one of the calls has no such condition (``docs/decisions/0053``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.aws.describe import pages
from vpnmigrate.aws.read_errors import ActionNotOfferedError, translate_errors
from vpnmigrate.model.ec2 import VpcId
from vpnmigrate.model.encryption_control import (
    NOT_OFFERED,
    EncryptionControl,
    EncryptionControls,
)
from vpnmigrate.model.errors import (
    AwsError,
    AwsUnreadableError,
    CredentialsExpiredError,
    NoCredentialsError,
    NotAuthorizedError,
    NotFoundError,
)
from vpnmigrate.model.tunnel_maintenance import (
    MaintenanceStatus,
    QueriedTunnel,
    TunnelMaintenance,
)

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_ABSENT: Final = EncryptionControl(NOT_OFFERED)


class RegionControls(Struct, frozen=True):
    """The encryption controls of a Region and its account, as far as they could be read."""

    vpcs: Mapping[str, EncryptionControl] = {}
    elsewhere: EncryptionControl | None = None
    """What holds for a VPC without a row."""
    account: EncryptionControl | None = None
    vpcs_unread: str = ""
    account_unread: str = ""
    is_temporary: bool = False

    def of(self, vpc: VpcId | None) -> EncryptionControls:
        """Return the controls that apply to *vpc*."""
        here = self.vpcs.get(vpc or "", self.elsewhere)
        return EncryptionControls(
            here, self.account, self.vpcs_unread, self.account_unread, self.is_temporary
        )


def encryption_controls(ec2: EC2Client) -> RegionControls:
    """Return the encryption controls of every VPC of the Region, and that of the account.

    Raises:
        CredentialsExpiredError: The credentials must be renewed.
        NoCredentialsError: The credentials are missing or unknown.
    """
    found = RegionControls()
    try:
        found = replace(found, vpcs=dict(_of_vpcs(ec2)))
    except ActionNotOfferedError:
        found = replace(found, elsewhere=_ABSENT)
    except AwsError as error:
        found = replace(found, vpcs_unread=error.message, is_temporary=_is_temporary(error))
    try:
        return replace(found, account=_of_account(ec2))
    except ActionNotOfferedError:
        return replace(found, account=_ABSENT)
    except AwsError as error:
        is_temporary = _is_temporary(error) or found.is_temporary
        return replace(found, account_unread=error.message, is_temporary=is_temporary)


def _is_temporary(error: AwsError) -> bool:
    """Return whether a later read may succeed; raise an error about the credentials."""
    _require_credentials(error)
    return isinstance(error, AwsUnreadableError)


def _require_credentials(error: AwsError) -> None:
    """Raise *error* if it is about the credentials: no read works without them."""
    if isinstance(error, CredentialsExpiredError | NoCredentialsError):
        raise error


def _of_vpcs(ec2: EC2Client) -> Iterator[tuple[str, EncryptionControl]]:
    with translate_errors("ec2:DescribeVpcEncryptionControls"):
        for page in pages(ec2.describe_vpc_encryption_controls):
            for row in page["VpcEncryptionControls"]:
                if row.get("State") != "deleted":
                    exclusions = row.get("ResourceExclusions") or {}
                    excluded = exclusions.get("VirtualPrivateGateway") or {}
                    yield row.get("VpcId", ""), _control(row, excluded.get("State"))


def _of_account(ec2: EC2Client) -> EncryptionControl | None:
    with translate_errors("ec2:DescribeAccountVpcEncryptionControl"):
        answer = ec2.describe_account_vpc_encryption_control()
        row = answer.get("AccountVpcEncryptionControl")
        if not row:
            # A proxy's page is parsed into an answer without a request id.
            answer["ResponseMetadata"]["RequestId"]
            return None
        return _control(row, (row.get("Exclusions") or {}).get("VirtualPrivateGateway"))


def _control(row: Mapping[str, Any], exclusion: str | None) -> EncryptionControl:
    return EncryptionControl(row.get("Mode") or "", row.get("State") or "", exclusion or "")


def maintenance(ec2: EC2Client, tunnels: Iterable[QueriedTunnel]) -> tuple[TunnelMaintenance, ...]:
    """Return the announced maintenance of each of *tunnels*.

    Raises:
        CredentialsExpiredError: The credentials must be renewed.
        NoCredentialsError: The credentials are missing or unknown.
    """
    return tuple(_maintenance(ec2, tunnel) for tunnel in tunnels)


def _maintenance(ec2: EC2Client, tunnel: QueriedTunnel) -> TunnelMaintenance:
    if not tunnel.outside_ip:
        why = "EC2 shows no address of its tunnels"
        return TunnelMaintenance(tunnel, MaintenanceStatus.UNKNOWN, why=why)
    try:
        with translate_errors("ec2:GetVpnTunnelReplacementStatus"):
            answer = ec2.get_vpn_tunnel_replacement_status(
                VpnConnectionId=tunnel.connection, VpnTunnelOutsideIpAddress=tunnel.outside_ip
            )
            return _announced(tunnel, answer["MaintenanceDetails"])
    except AwsError as error:
        return _unshown(tunnel, error)


_NOTHING: Final = frozenset({"", "none", "no", "false"})
"""Texts of no pending maintenance; EC2's own is unconfirmed (domain.md 14.2)."""


def _announced(tunnel: QueriedTunnel, details: Mapping[str, Any]) -> TunnelMaintenance:
    """Return the announcement in *details*."""
    said: str | None = details.get("PendingMaintenance")
    after: datetime | None = details.get("MaintenanceAutoAppliedAfter")
    # A tunnel may have had a maintenance before, so a time alone is an announcement.
    named = (said or "").strip().casefold() not in _NOTHING
    if named or (said is None and after is not None):
        return TunnelMaintenance(tunnel, MaintenanceStatus.PENDING, after)
    return TunnelMaintenance(tunnel, MaintenanceStatus.NONE)


def _unshown(tunnel: QueriedTunnel, error: AwsError) -> TunnelMaintenance:
    """Return the status of a tunnel whose read failed with *error*."""
    _require_credentials(error)
    match error:
        case ActionNotOfferedError():
            status, is_temporary = MaintenanceStatus.NOT_OFFERED, False
        case AwsUnreadableError():
            status, is_temporary = MaintenanceStatus.UNKNOWN, True
        case NotAuthorizedError():
            status, is_temporary = MaintenanceStatus.UNKNOWN, False
        case _ if tunnel.classic:
            # Lifecycle control is a feature of AWS VPN, so EC2 may refuse to answer.
            status, is_temporary = MaintenanceStatus.NOT_OFFERED, False
        case _:
            # A new connection may not be visible everywhere yet.
            status, is_temporary = MaintenanceStatus.UNKNOWN, isinstance(error, NotFoundError)
    return TunnelMaintenance(tunnel, status, why=error.message, is_temporary=is_temporary)
