"""Builders of values for tests: arguments for what matters, defaults for the rest.

The ordinary one: ``vgw-old`` on ``vpc-1`` with one BGP connection ``vpn-old`` to ``cgw-1``, and two
tables: ``rtb-main`` with propagation, and ``rtb-both`` with propagation and a static route.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from vpnmigrate.local.run_directory import Run, Runs
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import (
    AWS_VPN,
    CLASSIC,
    PROPAGATED_ROUTE,
    AccountId,
    AssociationRecord,
    Attached,
    ConnectionRecord,
    CustomerGatewayId,
    CustomerGatewayRecord,
    GatewayRecord,
    KeyVisibility,
    MigrationId,
    Role,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
    StaticPrefixRecord,
    Tag,
    TunnelReading,
    TunnelRecord,
    VpcId,
    VpcRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.facts import Fact, Value
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan, connection_role
from vpnmigrate.model.snapshot import (
    Confirmation,
    GatewaySwap,
    JournalFacts,
    Ownership,
    Reading,
    Snapshot,
    Stability,
    TunnelStability,
    snapshot_of,
)
from vpnmigrate.model.survey import Survey
from vpnmigrate.model.tunnel_maintenance import (
    MaintenanceStatus,
    TunnelMaintenance,
    tunnels_of,
)
from vpnmigrate.planning.approvals import with_digest
from vpnmigrate.planning.ownership import role_by_tag
from vpnmigrate.planning.rollback_proof import DeadEnd, LongestPath, RollbackProof

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
VPC = VpcId("vpc-1")
OLD = VpnGatewayId("vgw-old")
NEW = VpnGatewayId("vgw-new")
OLD_VPN = VpnConnectionId("vpn-old")
NEW_VPN = VpnConnectionId("vpn-new")
MAIN = RouteTableId("rtb-main")
BOTH = RouteTableId("rtb-both")
MIGRATION = MigrationId("mig-20260301-abc123")
PREFIX = "10.1.0.0/16"

FORWARD = GatewaySwap(leaving=OLD, joining=NEW)
BACK = GatewaySwap(leaving=NEW, joining=OLD)


def our_tags(role: str) -> dict[str, str]:
    """Return the tags that make a resource this migration's, in *role*."""
    return {Tag.MIGRATION: MIGRATION, Tag.ROLE: role, Tag.ATTEMPT: "1"}


def a_gateway(
    id_: str = OLD,
    *,
    on: str | None = VPC,
    attachment: str = "attached",
    state: str = "available",
    asn: int | None = 7224,
    tags: dict[str, str] | None = None,
) -> GatewayRecord:
    """Return a virtual private gateway that is attached to *on*."""
    attachments = () if on is None else (Attached(VpcId(on), attachment),)
    return GatewayRecord(
        VpnGatewayId(id_), state, asn=asn, attachments=attachments, tags=tags or {}
    )


def some_telemetry(*, up: int, routes: int = 1) -> tuple[TunnelReading, ...]:
    """Return the telemetry of two tunnels of which the first *up* are UP."""
    return tuple(
        TunnelReading(f"192.0.2.{n}", up=n <= up, accepted_routes=routes if n <= up else 0)
        for n in (1, 2)
    )


def a_connection(
    id_: str = OLD_VPN,
    *,
    on: str | None = OLD,
    customer_gateway: str = "cgw-1",
    category: str | None = CLASSIC,
    state: str = "available",
    prefixes: Iterable[str] | None = None,
    up: int = 2,
    routes: int = 1,
    tags: dict[str, str] | None = None,
) -> ConnectionRecord:
    """Return a connection; one with *prefixes* is static, else it uses BGP."""
    return ConnectionRecord(
        VpnConnectionId(id_),
        state,
        category=category,
        customer_gateway=CustomerGatewayId(customer_gateway),
        vpn_gateway=None if on is None else VpnGatewayId(on),
        static_only=prefixes is not None,
        prefixes=tuple(StaticPrefixRecord(cidr, "available") for cidr in prefixes or ()),
        tunnels=(
            TunnelRecord("192.0.2.1", "169.254.10.0/30", key=KeyVisibility.SHOWN),
            TunnelRecord("192.0.2.2", "169.254.11.0/30", key=KeyVisibility.SHOWN),
        ),
        telemetry=some_telemetry(up=up, routes=routes),
        tags=tags or {},
    )


def with_tunnels(connection: ConnectionRecord, **changes: object) -> ConnectionRecord:
    """Return *connection* with *changes* to each tunnel."""
    tunnels = tuple(msgspec.structs.replace(t, **changes) for t in connection.tunnels)
    return msgspec.structs.replace(connection, tunnels=tunnels)


def a_customer_gateway(id_: str = "cgw-1", *, asn: int = 65000) -> CustomerGatewayRecord:
    """Return AWS's record of a device."""
    return CustomerGatewayRecord(
        CustomerGatewayId(id_), "available", asn=asn, ip=f"203.0.113.{len(id_)}"
    )


def a_table(
    id_: str = MAIN,
    *,
    vpc: str = VPC,
    main: bool = False,
    propagates: str | None = None,
    learned: Iterable[str] = (),
    static: dict[str, str] | None = None,
    dead: Iterable[str] = (),
    edge_of: str | None = None,
) -> RouteTableRecord:
    """Return a route table; *static* maps destinations to gateways, *dead* ones are black holes."""
    associations = [AssociationRecord(f"rtbassoc-{id_}", main=True)] if main else []
    if edge_of is not None:
        associations.append(AssociationRecord(f"rtbassoc-{id_}-{edge_of}", gateway=edge_of))
    routes = [
        RouteRecord(to, target, state="blackhole" if to in set(dead) else "active")
        for to, target in (static or {}).items()
    ]
    routes += [RouteRecord(to, propagates or "", PROPAGATED_ROUTE) for to in learned]
    return RouteTableRecord(
        RouteTableId(id_),
        VpcId(vpc),
        associations=tuple(associations),
        propagating=() if propagates is None else (VpnGatewayId(propagates),),
        routes=tuple(routes),
    )


def ordinary_tables(gateway: str = OLD) -> tuple[RouteTableRecord, ...]:
    """Return the two tables of the ordinary migration with routing to *gateway*."""
    return (
        a_table(BOTH, propagates=gateway, learned=[PREFIX], static={"192.168.0.0/16": gateway}),
        a_table(MAIN, main=True, propagates=gateway, learned=[PREFIX]),
    )


def a_survey(**changes: object) -> Survey:
    """Return the before-survey of the ordinary migration with *changes*."""
    survey = Survey(
        taken=NOON,
        account=AccountId("123456789012"),
        region="eu-west-1",
        gateway=a_gateway(),
        vpcs=(VpcRecord(VPC, cidrs=("10.0.0.0/16",)),),
        connections=(a_connection(),),
        customer_gateways=(a_customer_gateway(),),
        route_tables=ordinary_tables(),
    )
    return msgspec.structs.replace(survey, **changes)


def a_plan(*, before: Survey | None = None, decisions: Decisions | None = None) -> Plan:
    """Return a plan without its predicted steps, which no step reads."""
    return Plan(
        tool="test",
        migration=MIGRATION,
        made=NOON,
        account=AccountId("123456789012"),
        region="eu-west-1",
        playbook="standard",
        before=before or a_survey(),
        decisions=decisions or Decisions(),
    )


def by_tag(reading: Reading, migration: MigrationId = MIGRATION) -> Ownership:
    """Return the ownership in which all resources with *migration*'s tags are the run's own.

    For tests that are not about ownership: the program itself never trusts a tag.
    """
    ours: dict[Role, str] = {}
    duplicates: list[tuple[Role, str]] = []
    for resource in sorted(reading.resources, key=lambda r: (r.state == "deleting", r.id)):
        role = role_by_tag(resource, migration)
        if role and resource.state != "deleted":
            if role not in ours:
                ours[role] = resource.id
            elif resource.state != "deleting":
                duplicates.append((role, resource.id))
    ambiguous_roles = frozenset(role for role, _ in duplicates)
    return Ownership(ours, duplicates=tuple(duplicates), ambiguous_roles=ambiguous_roles)


def snapshot_by_tag(reading: Reading, migration: MigrationId = MIGRATION) -> Snapshot:
    """Return the facts of *reading*, with roles by tag."""
    return snapshot_of(reading, by_tag(reading, migration))


def a_proof(*dead_ends: DeadEnd) -> RollbackProof:
    """Return a rollback proof."""
    back = LongestPath(10, timedelta(minutes=135), "step 10, after: disable the old tunnels")
    return RollbackProof(
        107, back, LongestPath(12, timedelta(minutes=135), "the beginning"), dead_ends
    )


def new_side(*, on: str | None = None, attachment: str = "attached", up: int = 0) -> Reading:
    """Return a reading of the new gateway and the new connection, both of this run."""
    return Reading(
        NOON,
        gateways=(
            a_gateway(NEW, on=on, attachment=attachment, asn=64512, tags=our_tags(GATEWAY_ROLE)),
        ),
        connections=(
            a_connection(
                NEW_VPN, on=NEW, category=AWS_VPN, up=up, tags=our_tags(connection_role(OLD_VPN))
            ),
        ),
    )


def a_snapshot(
    *,
    old: str = "attached",
    new: str = "detached",
    tables: Iterable[RouteTableRecord] | None = None,
    up: int = 0,
    begun: datetime = NOON,
    facts: dict[Fact, Value] | None = None,
    foreign: Iterable[Fact] = (),
) -> Snapshot:
    """Return a snapshot, without stale values, of the ordinary migration with both gateways.

    *old* and *new* are the gateways' attachments to the VPC, *up* the new tunnels that are UP, and
    *facts* override the values of the reading.
    """
    fresh = new_side(on=VPC, attachment=new, up=up)
    reading = Reading(
        begun,
        gateways=(a_gateway(attachment=old), *fresh.gateways),
        connections=(a_connection(), *fresh.connections),
        tables=tuple(ordinary_tables() if tables is None else tables),
    )
    snapshot = snapshot_by_tag(reading)
    merged = {**snapshot.facts, **(facts or {})}
    return msgspec.structs.replace(snapshot, facts=merged, externally_changed=frozenset(foreign))


def journal_facts(*words: Confirmation, files: Iterable[str] = (), **more: object) -> JournalFacts:
    """Return journal facts: confirmations given at noon, archives of *files*."""
    plain = JournalFacts(
        confirmations=dict.fromkeys(words, NOON), files=dict.fromkeys(files, "0" * 64)
    )
    return msgspec.structs.replace(plain, **more)


def an_approval(who: str = "bob", **changes: object) -> Approval:
    """Return an approval of the ordinary plan by *who*, given at noon for a week."""
    plain = Approval(
        fingerprint="f" * 64,
        migration=MIGRATION,
        approver=f"arn:aws:iam::123456789012:user/{who}",
        account=AccountId("123456789012"),
        user=who,
        host="desk",
        at=NOON,
        expires=NOON + timedelta(days=7),
    )
    return with_digest(msgspec.structs.replace(plain, **changes))


STEADY = Stability(
    NOON,
    NOON - timedelta(minutes=5),
    300,
    {f"{NEW_VPN} 192.0.2.{number}": TunnelStability(300) for number in (1, 2)},
)
"""Stability after two tunnels and all routes have been complete for five minutes."""

NOTHING_TOLD = JournalFacts()
"""Journal facts without any content."""


def minutes(count: float) -> timedelta:
    """Return a duration of *count* minutes."""
    return timedelta(minutes=count)


def role_of(old: str) -> Role:
    """Return the role of *old*'s successor."""
    return connection_role(VpnConnectionId(old))


def no_maintenance() -> tuple[TunnelMaintenance, ...]:
    """Return that AWS has announced no maintenance of the old and the new tunnels."""
    return tuple(
        TunnelMaintenance(tunnel, MaintenanceStatus.NONE)
        for connection in (a_connection(), a_connection(NEW_VPN, on=NEW, category=AWS_VPN))
        for tunnel in tunnels_of(connection)
    )


def a_run(home: Path, **changes: object) -> Run:
    """Create the run of the ordinary migration below *home*; *changes* apply to its plan."""
    plan = msgspec.structs.replace(a_plan(), **{"fingerprint": "f" * 64, **changes})
    return Runs(home).create(plan, msgspec.json.encode(plan), "alice@laptop/1")
