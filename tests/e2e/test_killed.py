"""SIGKILL at random times: the same command, run again, reaches the same end state."""

from __future__ import annotations

import os
import random
import time
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.operators import Migration, a_migration, ended, until

KILLS = int(os.environ.get("VPNMIGRATE_TEST_KILLS", "6"))
"""``make kill-processes KILLS=200`` runs more."""
LINES = 14
"""Maximum journal lines before a process is killed; a whole migration has about seventy."""
JITTER = 0.2
"""Maximum seconds until the kill, so that a process also dies between lines."""
SEED = 20260117


class Killer:
    """Kills processes until enough have died, at times drawn from one seed."""

    def __init__(self, kills: int, seed: int) -> None:
        self.left = kills
        self.each_way = max(1, kills // 2) if kills < LINES else 8
        self._draw = random.Random(seed)

    def go(self, migration: Migration, verb: str) -> None:
        """Run *verb* until a process is not killed and reaches the end."""
        for _ in range(min(self.each_way, self.left)):
            target = migration.lines() + self._draw.randint(0, LINES)
            jitter = self._draw.uniform(0, JITTER)
            process = migration.begin(verb)
            if until(process, partial(_has_written, migration, target)):
                time.sleep(jitter)
            if process.poll() is None:
                process.kill()
                process.wait()
                self.left -= 1
            else:
                ended(process, 0, lambda: migration.output(verb))
                return
        migration.finish(verb)


def _has_written(migration: Migration, lines: int) -> bool:
    return migration.lines() >= lines


@pytest.mark.no_cover
def test_killed_at_random_instants_the_same_command_gets_to_the_same_end(tmp_path: Path) -> None:
    """In repeated migrations and rollbacks, a process dies every few journal lines.

    Every migration ends like an undisturbed one: no duplicate, no orphan, no journal that cannot
    be read.
    """
    killer = Killer(KILLS, SEED)
    with a_migration(tmp_path) as migration:
        expected = migration.expected()
        while killer.left:
            killer.go(migration, "apply")
            migration.assert_migrated(expected)
            killer.go(migration, "rollback")
            migration.assert_returned()
