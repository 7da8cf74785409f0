"""The fault matrix, cell by cell: each call, each trouble, on the production runner.

``VPNMIGRATE_TEST_MATRIX=all`` tries every cell on every leg of a migration, which takes minutes;
so does ``make full-counts``.
"""

from __future__ import annotations

import os
from typing import get_args

import pytest

from tests.faults.branching import Leg, legs
from tests.faults.cells import (
    A_WHILE,
    FOR_EVER,
    TROUBLES,
    WITH_A_PERSON,
    end_state,
    run_next_command,
    run_with_fault,
    wrong_claim,
)
from tests.faults.verdicts import CANNOT, COLUMNS, OCCASIONS, Cell, cells
from tests.support.counts import FULL, share
from vpnmigrate.model import changes
from vpnmigrate.model.errors import Exit
from vpnmigrate.sandbox.ec2.dispatch import READS, WRITES

ALL = FULL or os.environ.get("VPNMIGRATE_TEST_MATRIX") == "all"

CHEAPEST = ("begin", "finalize", "outage", "recreate", "prepare", "back")
"""The legs, the shortest first: one of them is used if not all are tested."""
SHARE = {"throttled", "time-out before", "not known yet", "quota", "permission gone"}
"""For permanent faults, one of each kind is in the share: for a change, and for a read that is
repeated for a week.  A third of them is tried if not all are tested."""

CELLS = [cell for cell in cells() if cell.occurs]


def tries() -> list[object]:
    """Return every cell with its fault's duration; whole runs are not traced for coverage.

    A fault that stays takes twice as long as one that passes, since the run goes to its limit.
    """
    permanent = [
        cell for cell in CELLS if ALL or cell.trouble in SHARE or not _is_long(cell.operation)
    ]
    chosen = permanent if ALL else share(permanent, one_in=3)
    return [
        pytest.param(cell, lasts, marks=pytest.mark.no_cover, id=_id(cell, lasts))
        for lasts, those in ((A_WHILE, CELLS), (FOR_EVER, chosen))
        for cell in those
    ]


def _id(cell: Cell, lasts: int) -> str:
    words = (
        cell.occasion,
        cell.operation,
        cell.trouble,
        "stays" if lasts == FOR_EVER else "passes",
    )
    return "-".join(words).replace(" ", "_")


def _is_long(operation: str) -> bool:
    return ("ec2", operation) in WRITES or operation in WITH_A_PERSON


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Leg]:
    """Run one migration, its rollback, and its finalize."""
    return legs(tmp_path_factory.mktemp("matrix"))


@pytest.fixture(scope="session")
def ends(played: dict[str, Leg]) -> dict[str, list[str]]:
    """Return the end state of each leg without faults."""
    return {name: end_state(leg.end.branch()) for name, leg in played.items()}


def nth_of(cell: Cell) -> int:
    """Return the first call of the cell's occasion; a survey reads four quotas."""
    match cell.occasion, cell.operation:
        case "at the start", "DescribeVpnGateways":
            return 2  # An error of the first one, for claims, does not stop the run.
        case "at the start", _:
            return 1
        case "before step 7", "service-quotas:GetServiceQuota":
            return 5
        case "before step 7", "GetVpnTunnelReplacementStatus":
            return 1
        case "before step 7", "sts:GetCallerIdentity":
            return 3
        case "before step 7", _:
            return 2
        case _, "DescribeSubnets":
            return 2  # A survey does not call it.
        case _, operation if operation.startswith("Describe"):
            return 3
        case _:
            return 1


def on_which(cell: Cell, played: dict[str, Leg]) -> list[Leg]:
    """Return the legs on which a cell is tested."""
    match cell.occasion:
        case "at the start":
            return [played["prepare"]]
        case "before step 7":
            return [played["begin"]]
        case _:
            fit = [n for n in CHEAPEST if played[n].calls.get(cell.operation, 0) >= nth_of(cell)]
            if cell.trouble == "permission gone" and "outage" in fit:
                # While traffic flows, a denial ends the run at once.
                fit = [name for name in fit if name != "prepare"]
            return [played[name] for name in (fit if ALL else fit[:1])]


class TestEveryCell:
    @pytest.mark.parametrize(("cell", "lasts"), tries())
    def test_ends_as_the_matrix_says(self, cell, lasts, played, ends):
        """The verdict is the stated one, with its cause and the actual state of traffic.

        After a stop, the next command has the end of an undisturbed run: nothing is created twice,
        and nothing is left behind.
        """
        for leg in on_which(cell, played):
            ending = run_with_fault(
                leg, cell.operation, cell.trouble, nth=nth_of(cell), times=lasts
            )
            error = ending.error
            trouble = TROUBLES[cell.trouble]

            left = ending.stage.state.residue.changes
            text = error.message if error else " ".join(each.why for each in left)
            assert ending.verdict == (cell.stays if lasts == FOR_EVER else cell.passes), text
            if ending.verdict != "continue":
                assert (trouble.tells or trouble.refusal(cell.operation)[0]) in text
            stuck = ending.stage.state.outage.open or left
            stopped = Exit.STUCK if stuck else Exit.FAILED
            exits = {"continue": Exit.DONE, "hold": Exit.HELD, "leave": Exit.FAILED}
            assert ending.exit is exits.get(ending.verdict, stopped)
            if cell.trouble != "stale":
                assert not wrong_claim(ending.stage)
            if ending.verdict != "continue":
                assert run_next_command(ending, leg) is None
            assert set(end_state(ending.stage)) == set(ends[leg.name])
            assert ending.stage.state.deviations.lost == ()
            assert (
                ending.stage.state.deviations.external_changes
                == leg.end.state.deviations.external_changes
            )


class TestNothingIsLeftOut:
    def test_every_call_that_a_migration_makes_has_a_row(self, played):
        """Every operation that is called on any leg is in the matrix."""
        called = {operation for leg in played.values() for operation in leg.calls}

        assert called == {cell.operation for cell in cells()}

    def test_every_call_of_a_change_has_a_row(self, played):
        """Each change names an operation, or none, and that is in the matrix."""
        calls = {kind.__name__ for kind in get_args(changes.AwsChange)}
        known = {name for name in calls if ("ec2", name) in {*READS, *WRITES}}

        assert known <= {cell.operation for cell in cells()}

    def test_every_trouble_has_a_column_in_the_same_order_everywhere(self):
        """Every grid has all columns, and every column has its fault."""
        assert set(COLUMNS) == set(TROUBLES)
        assert len(cells()) % len(COLUMNS) == 0
        for grid in OCCASIONS.values():
            heads = grid.split("\n")[1].split()
            assert len(heads) == len(COLUMNS)

    def test_what_cannot_occur_has_its_reason(self):
        """A cell is empty only if a reason is given for its column."""
        assert {cell.trouble for cell in cells() if not cell.occurs} == set(CANNOT)
