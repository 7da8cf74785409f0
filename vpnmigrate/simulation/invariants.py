"""What must hold after every look, and what must be true when the journal says so: pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Entry, Finished, StepSettled, TrafficVerified
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction, Plan, connection_role
from vpnmigrate.sandbox.state import LIVING
from vpnmigrate.simulation.truth import Truth, configuration
from vpnmigrate.steps.s03_create_connections import wanted_prefixes

CLAIMS = (TrafficVerified, StepSettled, Finished)
"""The records that say that something is true of AWS."""


@dataclass(frozen=True)
class Judge:
    """Knows the plan and how the world was before."""

    plan: Plan
    before: Truth

    def of_look(self, now: Truth, direction: Direction | None, *, announced: bool) -> Iterator[str]:
        """Say what is broken in the world *now*.

        *direction* is what the run is about, and *announced* whether it has said that traffic is
        down.
        """
        if len(now.attached) > 1:
            yield f"two gateways are attached: {sorted(now.attached)}"
        if not now.attached and not announced:
            yield "no gateway is attached outside the announced outage"
        lost = self.before.paths - now.paths
        if lost and not announced:
            yield f"no path outside the announced outage: {sorted(lost)[:3]}"
        retiring = direction is Direction.RETIRE
        may_go = {*self.plan.old_connections, self.plan.old_gateway} if retiring else set()
        for id_, life in self.before.lives.items():
            if now.lives.get(id_) != life and id_ not in may_go:
                yield f"{id_} was {life} and is {now.lives.get(id_, 'gone')}"
        for role, ids in now.roles.items():
            if len(ids) > 1:
                yield f"{len(ids)} resources are in the role {role}: {ids}"

    def of_entry(self, entry: Entry, now: Truth, run: RunState) -> Iterator[str]:
        """Say what the journal claims with *entry* and is not true."""
        match entry.record:
            case TrafficVerified():
                untrue = self._flows(now, run)
            case StepSettled(number=number, cleaning=False) if run.direction is not None:
                untrue = self._settled(number, now, run)
            case Finished(direction=direction, lost=lost):
                untrue = self._arrived(direction, now, run, lost)
            case _:
                return
        for what in untrue:
            yield f"{type(entry.record).__name__} of line {entry.seq}, but {what}"

    def _joining(self, now: Truth, run: RunState) -> str:
        if run.direction is Direction.BACK:
            return self.plan.old_gateway
        return next(iter(now.roles.get(GATEWAY_ROLE, ("",))))

    def _flows(self, now: Truth, run: RunState) -> Iterator[str]:
        joining = self._joining(now, run)
        if now.attached != {joining}:
            yield f"attached are {sorted(now.attached)}, not {joining}"
        if lost := self.before.paths - now.paths:
            yield f"no path for {sorted(lost)[:3]}"

    def _settled(self, number: int, now: Truth, run: RunState) -> Iterator[str]:
        joining = self._joining(now, run)
        match number:
            case 2:
                if now.lives.get(joining) != "available":
                    yield f"the new gateway is {now.lives.get(joining)}"
            case 3:
                yield from self._successors(now)
            case 7:
                leaving = {self.plan.old_gateway, *now.roles.get(GATEWAY_ROLE, ())} - {joining}
                left = {pair for pair in now.propagating if pair[1] in leaving}
                if left:
                    yield f"still propagating: {sorted(left)}"
            case 8:
                if now.attached != {joining}:
                    yield f"attached are {sorted(now.attached)}, not {joining}"
            case 9:
                yield from self._routed(now, joining)
            case 10:
                yield from self._flows(now, run)
            case _:
                pass

    def _successors(self, now: Truth) -> Iterator[str]:
        for old in self.plan.before.living:
            new = next(iter(now.roles.get(connection_role(old.id), ("",))))
            if now.lives.get(new) != "available":
                yield f"the successor of {old.id} is {now.lives.get(new)}"
            for cidr in wanted_prefixes(old):
                if (new, cidr) not in now.prefixes:
                    yield f"{cidr} is not on the successor of {old.id}"

    def _routed(self, now: Truth, joining: str) -> Iterator[str]:
        old = self.plan.old_gateway
        for table, gateway in self.before.propagating:
            if gateway == old and (table, joining) not in now.propagating:
                yield f"{table} does not propagate {joining}"
        for route, target in self.before.routes.items():
            wanted = joining if target == old else target
            if now.routes.get(route) != wanted:
                yield f"{route} goes to {now.routes.get(route)}, not to {wanted}"
        for table, gateway in self.before.edges:
            if gateway == old and (table, joining) not in now.edges:
                yield f"{table} is not the edge table of {joining}"

    def _arrived(
        self, direction: Direction, now: Truth, run: RunState, lost: tuple[str, ...]
    ) -> Iterator[str]:
        match direction:
            case Direction.FORWARD:
                yield from self._flows(now, run)
                yield from self._routed(now, self._joining(now, run))
                yield from self._successors(now)
                known = {*self.before.lives, *(id_ for ids in now.roles.values() for id_ in ids)}
                # What is deleted may take its time; the test VPC brings a table of its own.
                for id_ in sorted(set(now.lives) - known):
                    if now.lives[id_] in LIVING:
                        yield f"{id_} is left and has no role"
            case Direction.BACK if run.keep_new:
                yield from self._flows(now, run)
            case Direction.BACK:
                # The engineer enables all old tunnels, those that were down before as well.
                more = configuration(now) - {f"{old} is up" for old in self.plan.old_connections}
                for line in sorted(configuration(self.before) - configuration(now)):
                    yield f"not as before, for want of: {line}"
                news = more - configuration(self.before)
                for line in sorted(each for each in news if not _is_named(each, now, lost)):
                    yield f"not as before: {line}"
            case Direction.RETIRE:
                yield from self._flows(now, run)
                for old in self.plan.old_connections:
                    if old in now.lives:
                        yield f"{old} is {now.lives[old]}"


def _is_named(line: str, now: Truth, lost: tuple[str, ...]) -> bool:
    """Return whether the run has said that it left what *line* of a configuration is about."""
    left = {role for role, ids in now.roles.items() for id_ in ids if any(id_ in w for w in lost)}
    return any(f"<{role}>" in line for role in left)
