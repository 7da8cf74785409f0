"""Deletions: of what a run made, and in step 11 of what was there before."""

from __future__ import annotations

from vpnmigrate.changes.base import BaseDeletion


class DeleteVpnConnection(BaseDeletion, frozen=True, tag="delete-vpn-connection"):
    """Delete a connection; for an old one there is no way back."""

    def __str__(self) -> str:
        return f"delete connection {self.id}"


class DeleteVpnGateway(BaseDeletion, frozen=True, tag="delete-vpn-gateway"):
    """Delete a virtual private gateway that is on no VPC and has no connection."""

    def __str__(self) -> str:
        return f"delete virtual private gateway {self.id}"


class DeleteTestSubnet(BaseDeletion, frozen=True, tag="delete-test-subnet"):
    """Delete the test subnet."""

    @property
    def call(self) -> str:
        return "DeleteSubnet"

    def __str__(self) -> str:
        return f"delete test subnet {self.id}"


class DeleteTestVpc(BaseDeletion, frozen=True, tag="delete-test-vpc"):
    """Delete the test VPC."""

    @property
    def call(self) -> str:
        return "DeleteVpc"

    def __str__(self) -> str:
        return f"delete test VPC {self.id}"
