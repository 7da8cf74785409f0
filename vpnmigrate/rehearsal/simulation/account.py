"""Account of a trial: calls are counted, killed and checked, and device files are dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from vpnmigrate.aws.account import Account
from vpnmigrate.aws.reading import RowParser
from vpnmigrate.engine.ports import Identity
from vpnmigrate.model.changes import AwsChange
from vpnmigrate.model.changes.base import CallTags, Outcome
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.ec2 import (
    ConnectionRecord,
    GatewayRecord,
    VpcId,
    VpnGatewayId,
)
from vpnmigrate.model.encryption_control import EncryptionControls
from vpnmigrate.model.negotiated import NegotiatedTunnel
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Reading, ReadingPart
from vpnmigrate.model.survey import Survey
from vpnmigrate.model.tunnel_maintenance import QueriedTunnel, TunnelMaintenance
from vpnmigrate.rehearsal.rehearse import NullVault
from vpnmigrate.rehearsal.simulation.schedule import FaultInjector
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.world import World

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import VpnConnectionTypeDef, VpnGatewayTypeDef


class RepeatingParser(RowParser):
    """A parser that returns the same record while the row of a resource stays the same.

    Most rows of a reading are those of the reading before.  Real runs repeat route tables only.
    """

    def __init__(self) -> None:
        super().__init__()
        self._gateways: dict[str, tuple[VpnGatewayTypeDef, GatewayRecord]] = {}
        self._connections: dict[str, tuple[VpnConnectionTypeDef, ConnectionRecord]] = {}

    def gateway(self, row: VpnGatewayTypeDef) -> GatewayRecord:
        """Return the virtual private gateway of *row*."""
        last = self._gateways.get(row["VpnGatewayId"])
        if last is None or (last[0] is not row and last[0] != row):
            last = self._gateways[row["VpnGatewayId"]] = row, super().gateway(row)
        return last[1]

    def connection(self, row: VpnConnectionTypeDef) -> ConnectionRecord:
        """Return the connection of *row*."""
        last = self._connections.get(row["VpnConnectionId"])
        if last is None or (last[0] is not row and last[0] != row):
            last = self._connections[row["VpnConnectionId"]] = row, super().connection(row)
        return last[1]


class InstrumentedEc2:
    """An account (``ports.Ec2``) with callbacks around every observation and change.

    If the world has not changed since the last observation, nor in the time that a describe may
    lag, its reading is reused: every call would have the same answer, and takes as long.
    """

    def __init__(
        self,
        account: Account,
        world: World,
        injector: FaultInjector,
        looked: Callable[[], None],
        clock: Clock,
        before: Callable[[], None],
    ) -> None:
        """Wrap *account*; *before* is called before every call, *looked* after an observation."""
        self._before = before
        self._account = account
        self._world = world
        self._injector = injector
        self._looked = looked
        self._clock = clock
        self._last: Reading | None = None
        self._last_at = world.clock.now()
        """The start of the last observation in the world's time; *clock* is the process's."""
        self._took = timedelta(0)

    def identity(self) -> Identity:
        """Return the identity of the account."""
        return self._account.identity()

    def survey(self, gateway: VpnGatewayId) -> Survey:
        """Return a survey of *gateway*."""
        return self._account.survey(gateway)

    def observe(self, plan: Plan) -> Reading:
        """Return an observation, and have the world checked."""
        self._before()
        begun = self._world.clock.now()
        last = self._last
        if last is not None and self._would_repeat():
            reading = replace(last, begun=self._clock.now())
            self._world.clock.sleep(self._took)
        else:
            reading = self._last = self._account.observe(plan)
            self._took = self._world.clock.now() - begun
        self._last_at = begun
        self._looked()
        return reading

    def differs(self, plan: Plan, earlier: Reading, part: ReadingPart) -> bool:
        """Return whether *part* differs from that of *earlier*."""
        self._before()
        return self._account.differs(plan, earlier, part)

    def maintenance(self, tunnels: Sequence[QueriedTunnel]) -> Sequence[TunnelMaintenance]:
        """Return the announced maintenance of *tunnels*."""
        return self._account.maintenance(tunnels)

    def encryption(self, vpc: VpcId) -> EncryptionControls:
        """Return the encryption controls of *vpc*."""
        return self._account.encryption(vpc)

    def negotiated(self, tunnels: Sequence[QueriedTunnel]) -> Sequence[NegotiatedTunnel]:
        """Return what *tunnels* have negotiated."""
        return self._account.negotiated(tunnels)

    def perform(self, change: AwsChange, tags: CallTags) -> Outcome:
        """Send *change*, unless the process is killed before it."""
        self._before()
        self._injector.sends(change)
        outcome = self._account.perform(change, tags)
        self._injector.sent(change, outcome)
        return outcome

    def _would_repeat(self) -> bool:
        world = self._world
        steady = world.changed() < self._last_at - world.behaviour.read_lag
        return (
            steady
            and self._injector.spares_reads
            and world.rests_until(world.clock.now() + self._took)
        )


def account_of(
    world: World, injector: FaultInjector | None, clock: Clock, parser: RowParser | None = None
) -> Account:
    """Return the account of *world*, whose calls have the faults of *injector*."""
    return Account(DirectClients(world, faults=injector), clock, NullVault(), parser=parser)
