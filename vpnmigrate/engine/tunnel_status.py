"""Tunnel status and encryption control: the reads of ``ports.Ec2`` about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vpnmigrate.model.ec2 import VpcId
from vpnmigrate.model.encryption_control import EncryptionControls
from vpnmigrate.model.negotiated import NegotiatedTunnel
from vpnmigrate.model.tunnel_maintenance import QueriedTunnel, TunnelMaintenance


class TunnelStatusReader(Protocol):
    """Reads of tunnels and VPCs besides telemetry; a value that cannot be read is unknown.

    Only missing, expired or refused credentials raise an error, so that they are renewed.
    """

    def maintenance(self, tunnels: Sequence[QueriedTunnel]) -> Sequence[TunnelMaintenance]:
        """Return the announced maintenance of each of *tunnels*.

        Raises:
            CredentialsExpiredError: The credentials must be renewed.
            NoCredentialsError: The credentials are missing or unknown.
        """
        ...

    def encryption(self, vpc: VpcId) -> EncryptionControls:
        """Return the encryption controls that apply to *vpc*.

        Raises:
            CredentialsExpiredError: The credentials must be renewed.
            NoCredentialsError: The credentials are missing or unknown.
        """
        ...

    def negotiated(self, tunnels: Sequence[QueriedTunnel]) -> Sequence[NegotiatedTunnel]:
        """Return the algorithms of each of *tunnels*.

        Raises:
            CredentialsExpiredError: The credentials must be renewed.
            NoCredentialsError: The credentials are missing or unknown.
        """
        ...
