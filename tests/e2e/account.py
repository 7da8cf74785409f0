"""An account as the AWS CLI describes it, as values to compare and to predict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.aws_cli.cli import AwsCli

CREATED = "CreateRoute"
PROPAGATED = "EnableVgwRoutePropagation"
_Tags = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Gateway:
    """A virtual private gateway and the VPCs it is attached to."""

    asn: int
    vpcs: frozenset[str]
    tags: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Connection:
    """A connection's configuration, without the state of its tunnels."""

    category: str
    customer_gateway: str
    gateway: str
    static: bool
    prefixes: frozenset[str]
    tags: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A route table; associations without their ids, which change on re-association."""

    propagating: frozenset[str]
    routes: frozenset[tuple[str, str, str, str]]
    """Destination, target, origin and state."""
    ties: frozenset[str]
    tags: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Account:
    """Every resource that a migration may change, by id, without deleted ones."""

    gateways: Mapping[str, Gateway]
    connections: Mapping[str, Connection]
    customer_gateways: frozenset[str]
    tables: Mapping[str, Table]
    up: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Tunnels that are UP, by connection; not part of a comparison."""


def described(aws: AwsCli) -> Account:
    """Read the whole account with the AWS CLI."""
    gateways = aws("ec2", "describe-vpn-gateways")["VpnGateways"]
    connections = aws("ec2", "describe-vpn-connections")["VpnConnections"]
    customers = aws("ec2", "describe-customer-gateways")["CustomerGateways"]
    tables = aws("ec2", "describe-route-tables")["RouteTables"]
    return Account(
        gateways={g["VpnGatewayId"]: _gateway(g) for g in _living(gateways)},
        connections={c["VpnConnectionId"]: _connection(c) for c in _living(connections)},
        customer_gateways=frozenset(c["CustomerGatewayId"] for c in _living(customers)),
        tables={t["RouteTableId"]: _table(t) for t in tables},
        up={
            c["VpnConnectionId"]: sum(t["Status"] == "UP" for t in c["VgwTelemetry"])
            for c in _living(connections)
        },
    )


def after(before: Account, changes: Iterable[Mapping[str, Any]], new: Mapping[str, str]) -> Account:
    """Return *before* after the *changes* of a plan's file.

    *new* has the ids of the resources for which the plan has only roles.
    """
    draft = _Draft(before)
    for change in changes:
        if change["change"] not in _WITHOUT_EFFECT:
            effect = getattr(draft, change["change"].replace("-", "_"))
            effect(**{key: _named(value, new) for key, value in change.items() if key != "change"})
    return Account(draft.gateways, draft.connections, before.customer_gateways, draft.tables)


_WITHOUT_EFFECT = {
    "archive-configuration",  # Changes nothing in AWS.
    "ask-operator",
    "place-claim",  # The migration's own tags are not compared.
    "remove-claim",
}


class _Draft:
    """An account to change: one method per change, with the names and fields of a plan's file."""

    def __init__(self, before: Account) -> None:
        self.gateways = dict(before.gateways)
        self.connections = dict(before.connections)
        self.tables = dict(before.tables)
        self._before = before

    def create_vpn_gateway(self, role: str, asn: int | None, tags: _Tags) -> None:
        self.gateways[role] = Gateway(asn or 64512, frozenset(), _pairs(tags))

    def create_vpn_connection(
        self, role: str, customer_gateway: str, gateway: str, tags: _Tags, **asked: Any
    ) -> None:
        static = asked["static_only"]
        self.connections[role] = Connection(
            "VPN", customer_gateway, gateway, static, frozenset(), _pairs(tags)
        )

    def add_static_prefix(self, connection: str, cidr: str) -> None:
        row = self.connections[connection]
        self.connections[connection] = replace(row, prefixes=row.prefixes | {cidr})

    def detach_vpn_gateway(self, gateway: str, vpc: str) -> None:
        row = self.gateways[gateway]
        self.gateways[gateway] = replace(row, vpcs=row.vpcs - {vpc})

    def attach_vpn_gateway(self, gateway: str, vpc: str) -> None:
        row = self.gateways[gateway]
        self.gateways[gateway] = replace(row, vpcs=row.vpcs | {vpc})

    def disable_propagation(self, table: str, gateway: str) -> None:
        row = self.tables[table]
        kept = frozenset(r for r in row.routes if (r[1], r[2]) != (gateway, PROPAGATED))
        propagating = row.propagating - {gateway}
        self.tables[table] = replace(row, propagating=propagating, routes=kept)

    def enable_propagation(self, table: str, gateway: str) -> None:
        """Every destination that was propagated before is propagated again."""
        row, was = self.tables[table], self._before.tables[table]
        back = {
            (to, gateway, PROPAGATED, "active") for to, _, o, _ in was.routes if o == PROPAGATED
        }
        propagating = row.propagating | {gateway}
        self.tables[table] = replace(row, propagating=propagating, routes=row.routes | back)

    def replace_route(self, table: str, destination: str, gateway: str) -> None:
        row = self.tables[table]
        [old] = [r for r in row.routes if (r[0], r[2]) == (destination, CREATED)]
        routes = row.routes - {old} | {(destination, gateway, CREATED, "active")}
        self.tables[table] = replace(row, routes=routes)

    def disassociate_edge(self, table: str, gateway: str, association: str) -> None:
        row = self.tables[table]
        self.tables[table] = replace(row, ties=row.ties - {gateway})

    def associate_edge(self, table: str, gateway: str) -> None:
        row = self.tables[table]
        self.tables[table] = replace(row, ties=row.ties | {gateway})

    def delete_vpn_connection(self, subject: str, id: str) -> None:  # noqa: A002 - as in the file
        del self.connections[id]


def _named(value: Any, new: Mapping[str, str]) -> Any:
    return new.get(value, value) if isinstance(value, str) else value


def _living(rows: Iterable[Any]) -> list[Any]:
    return [row for row in rows if row["State"] != "deleted"]


def _gateway(row: Mapping[str, Any]) -> Gateway:
    assert row["State"] == "available"
    held = {a["VpcId"]: a["State"] for a in row["VpcAttachments"] if a["State"] != "detached"}
    assert set(held.values()) <= {"attached"}
    return Gateway(row["AmazonSideAsn"], frozenset(held), _tags(row))


def _connection(row: Mapping[str, Any]) -> Connection:
    assert row["State"] == "available"
    return Connection(
        row["Category"],
        row["CustomerGatewayId"],
        row["VpnGatewayId"],
        row["Options"]["StaticRoutesOnly"],
        frozenset(r["DestinationCidrBlock"] for r in row["Routes"] if r["State"] == "available"),
        _tags(row),
    )


def _table(row: Mapping[str, Any]) -> Table:
    return Table(
        frozenset(p["GatewayId"] for p in row["PropagatingVgws"]),
        frozenset(map(_route, row["Routes"])),
        frozenset(map(_tie, row["Associations"])),
        _tags(row),
    )


def _route(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    rest = dict(row)
    origin, state = rest.pop("Origin"), rest.pop("State")
    destinations = [v for k, v in rest.items() if k.startswith("Destination")]
    targets = [v for k, v in rest.items() if not k.startswith("Destination")]
    return destinations[0], targets[0], origin, state


def _tie(row: Mapping[str, Any]) -> str:
    return str(row.get("SubnetId") or row.get("GatewayId") or "main")


def _tags(row: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return the user's tags, without those of the migration."""
    return frozenset(
        (t["Key"], t["Value"])
        for t in row.get("Tags", ())
        if not t["Key"].startswith("vpnmigrate:")
    )


def _pairs(tags: _Tags) -> frozenset[tuple[str, str]]:
    return frozenset((key, value) for key, value in tags)
