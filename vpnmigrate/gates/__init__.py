"""Go or no-go: the named gates before the cutover and before finalize.

Pure decisions.  Each gate says what it found, what it asks for, and PASS, FAIL or UNKNOWN; what is
unknown never passes.  A gate that comes later, such as a calendar or an alarm, is one more
function here and one more name in ``model.gates``, with what it needs in ``Circumstances``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vpnmigrate.gates import host, people, retiring, timing, world
from vpnmigrate.gates.advising import ready_to_paste
from vpnmigrate.gates.circumstances import Circumstances, ProofOfReturn
from vpnmigrate.gates.forcing import forced
from vpnmigrate.gates.people import changed_program, hook
from vpnmigrate.model.gates import Gate, Milestone, Seen
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Snapshot, Told, Way
from vpnmigrate.ports import Path
from vpnmigrate.steps.traffic import verified_lately

__all__ = [
    "ASKED",
    "Circumstances",
    "ProofOfReturn",
    "before_cutover",
    "before_finalize",
    "changed_program",
    "forced",
    "hook",
    "in_the_cutover",
    "ready_to_paste",
    "tells_of_traffic",
    "to_be_seen",
]


ASKED: Mapping[Milestone, tuple[Gate, ...]] = {
    Milestone.CUTOVER: tuple(gate for gate in Gate if gate not in (Gate.TRAFFIC, Gate.ARCHIVED)),
    Milestone.FINALIZE: (
        Gate.TRAFFIC,
        Gate.ARCHIVED,
        Gate.WINDOW,
        Gate.APPROVALS,
        Gate.HOOK,
    ),
}
"""Which gates stand before what, in the order in which they are asked."""


def before_cutover(
    plan: Plan, way: Way, now: Snapshot, told: Told, around: Circumstances
) -> tuple[Seen, ...]:
    """Ask every gate before step 7, in the order in which a reader wants to know."""
    return (
        world.unchanged(around),
        timing.window(plan, around),
        people.approvals(plan, around),
        timing.rehearsal(plan, around),
        world.way_back(plan, now, around.proof),
        world.devices(told),
        world.new_connections(plan, way, now, told),
        world.new_gateway(way, now),
        world.old_tunnels(plan, now),
        host.credentials(plan, around),
        host.clock(around.identity),
        host.own_path(plan, around.paths),
    )


def to_be_seen(plan: Plan, way: Way, now: Snapshot, told: Told) -> tuple[Seen, ...]:
    """Ask the gates that one look at AWS decides: another look, a little later, may say more."""
    return (
        world.way_back(plan, now, None),
        world.new_connections(plan, way, now, told),
        world.new_gateway(way, now),
        world.old_tunnels(plan, now),
    )


def in_the_cutover(
    plan: Plan, way: Way, now: Snapshot, told: Told, paths: Sequence[Path]
) -> tuple[Seen, ...]:
    """Ask what must hold for a cutover that was begun under a lost journal.

    Traffic may be down.  Whatever only people or the time of day could change is not asked.
    """
    return (
        world.way_back(plan, now, None),
        world.new_connections(plan, way, now, told),
        world.new_gateway(way, now),
        host.own_path(plan, paths),
    )


def tells_of_traffic(plan: Plan, way: Way, now: Snapshot, told: Told) -> bool:
    """Tell whether no look a little later can show traffic flow that does not in this one."""
    flows = retiring.traffic(plan, way, now, told).lets_through
    return flows or not verified_lately(now, told)


def before_finalize(
    plan: Plan, way: Way, now: Snapshot, told: Told, around: Circumstances
) -> tuple[Seen, ...]:
    """Ask every gate before step 11."""
    return (
        retiring.traffic(plan, way, now, told),
        retiring.archived(plan, now, told),
        timing.finalize_window(plan, around),
        people.finalize_approvals(plan, around),
    )
