"""Workers in processes of their own: a run is applied to its end, whatever happens to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet.stage import a_fleet_of_one
from vpnmigrate.fleet.database.address import DatabaseAddress
from vpnmigrate.journal.state import RunStatus

pytestmark = pytest.mark.no_cover


def test_a_worker_applies_a_run_to_its_end(tmp_path: Path, address: DatabaseAddress) -> None:
    """A run that is started from another process is migrated, and its journal is in PostgreSQL."""
    with a_fleet_of_one(tmp_path, address) as stage:
        expected = stage.migration.expected()
        stage.worker("w1")

        stage.command("start", str(stage.migration.plan_file))

        stage.until_idle()
        assert stage.state().status is RunStatus.CUT_OVER
        assert stage.migration.shape() == expected
        assert stage.migration.lines() == 0
