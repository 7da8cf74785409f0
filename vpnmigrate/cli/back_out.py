"""Back-out policy: retries of an automatic rollback that failed."""

from __future__ import annotations

from dataclasses import replace

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.gate_options import ApprovalsAndForces
from vpnmigrate.cli.run_selection import SelectedRun
from vpnmigrate.cli.run_session import ActiveRun, RunOptions, run_session
from vpnmigrate.engine.persistence import is_exhausted, may_pass, pause_after
from vpnmigrate.errors import HeldByOthersError, InterruptedRunError, RolledBackError
from vpnmigrate.journal import RunState
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.clock import span
from vpnmigrate.model.decisions import BackOut
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.report.errors import RunFailedError
from vpnmigrate.report.status import RunStatusView
from vpnmigrate.report.text import wrapped


def is_left_to_the_policy(plan: Plan, stopped: RunFailedError) -> bool:
    """Return whether the plan rolls back by itself what has *stopped*, and has not yet."""
    policy = plan.decisions.back_out is BackOut.ROLLBACK
    return policy and _is_to_go_back(stopped.view.state) and may_pass(stopped.error)


def roll_back_until_done(
    context: CommandContext, subject: SelectedRun, terms: RunOptions, stopped: RunFailedError
) -> RunStatusView:
    """Try again to roll back, with a pause before each try.

    Between two tries the run is in nobody's hand, so that a person may take it.

    Raises:
        RunFailedError: It is rolled back; or it failed for good, or for too long.
    """
    clock, first = context.parts.clock, stopped
    began, tries = clock.now(), 0
    alone = replace(terms, take_over=None, confirm_within=None, brought=ApprovalsAndForces())
    while not is_exhausted(began, clock.now()):
        tries += 1
        pause = pause_after(tries, outage=stopped.view.state.outage_open)
        text = f"Failed, and rolls back in {span(pause)}, as the plan's back-out policy is; "
        context.console.print_line(wrapped(f"{text}Ctrl-C ends that: {stopped.message}"))
        try:
            clock.sleep(pause)
            view = run_session(context, subject, alone, _roll_back)
        except KeyboardInterrupt:
            message = f"interrupted between two tries to roll back: {stopped.message}"
            error = InterruptedRunError(message, advice=stopped.view.next or "")
            raise RunFailedError(error, stopped.view) from None
        except HeldByOthersError:
            raise stopped from None  # somebody has taken it in hand
        except RunFailedError as again:
            if not is_left_to_the_policy(subject.plan, again):
                raise
            stopped = again
        else:
            if view.state.status is not RunStatus.ROLLED_BACK:
                return view  # somebody has done something else meanwhile
            message = f"{first.message}; the plan's back-out policy has rolled it back"
            raise RunFailedError(RolledBackError(message), view)
    raise stopped


def _is_to_go_back(state: RunState) -> bool:
    back = state.direction is Direction.ROLLBACK
    return not state.finished and (back or (state.direction is Direction.FORWARD and _down(state)))


def _down(state: RunState) -> bool:
    return state.outage_open and state.journal_facts.verified is None


def _roll_back(active: ActiveRun) -> None:
    if _is_to_go_back(active.runner.read_inbox()):
        active.runner.rollback(keep_new=True)
