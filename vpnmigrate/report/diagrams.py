"""Diagrams: the network before, during and after the migration, as SVG.

Shapes with positions and without markup: the template draws them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vpnmigrate.model.decisions import OldTunnels
from vpnmigrate.model.ec2 import NAME_TAG, ConnectionRecord, RouteTableRecord
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.inventory import device_of, site_name
from vpnmigrate.report.text import count


class DiagramStage(StrEnum):
    """The moment that a picture shows."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class ShapeStyle(StrEnum):
    """How a shape is drawn; also the names of its classes in the template."""

    ACTIVE = "active"
    """Carries traffic."""
    IDLE = "idle"
    """Exists and carries no traffic."""
    BROKEN = "broken"
    """Should carry traffic and does not."""


@dataclass(frozen=True)
class Box:
    """A resource, described in two lines; *full* is the unshortened text."""

    x: int
    y: int
    width: int
    lines: tuple[str, str]
    full: str
    style: ShapeStyle

    @property
    def middle(self) -> int:
        """The height at which lines meet its edges."""
        return self.y + ROW // 2


@dataclass(frozen=True)
class Line:
    """A curve from the right edge of one box to the left edge of another."""

    x1: int
    y1: int
    x2: int
    y2: int
    style: ShapeStyle


@dataclass(frozen=True)
class Picture:
    """A drawing with a title, and a description for readers who cannot see it."""

    moment: DiagramStage
    title: str
    description: str
    height: int
    vpc: str
    """The label of the frame around the route tables."""
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


WIDTH = 910
ROW = 46
"""Height of every box: two lines."""
_STEP = ROW + 14
_TOP = 76
_TABLES, _GATEWAYS, _CONNECTIONS, _SITES = (22, 246), (312, 186), (540, 186), (760, 140)
"""Left edge and width of each column."""
_LETTER, _SMALL_LETTER = 8.0, 7.7
"""Widths of a letter in the template's fonts of 13 and 12.5 pixels, rounded up.

The page is printed 182 mm wide, so the smaller font has 7.1 points on paper.
"""
_SHOWN_SINGLY = 8
"""Up to this number, tables are drawn one by one; more are drawn in groups."""

_TITLES = {
    DiagramStage.BEFORE: "Before: through the old gateway",
    DiagramStage.DURING: "During the cutover: no path",
    DiagramStage.AFTER: "After: through the new gateway",
}


def pictures_of(plan: Plan) -> tuple[Picture, ...]:
    """Return pictures of the plan's VPC before, during and after the cutover."""
    return tuple(_picture(plan, moment) for moment in DiagramStage)


def _picture(plan: Plan, moment: DiagramStage) -> Picture:
    groups = _groups(plan, moment)
    sites = plan.before.living
    height = _TOP + max(len(groups), len(sites), 2) * _STEP + 10
    tables = _column(groups, _TABLES, height)
    gateways = _column(_gateways(plan, moment), _GATEWAYS, height)
    connections = _column([_connection(c, moment) for c in sites], _CONNECTIONS, height)
    devices = _column([_site(c, moment, plan) for c in sites], _SITES, height)
    joined = gateways[-1] if moment is DiagramStage.AFTER else gateways[0]
    lines = [_line(t, joined, t.style) for t in tables if t.style is not ShapeStyle.IDLE]
    for connection, device in zip(connections, devices, strict=True):
        lines += [_line(gateway, connection, gateway.style) for gateway in gateways]
        lines.append(_line(connection, device, connection.style))
    vpc = plan.before.vpc
    return Picture(
        moment,
        _TITLES[moment],
        _description(plan, moment),
        height,
        _short(
            f"{plan.vpc} {vpc.tags.get(NAME_TAG, '') if vpc else ''}".strip(), _TABLES[1], _LETTER
        ),
        (*tables, *gateways, *connections, *devices),
        # Lines that carry traffic are drawn on top.
        tuple(sorted(lines, key=lambda line: line.style is not ShapeStyle.IDLE)),
    )


_Labels = tuple[str, str, ShapeStyle]


def _column(items: Sequence[_Labels], column: tuple[int, int], height: int) -> list[Box]:
    """Return boxes for *items*, spread over the height of a column."""
    left, width = column
    room = (height - _TOP - 10) / max(len(items), 1)
    return [
        Box(
            left,
            round(_TOP + room * at + (room - _STEP) / 2),
            width,
            (_short(first, width, _LETTER), _short(second, width, _SMALL_LETTER)),
            f"{first}: {second}",
            style,
        )
        for at, (first, second, style) in enumerate(items)
    ]


def _short(text: str, width: int, letter: float) -> str:
    most = int((width - 16) / letter)
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _line(start: Box, end: Box, style: ShapeStyle) -> Line:
    return Line(start.x + start.width, start.middle, end.x, end.middle, style)


def _path_style(moment: DiagramStage) -> ShapeStyle:
    return ShapeStyle.BROKEN if moment is DiagramStage.DURING else ShapeStyle.ACTIVE


def _gateways(plan: Plan, moment: DiagramStage) -> list[_Labels]:
    old = plan.old_gateway
    match moment:
        case DiagramStage.BEFORE:
            return [(old, "attached", ShapeStyle.ACTIVE)]
        case DiagramStage.DURING:
            return [
                (old, "being detached", ShapeStyle.BROKEN),
                ("new gateway", "standby", ShapeStyle.IDLE),
            ]
        case DiagramStage.AFTER:
            return [
                (old, "detached, kept", ShapeStyle.IDLE),
                ("new gateway", "attached", ShapeStyle.ACTIVE),
            ]


def _connection(connection: ConnectionRecord, moment: DiagramStage) -> _Labels:
    routing = "static" if connection.static_only else "BGP"
    match moment:
        case DiagramStage.BEFORE:
            return connection.id, routing, ShapeStyle.ACTIVE
        case DiagramStage.DURING:
            return connection.id, f"{routing}, new standby", ShapeStyle.BROKEN
        case DiagramStage.AFTER:
            return f"new {routing}, succeeds", connection.id, ShapeStyle.ACTIVE


def _site(connection: ConnectionRecord, moment: DiagramStage, plan: Plan) -> _Labels:
    device = device_of(connection, plan.before)
    return site_name(connection, device), device.ip if device else "", _path_style(moment)


def _groups(plan: Plan, moment: DiagramStage) -> list[_Labels]:
    """Return the tables one by one, or in groups with the same role if there are many."""
    tables = plan.before.route_tables
    if len(tables) <= _SHOWN_SINGLY:
        return [(_titled(t), _role(t, plan, moment), _table_style(t, plan, moment)) for t in tables]
    # Grouped by their role before, so that a group keeps its place in every picture.
    alike: defaultdict[str, list[RouteTableRecord]] = defaultdict(list)
    for table in tables:
        alike[_kind(table, plan, DiagramStage.BEFORE)].append(table)
    return [
        (
            _titled(members[0]) if len(members) == 1 else count(len(members), "route table"),
            _kind(members[0], plan, moment),
            _table_style(members[0], plan, moment),
        )
        for members in alike.values()
    ]


def _titled(table: RouteTableRecord) -> str:
    name = table.tags.get(NAME_TAG, "")
    return f"{table.id} {name}".rstrip()


def _role(table: RouteTableRecord, plan: Plan, moment: DiagramStage) -> str:
    """Return how a table uses the gateway, with the number of routes."""
    static = len(table.static_routes_to(plan.old_gateway))
    text = _kind(table, plan, moment)
    for noun in ("static route", "black hole"):
        text = text.replace(f"{noun}s", count(static, noun))
    return text


def _kind(table: RouteTableRecord, plan: Plan, moment: DiagramStage) -> str:
    """Return how a table uses the gateway, in words that are the same for similar tables."""
    return ", ".join(_parts(table, plan, moment)) or "not touched"


def _parts(table: RouteTableRecord, plan: Plan, moment: DiagramStage) -> Iterator[str]:
    during = moment is DiagramStage.DURING
    if plan.old_gateway in table.propagating:
        yield "propagation off" if during else "propagates"
    if table.static_routes_to(plan.old_gateway):
        yield "black holes" if during else "static routes"
    if table.edge_of(plan.old_gateway):
        yield "edge table"


def _table_style(table: RouteTableRecord, plan: Plan, moment: DiagramStage) -> ShapeStyle:
    return _path_style(moment) if any(_parts(table, plan, moment)) else ShapeStyle.IDLE


def _description(plan: Plan, moment: DiagramStage) -> str:
    sites = ", ".join(site_name(c, device_of(c, plan.before)) for c in plan.before.living)
    tables = sum(any(_parts(t, plan, moment)) for t in plan.before.route_tables)
    ends = f"{count(tables, 'route table')} of {plan.vpc} and {sites}"
    match moment:
        case DiagramStage.BEFORE:
            return f"Traffic between {ends} goes through {plan.old_gateway} and its connections."
        case DiagramStage.DURING:
            return (
                f"No traffic passes between {ends}: {plan.old_gateway} is being detached, and the "
                "new gateway is not attached yet."
            )
        case DiagramStage.AFTER:
            left = plan.decisions.old_tunnels is OldTunnels.LEAVE
            return (
                f"Traffic between {ends} goes through the new gateway and its connections. "
                f"{plan.old_gateway} and its connections still exist and carry no traffic; "
                f"their tunnels are {'left enabled' if left else 'disabled'}."
            )
