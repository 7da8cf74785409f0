"""Where a run and its steps can stand, and every way from one standing to another.

*Status* is ours; *state* is EC2's word for the life of a resource.  A run that failed or was
interrupted keeps its status: what it was doing is still what has to be done.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class RunStatus(StrEnum):
    """Where a run stands."""

    PLANNED = "planned"
    PREPARING = "preparing"
    HELD = "held"
    """At a gate, or waiting for a person; nothing goes on until somebody says so."""
    CUTTING_OVER = "cutting-over"
    CUT_OVER = "cut-over"
    """Migrated: traffic uses the new connections, and what was there before still exists."""
    RETIRING = "retiring"
    RETIRED = "retired"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    STUCK = "stuck"
    """Traffic is down and the program cannot go on by itself: a person must act now."""


class StepStatus(StrEnum):
    """Where one step of the direction taken stands."""

    PENDING = "pending"
    APPLYING = "applying"
    SETTLED = "settled"
    FAILED = "failed"


_R = RunStatus

RUN_EDGES: Final = frozenset(
    {
        # the first process takes the plan up
        (_R.PLANNED, _R.PREPARING),
        # the journal was lost, and a fresh one begins with the way back
        (_R.PLANNED, _R.ROLLING_BACK),
        # the journal was lost in the cutover, and a fresh one goes on from there
        (_R.PLANNED, _R.CUTTING_OVER),
        # a device task, or the gate before the cutover
        (_R.PREPARING, _R.HELD),
        # the work was done by an earlier attempt, or step 6 was settled: step 7 begins
        (_R.PREPARING, _R.CUTTING_OVER),
        # the operator gives the migration up before it began
        (_R.PREPARING, _R.ROLLING_BACK),
        # the person has done the task, or the held run was planned again
        (_R.HELD, _R.PREPARING),
        # somebody let the staged run through the gate
        (_R.HELD, _R.CUTTING_OVER),
        # staged and given up
        (_R.HELD, _R.ROLLING_BACK),
        # a task of the way back, or of retiring, is done
        (_R.HELD, _R.RETIRING),
        # step 7 was begun and nothing was sent: the next process renews the claim first
        (_R.CUTTING_OVER, _R.PREPARING),
        # traffic flows already and only the old tunnels wait for a person
        (_R.CUTTING_OVER, _R.HELD),
        # step 10 is settled
        (_R.CUTTING_OVER, _R.CUT_OVER),
        # the operator, or the plan's back-out policy, turns round
        (_R.CUTTING_OVER, _R.ROLLING_BACK),
        # the cutover failed while traffic was down
        (_R.CUTTING_OVER, _R.STUCK),
        # whatever was wrong is mended: on with the cutover
        (_R.STUCK, _R.CUTTING_OVER),
        # or back
        (_R.STUCK, _R.ROLLING_BACK),
        # regretted before finalize
        (_R.CUT_OVER, _R.ROLLING_BACK),
        # finalize
        (_R.CUT_OVER, _R.RETIRING),
        # a person is needed on the way back
        (_R.ROLLING_BACK, _R.HELD),
        # the operator thinks again while traffic is down
        (_R.ROLLING_BACK, _R.CUTTING_OVER),
        # the same while traffic flows: another attempt, which finds what is left of the last
        (_R.ROLLING_BACK, _R.PREPARING),
        # everything is as it was before
        (_R.ROLLING_BACK, _R.ROLLED_BACK),
        # the way back failed while traffic was down
        (_R.ROLLING_BACK, _R.STUCK),
        # another attempt, with or without what the last one left
        (_R.ROLLED_BACK, _R.PREPARING),
        # asked to go back once more, which finds nothing to do or takes what was kept away
        (_R.ROLLED_BACK, _R.ROLLING_BACK),
        # a person is needed to retire
        (_R.RETIRING, _R.HELD),
        # thought better of before anything was deleted
        (_R.RETIRING, _R.ROLLING_BACK),
        # the old connections are gone
        (_R.RETIRING, _R.RETIRED),
        # finalize again, for the gateway that the first one left
        (_R.RETIRED, _R.RETIRING),
    }
)

_S = StepStatus

STEP_EDGES: Final = frozenset(
    {
        # its turn has come
        (_S.PENDING, _S.APPLYING),
        # its goal was seen to hold
        (_S.APPLYING, _S.SETTLED),
        # its goal did not hold in time, or a change was refused
        (_S.APPLYING, _S.FAILED),
        # another process tries again
        (_S.FAILED, _S.APPLYING),
        # a resumed run makes sure of it once more, such as of the claim
        (_S.SETTLED, _S.APPLYING),
    }
)


_EDGES: Final = frozenset[tuple[StrEnum, StrEnum]]((*RUN_EDGES, *STEP_EDGES))


def may_follow(before: RunStatus | StepStatus, after: RunStatus | StepStatus) -> bool:
    """Tell whether a run or step that stands at *before* can come to *after* next.

    Staying is always allowed: a resumed process repeats what it is about.
    """
    return before is after or (before, after) in _EDGES
