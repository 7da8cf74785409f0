"""Direct client: calls to a world without botocore.

A hundred times as quick as the door behind botocore, so rehearsals and simulations use it.  What
it leaves out is botocore's: parameters are not checked against EC2's model and nothing is
serialised.  ``tests/contract`` holds every door to the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from vpnmigrate.engine.ports import Credentials, Renewal
from vpnmigrate.sandbox.client.call import LATENCY, CallPipeline
from vpnmigrate.sandbox.ec2.dispatch import READS, WRITES
from vpnmigrate.sandbox.faults import FaultSource

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

    from vpnmigrate.sandbox.world import World

_REFUSED = 300
"""From this HTTP status on botocore raises."""


class DirectClients:
    """Clients of a sandbox (``aws.clients.ClientSource``); there are no credentials to renew."""

    def __init__(
        self,
        world: World,
        *,
        latency: timedelta = LATENCY,
        faults: FaultSource | None = None,
        advance: Callable[[timedelta], None] | None = None,
    ) -> None:
        """Open a door to *world*; the rest is ``threshold.Threshold``'s."""
        threshold = CallPipeline(world, latency=latency, faults=faults, advance=advance)
        self.region = world.region
        self._ec2: Any = _Client("ec2", threshold)
        self._sts = _Client("sts", threshold)
        self._direct_connect = _Client("directconnect", threshold)
        self._service_quotas = _Client("service-quotas", threshold)

    def reader(self) -> EC2Client:
        """Return EC2; nothing lies between to be repeated."""
        ec2: EC2Client = self._ec2
        return ec2

    def writer(self) -> EC2Client:
        """Return EC2 again: the same calls serve."""
        return self.reader()

    def sts(self) -> Any:
        """Return STS."""
        return self._sts

    def direct_connect(self) -> Any:
        """Return Direct Connect."""
        return self._direct_connect

    def service_quotas(self) -> Any:
        """Return Service Quotas."""
        return self._service_quotas

    def credentials(self) -> Credentials:
        """Return that there are none that could end."""
        return Credentials(Renewal.NEEDLESS)

    def renew(self) -> None:
        """Do nothing: a sandbox's credentials do not expire but by a fault."""


class _Client:
    """One service's client: a method for each operation that a world answers."""

    def __init__(self, service: str, threshold: CallPipeline) -> None:
        self._service = service
        self._threshold = threshold

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        try:
            action = _actions(self._service)[name]
        except KeyError:
            raise AttributeError(f"no sandbox answers {name}") from None
        call = _call(self._service, action, self._threshold)
        setattr(self, name, call)
        return call


def _call(service: str, action: str, threshold: CallPipeline) -> Callable[..., dict[str, Any]]:
    def call(**params: Any) -> dict[str, Any]:
        answer = threshold.pass_(service, action, params)
        if answer["ResponseMetadata"]["HTTPStatusCode"] >= _REFUSED:
            from botocore.exceptions import ClientError

            refusal: Any = answer
            raise ClientError(refusal, action)
        return answer

    return call


@cache
def _actions(service: str) -> Mapping[str, str]:
    """Return what *service* answers by the names of a client's methods, as botocore forms them."""
    from botocore import xform_name

    return {xform_name(action): action for known, action in (*READS, *WRITES) if known == service}
