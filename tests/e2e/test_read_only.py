"""Run directories on file systems that are read-only, from the start or from some time on."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.operators import Migration, a_migration, ended, until
from tests.e2e.shells import PATIENCE, ROOT
from tests.support.counts import share
from vpnmigrate.journal.records import Intended
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.model.changes import CreateVpnConnection, CreateVpnGateway

OWN_MOUNTS = ("unshare", "--map-root-user", "--mount", "--propagation", "private")
"""A mount namespace, which an ordinary user may create if the kernel allows it."""


def may_mount() -> bool:
    """Return whether a directory can be mounted read-only for a single process here."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        [*OWN_MOUNTS, "sh", "-c", "mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


needs_mounts = pytest.mark.skipif(
    not may_mount(), reason="this machine lets no test mount anything: neither root nor namespaces"
)


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Migration]:
    with a_migration(tmp_path) as migration:
        yield migration


@needs_mounts
@pytest.mark.no_cover
def test_a_read_only_run_directory_is_refused_before_any_call_to_aws(
    migration: Migration, tmp_path: Path
) -> None:
    """Each command that writes names the file and exits with 1; AWS is not called.

    This holds for a new run and for a staged one.  ``status`` only reads, and works.
    """
    migration.finish("apply", "--until", "cutover")
    run, plan = migration.run.id, str(migration.plan_file)
    named = ("--confirm", *migration.plan.old_connections)
    (tmp_path / "empty").mkdir(0o700)
    with socket.create_server(("127.0.0.1", 0)) as aws:
        aws.settimeout(0)
        endpoint = f"http://127.0.0.1:{aws.getsockname()[1]}"

        def refused(*words: str, home: str = "runs") -> str:
            there = tmp_path / home
            done = subprocess.run(
                [
                    *(*OWN_MOUNTS, "sh", "-c"),
                    'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"',
                    *(str(there), sys.executable, "-m", "vpnmigrate", *words),
                    *("--run-dir", str(there)),
                ],
                cwd=ROOT,
                env={**migration.terminal.environment, "AWS_ENDPOINT_URL": endpoint},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            assert "Traceback" not in done.stderr
            return f"{done.returncode} {' '.join(done.stderr.split())}{done.stdout}"

        for verb, *words in (["apply", "--yes"], ["rollback", "--yes"], ["finalize", *named]):
            output = refused(verb, run, *words)
            assert output.startswith(f"1 run {run} cannot be locked: "), output
            assert "Read-only file system" in output
        for output in (refused("apply", plan, "--yes", home="empty"), refused("pause", run)):
            assert output.startswith("1 "), output
            assert "Read-only file system" in output
        assert refused("status", run).startswith("0 ")
        with pytest.raises(BlockingIOError):
            aws.accept()


@contextmanager
def a_file_system(image: Path, at: Path) -> Iterator[list[str]]:
    """Mount a file system at *at*; return the prefix for commands that use it.

    Other processes do not see it, and it ends with the process that holds its namespace.
    """
    made = ["mkfs.ext4", "-q", "-F", str(image)]
    image.touch()
    with image.open("r+b") as file:
        file.truncate(8 << 20)
    if os.geteuid() != 0 or shutil.which(made[0]) is None:
        pytest.skip("only root can mount an ext4 file system, and it takes mkfs.ext4")
    subprocess.run(made, check=True)
    at.mkdir(0o700)
    script = 'mount -o loop,errors=remount-ro "$0" "$1" && chmod 700 "$1" && echo mounted && read _'
    with subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(image), str(at)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        mounted = holder.stdout.readline()
        try:
            if not mounted:
                pytest.skip("this machine lets its root mount no ext4 file system")
            yield ["nsenter", "--mount", "--target", str(holder.pid), "--wd=" + str(ROOT)]
        finally:
            holder.stdin.close()


PLACES = {"step 3 of 11": 1, "step 8 of 11": 5}
"""Steps in which the disk fails, with the exit code: 5 while traffic is down."""


@pytest.mark.no_cover
@pytest.mark.parametrize(("mark", "leaves"), share([*PLACES.items()], one_in=2))
def test_a_disk_that_turns_read_only_stops_the_run_before_its_next_change(
    migration: Migration, tmp_path: Path, mark: str, leaves: int
) -> None:
    """As after an I/O error under ext4: earlier writes are kept, and nothing more is sent.

    One message names the file.  A copy of the directory on another disk reaches the same end.
    """
    expected = migration.expected()
    runs, errors = tmp_path / "mounted", tmp_path / "apply.err"
    with a_file_system(tmp_path / "image", runs) as inside:
        with errors.open("w") as output:
            words = ("-m", "tests.e2e.quick", "apply", str(migration.plan_file), "--yes")
            process = subprocess.Popen(
                [*inside, sys.executable, *words, "--run-dir", str(runs)],
                env=migration.terminal.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                text=True,
            )
        assert until(process, lambda: mark in errors.read_text())
        subprocess.run([*inside, "mount", "-o", "remount,abort", str(runs)], check=True)
        ended(process, leaves, errors.read_text)
        kept = tmp_path / "runs"
        subprocess.run([*inside, "cp", "-a", f"{runs}/.", str(kept)], check=True)

    text = " ".join(errors.read_text().split())
    # A write during the abort of ext4 fails with EIO, a later one with EROFS.
    assert "Read-only file system" in text or "Input/output error" in text
    assert "Traceback" not in text
    assert "This is a bug" not in text
    intents = [
        e.record.change
        for e in read_journal(migration.run).entries
        if isinstance(e.record, Intended)
    ]
    made = migration.made()
    assert len(made) <= sum(
        isinstance(change, (CreateVpnGateway, CreateVpnConnection)) for change in intents
    )
    migration.finish("apply")
    migration.assert_migrated(expected)
