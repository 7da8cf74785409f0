"""A run's connection to its world, watched: deeds are counted, repeated looks are spared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from msgspec.structs import replace

from vpnmigrate.aws.account import Account
from vpnmigrate.engine.ports import Identity
from vpnmigrate.model.changes import AwsChange
from vpnmigrate.model.changes.base import Mark, Outcome
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.ec2 import VpnGatewayId
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Reading
from vpnmigrate.model.survey import Survey
from vpnmigrate.sandbox.world import World
from vpnmigrate.simulation.schedule import Fate


class WatchedEc2:
    """An account (``ports.Ec2``) whose every look and deed somebody hears of.

    A look in a world that has not changed since the look before, nor for as long as a describe may
    lag, is answered by that one's reading: every call would be answered alike, and takes as long.
    """

    def __init__(
        self,
        account: Account,
        world: World,
        fate: Fate,
        looked: Callable[[], None],
        clock: Clock,
        before: Callable[[], None],
    ) -> None:
        """Look through *account*; *before* is called before every call, *looked* after a look."""
        self._before = before
        self._account = account
        self._world = world
        self._fate = fate
        self._looked = looked
        self._clock = clock
        self._last: Reading | None = None
        self._last_at = world.clock.now()
        """When that was begun, in the world's time; *clock* is the process's."""
        self._took = timedelta(0)

    def identity(self) -> Identity:
        """Tell who we are."""
        return self._account.identity()

    def survey(self, gateway: VpnGatewayId) -> Survey:
        """Read widely."""
        return self._account.survey(gateway)

    def look(self, plan: Plan) -> Reading:
        """Read narrowly, then let the world be judged."""
        self._before()
        begun = self._world.clock.now()
        last = self._last
        if last is not None and self._would_repeat():
            reading = replace(last, begun=self._clock.now())
            self._world.clock.sleep(self._took)
        else:
            reading = self._last = self._account.look(plan)
            self._took = self._world.clock.now() - begun
        self._last_at = begun
        self._looked()
        return reading

    def perform(self, change: AwsChange, mark: Mark) -> Outcome:
        """Send *change*, unless the process dies before."""
        self._before()
        self._fate.sends()
        outcome = self._account.perform(change, mark)
        self._fate.sent()
        return outcome

    def _would_repeat(self) -> bool:
        world = self._world
        steady = world.changed() < self._last_at - world.behaviour.read_lag
        return (
            steady and self._fate.spares_reads and world.rests_until(world.clock.now() + self._took)
        )
