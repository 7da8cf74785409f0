"""Gates: pure checks before the cutover and before finalize.

Pure decisions.  Each gate says what it found, what it asks for, and PASS, FAIL or UNKNOWN; what is
unknown never passes.  A gate that comes later, such as a calendar or an alarm, is one more
function here and one more name in ``model.gates``, with what it needs in ``GateContext``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vpnmigrate.engine.gates import aws_state, change_control, finalize, host
from vpnmigrate.engine.gates.base import GateContext, RollbackTrial, forced, ready_to_paste
from vpnmigrate.engine.gates.change_control import changed_program, hook
from vpnmigrate.engine.ports import NetworkPath
from vpnmigrate.model.gates import Gate, GateResult, Milestone
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import GatewaySwap, JournalFacts, Snapshot
from vpnmigrate.steps.traffic import verified_recently

__all__ = [
    "ASKED",
    "GateContext",
    "RollbackTrial",
    "before_cutover",
    "before_finalize",
    "changed_program",
    "forced",
    "hook",
    "in_the_cutover",
    "observable_gates",
    "ready_to_paste",
    "traffic_reading_final",
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
    plan: Plan, swap: GatewaySwap, now: Snapshot, journal_facts: JournalFacts, ports: GateContext
) -> tuple[GateResult, ...]:
    """Ask every gate before step 7, in the order in which a reader wants to know."""
    return (
        aws_state.unchanged(ports),
        change_control.window(plan, ports),
        change_control.approvals(plan, ports),
        change_control.rehearsal(plan, ports),
        aws_state.way_back(plan, now, ports.proof),
        aws_state.devices(journal_facts),
        aws_state.new_connections(plan, swap, now, journal_facts),
        aws_state.new_gateway(swap, now),
        aws_state.old_tunnels(plan, now),
        host.credentials(plan, ports),
        host.clock(ports.identity),
        host.own_path(plan, ports.paths),
    )


def observable_gates(
    plan: Plan, swap: GatewaySwap, now: Snapshot, journal_facts: JournalFacts
) -> tuple[GateResult, ...]:
    """Ask the gates that one look at AWS decides: another look, a little later, may say more."""
    return (
        aws_state.way_back(plan, now, None),
        aws_state.new_connections(plan, swap, now, journal_facts),
        aws_state.new_gateway(swap, now),
        aws_state.old_tunnels(plan, now),
    )


def in_the_cutover(
    plan: Plan,
    swap: GatewaySwap,
    now: Snapshot,
    journal_facts: JournalFacts,
    paths: Sequence[NetworkPath],
) -> tuple[GateResult, ...]:
    """Ask what must hold for a cutover that was begun under a lost journal.

    Traffic may be down.  Whatever only people or the time of day could change is not asked.
    """
    return (
        aws_state.way_back(plan, now, None),
        aws_state.new_connections(plan, swap, now, journal_facts),
        aws_state.new_gateway(swap, now),
        host.own_path(plan, paths),
    )


def traffic_reading_final(
    plan: Plan, swap: GatewaySwap, now: Snapshot, journal_facts: JournalFacts
) -> bool:
    """Tell whether no look a little later can show traffic flow that does not in this one."""
    flows = finalize.traffic(plan, swap, now, journal_facts).lets_through
    return flows or not verified_recently(now, journal_facts)


def before_finalize(
    plan: Plan, swap: GatewaySwap, now: Snapshot, journal_facts: JournalFacts, ports: GateContext
) -> tuple[GateResult, ...]:
    """Ask every gate before step 11."""
    return (
        finalize.traffic(plan, swap, now, journal_facts),
        finalize.archived(plan, now, journal_facts),
        change_control.finalize_window(plan, ports),
        change_control.finalize_approvals(plan, ports),
    )
