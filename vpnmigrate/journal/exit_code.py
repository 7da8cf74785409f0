"""Exit codes: the exit code of a process, from its error or from its journal.

The code is 5 (STUCK) in these cases:

- An outage is open (``OutageState.open``), and the error's own code is 1.  It is open from the
  record ``OutageBegan``, which ``StepLoop._perform`` writes before the first call that can
  interrupt traffic, to ``OutageEnded``.  ``StepLoop._conclude`` writes it for a blocked step where
  AWS shows that traffic is down (``Blocked.interrupted``), and ``traffic_watch`` in step 10, both
  if the outage began under a lost journal.
- ``StepError.outage``: traffic may be down, because the journal of its outage is lost, or because
  step 10 ended before traffic was ever verified (``StepLoop._may_be_down``).
- An unexpected exception, while an outage is open.
- ``ResidueError``, also while traffic flows: AWS did not make some changes, or a destination has no
  path although every change is made (``Runner._require_no_residue``).
- For a watcher: the last record is a failure with ``Failed.stuck``, or there is none and an outage
  is open.
"""

from __future__ import annotations

from collections.abc import Sequence

from vpnmigrate.journal.history import turned_back
from vpnmigrate.journal.records import Entry, Failed, Held, Interrupted
from vpnmigrate.journal.state import RunState
from vpnmigrate.model.errors import Exit, StepError, VpnMigrateError


def exit_code(error: VpnMigrateError, state: RunState | None = None) -> Exit:
    """Return the exit code of *error* for a run in *state*.

    *state* is None if the command concerns no run.  A failure while traffic is down becomes STUCK:
    an operator must act now.
    """
    outage = leaves_traffic_down(error, state)
    return Exit.STUCK if outage and error.exit is Exit.FAILED else error.exit


def leaves_traffic_down(error: VpnMigrateError, state: RunState | None) -> bool:
    """Return whether traffic is down, or may be, when *error* ends a process."""
    step_in_outage = isinstance(error, StepError) and error.outage
    return step_in_outage or (state is not None and state.outage.open)


def exit_code_of_bug(state: RunState | None) -> Exit:
    """Return the exit code of an unexpected exception; *state* is that of its run, if any."""
    return Exit.STUCK if state is not None and state.outage.open else Exit.FAILED


def exit_code_of_run(state: RunState, entries: Sequence[Entry]) -> Exit:
    """Return the exit code of the process that wrote the last of *entries*, for a watcher."""
    last = entries[-1].record if entries else None
    # With residue the time to confirm runs too, but the process has failed.
    failed = isinstance(last, Failed) and not state.finished
    if state.confirm.until is not None and not failed:
        return Exit.HELD
    if state.finished:
        return Exit.FAILED if turned_back(entries) or state.residue.changes else Exit.DONE
    match last:
        case Held(staged=True):
            return Exit.DONE
        case Held():
            return Exit.HELD
        case Failed(stuck=stuck):
            return Exit.STUCK if stuck else Exit.FAILED
        case Interrupted():
            return Exit.INTERRUPTED
        case _ if state.outage.open:
            return Exit.STUCK
        case _:
            return Exit.INTERRUPTED
