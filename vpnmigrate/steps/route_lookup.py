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

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import IntEnum
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network, summarize_address_range

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.ec2 import (
    ADVERTISED_ROUTE,
    CREATED_ROUTE,
    FILTERED,
    LOCAL,
    TABLE_ROUTE,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
)

NOTHING = "nothing"
"""Next hop of an address that no route covers."""
BLACK_HOLE = "a black hole"
"""Next hop of a route whose target does not exist: it drops its packets."""

PREFIX_LIST = "pl-"
"""How the id of a prefix list begins."""
SHOWN = 3
"""Number of networks that a sentence lists; the others are counted."""


class RouteOrigin(IntEnum):
    """Origin of a route, in order of preference."""

    LOCAL = 0
    STATIC = 1
    LISTED = 2
    """A prefix list whose entries are known."""
    PROPAGATED = 3
    ADVERTISED = 4
    """Of a VPC Route Server; which of it and a propagated route wins is unknown."""


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


class RouteComparison(Struct, frozen=True, dict=True):
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
        return self._text

    @cached_property
    def _text(self) -> str:
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


def is_restored(
    before: RouteTableRecord, after: RouteTableRecord, successors: Mapping[str, str]
) -> bool:
    """Return whether both have the same routes, but for targets that their successors replace.

    Then every destination has the same hop, and a comparison has no row that differs.
    """
    if len(before.routes) != len(after.routes):
        return False
    then = {
        (r.destination, r.origin): (successors.get(r.target, r.target), r.state)
        for r in before.routes
    }
    now = {(r.destination, r.origin): (r.target, r.state) for r in after.routes}
    return len(then) == len(before.routes) and then == now


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
    here = _space(before, listed)
    moved = None if here.opaque else _moved(before, after, successors)
    if moved is not None:
        deciding = sorted((here.winners[i] for i in here.deciding), key=lambda old: old.destination)
        return tuple(
            RouteComparison(
                table, (old.destination,), old, _winner(moved[old.destination]), same=True
            )
            for old in deciding
        )
    there = _Space(after, entries)
    pieces: defaultdict[tuple[int, int], list[_Piece]] = defaultdict(list)
    was, now = [0] * len(here.winners), [0] * len(there.winners)
    for piece, i, j in _pieces(here, there):
        pieces[i, j].append(piece)
        size = piece[2] - piece[1] + 1
        was[i] += size
        now[j] += size
    rows = []
    for (i, j), found in pieces.items():
        old, new = here.winners[i], there.winners[j]
        if i == j == 0:  # no route in either
            continue
        lead, size = (old, was[i]) if old.destination else (new, now[j])
        whole = sum(last - first + 1 for _, first, last, _ in found) == size
        parts = (lead.destination,) if whole else tuple(n for p in found for n in _networks_of(p))
        unread = _unread(here, there, old, new, successors)
        same = _succeeded(old.hop, successors) == new.hop and not unread
        rows.append(RouteComparison(table, parts, old, new, same, unread))
    return tuple(sorted(rows, key=lambda row: (row.same, row.parts)))


def _moved(
    before: tuple[RouteRecord, ...], after: tuple[RouteRecord, ...], successors: Mapping[str, str]
) -> Mapping[str, RouteRecord] | None:
    """Return the routes *after* by destination, if only targets changed, to their *successors*.

    Then the address space is divided as before, and each address has the same hop.  None also if
    several routes may decide one network, because their targets may tell which one does.
    """
    if len(before) != len(after):
        return None
    for old, new in zip(before, after, strict=True):
        if (
            old.destination != new.destination
            or old.origin != new.origin
            or old.state != new.state
            or successors.get(old.target, old.target) != new.target
            or old.destination.startswith(PREFIX_LIST)
        ):
            return None
    found = {route.destination: route for route in after}
    return found if len(found) == len(after) else None


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


_Piece = tuple[int, int, int, str]
"""Family, first and last address, and the name of an opaque destination, whose family is 0."""


def _networks_of(piece: _Piece) -> Iterator[str]:
    family, first, last, name = piece
    match family:
        case 4:
            ends = (IPv4Address(first), IPv4Address(last))
            yield from map(str, summarize_address_range(*ends))
        case 6:
            six = (IPv6Address(first), IPv6Address(last))
            yield from map(str, summarize_address_range(*six))
        case _:
            yield name


_LAST = {4: 2**32 - 1, 6: 2**128 - 1}


class _Space:
    """The whole address space, divided by the routes of one table."""

    def __init__(self, routes: Iterable[RouteRecord], entries: Entries) -> None:
        self.opaque: dict[str, EffectiveRoute] = {}
        best: dict[tuple[int, int, int], EffectiveRoute] = {}
        advertised: dict[tuple[int, int, int], EffectiveRoute] = {}
        for route in routes:
            if route.state == FILTERED:
                continue
            winner = _winner(route)
            for network in _networks(route, entries):
                by_server = winner.kind is RouteOrigin.ADVERTISED
                self._offer(advertised if by_server else best, network, winner)
        for piece, winner in advertised.items():
            best[piece] = _with_advertised(best.get(piece), winner)
        self.winners = [NO_ROUTE]
        self._numbers = {NO_ROUTE: 0}
        ordered = sorted(best.items(), key=lambda item: (item[0][1], -item[0][2]))
        self.steps = {family: self._steps(ordered, family) for family in _LAST}
        self.opaque_numbers = {name: self._number(won) for name, won in self.opaque.items()}

    @property
    def deciding(self) -> AbstractSet[int]:
        """The numbers of the routes that decide about any address."""
        return {number for steps in self.steps.values() for _, number in steps} - {0}

    def _number(self, winner: EffectiveRoute) -> int:
        """Return the index of *winner* in ``winners``, and add it if it is new."""
        found = self._numbers.setdefault(winner, len(self.winners))
        if found == len(self.winners):
            self.winners.append(winner)
        return found

    def _offer(
        self, best: dict[tuple[int, int, int], EffectiveRoute], network: str, winner: EffectiveRoute
    ) -> None:
        piece = _piece(network)
        if piece is None:
            self.opaque[network] = min(winner, self.opaque.get(network, winner))
        else:
            rival = best.get(piece)
            best[piece] = winner if rival is None else min(winner, rival)

    def _steps(
        self, ordered: Iterable[tuple[tuple[int, int, int], EffectiveRoute]], family: int
    ) -> list[tuple[int, int]]:
        """Return the addresses at which the deciding route changes, with its number from there on.

        Networks are nested or disjoint, so the innermost one at an address has the longest prefix.
        """
        mine = [(first, last, won) for (of, first, last), won in ordered if of == family]
        local = [(first, last) for first, last, won in mine if won.kind is RouteOrigin.LOCAL]
        steps = {0: 0}
        enclosing: list[tuple[int, int]] = []
        for first, last, winner in mine:
            if winner.kind in _LEARNED and _within(local, first, last):
                continue
            _close(steps, enclosing, first)
            number = self._number(winner)
            steps[first] = number
            enclosing.append((last, number))
        _close(steps, enclosing, _LAST[family] + 1)
        steps.pop(_LAST[family] + 1, None)
        return sorted(steps.items())


def _close(steps: dict[int, int], enclosing: list[tuple[int, int]], before: int) -> None:
    """End the networks that end before an address: the one around each decides from there on."""
    while enclosing and enclosing[-1][0] < before:
        last, _ = enclosing.pop()
        steps[last + 1] = enclosing[-1][1] if enclosing else 0


@lru_cache(maxsize=256)
def _space(
    routes: tuple[RouteRecord, ...], listed: tuple[tuple[str, tuple[str, ...]], ...]
) -> _Space:
    """Return the space of the routes before, which every comparison of a table repeats."""
    return _Space(routes, dict(listed))


def _pieces(here: _Space, there: _Space) -> Iterator[tuple[_Piece, int, int]]:
    """Yield the pieces with one deciding route in each space, with the numbers of both."""
    for family, end in _LAST.items():
        ours, theirs = here.steps[family], there.steps[family]
        i = j = first = 0
        while first <= end:
            after = ours[i + 1][0] if i + 1 < len(ours) else end + 1
            next_ = theirs[j + 1][0] if j + 1 < len(theirs) else end + 1
            until = min(after, next_)
            yield (family, first, until - 1, ""), ours[i][1], theirs[j][1]
            first = until
            i += after == until
            j += next_ == until
    for name in sorted(here.opaque.keys() | there.opaque.keys()):
        yield (0, 0, 0, name), here.opaque_numbers.get(name, 0), there.opaque_numbers.get(name, 0)


_LEARNED = (RouteOrigin.PROPAGATED, RouteOrigin.ADVERTISED)
_OR = " or "
"""Between the next hops of routes of which either may win."""


def _with_advertised(winner: EffectiveRoute | None, other: EffectiveRoute) -> EffectiveRoute:
    """Return the route that wins against an advertised one; both next hops if that is unknown."""
    if winner is None:
        return other
    learned = winner.kind is RouteOrigin.PROPAGATED
    if not learned or winner.target == other.target or winner.dead or other.dead:
        return winner
    return replace(winner, target=_OR.join(sorted((winner.target, other.target))))


def _succeeded(hop: str, successors: Mapping[str, str]) -> str:
    """Return *hop* with each target replaced by its successor."""
    if _OR not in hop:
        return successors.get(hop, hop)
    return _OR.join(sorted({successors.get(part, part) for part in hop.split(_OR)}))


def _networks(route: RouteRecord, entries: Entries) -> Sequence[str]:
    return entries.get(route.destination, (route.destination,))


def _winner(route: RouteRecord) -> EffectiveRoute:
    listed = route.destination.startswith(PREFIX_LIST)
    if route.target == LOCAL or route.origin == TABLE_ROUTE:
        # The row of the VPC's own range; a firewall's may have taken its place.
        kind = RouteOrigin.LOCAL
    elif route.origin == ADVERTISED_ROUTE:
        kind = RouteOrigin.ADVERTISED
    elif route.origin != CREATED_ROUTE:
        kind = RouteOrigin.PROPAGATED
    else:
        kind = RouteOrigin.LISTED if listed else RouteOrigin.STATIC
    # A route in an unknown state is not a proven path.
    return EffectiveRoute(kind, route.state != "active", route.target, route.destination)


@lru_cache(maxsize=65_536)
def _piece(network: str) -> tuple[int, int, int] | None:
    """Return family, first and last address; None for a destination that is not a network.

    Cached: the tables of one VPC repeat the same few networks.
    """
    try:
        parsed = ip_network(network)
    except ValueError:
        return None
    return parsed.version, int(parsed.network_address), int(parsed.broadcast_address)


def _within(local: Iterable[tuple[int, int]], first: int, last: int) -> bool:
    return any(a <= first and last <= z for a, z in local)
