"""Progress of a member, from the state of its run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vpnmigrate.fleet.progress import MemberProgress, MemberState, progress_of_run
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Armed
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.journal.state_parts import ConfirmState
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.snapshot import JournalFacts

NOW = datetime(2026, 11, 28, tzinfo=UTC)
STAGED = {"direction": Direction.FORWARD, "settled": frozenset(range(1, 7))}
ARMED = Armed(timedelta(minutes=5), process=1, host="laptop")

CASES = [
    (RunStatus.PLANNED, {}, MemberState.WAITING),
    (RunStatus.PREPARING, {}, MemberState.RUNNING),
    (RunStatus.PREPARING, {"error": "AWS refused"}, MemberState.FAILED),
    (RunStatus.HELD, {"direction": Direction.FORWARD}, MemberState.RUNNING),
    (RunStatus.HELD, STAGED, MemberState.STAGED),
    (RunStatus.HELD, {**STAGED, "cutover_begun": True}, MemberState.CUTOVER),
    (RunStatus.HELD, {"direction": Direction.ROLLBACK}, MemberState.ROLLING_BACK),
    (RunStatus.HELD, {"direction": Direction.FINALIZE}, MemberState.DONE),
    (RunStatus.CUTTING_OVER, {}, MemberState.CUTOVER),
    (RunStatus.CUTTING_OVER, {"error": "no route"}, MemberState.FAILED),
    (RunStatus.CUT_OVER, {}, MemberState.DONE),
    (RunStatus.CUT_OVER, {"confirm": ConfirmState(armed=ARMED)}, MemberState.CUTOVER),
    (RunStatus.FINALIZING, {}, MemberState.DONE),
    (RunStatus.FINALIZED, {}, MemberState.DONE),
    (RunStatus.ROLLING_BACK, {"error": "AWS refused"}, MemberState.ROLLING_BACK),
    (RunStatus.ROLLED_BACK, {}, MemberState.ROLLED_BACK),
    (RunStatus.STUCK, {}, MemberState.FAILED),
]


def test_every_status_has_a_case() -> None:
    """A new status must not be read as something that holds no slot."""
    assert {status for status, _, _ in CASES} == set(RunStatus)


@pytest.mark.parametrize(("status", "fields", "expected"), CASES)
def test_the_state_of_a_run_is_that_of_its_member(status, fields, expected) -> None:
    """An error is a failure when no process works on the run any more."""
    state = RunState(status=status, **fields)
    under_way = {MemberState.FAILED: MemberState.RUNNING}
    if status is RunStatus.CUTTING_OVER:
        under_way = {MemberState.FAILED: MemberState.CUTOVER}
    alive = expected if status is RunStatus.STUCK else under_way.get(expected, expected)

    assert progress_of_run(state, alive=False).state is expected
    assert progress_of_run(state, alive=True).state is alive


def test_a_soak_begins_with_verified_traffic_in_wall_clock_time() -> None:
    """The run's own clock may be behind, because the machine's was set."""
    state = RunState(
        status=RunStatus.CUT_OVER,
        journal_facts=JournalFacts(verified=NOW),
        stable_since=NOW,
        clock_ahead=timedelta(minutes=1),
    )

    assert progress_of_run(state, alive=False) == MemberProgress(
        MemberState.DONE, NOW + timedelta(minutes=1)
    )
    assert progress_of_run(RunState(status=RunStatus.CUT_OVER), alive=False).since is None
