"""What the adapter asks of whoever hands out its clients: AWS's own, or those of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from vpnmigrate.engine.ports import Credentials

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


class ClientSource(Protocol):
    """The clients of one account and Region, for several threads (``session.Clients``).

    A client raises what botocore's would, and never repeats a mutating call.
    """

    @property
    def region(self) -> str:
        """The Region that the clients talk to."""
        ...

    def reader(self) -> EC2Client:
        """Give EC2 for describe calls."""
        ...

    def writer(self) -> EC2Client:
        """Give EC2 for mutating calls, each of which is sent once."""
        ...

    def sts(self) -> Any:
        """Give STS."""
        ...

    def direct_connect(self) -> Any:
        """Give Direct Connect."""
        ...

    def service_quotas(self) -> Any:
        """Give Service Quotas."""
        ...

    def credentials(self) -> Credentials:
        """Tell how long the credentials in use last."""
        ...

    def renew(self) -> None:
        """Find credentials afresh for the next call."""
        ...
