"""Whether the cutover may begin: pure decisions over a fresh look; the unknown never passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from vpnmigrate.facts import standing
from vpnmigrate.model import Attachment, State
from vpnmigrate.plan import GATEWAY_ROLE, Plan
from vpnmigrate.ports import Path
from vpnmigrate.snapshot import Snapshot, Told, Way
from vpnmigrate.steps.base import Met
from vpnmigrate.steps.s03_create_connections import CreateConnections

DEFAULT_ROUTES = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class Open:
    """Nothing forbids it."""


@dataclass(frozen=True)
class Closed:
    """Forbidden, for every reason named."""

    why: tuple[str, ...]


def before_cutover(
    plan: Plan, way: Way, now: Snapshot, told: Told, paths: Sequence[Path]
) -> Open | Closed:
    """Decide whether step 7 may begin."""
    why = (
        *_old_side(plan, now),
        *_new_side(plan, way, now, told),
        *_own_path(plan, paths),
    )
    return Closed(why) if why else Open()


def _old_side(plan: Plan, now: Snapshot) -> Iterator[str]:
    attached = now.attachment(plan.old_gateway, plan.vpc)
    if attached is not Attachment.ATTACHED:
        yield f"{plan.old_gateway} is {standing(attached, plan.vpc)}, not attached"
    for old in plan.old_connections:
        if now.state(old) is not State.AVAILABLE:
            yield f"{old} is {now.state(old)}, not available: there would be no way back"


def _new_side(plan: Plan, way: Way, now: Snapshot, told: Told) -> Iterator[str]:
    if now.state(GATEWAY_ROLE) is not State.AVAILABLE:
        yield f"the new virtual private gateway is {now.state(GATEWAY_ROLE)}"
    for vpc, attachment in now.attachments(way.joining).items():
        yield f"{way.joining} is {standing(attachment, vpc)}; it has to be on no VPC"
    verdict = CreateConnections().verify(plan, way, now, told)
    if not isinstance(verdict, Met):
        yield getattr(verdict, "why", "the new connections are not as the plan wants them")


def _own_path(plan: Plan, paths: Sequence[Path]) -> Iterator[str]:
    """Refuse to cut the connection that this program itself needs.

    An endpoint inside the VPC is reached through the VPN; so is every endpoint from a host in the
    VPC whose default route is the gateway.
    """
    vpc = plan.before.vpc
    inside = [ip_network(cidr) for cidr in vpc.cidrs] if vpc else []
    for path in paths:
        if not path.addresses:
            yield f"how this host reaches {path.service} could not be found out"
        elif held := [a for a in path.addresses if _is_in(a, inside)]:
            yield (
                f"this host reaches {path.service} at {held[0]}, inside {plan.vpc}: "
                "the cutover would cut the program's own path to AWS"
            )
        elif path.local and _is_in(path.local, inside) and _default_route_is_the_gateway(plan):
            yield (
                f"this host ({path.local}) is inside {plan.vpc}, whose default route is "
                f"{plan.old_gateway}: the cutover would cut the program's own path to AWS"
            )


def _is_in(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(ip_address(address) in network for network in networks)


def _default_route_is_the_gateway(plan: Plan) -> bool:
    return any(
        route.destination in DEFAULT_ROUTES and route.target == plan.old_gateway
        for table in plan.before.route_tables
        for route in table.routes
    )
