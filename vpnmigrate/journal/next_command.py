"""Next command: what the operator can run from a given state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vpnmigrate.journal.state import Hold, RunState, RunStatus
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors.commands import Command, cli, options
from vpnmigrate.model.gates import GateResult, Milestone, closed_results
from vpnmigrate.model.plan import LAST_OF_PREPARE, Direction
from vpnmigrate.model.snapshot import Confirmation, Shortage


def next_command(
    state: RunState, run: str, confirm: Sequence[VpnConnectionId], *, alive: bool
) -> Command | None:
    """Return the command to paste next; None if nothing is left to do.

    *confirm* are the old connections, which finalize must name; *alive* means that a process is
    working on the run, so that an order is enough for it to continue.  A task that waits for a
    person is not reported as done by it: ``done_command`` does that.
    """
    if state.order is not None and state.direction is None:
        # The order was given before the first process began.
        begin = apply_command(state, run)
        return cli("continue", run) if alive else cli("continue", run).and_then(begin)
    match state.status:
        case RunStatus.FINALIZED:
            return None
        case RunStatus.CUT_OVER if state.confirm.armed is not None:
            return cli("confirm", run)
        case RunStatus.CUT_OVER:
            return finalize_command(run, confirm, delete_old_gateway=state.delete_old_gateway)
        case RunStatus.ROLLED_BACK if state.residue.changes:
            return resume_command(state, run, confirm)
        case RunStatus.PLANNED | RunStatus.ROLLED_BACK:
            return apply_command(state, run)
        case _:
            pass
    on = resume_command(state, run, confirm)
    if state.order is not None:
        lift = cli("continue", run)
        match state.order.wish:
            case Hold.ABORTED:
                return cli("rollback", run)
            case Hold.PAUSED:
                return lift if alive else lift.and_then(on)
    return on


def done_command(state: RunState, run: str) -> Command | None:
    """Return the command that reports the waiting task as done; None if no such task waits."""
    task = state.task
    return cli("done", run, str(task.step)) if isinstance(task, AskOperator) else None


def closed_gates(state: RunState) -> tuple[GateResult, ...]:
    """Return the gates that hold the run, as they were last evaluated; none if others hold it."""
    seen = state.gates.seen
    if seen is None or state.order is not None:
        return ()
    if seen.before is Milestone.CUTOVER:
        prepared = state.status is RunStatus.HELD and LAST_OF_PREPARE in state.settled
        holds = prepared and not state.cutover_begun and is_of_this_attempt(state)
    else:
        holds = state.status is RunStatus.CUT_OVER
    return closed_results(seen.gates) if holds else ()


def is_of_this_attempt(state: RunState) -> bool:
    """Return whether the gates were last evaluated in the current attempt."""
    since, at = state.attempt_since, state.gates.at
    return since is None or at is None or at - state.clock_ahead >= since


def resume_command(state: RunState, run: str, confirm: Sequence[VpnConnectionId]) -> Command:
    """Return the command that resumes the run in its direction."""
    match state.direction:
        case Direction.ROLLBACK:
            return cli("rollback", run, *(("--keep-new",) if state.keep_new else ()))
        case Direction.FINALIZE:
            return finalize_command(run, confirm, delete_old_gateway=state.delete_old_gateway)
        case Direction.FORWARD | None:
            if _stages(state):
                return cli("apply", run, "--until", "cutover")
            return apply_command(state, run)


def accept_command(what: Iterable[Shortage], run: str) -> Command | None:
    """Return the command that accepts *what*; None for nothing."""
    named = options("--accept-degraded", (each.connection for each in what))
    return cli("continue", run, *named, "--reason", "TEXT") if named else None


def apply_command(state: RunState, run: str) -> Command:
    """Return the command that applies the run, by steps if its last process did."""
    asks = state.opened is not None and state.opened.step
    return cli("apply", run, *(("--step",) if asks else ()))


def _stages(state: RunState) -> bool:
    """Return whether the run is to hold before the cutover: the command must not go further."""
    return state.until == LAST_OF_PREPARE and LAST_OF_PREPARE not in state.settled


def finalize_command(
    run: str, confirm: Sequence[VpnConnectionId], *, delete_old_gateway: bool
) -> Command:
    """Return the command that finalizes the run as asked; it names every old connection."""
    gateway = ("--delete-old-gateway",) if delete_old_gateway else ()
    return cli("finalize", run, *options("--confirm", confirm), *gateway)


def confirmation_for_step(step: int, state: RunState) -> Confirmation | None:
    """Return the confirmation that ``done`` for *step* gives in this state, or None.

    Step 10 has two operator tasks forward, and a different one in a rollback.
    """
    match state.direction, step:
        case Direction.FORWARD, 5:
            return Confirmation.DEVICES_CONFIGURED
        case Direction.FORWARD, 6:
            return Confirmation.TEST_PASSED
        case Direction.FORWARD, 10 if state.journal_facts.verified is None:
            return Confirmation.NEW_TUNNELS_ENABLED
        case Direction.FORWARD, 10:
            return Confirmation.OLD_TUNNELS_DISABLED
        case Direction.ROLLBACK, 10:
            return Confirmation.TUNNELS_RETURNED
        case _:
            return None
