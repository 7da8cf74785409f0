"""External changes at each boundary of a migration, and what the run does about them.

A row is an external change, a column the boundary at which it is made.  ``3`` is after step 3, and
the migration continues; ``8<`` is after step 8, and the run rolls back; ``b8`` is after step 8 of
the rollback, and ``bc6`` after its clean-up of step 6, and the rollback continues.  A cell is what
the next process does:

====  =================================================================================
d     refuse: list the difference field by field (DriftError); exit code 4
c     refuse: name who claims the gateway, and how to take over; exit code 4
o     stop before step 7, and name the external change (ExternalChangeError); exit code 1
h     hold before step 7, and name the obstacle; exit code 3
b     stop, and say what a person has to fix first; exit code 1, or 5 while traffic is down
n     finish; leave the change or restore the resource, and name it in both cases
m     finish; the end is the same as without the change
-     AWS refuses the change there, or its resource does not exist yet
====  =================================================================================
"""

# ruff: noqa: E501  the table is wider than code may be

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.faults.branching import EDGE, ROUTE, SPARE, STATIC_VPN
from tests.support.builders import (
    BOTH,
    MAIN,
    MIGRATION,
    OLD,
    OLD_VPN,
    VPC,
    minutes,
    snapshot_by_tag,
)
from tests.support.stage import Stage
from vpnmigrate.model.ec2 import Role, Tag

ELSEWHERE: Final = "10.77.0.0/16"

WORDS: Final = {
    "d": "refuse, field by field",
    "c": "refuse, naming the holder",
    "o": "stop, naming the change",
    "h": "hold before step 7",
    "b": "stop for a person",
    "n": "continue and name it",
    "m": "continue",
    "l": "leave",
}

GRID: Final = """
                                     0  1  2  3  4  5  6  7  8  9 10 6< 7< 8< 9< 10< b7 b8 b9 b10 bc6 bc3
delete a route table                d  d  d  d  d  d  d  n  n  n  n  n  n  n  n  n   n  n  n  n   n   n
delete a route                      d  d  d  d  d  d  d  n  n  n  n  n  n  n  n  n   n  n  n  n   n   n
change a route's target             d  d  d  d  d  d  d  n  n  n  n  n  n  n  n  n   n  n  n  n   n   n
add a route to the gateway          d  d  d  d  d  d  d  n  n  n  n  n  n  n  n  n   n  n  n  n   n   n
disable propagation                 d  d  d  d  d  d  d  m  m  n  n  n  m  m  m  m   m  m  n  n   n   n
enable propagation in another table d  d  d  d  d  d  d  n  n  n  n  n  n  n  n  n   n  n  n  n   n   n
disassociate the edge table         d  d  d  d  d  d  d  n  -  n  n  n  n  -  n  n   n  -  n  n   n   n
detach the gateway from the VPC     d  d  d  d  d  d  d  m  b  b  n  n  n  m  m  m   m  n  n  n   n   n
attach a foreign gateway to the VPC d  d  d  d  d  d  d  b  b  b  n  b  b  b  b  b   b  b  b  b   b   b
attach the new gateway elsewhere    -  -  h  h  h  h  h  b  -  -  -  l  l  -  -  -   -  l  l  l   l   l
delete the old connection           d  d  d  d  d  d  d  n  n  n  n  n  n  n  n  n   n  n  n  n   n   n
delete the new connection           -  -  -  o  o  o  o  b  b  b  n  m  m  m  m  m   m  m  m  m   m   -
delete the old gateway              -  -  -  -  -  -  -  -  n  n  n  -  -  b  b  b   b  -  -  -   -   -
delete the new gateway              -  -  o  o  o  o  o  b  -  -  -  m  m  -  -  -   -  m  m  m   m   m
set another claim                   c  c  c  c  c  c  c  c  c  c  c  c  c  c  c  c   c  c  c  c   c   c
remove the claim                    -  o  o  o  o  o  o  n  n  n  n  n  n  n  n  n   n  n  n  n   n   n
remove the new gateway's role tag   -  -  n  n  n  n  n  n  n  n  n  n  n  n  n  n   n  n  n  n   n   n
copy the run's tags elsewhere       n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n   n  n  n  n   n   n
edit a tag of the old gateway       d  d  d  d  d  d  d  n  n  n  n  n  n  n  n  n   n  n  n  n   n   n
add a static prefix                 d  d  d  d  d  d  d  n  n  n  n  n  n  n  n  n   n  n  n  n   n   n
"""


def cells() -> tuple[tuple[str, str, str], ...]:
    """Return every external change with its boundary and the letter of its verdict."""
    head, *rows = GRID.strip("\n").split("\n")
    columns = head.split()
    lines = ((row[:36].strip(), row[36:].split()) for row in rows)
    return tuple(
        (call, column, letter)
        for call, letters in lines
        for column, letter in zip(columns, letters, strict=True)
    )


def _ours(stage: Stage, role: str) -> str:
    """Return the id of what the run created; LookupError if there is none."""
    return snapshot_by_tag(stage.plain.observe(stage.plan), MIGRATION).ours[Role(role)]


def _attached(stage: Stage) -> str:
    """Return the gateway that is attached to the VPC."""
    gateways = stage.plain.observe(stage.plan).gateways
    on = (g.id for g in gateways for a in g.attachments if (a.vpc, a.state) == (VPC, "attached"))
    return next(on)


def _delete_table(stage: Stage) -> str:
    stage.do("DeleteRouteTable", RouteTableId=BOTH)
    return BOTH


def _delete_route(stage: Stage) -> str:
    stage.do("DeleteRoute", RouteTableId=BOTH, DestinationCidrBlock=ROUTE)
    return ROUTE


def _point_elsewhere(stage: Stage) -> str:
    stage.do("ReplaceRoute", RouteTableId=BOTH, DestinationCidrBlock=ROUTE, GatewayId="local")
    return ROUTE


def _add_route(stage: Stage) -> str:
    to = _attached(stage)
    stage.do("CreateRoute", RouteTableId=MAIN, DestinationCidrBlock="10.9.0.0/16", GatewayId=to)
    return "10.9.0.0/16"


def _propagation_off(stage: Stage) -> str:
    stage.do("DisableVgwRoutePropagation", RouteTableId=MAIN, GatewayId=_attached(stage))
    return MAIN


def _propagation_on(stage: Stage) -> str:
    stage.do("EnableVgwRoutePropagation", RouteTableId=SPARE, GatewayId=_attached(stage))
    return SPARE


def _disassociate(stage: Stage) -> str:
    tables = stage.plain.observe(stage.plan).tables
    ties = (a.id for t in tables if t.id == EDGE for a in t.associations if a.gateway)
    stage.do("DisassociateRouteTable", AssociationId=next(ties))
    return EDGE


def _detach(stage: Stage) -> str:
    gateway = _attached(stage)
    stage.do("DetachVpnGateway", VpnGatewayId=gateway, VpcId=VPC)
    return gateway


def _foreign(stage: Stage) -> str:
    left = _detach(stage)
    made = stage.do("CreateVpnGateway", Type="ipsec.1")["VpnGateway"]
    stranger: str = made["VpnGatewayId"]  # type: ignore[index]
    stage.clock.sleep(minutes(2))
    stage.do("AttachVpnGateway", VpnGatewayId=stranger, VpcId=VPC)
    return left


def _elsewhere(stage: Stage) -> str:
    new = _ours(stage, "gateway")
    vpc = stage.do("CreateVpc", CidrBlock=ELSEWHERE)["Vpc"]["VpcId"]  # type: ignore[index]
    stage.clock.sleep(minutes(1))
    stage.do("AttachVpnGateway", VpnGatewayId=new, VpcId=vpc)
    return new


def _delete_connection(stage: Stage, id_: str) -> str:
    stage.do("DeleteVpnConnection", VpnConnectionId=id_)
    return id_


def _delete_gateway(stage: Stage, gateway: str) -> str:
    if gateway == _attached_or_none(stage):
        raise LookupError(gateway)
    for connection in stage.plain.observe(stage.plan).connections:
        if connection.vpn_gateway == gateway and connection.state == "available":
            _delete_connection(stage, connection.id)
    stage.clock.sleep(minutes(5))
    stage.do("DeleteVpnGateway", VpnGatewayId=gateway)
    return gateway


def _attached_or_none(stage: Stage) -> str:
    try:
        return _attached(stage)
    except StopIteration:
        return ""


def _claim(stage: Stage) -> str:
    stage.do("CreateTags", Resources=[OLD], Tags=[{"Key": Tag.CLAIM, "Value": "eve@desk"}])
    return "eve@desk"


def _unclaim(stage: Stage) -> str:
    old = next(g for g in stage.plain.observe(stage.plan).gateways if g.id == OLD)
    old.tags[Tag.CLAIM]  # A KeyError if there is no claim to remove.
    stage.do("DeleteTags", Resources=[OLD], Tags=[{"Key": Tag.CLAIM}])
    return "claim"


def _strip(stage: Stage) -> str:
    new = _ours(stage, "gateway")
    stage.do("DeleteTags", Resources=[new], Tags=[{"Key": Tag.ROLE}])
    return new


def _copy(stage: Stage) -> str:
    made = stage.do("CreateVpnGateway", Type="ipsec.1")["VpnGateway"]
    twin: str = made["VpnGatewayId"]  # type: ignore[index]
    tags = {Tag.MIGRATION: MIGRATION, Tag.ROLE: "gateway"}
    stage.do("CreateTags", Resources=[twin], Tags=[{"Key": k, "Value": v} for k, v in tags.items()])
    return twin


def _rename(stage: Stage) -> str:
    stage.do("CreateTags", Resources=[OLD], Tags=[{"Key": "Name", "Value": "renamed"}])
    return "renamed"


def _add_prefix(stage: Stage) -> str:
    stage.do(
        "CreateVpnConnectionRoute",
        VpnConnectionId=STATIC_VPN,
        DestinationCidrBlock="10.55.0.0/16",
    )
    return "10.55.0.0/16"


SUCCESSOR: Final = f"connection/{OLD_VPN}"

CHANGES: Final[Mapping[str, Callable[[Stage], str]]] = {
    "delete a route table": _delete_table,
    "delete a route": _delete_route,
    "change a route's target": _point_elsewhere,
    "add a route to the gateway": _add_route,
    "disable propagation": _propagation_off,
    "enable propagation in another table": _propagation_on,
    "disassociate the edge table": _disassociate,
    "detach the gateway from the VPC": _detach,
    "attach a foreign gateway to the VPC": _foreign,
    "attach the new gateway elsewhere": _elsewhere,
    "delete the old connection": lambda stage: _delete_connection(stage, OLD_VPN),
    "delete the new connection": lambda stage: _delete_connection(stage, _ours(stage, SUCCESSOR)),
    "delete the old gateway": lambda stage: _delete_gateway(stage, OLD),
    "delete the new gateway": lambda stage: _delete_gateway(stage, _ours(stage, "gateway")),
    "set another claim": _claim,
    "remove the claim": _unclaim,
    "remove the new gateway's role tag": _strip,
    "copy the run's tags elsewhere": _copy,
    "edit a tag of the old gateway": _rename,
    "add a static prefix": _add_prefix,
}
"""Each makes its change and returns what has to be named; LookupError if it is impossible."""
