"""Statuses of runs and steps, and their transitions."""

from __future__ import annotations

import pytest

from vpnmigrate.journal.state import RUN_EDGES, STEP_EDGES, RunStatus, StepStatus, may_follow


def reachable(start: RunStatus, without: RunStatus | None = None) -> set[RunStatus]:
    """Return the statuses reachable from *start* without passing *without*."""
    found = {start}
    while more := {b for a, b in RUN_EDGES if a in found and b not in found and a is not without}:
        found |= more
    return found


def test_every_status_can_be_reached() -> None:
    """Every status can be reached."""
    assert reachable(RunStatus.PLANNED) == set(RunStatus)
    assert {status for edge in STEP_EDGES for status in edge} == set(StepStatus)


def test_retired_is_final() -> None:
    """Once the old connections are deleted, only finalize can run again."""
    assert {b for a, b in RUN_EDGES if a is RunStatus.FINALIZED} == {RunStatus.FINALIZING}


def test_only_a_migrated_run_is_finalized() -> None:
    """The point of no return can be reached only through a verified migration."""
    before = {a for a, b in RUN_EDGES if b is RunStatus.FINALIZING}

    assert before == {RunStatus.CUT_OVER, RunStatus.HELD, RunStatus.FINALIZED}
    assert not may_follow(RunStatus.CUTTING_OVER, RunStatus.FINALIZING)
    assert not may_follow(RunStatus.ROLLED_BACK, RunStatus.FINALIZING)


@pytest.mark.parametrize(
    "status",
    sorted(set(RunStatus) - {RunStatus.FINALIZING, RunStatus.FINALIZED, RunStatus.ROLLING_BACK}),
)
def test_there_is_a_way_back_from_everywhere_before_finalize(status: RunStatus) -> None:
    """Until finalize, every status allows a rollback."""
    assert may_follow(status, RunStatus.ROLLING_BACK)


@pytest.mark.parametrize("status", [*RunStatus, *StepStatus])
def test_staying_is_allowed(status: RunStatus | StepStatus) -> None:
    """A resumed process may write the same status again."""
    assert may_follow(status, status)


def test_a_step_is_settled_only_by_work() -> None:
    """A step is done only after it was begun."""
    assert not may_follow(StepStatus.PENDING, StepStatus.SETTLED)
    assert not may_follow(StepStatus.FAILED, StepStatus.SETTLED)
