"""World: EC2's VPN domain of one account and Region, in memory.

It is independent of botocore and moto: parameters and answers have the form that the caller of a
boto3 client uses.  Clients are in ``client.direct`` and ``server.moto``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from threading import RLock
from typing import Any

from vpnmigrate.model.clock import Clock
from vpnmigrate.model.ec2 import WITHOUT_DRY_RUN
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.devices import Devices
from vpnmigrate.sandbox.ec2.dispatch import READS, WRITES, Action
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.next_change import changes
from vpnmigrate.sandbox.state import (
    Association,
    AttachmentRow,
    Connection,
    CustomerGateway,
    Device,
    Gateway,
    PropagationSetting,
    RouteTable,
    Subnet,
    Timeline,
    TunnelState,
    Vpc,
    WorldState,
)


@dataclass
class _Memory:
    """An unchanging state with its answers: each is valid between two of its timed changes."""

    state: WorldState
    answers: dict[tuple[int, Action, str], dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._since = self.state.now - self.state.behaviour.read_lag

    @cached_property
    def changes(self) -> list[datetime]:
        """Times at which the state changes without a call, calculated on first use.

        Times before the maximum read lag are left out.
        """
        return changes(self.state, self._since)

    def kept(self) -> _Memory:
        """Return a copy of the present state with its answers, before a call changes it."""
        past = _Memory(kept(self.state), self.answers)
        past.changes = self.changes
        return past

    def next_change(self) -> datetime | None:
        """Return the first time after the state's own at which any answer may change."""
        come = bisect_right(self.changes, self.state.now)
        return self.changes[come] if come < len(self.changes) else None

    def answer(self, action: Action, params: Mapping[str, Any], written: str) -> dict[str, Any]:
        """Return the answer of *action*, from the cache if no timed change came in between.

        *written* is ``_canonical`` of *params*.
        """
        asked = (bisect_right(self.changes, self.state.now), action, written)
        if asked not in self.answers:
            self.answers[asked] = action(self.state, params)
        return dict(self.answers[asked])


class World:
    """One account in one Region.  Equal worlds return equal answers to equal calls.

    Random values (ids, durations) depend on the seed and on the call, never on the order of
    parallel calls.
    """

    def __init__(
        self,
        clock: Clock,
        behaviour: Behaviour | None = None,
        account: str = "123456789012",
        region: str = "eu-west-1",
        seed: int = 0,
    ) -> None:
        self.clock = clock
        self.behaviour = behaviour or Behaviour()
        self.account = account
        self.region = region
        self.seed = seed
        self.devices = Devices(self.alone)
        self._present = _Memory(WorldState(clock.now(), self.behaviour, account, region, seed))
        self._lock = RLock()
        self._calls: Counter[str] = Counter()
        self._questions: dict[str, str] = {}
        self._past: list[tuple[datetime, _Memory]] = []
        self._changed = clock.now()
        self._next_change: datetime | None = self._changed

    def handles(self, service: str, action: str) -> bool:
        """Return whether the world answers *action* of *service*, named as in boto3."""
        return (service, action) in READS or (service, action) in WRITES

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Execute *action* and return its answer, which is shared and must not be changed.

        Raises:
            ApiError: The error that AWS would return; nothing was changed.
        """
        name = (service, action)
        if not self.handles(*name):
            raise ApiError("InvalidAction", f"The sandbox has no {service} {action}.")
        with self._lock:
            state = self._now()
            if service == "ec2" and action not in WITHOUT_DRY_RUN and params.get("DryRun"):
                raise ApiError(
                    "DryRunOperation",
                    "Request would have succeeded, but DryRun flag is set.",
                    412,
                )
            if name in WRITES:
                state.draw_from(self._once(name, _canonical(params)))
                return self._write(WRITES[name], state, params)
            return self._read(name, params, self._asked(params))

    @contextmanager
    def alone(self) -> Iterator[WorldState]:
        """Lock the world and yield its state at the clock's time, for direct changes."""
        with self.to_be_read() as state:
            try:
                yield state
            finally:
                self._altered(state)

    @contextmanager
    def to_be_read(self) -> Iterator[WorldState]:
        """Lock the world and yield its state at the clock's time, for reading only."""
        with self._lock:
            yield self._now()

    def _now(self) -> WorldState:
        """Return the state at the clock's time; the caller holds the lock."""
        state = self._present.state
        state.now = self.clock.now()
        return state

    def _altered(self, state: WorldState) -> None:
        self._changed = self._next_change = state.now
        self._present = _Memory(state)
        self._questions.clear()

    def changed(self) -> datetime:
        """Return a time since which every answer that does not lag has been the same."""
        with self._lock:
            state = self._now()
            if self._next_change is not None and self._next_change <= state.now:
                self._changed = state.now
                self._next_change = self._present.next_change()
            return self._changed

    def next_change(self) -> datetime | None:
        """Return the next time at which an answer may change without a call; None if never."""
        self.changed()
        return self._next_change

    def rests_until(self, moment: datetime) -> bool:
        """Return whether nothing changes without a call up to and including *moment*."""
        next_change = self.next_change()
        return next_change is None or moment < next_change

    @property
    def keys(self) -> frozenset[str]:
        """All tunnel keys, so that a test can search for leaks."""
        with self.to_be_read() as state:
            return frozenset(t.key for c in state.connections.values() for t in c.tunnels)

    def fork(self, clock: Clock, behaviour: Behaviour | None = None) -> World:
        """Return a copy of this world that changes independently from then on.

        *clock* shows the same moment; a *behaviour* of its own holds from there on.
        """
        world = World(clock, behaviour or self.behaviour, self.account, self.region, self.seed)
        with self.to_be_read() as state:
            world._present = _Memory(replace(kept(state), behaviour=world.behaviour))
            world._calls = self._calls.copy()
        return world

    def _asked(self, params: Mapping[str, Any]) -> str:
        """Return ``_canonical`` of a read's *params*, cached until the next change."""
        written = repr(params)
        if written not in self._questions:
            self._questions[written] = _canonical(params)
        return self._questions[written]

    def _once(self, name: tuple[str, str], written: str) -> str:
        """Return a name for a call that is unique in this world, even among equal calls."""
        call = f"{self.seed}/{'/'.join(name)}/{written}"
        self._calls[call] += 1
        return f"{call}/{self._calls[call]}"

    def _read(
        self, name: tuple[str, str], params: Mapping[str, Any], written: str
    ) -> dict[str, Any]:
        """Return an answer from the present state, or with a read lag from a past one."""
        state = self._present.state
        if not self.behaviour.read_lag:
            return self._present.answer(READS[name], params, written)
        present = moment = state.now
        if not self.behaviour.lagging or name[1] in self.behaviour.lagging:
            moment -= self.behaviour.read_lag * _fraction(self._once(name, written))
        seen = next((before for ended, before in self._past if ended > moment), self._present)
        seen.state.now = moment
        try:
            return seen.answer(READS[name], params, written)
        finally:
            state.now = present

    def _write(
        self, action: Action, state: WorldState, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Change the state; its previous value is kept for as long as a read may return it."""
        lag = self.behaviour.read_lag
        if lag:
            self._past = [entry for entry in self._past if entry[0] > state.now - lag]
            self._past.append((state.now, self._present.kept()))
        self._altered(state)
        return action(state, params)


def _fraction(text: str) -> float:
    """Return a number from 0 up to 1 that depends on *text*; faster than a new ``Random``."""
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest()) / 2**32


def _canonical(value: Any) -> str:
    """Return *value* as text, equal for equal parameters."""
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{k}:{_canonical(value[k])}" for k in sorted(value)) + "}"
    return repr(value)


def kept(state: WorldState) -> WorldState:
    """Return a copy of *state* that no later action changes.

    Only values that actions change in place are copied.  Routes, tunnels and the list of a
    timeline's times are never changed in place, so copies share them.
    """
    return replace(
        state,
        vpcs={id_: _vpc(vpc) for id_, vpc in state.vpcs.items()},
        subnets={id_: _subnet(subnet) for id_, subnet in state.subnets.items()},
        gateways={id_: _gateway(gateway) for id_, gateway in state.gateways.items()},
        customer_gateways={id_: _customer(each) for id_, each in state.customer_gateways.items()},
        connections={id_: _connection(each) for id_, each in state.connections.items()},
        tables={id_: _table(table) for id_, table in state.tables.items()},
        tags={id_: dict(tags) for id_, tags in state.tags.items()},
        born=dict(state.born),
        devices={id_: _device(device) for id_, device in state.devices.items()},
        advertised=dict(state.advertised),
        virtual_interfaces=list(state.virtual_interfaces),
        direct_connect_ties=list(state.direct_connect_ties),
        encryption_controls=dict(state.encryption_controls),
        pending_maintenance=dict(state.pending_maintenance),
    )


def _life(life: Timeline) -> Timeline:
    return Timeline(life.moments)


def _vpc(vpc: Vpc) -> Vpc:
    return Vpc(vpc.id, vpc.cidrs, vpc.owner, _life(vpc.life))


def _subnet(subnet: Subnet) -> Subnet:
    return Subnet(subnet.id, subnet.vpc, subnet.cidr, _life(subnet.life))


def _customer(customer: CustomerGateway) -> CustomerGateway:
    return CustomerGateway(
        customer.id,
        _life(customer.life),
        customer.asn,
        customer.ip,
        customer.device_name,
        customer.certificate,
    )


def _gateway(gateway: Gateway) -> Gateway:
    return Gateway(
        gateway.id,
        gateway.asn,
        _life(gateway.life),
        [AttachmentRow(row.vpc, _life(row.life)) for row in gateway.attachments],
        gateway.type,
    )


def _connection(connection: Connection) -> Connection:
    return Connection(
        connection.id,
        _life(connection.life),
        connection.category,
        connection.customer_gateway,
        connection.gateway,
        connection.static_only,
        [
            TunnelState(t.outside_ip, t.inside_cidr, t.key, t.options, t.interrupted_until)
            for t in connection.tunnels
        ],
        connection.elsewhere,
        {cidr: _life(life) for cidr, life in connection.prefixes.items()},
        connection.key_storage,
        connection.networks,
    )


def _table(table: RouteTable) -> RouteTable:
    return RouteTable(
        table.id,
        table.vpc,
        table.owner,
        list(table.routes),
        [Association(a.id, a.subnet, a.gateway, a.main, a.until) for a in table.associations],
        [PropagationSetting(p.gateway, p.since, p.until) for p in table.propagations],
        table.described,
    )


def _device(device: Device) -> Device:
    return Device(device.configured, dict(device.enabled), dict(device.disabled), device.bgp_shut)
