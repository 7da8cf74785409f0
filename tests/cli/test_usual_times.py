"""The usual time of what a run waits for, and where it is known from."""

from __future__ import annotations

import pytest


@pytest.fixture
def first(terminal) -> str:
    """A plan that was rehearsed and applied; the output of the run."""
    run = terminal.planned()
    assert terminal.run("rehearse", "plan.json").code == 0
    applied = terminal.run("apply", "plan.json")
    assert applied.code == 0
    back = terminal.run("rollback", run)
    assert back.code == 0
    again = terminal.run("apply", run)
    return f"{applied.err}\n{back.err}\n{again.err}".replace("\n    ", " ")


def test_it_is_that_of_the_rehearsal_and_then_of_earlier_runs(first):
    """A rehearsal does not measure people, so for their tasks an earlier run counts more."""
    applied, _, rest = first.partition("rolling back")
    back, _, again = rest.partition("rollback: finished")

    assert "step 8 waits" in applied
    assert ", usually" in applied
    assert "(rehearsal)" in applied
    assert "(rehearsal, without people)" in applied
    assert "earlier run" not in applied
    assert "(rehearsal)" not in back
    assert "(an earlier run)" in again
    assert "without people" not in again
