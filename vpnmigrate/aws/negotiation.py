"""Negotiated algorithms of tunnels, as EC2 shows them; a failed read is a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vpnmigrate.aws.errors import UnexpectedAnswerError
from vpnmigrate.aws.read_errors import ActionNotOfferedError, translate_errors
from vpnmigrate.model.errors import AwsError, CredentialsExpiredError, NoCredentialsError
from vpnmigrate.model.negotiated import NegotiatedTunnel, NegotiationStatus, texts_of
from vpnmigrate.model.tunnel_maintenance import QueriedTunnel

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def negotiated(ec2: EC2Client, tunnels: Iterable[QueriedTunnel]) -> tuple[NegotiatedTunnel, ...]:
    """Return what each of *tunnels* has negotiated.

    Raises:
        CredentialsExpiredError: The credentials must be renewed.
        NoCredentialsError: The credentials are missing or unknown.
    """
    return tuple(_negotiated(ec2, tunnel) for tunnel in tunnels)


def _negotiated(ec2: EC2Client, tunnel: QueriedTunnel) -> NegotiatedTunnel:
    try:
        with translate_errors("ec2:GetActiveVpnTunnelStatus"):
            answer = ec2.get_active_vpn_tunnel_status(
                VpnConnectionId=tunnel.connection, VpnTunnelOutsideIpAddress=tunnel.outside_ip
            )
            return _shown(tunnel, answer.get("ActiveVpnTunnelStatus"))
    except (CredentialsExpiredError, NoCredentialsError):
        raise
    except AwsError as error:
        absent = isinstance(error, ActionNotOfferedError)
        status = NegotiationStatus.NOT_OFFERED if absent else NegotiationStatus.UNKNOWN
        return NegotiatedTunnel(tunnel.connection, tunnel.outside_ip, status, why=error.message)


def _shown(tunnel: QueriedTunnel, row: Mapping[str, Any] | None) -> NegotiatedTunnel:
    """Return the algorithms of *row*.

    Raises:
        UnexpectedAnswerError: The answer has none.
    """
    if row is None:
        raise UnexpectedAnswerError("the answer has no ActiveVpnTunnelStatus")
    found = NegotiatedTunnel(
        tunnel.connection,
        tunnel.outside_ip,
        NegotiationStatus.SHOWN,
        ike_version=row.get("IkeVersion") or "",
        phase1_encryption=row.get("Phase1EncryptionAlgorithm") or "",
        phase1_integrity=row.get("Phase1IntegrityAlgorithm") or "",
        phase1_dh_group=row.get("Phase1DHGroup"),
        phase2_encryption=row.get("Phase2EncryptionAlgorithm") or "",
        phase2_integrity=row.get("Phase2IntegrityAlgorithm") or "",
        phase2_dh_group=row.get("Phase2DHGroup"),
        phase1_key_exchanges=_exchanges(row.get("Phase1AdditionalKeyExchanges")),
        phase2_key_exchanges=_exchanges(row.get("Phase2AdditionalKeyExchanges")),
    )
    if any(texts_of(found)):
        return found
    provisioning = row.get("ProvisioningStatus") or "not shown"
    reason = row.get("ProvisioningStatusReason") or ""
    why = f"EC2 shows no algorithms; provisioning is {provisioning}{reason and f': {reason}'}"
    return NegotiatedTunnel(
        tunnel.connection, tunnel.outside_ip, NegotiationStatus.UNKNOWN, why=why
    )


def _exchanges(rows: Iterable[Mapping[str, Any]] | None) -> tuple[tuple[int, int], ...]:
    return tuple(
        (row.get("AdditionalKeyExchangeRound", 0), row.get("KeyExchangeMethod", 0))
        for row in rows or ()
    )
