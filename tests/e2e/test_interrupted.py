"""Signals and a closed terminal, with real processes over HTTP."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.operators import Migration, a_migration, on_a_terminal, until
from tests.e2e.shells import PATIENCE, Keyboard
from tests.support.counts import share

INTERRUPTED = 7
BETWEEN = 0.05
"""Seconds from the first signal to the second."""
LEGS = 12
"""Maximum migrations; three are enough for each signal in each step if none comes late."""
KINDS = {
    "Ctrl-C": (signal.SIGINT,),
    "Ctrl-C twice": (signal.SIGINT, signal.SIGINT),
    "SIGTERM": (signal.SIGTERM,),
}
BEFORE_THE_OUTAGE = "step 2 of 11"
IN_THE_OUTAGE = "OUTAGE BEGINS"


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Migration]:
    with a_migration(tmp_path) as migration:
        yield migration


def interrupted(
    migration: Migration, verb: str, steps: set[int], signals: Sequence[int], *words: str
) -> int | None:
    """Run *verb*, and send a signal in the first of *steps* that is reached; return that step.

    None if the process ended before.
    """
    here = len(migration.output(verb))
    process = migration.begin(verb, *words)
    marks = [f"step {step} of 11" for step in steps]
    if until(process, lambda: any(mark in migration.output(verb)[here:] for mark in marks)):
        for number in signals:
            process.send_signal(number)
            time.sleep(BETWEEN)
    if process.wait(PATIENCE) == 0:
        return None
    assert process.returncode == INTERRUPTED, migration.output(verb)[-3000:]
    heard = f"{signal.Signals(signals[0]).name}: finishing"
    before, heard, _ = migration.output(verb)[here:].partition(heard)
    assert heard, before[-3000:]
    return int(re.findall(r"step (\d+) of 11", before)[-1])


@pytest.mark.no_cover
def test_a_signal_in_any_step_leaves_a_run_that_resumes(migration: Migration) -> None:
    """Interrupted in every step, the process exits with 7 each time, and the end state is the same.

    With one Ctrl-C, two, and SIGTERM in each of steps 1 to 10, and in step 11 of the finalize that
    follows; an ordinary run tries a share.  A step counts where its own line was the last one
    before the process heard the signal.
    """
    expected = migration.expected()
    everywhere = [(step, kind) for step in range(1, 11) for kind in KINDS]
    left = set(share(everywhere, one_in=7))
    for _ in range(LEGS):
        at: int | None = 0
        while at is not None and (ahead := sorted(each for each in left if each[0] > at)):
            kind = ahead[0][1]
            steps = {step for step, another in ahead if another == kind}
            at = interrupted(migration, "apply", steps, KINDS[kind])
            left.discard((at or 0, kind))
        migration.finish("apply")
        migration.assert_migrated(expected)
        if not left:
            break
        migration.finish("rollback")
        migration.assert_returned()
    assert not left

    words = ("--confirm", *migration.plan.old_connections, "--delete-old-gateway")
    words = (*words, "--force", "soak", "--reason", "a test")
    for signals in share(list(KINDS.values()), one_in=len(KINDS)):
        assert interrupted(migration, "finalize", {11}, signals, *words) == 11
    migration.finish("finalize", *words)
    migration.assert_finalized()


@pytest.mark.no_cover
def test_a_terminal_that_is_closed_stops_the_preparation_and_not_the_cutover(
    migration: Migration,
) -> None:
    """SIGHUP from a closed terminal: before the outage the process exits with 7.

    In the outage it continues without a terminal, to the end.
    """
    expected = migration.expected()

    process, terminal = on_a_terminal(migration, "--yes")
    Keyboard(terminal).wait_for(BEFORE_THE_OUTAGE)
    os.close(terminal)
    assert process.wait(PATIENCE) == INTERRUPTED

    process, terminal = on_a_terminal(migration, "--yes")
    Keyboard(terminal).wait_for(IN_THE_OUTAGE)
    os.close(terminal)
    assert process.wait(PATIENCE) == 0
    migration.assert_migrated(expected)
