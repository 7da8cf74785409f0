"""Several operators at once, each in a process of their own, over HTTP against one sandbox."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.operators import Migration, a_migration, until
from tests.e2e.shells import PATIENCE
from vpnmigrate.journal.records import Intended, Opened
from vpnmigrate.local.journal_file import read_journal

REFUSED = 4
MANY = ("apply", "apply", "rollback", "finalize")


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Migration]:
    with a_migration(tmp_path) as migration:
        yield migration


def outcome_of(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    """Let *process* end; give its exit code, its document and what it said."""
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, json.loads(out), err


def aloud(migration: Migration, verb: str, *words: str) -> subprocess.Popen[str]:
    """Begin *verb* where its answer can be read."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return migration.terminal.begun(verb, *words, "--json", **streams)


@pytest.mark.no_cover
def test_of_many_at_once_one_works_and_the_others_are_told_who(
    migration: Migration, tmp_path: Path
) -> None:
    """While one process has the run, apply, rollback and finalize of others change nothing.

    Each is refused with holder, host, process and age, and with the words that take over.  Who has
    another directory, as on another host, is stopped by the claim on the gateway.
    """
    first = migration.begin("apply")
    assert until(first, lambda: "step 2 of 11" in migration.said("apply"))
    words = {
        "apply": (str(migration.plan_file),),
        "rollback": (str(migration.plan_file),),
        "finalize": (migration.run.id, "--confirm", migration.plan.old_connections[0]),
    }

    others = [aloud(migration, verb, *words[verb]) for verb in MANY]
    elsewhere = ("--run-dir", str(tmp_path / "elsewhere"))
    plan = str(migration.plan_file)
    far = [aloud(migration, verb, plan, *elsewhere) for verb in ("apply", "rollback")]
    answers = [outcome_of(other) for other in others]
    claimed = [outcome_of(other) for other in far]
    first.kill()
    first.wait()

    for code, document, _ in answers:
        what = document["error"]["what"]
        assert code == REFUSED
        assert re.search(rf"is locked by \S+ on \S+, process {first.pid}, since", what)
        assert re.search(rf"--take-over \S+@\S+/{first.pid}$", document["error"]["next"])
    for code, document, _ in claimed:
        assert code == REFUSED
        # The two of them have one directory, so one of them may meet the other first.
        assert re.search(
            rf"is locked by {migration.run.holder} \(tag vpnmigrate:claim\)"
            "|is locked by|was just locked by another process",
            document["error"]["what"],
        )
    assert any(migration.run.holder in document["error"]["next"] for _, document, _ in claimed)
    opened = [e.record for e in read_journal(migration.run).entries if isinstance(e.record, Opened)]
    assert [record.process for record in opened] == [first.pid]


@pytest.mark.no_cover
def test_a_stopped_holder_wakes_up_to_a_run_that_is_another_s(migration: Migration) -> None:
    """Stopped in the outage, taken over by name, awake again: it writes and sends nothing more.

    It says that it was taken over and by whom, leaves with 4, and the colleague's run ends as an
    undisturbed one.
    """
    expected = migration.expected()
    first = migration.begin("apply")
    assert until(first, lambda: "OUTAGE BEGINS" in migration.said("apply"))
    migration.stop(first)

    refused, document, _ = outcome_of(aloud(migration, "apply", migration.run.id))
    holder = document["error"]["next"].rpartition("--take-over ")[2]
    second = migration.begin("apply", "--take-over", holder)
    assert until(second, lambda: f"in place of {holder}" in migration.said("apply"))
    assert until(second, lambda: opened_by(migration) == [first.pid, second.pid])
    first.send_signal(signal.SIGCONT)
    first.wait(PATIENCE)
    second.wait(PATIENCE)

    entries = read_journal(migration.run).entries
    assert refused == REFUSED
    assert "it is stopped" in document["error"]["what"]
    assert first.returncode == REFUSED
    heard = " ".join(migration.said("apply").split())
    assert "was taken over" in heard
    # Whoever is done with a run does not have it any more, and then nobody is named.
    assert f"process {second.pid}, since" in heard or second_was_done(migration)
    assert second.returncode == 0, migration.said("apply")
    migration.assert_migrated(expected)
    intents = [e.record.intent for e in entries if isinstance(e.record, Intended)]
    assert intents == sorted(set(intents))


def second_was_done(migration: Migration) -> bool:
    """Return whether the colleague had finished when the stopped holder spoke up."""
    said = migration.said("apply")
    return said.index("forward: finished") < said.index("was taken over")


def opened_by(migration: Migration) -> list[int]:
    """Return the processes that took the run up, oldest first."""
    entries = read_journal(migration.run).entries
    return [e.record.process for e in entries if isinstance(e.record, Opened)]
