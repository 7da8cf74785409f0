"""Route lookup: the target of every address, and the differences between two tables.

The lookup is exhaustive: the address space is split at every prefix boundary and each piece is
compared.  The order of preference is AWS's (domain.md 4.3): the longest prefix; among equals a
static route, then a prefix list's, then a propagated one; and no propagated route, however long,
inside a network of the VPC itself.  A prefix list with unknown entries is a destination of its own:
the same list covers the same addresses in both readings.  But it may overlap any other destination.
So if such a destination has another deciding route than before, or the route of a list has changed,
the result is unknown and the two readings do not count as the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network, summarize_address_range

from msgspec import Struct

from vpnmigrate.model.ec2 import CREATED_ROUTE, RouteRecord, RouteTableId, RouteTableRecord

NOTHING = "nothing"
"""Next hop of an address that no route covers."""
BLACK_HOLE = "a black hole"
"""Next hop of a route whose target does not exist: it drops its packets."""
LOCAL = "local"

SHOWN = 3
"""Number of networks that a sentence lists; the others are counted."""


class RouteOrigin(IntEnum):
    """Origin of a route, in order of preference."""

    LOCAL = 0
    STATIC = 1
    LISTED = 2
    """A prefix list whose entries are known."""
    PROPAGATED = 3


class EffectiveRoute(Struct, frozen=True, order=True):
    """The route that applies to an address; all fields have their defaults if none applies."""

    kind: RouteOrigin = RouteOrigin.LOCAL
    dead: bool = False
    target: str = ""
    destination: str = ""
    """Destination in the table: a network, or the id of a prefix list."""

    @property
    def hop(self) -> str:
        """The next hop of its packets."""
        if not self.destination:
            return NOTHING
        return BLACK_HOLE if self.dead else self.target

    @property
    def leads_somewhere(self) -> bool:
        """Whether the next hop can forward packets."""
        return self.hop not in {NOTHING, BLACK_HOLE}


NO_ROUTE = EffectiveRoute()
Entries = Mapping[str, Sequence[str]]
"""Prefix list id to its networks."""
_UNKNOWN_ENTRIES: Entries = {}


class RouteComparison(Struct, frozen=True):
    """A destination in one table with its effective next hop before and after."""

    table: RouteTableId
    parts: tuple[str, ...]
    """The destination of the deciding route, or the networks of the part that is compared."""
    before: EffectiveRoute
    after: EffectiveRoute
    same: bool
    """Whether both hops are certainly the same; a gateway and its successor count as one."""
    unread: tuple[str, ...] = ()
    """Prefix lists that may decide it instead, before or now; then it cannot be compared."""

    @property
    def destination(self) -> str:
        """The destination as text for an operator."""
        more = f" and {len(self.parts) - SHOWN} more" if len(self.parts) > SHOWN else ""
        return ", ".join(self.parts[:SHOWN]) + more

    def __str__(self) -> str:
        went = f"{self.table}: {self.destination} went to {self.before.hop} before"
        goes = f"goes to {self.after.hop} now"
        if self.unread:
            lists = ", ".join(self.unread)
            return f"{went}, {goes}, but cannot be compared: it may be in {lists} (entries unknown)"
        return f"{went} and {goes}"


def equivalence(
    before: RouteTableRecord,
    after: RouteTableRecord,
    successors: Mapping[str, str],
    entries: Entries = _UNKNOWN_ENTRIES,
) -> tuple[RouteComparison, ...]:
    """Return the comparison of two readings of a table, for every destination in either.

    *successors* maps a target before to the one that has replaced it.
    """
    listed = tuple((name, tuple(networks)) for name, networks in sorted(entries.items()))
    replaced = tuple(sorted(successors.items()))
    return _equivalence(before.id, before.routes, after.routes, replaced, listed)


@lru_cache(maxsize=4096)
def _equivalence(
    table: RouteTableId,
    before: tuple[RouteRecord, ...],
    after: tuple[RouteRecord, ...],
    replaced: tuple[tuple[str, str], ...],
    listed: tuple[tuple[str, tuple[str, ...]], ...],
) -> tuple[RouteComparison, ...]:
    """Return the comparison, cached: most observations see the same routes as the previous one."""
    successors, entries = dict(replaced), dict(listed)
    here, there = _Space(before, entries), _Space(after, entries)
    pieces: defaultdict[tuple[EffectiveRoute, EffectiveRoute], list[_Piece]] = defaultdict(list)
    sizes: defaultdict[tuple[bool, EffectiveRoute], int] = defaultdict(int)
    for piece, old, new in _pieces(here, there):
        pieces[old, new].append(piece)
        sizes[True, old] += piece.size
        sizes[False, new] += piece.size
    rows = []
    for (old, new), found in pieces.items():
        if old == new == NO_ROUTE:
            continue
        lead = old if old.destination else new
        whole = sum(p.size for p in found) == sizes[lead is old, lead]
        parts = (lead.destination,) if whole else tuple(n for p in found for n in p.networks())
        unread = _unread(here, there, old, new, successors)
        same = successors.get(old.hop, old.hop) == new.hop and not unread
        rows.append(RouteComparison(table, parts, old, new, same, unread))
    return tuple(sorted(rows, key=lambda row: (row.same, row.parts)))


def _unread(
    here: _Space,
    there: _Space,
    old: EffectiveRoute,
    new: EffectiveRoute,
    successors: Mapping[str, str],
) -> tuple[str, ...]:
    """Return the lists that may apply instead of *old* or *new*, with different results.

    Against an unchanged route, a list applies to the same addresses as before.
    """

    def led(name: str) -> set[str]:
        before, after = here.opaque.get(name, NO_ROUTE), there.opaque.get(name, NO_ROUTE)
        # Packets that a black hole dropped before cannot be worse off now.
        was = set() if before.dead else {successors.get(before.hop, before.hop)}
        return was | {after.hop}

    if not (here.opaque or there.opaque):
        return ()
    names = sorted((here.opaque.keys() | there.opaque.keys()) - {old.destination, new.destination})
    if (old.kind, old.destination) == (new.kind, new.destination):
        names = [name for name in names if len(led(name)) > 1]
    hops = {successors.get(old.hop, old.hop), new.hop}
    hops = hops.union(*(led(name) - {NOTHING} for name in names))
    return tuple(names) if len(hops) > 1 else ()


class _Piece(Struct, frozen=True):
    """Addresses from *first* to *last* of one family; family 0 is an opaque destination."""

    family: int
    first: int
    last: int
    name: str = ""

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def networks(self) -> Iterator[str]:
        match self.family:
            case 4:
                ends = (IPv4Address(self.first), IPv4Address(self.last))
                yield from map(str, summarize_address_range(*ends))
            case 6:
                six = (IPv6Address(self.first), IPv6Address(self.last))
                yield from map(str, summarize_address_range(*six))
            case _:
                yield self.name


_LAST = {4: 2**32 - 1, 6: 2**128 - 1}


class _Space:
    """The whole address space, divided by the routes of one table."""

    def __init__(self, routes: Iterable[RouteRecord], entries: Entries) -> None:
        self.opaque: dict[str, EffectiveRoute] = {}
        best: dict[tuple[int, int, int], EffectiveRoute] = {}
        for route in routes:
            if route.state == "filtered":
                continue  # not installed
            for network in _networks(route, entries):
                self._offer(best, network, _winner(route))
        self.steps = {family: _steps(best, family) for family in _LAST}
        self._starts = {family: sorted(steps) for family, steps in self.steps.items()}

    def _offer(
        self, best: dict[tuple[int, int, int], EffectiveRoute], network: str, winner: EffectiveRoute
    ) -> None:
        try:
            piece = _piece(network)
        except ValueError:
            self.opaque[network] = min(winner, self.opaque.get(network, winner))
            return
        best[piece] = min(winner, best.get(piece, winner))

    def at(self, family: int, address: int) -> EffectiveRoute:
        starts = self._starts[family]
        return self.steps[family][starts[bisect_right(starts, address) - 1]]


def _pieces(here: _Space, there: _Space) -> Iterator[tuple[_Piece, EffectiveRoute, EffectiveRoute]]:
    for family, last in _LAST.items():
        starts = sorted(here.steps[family].keys() | there.steps[family].keys())
        for first, end in zip(starts, [*starts[1:], last + 1], strict=True):
            piece = _Piece(family, first, end - 1)
            yield piece, here.at(family, first), there.at(family, first)
    for name in sorted(here.opaque.keys() | there.opaque.keys()):
        piece = _Piece(0, 0, 0, name)
        yield piece, here.opaque.get(name, NO_ROUTE), there.opaque.get(name, NO_ROUTE)


def _networks(route: RouteRecord, entries: Entries) -> Sequence[str]:
    return entries.get(route.destination, (route.destination,))


def _winner(route: RouteRecord) -> EffectiveRoute:
    listed = route.destination.startswith("pl-")
    if route.target == LOCAL:
        kind = RouteOrigin.LOCAL
    elif route.origin != CREATED_ROUTE:
        kind = RouteOrigin.PROPAGATED
    else:
        kind = RouteOrigin.LISTED if listed else RouteOrigin.STATIC
    # A route in an unknown state is not a proven path.
    return EffectiveRoute(kind, route.state != "active", route.target, route.destination)


@lru_cache(maxsize=65_536)
def _piece(network: str) -> tuple[int, int, int]:
    """Return family, first and last address; tables of one VPC repeat the same few networks."""
    parsed = ip_network(network)
    return parsed.version, int(parsed.network_address), int(parsed.broadcast_address)


def _steps(
    best: Mapping[tuple[int, int, int], EffectiveRoute], family: int
) -> dict[int, EffectiveRoute]:
    """Return the addresses at which the deciding route changes, with the route from there on.

    Networks are nested or disjoint, so the innermost one at an address has the longest prefix.
    """
    local = [(f, a, z) for (f, a, z), winner in best.items() if winner.kind is RouteOrigin.LOCAL]
    steps = {0: NO_ROUTE}
    enclosing: list[tuple[int, EffectiveRoute]] = []

    def close(before: int) -> None:
        while enclosing and enclosing[-1][0] < before:
            last, _ = enclosing.pop()
            if last < _LAST[family]:
                steps[last + 1] = enclosing[-1][1] if enclosing else NO_ROUTE

    for (of, first, last), winner in sorted(best.items(), key=lambda b: (b[0][1], -b[0][2])):
        if of != family or (
            winner.kind is RouteOrigin.PROPAGATED and _within(local, of, first, last)
        ):
            continue
        close(first)
        steps[first] = winner
        enclosing.append((last, winner))
    close(_LAST[family] + 1)
    return steps


def _within(local: Iterable[tuple[int, int, int]], family: int, first: int, last: int) -> bool:
    return any(f == family and a <= first and last <= z for f, a, z in local)
