"""Route equivalence: where a table sends every address, before and after."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import msgspec
import pytest
from msgspec.structs import replace

from tests.support.builders import NEW, OLD, a_table
from vpnmigrate.model.ec2 import (
    PROPAGATED_ROUTE,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
    VpcId,
)
from vpnmigrate.steps.route_lookup import BLACK_HOLE, NOTHING, equivalence, is_restored

parsed = cache(ip_network)
"""Of the small spaces, which have some dozen networks each."""

TABLES = int(os.environ.get("VPNMIGRATE_TEST_TABLES", "10000"))
"""Random pairs of tables that are compared with the oracle; more is only slower."""
BITS = 5
"""Width of the space whose every address the oracle visits."""
SPACES = (IPv4Network("10.9.8.0/27"), IPv6Network("2001:db8::/123"))

ORIGINS = ("CreateRoute", "CreateRoute", "CreateRouteTable", PROPAGATED_ROUTE, "Advertisement")
TARGETS = (OLD, NEW, "igw-1", "eni-1")
STATES = ("active", "active", "active", "blackhole", "filtered", "unheard-of")
Lists = dict[str, list[str]]
LISTS: Lists = {"pl-known": ["10.9.8.0/28", "2001:db8::8/125"]}


def table(*routes: RouteRecord) -> RouteTableRecord:
    return RouteTableRecord(RouteTableId("rtb-1"), VpcId("vpc-1"), routes=routes)


def static(destination: str, target: str = OLD, state: str = "active") -> RouteRecord:
    return RouteRecord(destination, target, state=state)


def learned(destination: str, target: str = OLD, state: str = "active") -> RouteRecord:
    return RouteRecord(destination, target, PROPAGATED_ROUTE, state)


LOCAL = RouteRecord("10.0.0.0/16", "local", "CreateRouteTable")


def described(before: RouteTableRecord, after: RouteTableRecord, **how: object) -> list[str]:
    """Return the differences, a sentence each; the new gateway replaces the old one."""
    rows = equivalence(before, after, {OLD: NEW}, **how)  # type: ignore[arg-type]
    return [str(row) for row in rows if not row.same]


def hops(*routes: RouteRecord, **how: object) -> dict[str, str]:
    """Return the next hop of each destination of one table."""
    rows = equivalence(table(*routes), table(*routes), {}, **how)  # type: ignore[arg-type]
    return {row.destination: row.before.hop for row in rows}


class TestPreference:
    def test_the_longest_prefix_decides(self):
        """The most specific route is used, of any origin."""
        assert hops(static("10.8.0.0/15", "igw-1"), learned("10.9.0.0/16")) == {
            "10.8.0.0/15": "igw-1",
            "10.9.0.0/16": OLD,
        }

    def test_a_static_route_beats_a_propagated_one(self):
        """Of two equal destinations the static route is used."""
        assert hops(learned("10.9.0.0/16"), static("10.9.0.0/16", "igw-1")) == {
            "10.9.0.0/16": "igw-1"
        }

    def test_no_propagated_route_enters_the_vpc(self):
        """Inside the VPC's network even a longer propagated prefix is ignored."""
        assert hops(LOCAL, learned("10.0.1.0/24")) == {"10.0.0.0/16": "local"}
        assert hops(LOCAL, static("10.0.1.0/24", "eni-1"))["10.0.1.0/24"] == "eni-1"

    def test_a_prefix_list_stands_between_the_two(self):
        """A known list's network precedes an equal propagated route and follows a static one."""
        entries = {"pl-1": ["10.9.0.0/16"]}
        listed = static("pl-1", "tgw-1")

        assert hops(listed, learned("10.9.0.0/16"), entries=entries) == {"pl-1": "tgw-1"}
        assert hops(listed, static("10.9.0.0/16", "igw-1"), entries=entries) == {
            "10.9.0.0/16": "igw-1"
        }

    def test_a_prefix_list_of_unknown_entries_is_a_destination_of_its_own(self):
        """A list with unknown entries is compared by its id (case 16)."""
        assert hops(static("pl-1")) == {"pl-1": OLD}

    def test_a_dead_route_is_a_black_hole_and_hides_what_lies_behind(self):
        """A route with a deleted target drops its packets; a less specific route is not used."""
        assert (
            hops(static("0.0.0.0/0", "igw-1"), static("10.9.0.0/16", state="blackhole"))[
                "10.9.0.0/16"
            ]
            == BLACK_HOLE
        )

    def test_what_the_leaving_gateway_left_behind_hides_nothing(self):
        """Case 48: of two equal propagated routes the active one is used."""
        left = learned("10.9.0.0/16", OLD, "blackhole")

        assert hops(left, learned("10.9.0.0/16", NEW)) == {"10.9.0.0/16": NEW}

    def test_a_route_that_was_filtered_is_not_there(self):
        """Case 19: a route that AWS lists but did not install is ignored."""
        assert hops(learned("10.9.0.0/16", state="filtered")) == {}


class TestUnreadLists:
    """Prefix lists with unknown entries, beside routes that they may overlap."""

    BESIDE = static("pl-1", "eni-1")
    PREFIX = "10.9.0.0/16"

    def test_the_same_routes_around_them_are_the_same(self):
        """Whatever its entries, a list applies to the same addresses as before."""
        before = table(self.BESIDE, static("pl-2"), learned(self.PREFIX), static("10.0.0.0/8"))
        after = table(
            *(self.BESIDE, static("pl-2", NEW)),
            *(learned(self.PREFIX, NEW), static("10.0.0.0/8", NEW)),
        )

        assert described(before, after) == []

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ([learned(PREFIX), static("10.0.0.0/8")], [static("10.0.0.0/8", NEW)]),
            ([learned(PREFIX)], [learned("10.9.0.0/17", NEW), learned("10.9.128.0/17", NEW)]),
            ([static(PREFIX)], [learned(PREFIX, NEW)]),
        ],
        ids=["a wider route", "longer ones", "another kind of route"],
    )
    def test_what_another_route_decides_is_not_compared(self, before, after):
        """A list may be between the two: the hop seems the same, but that is uncertain."""
        rows = equivalence(table(self.BESIDE, *before), table(self.BESIDE, *after), {OLD: NEW})
        doubtful = [row for row in rows if not row.same]

        assert doubtful
        assert {row.unread for row in doubtful} == {("pl-1",)}
        assert "cannot be compared: it may be in pl-1 (entries unknown)" in str(doubtful[0])

    def test_nor_is_what_a_list_may_hide_that_somebody_has_added(self):
        """A new list may change the next hop of any old destination, also of another list."""
        before = table(learned(self.PREFIX), static("pl-2"))
        after = table(learned(self.PREFIX, NEW), static("pl-2", NEW), self.BESIDE)

        doubtful = {r.destination: r.unread for r in equivalence(before, after, {OLD: NEW})}

        assert doubtful == {self.PREFIX: ("pl-1",), "pl-2": ("pl-1",), "pl-1": ("pl-2",)}

    def test_a_list_that_was_a_black_hole_makes_nothing_incomparable(self):
        """Its packets were dropped before, so they cannot be worse off through the successor."""
        dead = msgspec.structs.replace(static("pl-1"), state="blackhole")
        before = table(dead, static("0.0.0.0/0"))
        after = table(static("pl-1", NEW), static("0.0.0.0/0", NEW))

        rows = {row.destination: row for row in equivalence(before, after, {OLD: NEW})}

        assert rows["0.0.0.0/0"].same
        assert not any(row.unread for row in rows.values())

    def test_lists_that_lead_where_everything_leads_hide_nothing(self):
        """If every route goes to the gateway it does not matter which one is used."""
        before = table(static("pl-1"), learned(self.PREFIX), learned("10.0.0.0/8"))
        after = table(static("pl-1", NEW), learned("10.0.0.0/8", NEW))

        assert described(before, after) == []


class TestEquivalence:
    def test_the_same_routes_through_the_successor_are_the_same(self):
        """Old gateway to new gateway is no difference, for IPv4, IPv6 and prefix lists."""
        before = a_table("rtb-1", propagates=OLD, learned=["10.9.0.0/16", "2001:db8::/32"])
        after = a_table("rtb-1", propagates=NEW, learned=["10.9.0.0/16", "2001:db8::/32"])

        assert described(before, after) == []
        assert described(table(static("pl-1", OLD)), table(static("pl-1", NEW))) == []

    def test_every_destination_has_its_row(self):
        """Equal destinations are included: a report shows each prefix with both next hops."""
        rows = equivalence(table(learned("10.9.0.0/16")), table(learned("10.9.0.0/16", NEW)), {})

        assert [(r.destination, r.before.hop, r.after.hop) for r in rows] == [
            ("10.9.0.0/16", OLD, NEW)
        ]

    def test_a_lost_path_is_named_with_table_prefix_before_and_after(self):
        """A difference names its table, its destination and both next hops."""
        assert described(table(learned("10.9.0.0/16")), table()) == [
            f"rtb-1: 10.9.0.0/16 went to {OLD} before and goes to {NOTHING} now"
        ]

    def test_another_next_hop_is_named(self):
        """A default route that now gets the gateway's traffic is a difference."""
        default = static("0.0.0.0/0", "igw-1")

        assert described(table(default, learned("10.9.0.0/16")), table(default)) == [
            f"rtb-1: 10.9.0.0/16 went to {OLD} before and goes to igw-1 now"
        ]

    @pytest.mark.parametrize(
        "found",
        [["10.9.0.0/16"], ["10.8.0.0/13"], ["10.9.0.0/17", "10.9.128.0/17"]],
    )
    def test_a_prefix_may_come_back_wider_or_in_parts(self, found):
        """The next hops of addresses count, not the division into prefixes."""
        after = table(*(learned(prefix, NEW) for prefix in found))

        assert [
            line for line in described(table(learned("10.9.0.0/16")), after) if OLD in line
        ] == []

    def test_the_part_that_is_missing_is_named(self):
        """If half of a prefix is restored, the other half is named."""
        after = table(learned("10.9.0.0/17", NEW))

        assert described(table(learned("10.9.0.0/16")), after) == [
            f"rtb-1: 10.9.128.0/17 went to {OLD} before and goes to {NOTHING} now"
        ]

    def test_a_hole_in_a_prefix_does_not_hide_its_name(self):
        """A prefix that contains a more specific one keeps its name."""
        before = table(learned("10.0.0.0/8"), static("10.9.0.0/16", "igw-1"))

        assert described(before, table(static("10.9.0.0/16", "igw-1"))) == [
            f"rtb-1: 10.0.0.0/8 went to {OLD} before and goes to {NOTHING} now"
        ]

    def test_a_more_specific_stranger_is_a_difference(self):
        """An external route inside a prefix of the gateway gets its addresses."""
        after = table(learned("10.9.0.0/16", NEW), static("10.9.1.0/24", "eni-1"))

        assert described(table(learned("10.9.0.0/16")), after) == [
            f"rtb-1: 10.9.1.0/24 went to {OLD} before and goes to eni-1 now"
        ]

    def test_many_parts_are_counted(self):
        """A sentence lists three networks and counts the others."""
        after = table(learned("10.9.0.1/32", NEW))

        (line,) = described(table(learned("10.9.0.0/16")), after)

        assert "and 13 more went to" in line

    def test_the_ends_of_the_space_are_part_of_it(self):
        """The default route of either family includes the last address."""
        before = table(learned("0.0.0.0/0"), learned("::/0"))

        assert len(described(before, table())) == 2
        assert described(before, table(learned("0.0.0.0/0", NEW), learned("::/0", NEW))) == []


def random_table(draw: random.Random) -> RouteTableRecord:
    """Draw a table of up to seven routes inside the small spaces, of either family."""
    routes = []
    for _ in range(draw.randrange(8)):
        destination = draw_network(draw)
        if draw.random() < 0.05:
            destination = draw.choice(("pl-known", "pl-opaque"))
        origin = draw.choice(ORIGINS)
        target = "local" if origin == "CreateRouteTable" else draw.choice(TARGETS)
        routes.append(RouteRecord(destination, target, origin, draw.choice(STATES)))
    return table(*routes)


def test_a_route_server_and_a_gateway_may_both_win() -> None:
    """AWS's page on priority does not list Route Server's routes (domain.md 14.2)."""
    advertised = RouteRecord("10.9.0.0/16", "eni-1", "Advertisement")
    before = table(learned("10.9.0.0/16"), advertised)

    assert described(before, table(learned("10.9.0.0/16", NEW), advertised)) == []
    assert described(before, table(advertised)) == [
        "rtb-1: 10.9.0.0/16 went to eni-1 or vgw-old before and goes to eni-1 now"
    ]


def test_a_static_route_wins_against_a_route_server() -> None:
    """What AWS documents is decided."""
    advertised = RouteRecord("10.9.0.0/16", "eni-1", "Advertisement")
    before = table(static("10.9.0.0/16"), advertised)

    assert described(before, table(static("10.9.0.0/16", NEW), advertised)) == []


def test_a_firewall_in_place_of_the_local_route_stays() -> None:
    """The row of the VPC's own range may lead to an interface (domain.md 14.3)."""
    own = RouteRecord("10.0.0.0/16", "eni-1", "CreateRouteTable")
    before = table(own, learned("10.0.9.0/24"))

    assert described(before, table(own)) == []


def oracle(routes: RouteTableRecord, lists: Lists = LISTS) -> dict[str, str]:
    """Return the next hop of every address, computed one by one from AWS's rules."""
    installed = []
    for route in routes.routes:
        if route.state == "filtered":
            continue
        listed = route.destination.startswith("pl-")
        for text in lists.get(route.destination, [route.destination]):
            if text.startswith("pl-"):
                continue
            net = parsed(text)
            kind = "propagated"
            if route.target == "local" or route.origin == "CreateRouteTable":
                kind = "local"
            elif route.origin == "Advertisement":
                kind = "advertised"
            elif route.origin == "CreateRoute":
                kind = "list" if listed else "static"
            installed.append(
                (net.version, int(net.network_address), int(net.broadcast_address), kind, route)
            )
    own = [r for r in installed if r[3] == "local"]
    usable = [
        r
        for r in installed
        if r[3] not in {"propagated", "advertised"}
        or not any(o[0] == r[0] and o[1] <= r[1] and r[2] <= o[2] for o in own)
    ]
    preferred = sorted(
        usable,
        key=lambda r: (
            r[2] - r[1],
            ("local", "static", "list", "propagated", "advertised").index(r[3]),
            r[4].state != "active",
            r[4].target,
        ),
    )
    found = {}
    for space in SPACES:
        here = [r for r in preferred if r[0] == space.version]
        first = int(space.network_address)
        for address in range(first, first + 2**BITS):
            covering = [r for r in here if r[1] <= address <= r[2]]
            if covering:
                found[f"{space.version}/{address}"] = hop_of(covering)
    return found


def hop_of(covering: Sequence[tuple[int, int, int, str, RouteRecord]]) -> str:
    """Return the next hop of the first of *covering*, or both if a Route Server's may win."""
    *_, kind, best = covering[0]
    if best.state != "active":
        return BLACK_HOLE
    rivals = (r for r in covering if r[1:3] == covering[0][1:3] and r[3] == "advertised")
    rival = next(rivals, None)
    if kind != "propagated" or rival is None or rival[4].state != "active":
        return best.target
    return " or ".join(sorted({best.target, rival[4].target}))


def succeeded(hop: str) -> str:
    """Return *hop* with the new gateway in place of the old one."""
    return " or ".join(sorted({NEW if part == OLD else part for part in hop.split(" or ")}))


def addresses(parts: tuple[str, ...]) -> set[str]:
    return {a for text in parts for part in LISTS.get(text, [text]) for a in addresses_in(part)}


@cache
def addresses_in(network: str) -> frozenset[str]:
    """Return every address of *network*."""
    net = parsed(network)
    span = range(int(net.network_address), int(net.broadcast_address) + 1)
    return frozenset(f"{net.version}/{address}" for address in span)


@pytest.mark.no_cover
def test_agrees_with_an_oracle_that_asks_every_address():
    """On 10,000 random pairs of tables every address has the next hops of AWS's rules."""
    draw = random.Random(20_261_126)
    for _ in range(TABLES):
        before, after = random_table(draw), random_table(draw)
        expected_before, expected_after = oracle(before), oracle(after)
        told_of: set[str] = set()

        for row in equivalence(before, after, {OLD: NEW}, LISTS):
            hop = succeeded(row.before.hop)
            assert row.same is (hop == row.after.hop and not row.unread)
            if row.parts == ("pl-opaque",):
                continue
            named = addresses(row.parts)
            here = {
                address
                for address in named
                if expected_before.get(address, NOTHING) == row.before.hop
                and expected_after.get(address, NOTHING) == row.after.hop
            }
            assert here, str(row)
            # The name of a whole route also covers addresses of longer routes inside it.
            whole = row.parts[0] in {row.before.destination, row.after.destination}
            assert whole or here == named, str(row)
            told_of |= here

        assert told_of == expected_before.keys() | expected_after.keys()


@pytest.mark.no_cover
def test_what_is_called_the_same_is_the_same_whatever_the_unread_lists_hold():
    """If no row differs, every address has the same next hop, with random list entries."""
    draw = random.Random(14)
    same = unread = 0
    for _ in range(TABLES // 5):
        before = table(*random_table(draw).routes, RouteRecord("pl-known", draw.choice(TARGETS)))
        routes = [moved(route) for route in before.routes]
        if routes and draw.random() < 0.7:
            routes.pop(draw.randrange(len(routes)))
        routes += random_table(draw).routes[: draw.randrange(2)]
        after = table(*routes)
        entries = {name: [draw_network(draw)] for name in ("pl-known", "pl-opaque")}

        rows = equivalence(before, after, {OLD: NEW})

        unread += any(row.unread for row in rows)
        if all(row.same for row in rows):
            same += 1
            then = {a: succeeded(hop) for a, hop in oracle(before, entries).items()}
            assert then == oracle(after, entries), (before, after, entries)

    assert same > TABLES // 200
    assert unread > TABLES // 20


def moved(route: RouteRecord) -> RouteRecord:
    """Return *route* with the new gateway in place of the old one."""
    return msgspec.structs.replace(route, target=NEW) if route.target == OLD else route


def draw_network(draw: random.Random) -> str:
    """Draw a network of the small spaces."""
    space = draw.choice(SPACES)
    length = draw.randrange(BITS + 1)
    start = draw.randrange(2**length) << (BITS - length)
    address = ip_address(int(space.network_address) + start)
    return f"{address}/{space.max_prefixlen - BITS + length}"


@pytest.mark.parametrize("seed", range(60))
def test_tables_with_the_same_routes_have_no_row_that_differs(seed):
    """A table that is called restored, in any order of routes, has the same hop everywhere."""
    drawn = random.Random(seed)
    networks = ("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.1.0/24", "::/0", "pl-1", "pl-2")
    origins = ("CreateRoute", "EnableVgwRoutePropagation")
    routes = tuple(
        RouteRecord(
            drawn.choice(networks),
            drawn.choice(("vgw-old", "local", "nat-1")),
            drawn.choice(origins),
            drawn.choice(("active", "active", "blackhole", "filtered")),
        )
        for _ in range(drawn.randrange(7))
    )
    moved = [
        replace(route, target="vgw-new") if route.target == "vgw-old" else route for route in routes
    ]
    drawn.shuffle(moved)
    before = RouteTableRecord(RouteTableId("rtb-1"), VpcId("vpc-1"), routes=routes)
    after = replace(before, routes=tuple(moved))
    successors = {"vgw-old": "vgw-new"}

    if is_restored(before, after, successors):
        assert all(row.same for row in equivalence(before, after, successors))
    else:
        assert len({(r.destination, r.origin) for r in routes}) < len(routes)
    assert not moved or not is_restored(before, replace(after, routes=after.routes[1:]), successors)


@pytest.mark.parametrize("seed", range(100))
def test_routes_in_another_order_are_compared_alike(seed):
    """Tables in the same order, whose targets alone differ, are compared route by route."""
    drawn = random.Random(seed)
    routes = random_table(drawn).routes
    before = RouteTableRecord(RouteTableId("rtb-1"), VpcId("vpc-1"), routes=routes)
    after = replace(before, routes=tuple(map(moved, routes)))
    reversed_ = replace(after, routes=after.routes[::-1])
    successors: dict[str, str] = {OLD: NEW}

    assert equivalence(before, after, successors) == equivalence(before, reversed_, successors)
