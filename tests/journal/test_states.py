"""Where a run can stand, and how it gets from there to elsewhere."""

from __future__ import annotations

import pytest

from vpnmigrate.journal.state import RUN_EDGES, STEP_EDGES, RunStatus, StepStatus, may_follow


def reachable(start: RunStatus, without: RunStatus | None = None) -> set[RunStatus]:
    """Walk the edges from *start*, never through *without*."""
    found = {start}
    while more := {b for a, b in RUN_EDGES if a in found and b not in found and a is not without}:
        found |= more
    return found


def test_every_status_can_be_reached() -> None:
    """A status that no run can come to has no place in the table."""
    assert reachable(RunStatus.PLANNED) == set(RunStatus)
    assert {status for edge in STEP_EDGES for status in edge} == set(StepStatus)


def test_retired_is_final() -> None:
    """Once the old connections are gone, only finalize may be run again."""
    assert {b for a, b in RUN_EDGES if a is RunStatus.FINALIZED} == {RunStatus.FINALIZING}


def test_only_a_migrated_run_is_finalized() -> None:
    """Whatever happens, the point of no return lies behind a verified migration."""
    before = {a for a, b in RUN_EDGES if b is RunStatus.FINALIZING}

    assert before == {RunStatus.CUT_OVER, RunStatus.HELD, RunStatus.FINALIZED}
    assert not may_follow(RunStatus.CUTTING_OVER, RunStatus.FINALIZING)
    assert not may_follow(RunStatus.ROLLED_BACK, RunStatus.FINALIZING)


@pytest.mark.parametrize(
    "status",
    sorted(set(RunStatus) - {RunStatus.FINALIZING, RunStatus.FINALIZED, RunStatus.ROLLING_BACK}),
)
def test_there_is_a_way_back_from_everywhere_before_finalize(status: RunStatus) -> None:
    """Until finalize, one move leads back."""
    assert may_follow(status, RunStatus.ROLLING_BACK)


@pytest.mark.parametrize("status", [*RunStatus, *StepStatus])
def test_staying_is_allowed(status: RunStatus | StepStatus) -> None:
    """A resumed process repeats what it is about."""
    assert may_follow(status, status)


def test_a_step_is_settled_only_by_work() -> None:
    """No step is settled that nobody began."""
    assert not may_follow(StepStatus.PENDING, StepStatus.SETTLED)
    assert not may_follow(StepStatus.FAILED, StepStatus.SETTLED)
