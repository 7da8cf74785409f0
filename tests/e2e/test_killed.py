"""SIGKILL at random instants: whoever runs the same command again gets to the same end."""

from __future__ import annotations

import os
import random
import time
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.operators import Migration, a_migration, ended, until

KILLS = int(os.environ.get("VPNMIGRATE_TEST_KILLS", "6"))
"""``make kill-processes KILLS=200`` asks for more."""
LINES = 14
"""At most as many does a process journal before it dies; a whole way takes about seventy."""
JITTER = 0.2
"""Seconds that it lives on at most, so that it dies between lines too."""
SEED = 20260117


class Killer:
    """Kills processes until enough have died; draws the instants from one seed."""

    def __init__(self, kills: int, seed: int) -> None:
        self.left = kills
        self.each_way = max(1, kills // 2) if kills < LINES else 8
        self._draw = random.Random(seed)

    def go(self, migration: Migration, verb: str) -> None:
        """Run *verb* again and again until a process is spared and gets to the end."""
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
                ended(process, 0, lambda: migration.said(verb))
                return
        migration.finish(verb)


def _has_written(migration: Migration, lines: int) -> bool:
    return migration.lines() >= lines


@pytest.mark.no_cover
def test_killed_at_random_instants_the_same_command_gets_to_the_same_end(tmp_path: Path) -> None:
    """Forward and back as often as it takes, a process dies every few journal lines.

    Every way ends where an undisturbed one ends: no duplicate, no orphan, no journal that cannot
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
