"""Shape of a world after a run: roles instead of ids, so that two can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tests.support.builders import snapshot_by_tag
from tests.support.stage import Stage
from vpnmigrate.model.ec2 import Attachment, MigrationId
from vpnmigrate.model.snapshot import Reading


@dataclass(frozen=True)
class Shape:
    """Everything that a migration may change, after all changes are complete."""

    gateways: frozenset[tuple[str, frozenset[str]]]
    """Gateways, each with the VPCs it is attached to."""
    connections: frozenset[tuple[str, str, frozenset[str], int]]
    """Connections, each with its gateway, its prefixes and the number of its tunnels UP."""
    tables: frozenset[tuple[str, frozenset[str], frozenset[tuple[str, str]], frozenset[str]]]
    """Tables, each with propagation, routes and edge associations."""
    duplicates: int
    """Resources beyond one for each role."""


def shape_left(stage: Stage) -> Shape:
    """Return the shape of the world a while later, without delays."""
    stage.clock.sleep(timedelta(minutes=10))
    return shape_of(stage.plain.observe(stage.plan), stage.plan.migration)


def shape_of(reading: Reading, migration: MigrationId) -> Shape:
    """Return the shape of *reading*, with resources of *migration* named by role."""
    now = snapshot_by_tag(reading, migration)
    roles: Mapping[str, str] = {id_: role for role, id_ in now.ours.items()}

    def name(id_: object) -> str:
        return roles.get(str(id_), str(id_))

    return Shape(
        gateways=frozenset(
            (
                name(gateway.id),
                frozenset(
                    vpc
                    for vpc, attachment in now.attachments(gateway.id).items()
                    if attachment is Attachment.ATTACHED
                ),
            )
            for gateway in reading.gateways
            if gateway.state == "available"
        ),
        connections=frozenset(
            (
                name(row.id),
                name(row.vpn_gateway),
                frozenset(p.cidr for p in row.prefixes if p.state == "available"),
                sum(tunnel.up for tunnel in row.telemetry),
            )
            for row in reading.connections
            if row.state == "available"
        ),
        tables=frozenset(
            (
                table.id,
                frozenset(map(name, table.propagating)),
                frozenset((route.destination, name(route.target)) for route in table.routes),
                frozenset(name(a.gateway) for a in table.associations if a.gateway),
            )
            for table in reading.tables
        ),
        duplicates=len(now.owned.duplicates),
    )
