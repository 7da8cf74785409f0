"""Several operators at once, each with a process, over HTTP against one sandbox."""

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
from tests.support.warm.processes import WarmProcess
from vpnmigrate.journal.records import Intended, Opened
from vpnmigrate.local.journal_file import read_journal

REFUSED = 4
MANY = ("apply", "apply", "rollback", "finalize")


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Migration]:
    with a_migration(tmp_path) as migration:
        yield migration


def outcome_of(process: WarmProcess) -> tuple[int, dict[str, Any], str]:
    """Wait for *process*; return its exit code, its document and its messages."""
    out, err = process.communicate(timeout=PATIENCE)
    return process.wait(), json.loads(out), err


def started_with_output(migration: Migration, verb: str, *words: str) -> WarmProcess:
    """Start *verb* with readable output."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return migration.terminal.begun(verb, *words, "--json", **streams)


@pytest.mark.no_cover
def test_of_many_at_once_one_works_and_the_others_are_told_who(
    migration: Migration, tmp_path: Path
) -> None:
    """While one process has the run, apply, rollback and finalize of others change nothing.

    Each is refused with holder, host, process and age, and with the option to take over.  With
    another directory, as on another host, the claim on the gateway refuses them.
    """
    first = migration.begin("apply")
    assert until(first, lambda: "step 2 of 11" in migration.output("apply"))
    words = {
        "apply": (str(migration.plan_file), "--yes"),
        "rollback": (str(migration.plan_file), "--yes"),
        "finalize": (migration.run.id, "--confirm", migration.plan.old_connections[0]),
    }

    others = [started_with_output(migration, verb, *words[verb]) for verb in MANY]
    elsewhere = ("--yes", "--run-dir", str(tmp_path / "elsewhere"))
    plan = str(migration.plan_file)
    far = [started_with_output(migration, verb, plan, *elsewhere) for verb in ("apply", "rollback")]
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
        # Both use one directory, so either of them may be refused first.
        assert re.search(
            rf"is claimed by {migration.run.holder} \(tag vpnmigrate:claim\)"
            "|is locked by|was just locked by another process",
            document["error"]["what"],
        )
    assert any(migration.run.holder in document["error"]["next"] for _, document, _ in claimed)
    opened = [e.record for e in read_journal(migration.run).entries if isinstance(e.record, Opened)]
    assert [record.process for record in opened] == [first.pid]


@pytest.mark.no_cover
def test_a_stopped_holder_wakes_up_to_a_run_that_is_another_s(migration: Migration) -> None:
    """Suspended in the outage and taken over, a resumed process writes and sends nothing more.

    It reports the take-over and the new owner and exits with 4, and the colleague's run ends as an
    undisturbed one.
    """
    expected = migration.expected()
    migration.hold_outage()
    first = migration.begin("apply")
    assert until(first, lambda: "OUTAGE BEGINS" in migration.output("apply"))
    first.stop()
    migration.release_outage()

    refused, document, _ = outcome_of(
        started_with_output(migration, "apply", migration.run.id, "--yes")
    )
    holder = document["error"]["next"].rpartition("--take-over ")[2]
    second = migration.begin("apply", "--take-over", holder)
    assert until(second, lambda: f"took over from {holder}" in migration.output("apply"))
    assert until(second, lambda: opened_by(migration) == [first.pid, second.pid])
    first.send_signal(signal.SIGCONT)
    first.wait(PATIENCE)
    second.wait(PATIENCE)

    entries = read_journal(migration.run).entries
    assert refused == REFUSED
    assert "it is suspended" in document["error"]["what"]
    assert first.returncode == REFUSED
    heard = " ".join(migration.output("apply").split())
    assert "was taken over" in heard
    # A process that has finished no longer owns the run, and then no owner is named.
    assert f"process {second.pid}, since" in heard or second_was_done(migration)
    assert second.returncode == 0, migration.output("apply")
    migration.assert_migrated(expected)
    intents = [e.record.intent for e in entries if isinstance(e.record, Intended)]
    assert intents == sorted(set(intents))


def second_was_done(migration: Migration) -> bool:
    """Return whether the colleague had finished when the suspended holder reported."""
    output = migration.output("apply")
    return output.index("forward: finished") < output.index("was taken over")


def opened_by(migration: Migration) -> list[int]:
    """Return the processes that resumed the run, oldest first."""
    entries = read_journal(migration.run).entries
    return [e.record.process for e in entries if isinstance(e.record, Opened)]
