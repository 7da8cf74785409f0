"""Gates on this host: credentials, clock and network path to AWS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from vpnmigrate.engine.gates.base import GateContext, failed, passed, unknown
from vpnmigrate.engine.ports import Identity, NetworkPath, Renewal
from vpnmigrate.model.gates import Gate, GateResult
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.windows import expected, with_soak

DEFAULT_ROUTES = ("0.0.0.0/0", "::/0")
SKEW = timedelta(minutes=5)
"""AWS refuses requests whose signature is 5 to 15 minutes off, depending on the service (SigV4;
domain.md 2.11)."""


def credentials(plan: Plan, context: GateContext) -> GateResult:
    """Check whether the credentials outlast the window, and a cutover with its rollback."""
    needed = change_ends(plan, context)
    required = f"valid until {needed:%Y-%m-%d %H:%M}Z"
    held = context.identity.credentials
    expiry = "" if held.until is None else f"{held.until:%Y-%m-%d %H:%M}Z"
    match held.renewal:
        case Renewal.NEVER_EXPIRES:
            return passed(Gate.CREDENTIALS, "long-term credentials, no expiry", required)
        case Renewal.AUTOMATIC:
            next_one = f", next at {expiry}" if expiry else ""
            return passed(Gate.CREDENTIALS, f"renewed automatically{next_one}", required)
        case Renewal.MANUAL if held.until is None:
            return unknown(
                Gate.CREDENTIALS,
                "temporary credentials, expiry unknown",
                required,
                advice="use a profile, or set AWS_CREDENTIAL_EXPIRATION next to the keys",
            )
        case Renewal.MANUAL if held.until <= needed:
            return failed(
                Gate.CREDENTIALS,
                f"they expire {expiry}",
                required,
                advice="renew the credentials first",
            )
        case Renewal.MANUAL:
            return passed(Gate.CREDENTIALS, f"they expire {expiry}", required)


def change_ends(plan: Plan, context: GateContext) -> datetime:
    """Return when a rollback may end that begins with the end of a cutover that starts now.

    The durations are those of ``planning.windows``: as rehearsed, or from domain.md 12.3 with the
    soak time added.  A window may end earlier, if its gate is forced; usually it ends later, and a
    rollback may begin until the back-out deadline before its end.
    """
    decisions = plan.decisions
    durations = with_soak(expected(plan.fingerprint, context.rehearsed), decisions.waits)
    until = context.now + durations.cutover + durations.rollback
    return until if decisions.window is None else max(until, decisions.window.end)


def clock(identity: Identity) -> GateResult:
    """Check whether the clock is right: otherwise AWS refuses signatures and windows shift."""
    required = f"within {SKEW.seconds // 60} min of AWS's clock"
    ahead = identity.ahead
    if ahead is None:
        advice = "check this machine's clock (NTP), then try again"
        return unknown(Gate.CLOCK, "AWS's response has no date", required, advice=advice)
    seconds = round(ahead.total_seconds())
    observed = f"{abs(seconds)} s {'behind' if seconds < 0 else 'ahead'}"
    if abs(ahead) > SKEW:
        return failed(Gate.CLOCK, observed, required, advice="set this machine's clock (NTP)")
    return passed(Gate.CLOCK, observed, required)


def own_path(plan: Plan, paths: Sequence[NetworkPath]) -> GateResult:
    """Check whether this host reaches AWS without the VPN that the cutover interrupts."""
    required = "this host reaches EC2 and STS without this VPN"
    elsewhere = "run vpnmigrate on another host"
    unresolved = [path.service for path in paths if not path.addresses]
    through = "; ".join(_through_the_vpn(plan, paths))
    if unresolved and not through:
        observed = f"how this host reaches {' and '.join(unresolved)} is unknown"
        advice = f"check this host's DNS, or {elsewhere}"
        return unknown(Gate.OWN_PATH, observed, required, advice=advice)
    if through:
        return failed(Gate.OWN_PATH, through, required, advice=elsewhere)
    services = " and ".join(path.service for path in paths)
    observed = (
        f"{services} reached without this VPN"
        if services
        else "this host does not reach AWS through this VPN"
    )
    return passed(Gate.OWN_PATH, observed, required)


def _through_the_vpn(plan: Plan, paths: Sequence[NetworkPath]) -> Iterator[str]:
    """Yield the services that are reached through the VPN.

    An endpoint inside the VPC is reached through the VPN; so is every endpoint from a host in the
    VPC whose default route is the gateway.
    """
    vpc = plan.before.vpc
    inside = [ip_network(cidr) for cidr in vpc.cidrs] if vpc else []
    for path in paths:
        if held := [a for a in path.addresses if _is_in(a, inside)]:
            yield (
                f"this host reaches {path.service} at {held[0]}, inside {plan.vpc}: "
                "the cutover would cut this program's path to AWS"
            )
        elif path.local and _is_in(path.local, inside) and _default_route_is_the_gateway(plan):
            yield (
                f"this host ({path.local}) is inside {plan.vpc}, whose default route is "
                f"{plan.old_gateway}: the cutover would cut this program's path to AWS"
            )


def _is_in(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(ip_address(address) in network for network in networks)


def _default_route_is_the_gateway(plan: Plan) -> bool:
    return any(
        route.destination in DEFAULT_ROUTES and route.target == plan.old_gateway
        for table in plan.before.route_tables
        for route in table.routes
    )
