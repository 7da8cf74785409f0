"""Gates: pure checks before the cutover and before finalize.

Each gate is a pure function that returns what it observed, what it requires, and PASS, FAIL or
UNKNOWN; UNKNOWN does not pass.  CONTRIBUTING lists the places of a new gate.
"""

from __future__ import annotations

from collections.abc import Sequence

from vpnmigrate.engine.gates import (
    aws_state,
    change_control,
    conditions,
    finalize,
    host,
    permissions,
)
from vpnmigrate.engine.gates.base import GateContext, RollbackProofResult, forced, ready_to_paste
from vpnmigrate.engine.gates.change_control import changed_program, hook
from vpnmigrate.engine.gates.devices import device_drivers
from vpnmigrate.engine.ports import NetworkPath
from vpnmigrate.model.gates import GateResult
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.traffic import verified_recently

__all__ = [
    "GateContext",
    "RollbackProofResult",
    "before_cutover",
    "before_finalize",
    "changed_program",
    "device_drivers",
    "forced",
    "hook",
    "in_the_cutover",
    "observable_gates",
    "ready_to_paste",
    "traffic_reading_final",
]


def before_cutover(view: StepInput, context: GateContext) -> tuple[GateResult, ...]:
    """Return the results of every gate before step 7, in display order."""
    missing = context.missing_permissions
    return (
        aws_state.unchanged(context),
        change_control.window(view.plan, context),
        change_control.approvals(view.plan, context),
        change_control.rehearsal(view.plan, context),
        aws_state.rollback_possible(view.plan, view.now, context.proof),
        aws_state.devices(view.journal_facts),
        aws_state.new_connections(view),
        aws_state.new_gateway(view.swap, view.now),
        aws_state.old_tunnels(view.plan, view.now),
        conditions.tunnel_maintenance(view.plan, context),
        conditions.encryption_control(view.plan, context),
        host.credentials(view.plan, context),
        host.clock(context.identity),
        host.own_path(view.plan, context.paths),
        *(() if missing is None else (permissions.calls_allowed(missing),)),
    )


def observable_gates(view: StepInput) -> tuple[GateResult, ...]:
    """Return the results of the gates that depend only on an observation.

    A gate belongs here if this run changes its subject, which EC2 may show late: until these gates
    pass, the runner observes again, for one consistency delay, before it takes the results of all
    gates.
    """
    return (
        aws_state.rollback_possible(view.plan, view.now, None),
        aws_state.new_connections(view),
        aws_state.new_gateway(view.swap, view.now),
        aws_state.old_tunnels(view.plan, view.now),
    )


def in_the_cutover(
    view: StepInput,
    paths: Sequence[NetworkPath],
) -> tuple[GateResult, ...]:
    """Return the results of the gates for resuming a cutover whose journal is lost.

    Traffic may be down, so gates that depend on people or on the time of day are left out.
    """
    return (
        aws_state.rollback_possible(view.plan, view.now, None),
        aws_state.new_connections(view),
        aws_state.new_gateway(view.swap, view.now),
        host.own_path(view.plan, paths),
    )


def traffic_reading_final(view: StepInput) -> bool:
    """Return whether traffic flows, or a later observation would not show it either."""
    flows = finalize.traffic(view).lets_through
    return flows or not verified_recently(view.now, view.journal_facts)


def before_finalize(view: StepInput, context: GateContext) -> tuple[GateResult, ...]:
    """Return the results of every gate before step 11."""
    return (
        finalize.traffic(view),
        finalize.soak(view.plan, context),
        finalize.archived(view.plan, view.now, view.journal_facts),
        change_control.finalize_window(view.plan, context),
        change_control.finalize_approvals(view.plan, context),
    )
