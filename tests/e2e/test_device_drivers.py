"""Migrations whose devices a program operates, in real processes, also after SIGKILL."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.operators import Migration, a_migration, until
from tests.e2e.quick import ENGINEER
from vpnmigrate.journal import replay
from vpnmigrate.journal.record_base import DriverAnswered, DriverCalled
from vpnmigrate.journal.records import Intended, OperatorConfirmed
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.redaction import HIDDEN
from vpnmigrate.sandbox.server.client import PREFIX

PROGRAM = Path(__file__).with_name("device_driver.py")
PLAYBOOK = """
name: driven
summary: A program does the work at the devices.
decisions:
  drivers:
    default:
      kind: command
      command: [{python}, {program}, {url}, {folder}]
      limit: 5m
"""


@contextmanager
def driven(home: Path) -> Iterator[Migration]:
    """A migration without an operator, whose devices ``device_driver.py`` operates."""
    folder = home / "device"
    folder.mkdir()
    values = {"python": sys.executable, "program": PROGRAM, "folder": folder}
    # At this speed a run waits ten seconds for a call.
    with a_migration(
        home, lambda url: PLAYBOOK.format(url=f"{url}{PREFIX}", **values), speed=60
    ) as migration:
        migration.control.leave_alone()
        migration.environment.pop(ENGINEER)
        yield migration


def lines(home: Path, name: str) -> list[str]:
    path = home / "device" / name
    return path.read_text(encoding="utf-8").split() if path.exists() else []


@pytest.mark.no_cover
def test_no_hands_are_needed_also_after_a_kill(tmp_path):
    """A program does the work of steps 5 and 10 and of the rollback; no key leaves the vault.

    A process is killed while the program enables the tunnels.  The next one lets that call end,
    reads the device, and does not enable them again.
    """
    hold = tmp_path / "device" / "hold-enable"
    with driven(tmp_path) as migration:
        hold.touch()
        process = migration.begin("apply")
        assert until(process, (tmp_path / "device" / "in-enable").exists), migration.output("apply")
        process.kill()
        process.wait()
        again = migration.begin("apply")
        assert until(again, lambda: _waits_for_status(migration)), migration.output("apply")
        assert lines(tmp_path, "calls") == ["status", "load", "status", "enable"]
        hold.unlink()
        migration.end(again, "apply")
        migration.finish("rollback")
        migration.assert_returned()

        assert lines(tmp_path, "calls")[4] == "status"
        assert lines(tmp_path, "changes") == ["load", "enable", "enable", "back-out"]
        records = [entry.record for entry in read_journal(migration.run).entries]
        called = [r.verb.value for r in records if isinstance(r, DriverCalled)]
        answers = [r for r in records if isinstance(r, DriverAnswered)]
        assert called == [
            *("status", "load", "status", "enable"),
            *("status", "enable", "back-out"),
        ]
        assert len(answers) == len(called) - 1
        assert not any(isinstance(record, OperatorConfirmed) for record in records)
        tasks = (record.change for record in records if isinstance(record, Intended))
        assert not any(isinstance(task, AskOperator) for task in tasks)
        assert all(", key " in each.result.message for each in answers)
        assert {each.result.changes for each in answers} == {f"+ key {HIDDEN}\n+ next"}
        assert f"+ key {HIDDEN}" in migration.output("apply")
        assert "the key is " in migration.run.log.read_text(encoding="utf-8")
        _assert_no_key(migration)


def _assert_no_key(migration: Migration) -> None:
    vault = migration.run.vault
    keys = {
        str(tunnel["key"])
        for path in vault.glob("*/driver.json")
        for side in ("new", "old")
        for tunnel in json.loads(path.read_text(encoding="utf-8"))[side]["tunnels"]
    }
    written = (*migration.run.path.rglob("*"), *migration.home.glob("*.err"))
    files = [path for path in written if path.is_file() and vault not in path.parents]

    assert len(keys) == 4
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in vault.glob("*/driver.json"))
    assert {"journal.jsonl", "log.jsonl", "apply.err"} <= {path.name for path in files}
    assert [p for p in files if any(key.encode() in p.read_bytes() for key in keys)] == []


def _waits_for_status(migration: Migration) -> bool:
    state = replay(read_journal(migration.run).entries)
    return any(call.verb == "status" for call in state.drivers.calls.values())
