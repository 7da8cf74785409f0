"""A process that is suspended past the end of its change window, as on a closed laptop."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.operators import Migration, a_migration, ended, until
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.records import Noted
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.model.clock import SystemClock
from vpnmigrate.model.decisions import BackOut

HELD = 3
FAILED = 1
NIGHT = timedelta(hours=6)
"""Longer than the rest of the window."""
WITH_A_WINDOW = """
name: quick
summary: A window that is open now, and over after a night.
decisions:
  asn: 64600
  back_out: {back_out}
  window: {start}/{end}
  waits:
    tunnels: 12h
"""


def decided(back_out: BackOut) -> str:
    """Return a playbook whose window started an hour ago, and ends in five hours."""
    now = SystemClock().now()

    def written(moment: datetime) -> str:
        return f"{moment:%Y-%m-%dT%H:%MZ}"

    start, end = now - timedelta(hours=1), now + timedelta(hours=5)
    return WITH_A_WINDOW.format(back_out=back_out, start=written(start), end=written(end))


def was_suspended(migration: Migration) -> bool:
    """Return whether the journal records that the process was suspended."""
    notes = [e.record for e in read_journal(migration.run).entries if isinstance(e.record, Noted)]
    return any("was suspended from" in note.what for note in notes)


@pytest.mark.no_cover
def test_a_machine_that_slept_over_the_end_of_its_window_does_not_cut_over(tmp_path: Path) -> None:
    """Suspended while staging past the window's end, the process reports it, stages and holds.

    Nothing is interrupted.
    """
    with a_migration(tmp_path, decided(BackOut.ASK)) as migration:
        process = migration.begin("apply")
        assert until(process, lambda: "step 3 of 11" in migration.output("apply"))
        migration.suspend_for(process, NIGHT)

        ended(process, HELD, lambda: migration.output("apply"))

        assert was_suspended(migration)
        output = " ".join(migration.output("apply").split())
        assert "the cutover cannot start: window: ended" in output
        assert migration.state().traffic is Traffic.OLD
        assert migration.state().outage.since is None


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("back_out", "leaves", "status"),
    [
        (BackOut.ASK, 0, RunStatus.CUT_OVER),
        (BackOut.ROLLBACK, FAILED, RunStatus.ROLLED_BACK),
    ],
)
def test_a_machine_that_slept_in_the_outage_goes_on_or_back_as_was_decided(
    tmp_path: Path, back_out: BackOut, leaves: int, status: RunStatus
) -> None:
    """Suspended in the outage past the window's end, the process reports it and follows the plan.

    With the policy to ask and no operator present it finishes; it rolls back if the plan
    requires that past its back-out deadline.  A rollback after the window's end asks nothing.
    """
    with a_migration(tmp_path, decided(back_out)) as migration:
        expected = migration.expected()
        migration.hold_outage()
        process = migration.begin("apply")
        assert until(process, lambda: "step 8 of 11" in migration.output("apply"))
        migration.suspend_for(process, NIGHT)
        migration.release_outage()

        ended(process, leaves, lambda: migration.output("apply"))

        assert was_suspended(migration)
        assert migration.state().status is status
        if status is RunStatus.CUT_OVER:
            migration.assert_migrated(expected)
            migration.finish("rollback")
            migration.assert_returned()
