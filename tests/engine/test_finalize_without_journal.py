"""Finalize killed at any call, with its journal lost: no second deletion, and traffic flows."""

from __future__ import annotations

import pytest

from tests.engine.test_lost_journal import WORLDS, Fuse, a_stage
from tests.support.shapes import Shape, shape_left, shape_of
from tests.support.stage import Stage
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.errors import HeldError, StepError
from vpnmigrate.model.gates import Force, Gate
from vpnmigrate.sandbox.faults import Killed

ANN, BOB = "ann@desk", "bob@spare/1"
HARMLESS = {"PlaceClaim", "AskOperator"}
"""What a run without a journal does with a migration that is done."""
KEPT = GateInputs("bob", forces=(Force(Gate.ARCHIVED, "kept by hand"),))
"""The vault is lost with the journal, and a deleted connection has no configuration any more."""


def finalize(runner: Runner) -> None:
    """Delete the old connections and their gateway."""
    runner.finalize(delete_old_gateway=True)


@pytest.fixture(scope="module", params=WORLDS)
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return a world in which finalize can start; each test branches off it."""
    stage = a_stage(tmp_path_factory.mktemp("migrated"), request.param, "rollback")
    assert stage.state.status is RunStatus.CUT_OVER
    return stage


def every_point(migrated: Stage) -> list[tuple[int, bool]]:
    """Return each mutating call of finalize, with kills before and after its effect."""
    stage = migrated.branch()
    stage.faults = counted = Fuse(0, after_effect=False)
    stage.run(finalize)
    assert counted.sent > len(stage.plan.old_connections)
    return [(nth, after) for nth in range(1, counted.sent + 1) for after in (False, True)]


def killed_at(migrated: Stage, nth: int, *, after_effect: bool) -> Stage:
    """Return the stage after a kill around the *nth* mutating call of finalize."""
    stage = migrated.branch()
    stage.faults = Fuse(nth, after_effect)
    with pytest.raises(Killed):
        stage.run(finalize)
    stage.faults = None
    return stage


def view(stage: Stage) -> Shape:
    """Return the actual state of the world."""
    return shape_of(stage.plain.observe(stage.plan), stage.plan.migration)


@pytest.mark.no_cover
def test_taken_over_it_is_found_migrated_and_finalized_to_the_same_end(migrated: Stage) -> None:
    """From every kill point ``apply PLAN --take-over`` changes nothing, and finalize then finishes.

    A configuration that is not in the vault is named before any deletion, and has to be forced.
    """
    undisturbed = migrated.branch()
    undisturbed.run(finalize)
    end = shape_left(undisturbed)
    for nth, after_effect in every_point(migrated):
        stage = killed_at(migrated, nth, after_effect=after_effect)

        state = stage.forward(journal_lost=True, holder=BOB, takes_over_from=ANN)
        with pytest.raises(HeldError, match="configuration of vpn-old in the vault"):
            stage.run(finalize, holder=BOB)

        assert state.status is RunStatus.CUT_OVER, (nth, after_effect)
        assert set(stage.calls) <= HARMLESS, (nth, after_effect)
        assert stage.run(finalize, gate_inputs=KEPT, holder=BOB).status is RunStatus.FINALIZED
        assert shape_left(stage) == end, (nth, after_effect)


@pytest.mark.no_cover
def test_no_rollback_removes_the_new_side_after_deletions(migrated: Stage) -> None:
    """Without its journal a rollback does not know of finalize, and reads AWS to see what is left.

    With every old connection deleted it stops while traffic flows; with one of several deleted, it
    names that one and restores the others.
    """
    for nth, after_effect in every_point(migrated):
        stage = killed_at(migrated, nth, after_effect=after_effect)
        gone = nth - (not after_effect)
        before = shape_left(stage)

        if gone >= len(stage.plan.old_connections):
            with pytest.raises(StepError, match="it cannot replace") as stopped:
                stage.back(journal_lost=True, holder=BOB, takes_over_from=ANN)
            assert not stopped.value.outage
            assert shape_left(stage) == before, (nth, after_effect)
            continue
        state = stage.back(journal_lost=True, holder=BOB, takes_over_from=ANN)
        assert state.status is RunStatus.ROLLED_BACK
        named = [
            old for old in stage.plan.old_connections if str(old) in " ".join(state.deviations.lost)
        ]
        assert len(named) == gone, (nth, after_effect)
