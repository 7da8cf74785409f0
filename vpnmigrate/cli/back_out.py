"""Back-out policy: retries of an automatic rollback that failed."""

from __future__ import annotations

from dataclasses import replace

from vpnmigrate.cli.context import Desk
from vpnmigrate.cli.gate_options import Brought
from vpnmigrate.cli.run_selection import Subject
from vpnmigrate.cli.run_session import Hand, Terms, work_on
from vpnmigrate.engine.persistence import is_exhausted, may_pass, pause_after
from vpnmigrate.errors import BackedOutError, HeldByOthersError, InterruptedRunError
from vpnmigrate.journal import RunState
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.clock import span
from vpnmigrate.model.decisions import BackOut
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.report.errors import StoppedError
from vpnmigrate.report.status import Standing
from vpnmigrate.report.text import wrapped


def is_left_to_the_policy(plan: Plan, stopped: StoppedError) -> bool:
    """Tell whether the plan rolls back by itself what has *stopped*, and has not yet."""
    policy = plan.decisions.back_out is BackOut.ROLL_BACK
    return policy and _is_to_go_back(stopped.stands.state) and may_pass(stopped.error)


def roll_back_until_done(
    desk: Desk, subject: Subject, terms: Terms, stopped: StoppedError
) -> Standing:
    """Try again to roll back, with a pause before each try.

    Between two tries the run is in nobody's hand, so that a person may take it.

    Raises:
        StoppedError: It is rolled back; or it failed for good, or for too long.
    """
    clock, first = desk.parts.clock, stopped
    began, tries = clock.now(), 0
    alone = replace(terms, take_over=None, confirm_within=None, brought=Brought())
    while not is_exhausted(began, clock.now()):
        tries += 1
        pause = pause_after(tries, outage=stopped.stands.state.outage_open)
        told = f"Failed, and rolls back in {span(pause)}, as the plan's back-out policy is; "
        desk.console.say(wrapped(f"{told}Ctrl-C ends that: {stopped.message}"))
        try:
            clock.sleep(pause)
            stands = work_on(desk, subject, alone, _roll_back)
        except KeyboardInterrupt:
            message = f"interrupted between two tries to roll back: {stopped.message}"
            error = InterruptedRunError(message, advice=stopped.stands.next or "")
            raise StoppedError(error, stopped.stands) from None
        except HeldByOthersError:
            raise stopped from None  # somebody has taken it in hand
        except StoppedError as again:
            if not is_left_to_the_policy(subject.plan, again):
                raise
            stopped = again
        else:
            if stands.state.status is not RunStatus.ROLLED_BACK:
                return stands  # somebody has done something else meanwhile
            message = f"{first.message}; the plan's back-out policy has rolled it back"
            raise StoppedError(BackedOutError(message), stands)
    raise stopped


def _is_to_go_back(state: RunState) -> bool:
    back = state.direction is Direction.BACK
    return not state.finished and (back or (state.direction is Direction.FORWARD and _down(state)))


def _down(state: RunState) -> bool:
    return state.outage_open and state.told.verified is None


def _roll_back(hand: Hand) -> None:
    if _is_to_go_back(hand.runner.hear()):
        hand.runner.back(keep_new=True)
