"""External changes at every boundary: refused before step 7, later left and named."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.faults.branching import STATIC_VPN, everything, forward_to, is_as_asked
from tests.faults.cells import Ending, end_state, run_action, wrong_claim
from tests.faults.hands import CHANGES, cells
from tests.support.builders import OLD, OLD_VPN, minutes
from tests.support.stage import Lookout, Stage
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal.records import DirectionTaken, Entry, StepSettled
from vpnmigrate.model.decisions import Decisions, Waits
from vpnmigrate.model.errors import (
    ClaimedError,
    DriftError,
    ExternalChangeError,
    HeldError,
    InterruptedRunError,
    VpnMigrateError,
)
from vpnmigrate.model.plan import Direction
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.ec2.ids import ApiError

CUTS = re.compile("delete|change a route|disable propagation|detach|attach a foreign")
"""Changes that interrupt traffic themselves, unknown to a run that has not started."""

SETTLED: timedelta = minutes(5)
"""The time until a change shows in every describe."""


class Engineer(DeviceEngineer):
    """An engineer at the devices who knows which tunnels existed before."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.world)
        self._old = {OLD_VPN, STATIC_VPN}


@pytest.fixture(scope="session")
def boundaries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """Run the migration, and keep the world and the journal at each boundary."""
    decisions = Decisions(waits=Waits(tunnels=minutes(6)))
    stage = Stage(tmp_path_factory.mktemp("hands"), everything(), decisions=decisions)
    found = {"0": stage}
    for step in range(1, 11):
        stage = stage.branch()
        assert run_action(stage, forward_to(step)) is None
        found[str(step)] = stage
    found |= {f"{step}<": found[str(step)] for step in range(6, 11)}
    for step in (7, 8, 9, 10):
        found[f"b{step}"] = _in_the_rollback(stage, StepSettled(step))
    for step in (6, 3):
        found[f"bc{step}"] = _in_the_rollback(stage, StepSettled(step, cleaning=True))
    return found


def _in_the_rollback(start: Stage, until: StepSettled) -> Stage:
    stage = start.branch()
    back = False

    def watch(entry: Entry) -> None:
        nonlocal back
        back = back or entry.record == DirectionTaken(Direction.ROLLBACK, 1)
        if back and isinstance(entry.record, StepSettled):
            here = (entry.record.number, entry.record.cleaning)
            if here == (until.number, until.cleaning):
                stage.signal.reason = "stopped at a boundary"

    with pytest.raises(InterruptedRunError):
        stage.back(lookout=Lookout(watch))
    stage.signal.reason = None
    return stage


@pytest.fixture(scope="session")
def ends(boundaries: dict[str, Stage]) -> dict[bool, list[str]]:
    """Return the end state of each direction without external changes."""
    back = boundaries["10"].branch()
    back.back()
    return {True: end_state(back), False: end_state(boundaries["10"].branch())}


def _rolls_back(boundary: str) -> bool:
    return boundary.startswith("b") or boundary.endswith("<")


def _error_of(stage: Stage, boundary: str) -> VpnMigrateError | None:
    go: Callable[[Runner], object] = Runner.rollback if _rolls_back(boundary) else Runner.apply
    try:
        stage.run(go, operator=Engineer(stage))
    except HeldError as held:
        return None if is_as_asked(held) else held
    except VpnMigrateError as error:
        return error
    return None


def _letter(error: VpnMigrateError | None, named: str) -> str:
    match error:
        case None:
            return "n" if named else "m"
        case DriftError():
            return "d"
        case ClaimedError():
            return "c"
        case ExternalChangeError():
            return "o"
        case HeldError():
            return "h"
        case _:
            return "b"


def _said(error: VpnMigrateError | None) -> str:
    more = error.differences if isinstance(error, DriftError) else ()
    return " ".join((error.message, *more)) if error else ""


@pytest.mark.no_cover
@pytest.mark.parametrize(("call", "boundary", "letter"), [c for c in cells() if c[2] != "-"])
def test_external_changes_have_the_stated_verdict(call, boundary, letter, boundaries, ends):
    """The run refuses, stops, or continues, and names the external change.

    It claims nothing wrong about traffic, and if the change has no effect, the end is the same as
    without it.
    """
    stage = boundaries[boundary].branch()
    stage.clock.sleep(SETTLED)
    subject = CHANGES[call](stage)
    stage.clock.sleep(SETTLED)
    before = (*stage.state.deviations.lost, *stage.state.deviations.external_changes)

    error = _error_of(stage, boundary)

    after = (*stage.state.deviations.lost, *stage.state.deviations.external_changes)
    named = " ".join(line for line in after if line not in before)
    left = stage.state.residue.changes
    assert (error is None and left) or letter != "l", _said(error) or named
    assert letter == "l" or _letter(error, named) == letter, _said(error) or named
    if not CUTS.match(call):
        assert not wrong_claim(stage)
    if letter == "m":
        if not call.startswith("copy"):
            assert end_state(stage) == ends[_rolls_back(boundary)]
    elif letter in "doc":
        assert subject in _said(error) or "absent" in _said(error)
    elif letter == "l":
        assert any(subject in each.why or subject in str(each) for each in left)
    elif letter == "n":
        assert subject in named or OLD in named or f"connection: {OLD_VPN}" in named
    if error is not None:
        assert error.advice or Ending(stage, error).view.next


@pytest.mark.no_cover
@pytest.mark.parametrize(("call", "boundary", "letter"), [c for c in cells() if c[2] == "-"])
def test_what_cannot_be_done_there_cannot_be_done_in_the_sandbox(
    call, boundary, letter, boundaries
):
    """A cell without a verdict: AWS refuses the change, or its resource does not exist."""
    stage = boundaries[boundary].branch()
    stage.clock.sleep(SETTLED)

    with pytest.raises((ApiError, LookupError, StopIteration)):
        CHANGES[call](stage)


def test_every_external_change_has_a_row():
    """The table and the changes have the same names."""
    assert {call for call, _, _ in cells()} == set(CHANGES)
