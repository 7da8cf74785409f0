"""Back-out policy: retries of a failed automatic rollback."""

from __future__ import annotations

from dataclasses import replace

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.gate_options import ApprovalsAndForces
from vpnmigrate.cli.run_selection import SelectedRun
from vpnmigrate.cli.run_session import ActiveRun, RunOptions, run_session
from vpnmigrate.cli.signals import ignore_sighup, signals_as_interrupt
from vpnmigrate.engine.rollback_retries import backoff_after, is_exhausted, may_be_temporary
from vpnmigrate.journal import RunState
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.clock import span
from vpnmigrate.model.decisions import BackOut
from vpnmigrate.model.errors import HeldByOthersError, InterruptedRunError, RolledBackError
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.report.errors import RunFailedError
from vpnmigrate.report.status import RunStatusView
from vpnmigrate.report.text import wrapped


def is_left_to_the_policy(plan: Plan, stopped: RunFailedError) -> bool:
    """Return whether the back-out policy has yet to roll back the run that *stopped*."""
    policy = plan.decisions.back_out is BackOut.ROLLBACK
    return policy and _needs_rollback(stopped.view.state) and may_be_temporary(stopped.error)


def roll_back_until_done(
    context: CommandContext, selected: SelectedRun, options: RunOptions, stopped: RunFailedError
) -> RunStatusView:
    """Roll back, with a wait before each attempt, and return the status of the run.

    Between two attempts the run is unlocked, so that an operator may resume it.

    Raises:
        RunFailedError: The run is rolled back; or the rollback failed permanently, or for too long.
    """
    clock, first = context.dependencies.clock, stopped
    began, tries = clock.now(), 0
    alone = replace(
        options, take_over=None, confirm_within=None, approvals_and_forces=ApprovalsAndForces()
    )
    while not is_exhausted(began, clock.now()):
        tries += 1
        wait = backoff_after(tries, outage=stopped.view.state.outage.open)
        text = f"Failed; the plan's back-out policy rolls back in {span(wait)} "
        context.console.print_line(wrapped(f"{text}(Ctrl-C cancels): {stopped.message}"))
        try:
            with signals_as_interrupt(), ignore_sighup():
                clock.sleep(wait)
                view = run_session(context, selected, alone, _roll_back)
        except KeyboardInterrupt:
            message = f"interrupted between two rollback attempts: {stopped.message}"
            error = InterruptedRunError(message, advice=stopped.view.next or "")
            raise RunFailedError(error, stopped.view) from None
        except HeldByOthersError:
            raise stopped from None  # Another process has the run now.
        except RunFailedError as again:
            if not is_left_to_the_policy(selected.plan, again):
                raise
            stopped = again
        else:
            if view.state.status is not RunStatus.ROLLED_BACK:
                return view  # An operator has changed the direction of the run.
            message = f"{first.message}; the plan's back-out policy has rolled it back"
            raise RunFailedError(RolledBackError(message), view)
    raise stopped


def _needs_rollback(state: RunState) -> bool:
    back = state.direction is Direction.ROLLBACK
    return not state.finished and (back or (state.direction is Direction.FORWARD and _down(state)))


def _down(state: RunState) -> bool:
    return state.outage.open and state.journal_facts.verified is None


def _roll_back(active: ActiveRun) -> None:
    if _needs_rollback(active.runner.read_inbox()):
        active.runner.rollback(keep_new=True)
