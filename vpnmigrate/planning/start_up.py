"""Start-up action: tunnels that AWS should initiate after a migration, and does not yet.

A successor is created with ``add`` (``carry_over.requested_options``).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from vpnmigrate.model.carry_over import successor_options
from vpnmigrate.model.ec2 import ConnectionRecord, Role, TunnelOptions, VpnConnectionId
from vpnmigrate.model.plan import Plan, connection_role
from vpnmigrate.model.survey import Survey
from vpnmigrate.model.tunnel_options import NOT_CHOSEN, differing_option

START = "start"


def tunnels_to_start(
    plan: Plan, made: Mapping[Role, str], after: Survey
) -> tuple[tuple[VpnConnectionId, str], ...]:
    """Return each tunnel of *after*, with its connection, that needs ``StartupAction=start``."""
    found: list[tuple[VpnConnectionId, str]] = []
    for old in plan.before.living:
        id_ = made.get(connection_role(old.id))
        new = next((c for c in after.living if c.id == id_), None)
        if new is not None:
            wanted = successor_options(plan.decisions, old)
            found += [(new.id, outside) for outside in _of(new, wanted)]
    return tuple(found)


def _of(new: ConnectionRecord, wanted: tuple[TunnelOptions, ...]) -> list[str]:
    """Return the outside addresses of tunnels of *new* that lack ``start``.

    The order of the tunnels is Amazon's: the order that fits most tunnels counts, and of these the
    one that leaves the least to do.
    """

    def unfit(order: tuple[TunnelOptions, ...]) -> tuple[int, int]:
        pairs = list(zip(order, new.tunnels, strict=False))
        wrong = sum(
            differing_option(options, tunnel.options or NOT_CHOSEN) is not None
            for options, tunnel in pairs
        )
        return wrong, len(_lacking(new, order))

    return _lacking(new, min(permutations(wanted), key=unfit))


def _lacking(new: ConnectionRecord, order: tuple[TunnelOptions, ...]) -> list[str]:
    return [
        tunnel.outside_ip
        for options, tunnel in zip(order, new.tunnels, strict=False)
        if options.startup_action == START
        and (tunnel.options or NOT_CHOSEN).startup_action != START
    ]
