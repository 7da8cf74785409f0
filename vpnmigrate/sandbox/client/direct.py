"""Direct client: calls to a world without botocore.

A hundred times as fast as a botocore client, so rehearsals and simulations use it.  It leaves out
botocore's part: parameters are not checked against EC2's model and nothing is serialised.
``tests/contract`` checks that all clients give the same answers.
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

    from vpnmigrate.aws.session import MonitoringService
    from vpnmigrate.sandbox.authorization import CalledWorld

_REFUSED = 300
"""HTTP status from which on botocore raises an error."""


class DirectClients:
    """Clients of a sandbox (``aws.clients.ClientSource``); there are no credentials to renew."""

    def __init__(
        self,
        world: CalledWorld,
        *,
        latency: timedelta = LATENCY,
        faults: FaultSource | None = None,
        advance: Callable[[timedelta], None] | None = None,
    ) -> None:
        """Connect to *world*; the other parameters are those of ``CallPipeline``."""
        pipeline = CallPipeline(world, latency=latency, faults=faults, advance=advance)
        self.region = world.region
        self._ec2: Any = _Client("ec2", pipeline)
        self._sts = _Client("sts", pipeline)
        self._direct_connect = _Client("directconnect", pipeline)
        self._service_quotas = _Client("service-quotas", pipeline)
        self._iam = _Client("iam", pipeline)
        self._organizations = _Client("organizations", pipeline)

    endpoint = ""
    """A world in this process has no endpoint."""

    def reader(self) -> EC2Client:
        """Return the EC2 client; it makes no retries."""
        ec2: EC2Client = self._ec2
        return ec2

    def dry_runner(self) -> EC2Client:
        """Return the same EC2 client."""
        return self.reader()

    def writer(self) -> EC2Client:
        """Return the same EC2 client."""
        return self.reader()

    def sts(self) -> Any:
        """Return the STS client."""
        return self._sts

    def direct_connect(self) -> Any:
        """Return the Direct Connect client."""
        return self._direct_connect

    def service_quotas(self) -> Any:
        """Return the Service Quotas client."""
        return self._service_quotas

    def iam(self) -> Any:
        """Return the IAM client, which has no operations."""
        return self._iam

    def organizations(self) -> Any:
        """Return the Organizations client, which has no operations."""
        return self._organizations

    def monitoring(self, service: MonitoringService) -> Any:
        """Return a client of *service* that has nothing; moto answers for a served sandbox."""
        del service
        return _Unmonitored()

    def credentials(self) -> Credentials:
        """Return credentials that do not expire."""
        return Credentials(Renewal.NEVER_EXPIRES)

    def renew(self) -> None:
        """Do nothing: a sandbox's credentials expire only by an injected fault."""


class _Unmonitored:
    """Monitoring of an account without alarms, dashboards, rules and log groups."""

    def describe_alarms(self, **_asked: Any) -> dict[str, Any]:
        return {"MetricAlarms": [], "CompositeAlarms": []}

    def list_dashboards(self) -> dict[str, Any]:
        return {"DashboardEntries": []}

    def list_event_buses(self) -> dict[str, Any]:
        return {"EventBuses": []}

    def describe_log_groups(self, **_asked: Any) -> dict[str, Any]:
        return {"logGroups": []}


class _Client:
    """One service's client: a method for each operation that a world answers."""

    def __init__(self, service: str, pipeline: CallPipeline) -> None:
        self._service = service
        self._pipeline = pipeline

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        try:
            action = _actions(self._service)[name]
        except KeyError:
            raise AttributeError(f"the sandbox has no {name}") from None
        call = _call(self._service, action, self._pipeline)
        setattr(self, name, call)
        return call


def _call(service: str, action: str, pipeline: CallPipeline) -> Callable[..., dict[str, Any]]:
    def call(**params: Any) -> dict[str, Any]:
        answer = pipeline.pass_(service, action, params)
        if answer["ResponseMetadata"]["HTTPStatusCode"] >= _REFUSED:
            from botocore.exceptions import ClientError

            refusal: Any = answer
            raise ClientError(refusal, action)
        return answer

    return call


@cache
def _actions(service: str) -> Mapping[str, str]:
    """Return the operations of *service* by the names of a botocore client's methods."""
    from botocore import xform_name

    return {xform_name(action): action for known, action in (*READS, *WRITES) if known == service}
