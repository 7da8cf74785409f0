"""What a run leaves of a world, by role instead of by id, so that two worlds can be compared."""

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
    """Everything a migration may touch, as it is once it has come to rest."""

    gateways: frozenset[tuple[str, frozenset[str]]]
    """Each with the VPCs it is attached to."""
    connections: frozenset[tuple[str, str, frozenset[str], int]]
    """Each with its gateway, its prefixes and how many of its tunnels are up."""
    tables: frozenset[tuple[str, frozenset[str], frozenset[tuple[str, str]], frozenset[str]]]
    """Each with what it propagates, its routes and the gateways whose edge table it is."""
    twins: int
    """Resources beyond one for each role."""


def shape_left(stage: Stage) -> Shape:
    """Look, a while later and unclouded by any lag, at what the run left."""
    stage.clock.sleep(timedelta(minutes=10))
    return shape_of(stage.plain.observe(stage.plan), stage.plan.migration)


def shape_of(reading: Reading, migration: MigrationId) -> Shape:
    """Return the shape that *reading* shows, with what *migration* made called by its roles."""
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
        twins=len(now.owned.twins),
    )
