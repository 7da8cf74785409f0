"""Lock, owner and device files that cannot be written: one message, and nothing is sent."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from vpnmigrate.model.errors import Exit
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed

READS = ("Describe", "Get", "List")


class Counting:
    """Counts what reaches AWS."""

    def __init__(self) -> None:
        self.calls = 0
        self.changes = 0

    def before(self, service: str, action: str, nth: int) -> None:
        self.calls += 1
        self.changes += not action.startswith(READS)

    def after(self, service: str, action: str, nth: int) -> None:
        pass


def block_path(path: Path) -> None:
    """Create a directory in place of a file, or a file in place of a directory."""
    if path.is_dir():
        path.rename(path.with_name(f"{path.name}.aside"))
        path.write_text("", encoding="utf-8")
        return
    path.unlink(missing_ok=True)
    path.mkdir()


def unblock_path(path: Path) -> None:
    """Make *path* writable again."""
    if path.is_dir():
        path.rmdir()
        return
    path.unlink()
    path.with_name(f"{path.name}.aside").rename(path)


@pytest.mark.parametrize("verb", ["apply", "rollback"])
@pytest.mark.parametrize("name", ["lock", "owner"])
@pytest.mark.parametrize(
    ("dies_at", "leaves"), [("CreateVpnConnection", 1), ("AttachVpnGateway", 5)]
)
def test_a_run_that_cannot_be_locked_is_not_touched(terminal, name, verb, dies_at, leaves):
    """No call is sent to AWS, not even a read; exit code 5 if traffic is down, otherwise 1.

    The refusal names the file; once it can be written, the same command succeeds.
    """
    run = terminal.planned()
    terminal.inject(Faults([Fault(dies_at, FaultKind.KILL_BEFORE)]))
    with suppress(Killed):
        terminal.run("apply", "plan.json")
    path = terminal.place / "home" / "runs" / run / name
    terminal.inject(counting := Counting())

    block_path(path)
    refused = terminal.run(verb, run, "--yes")
    sent = counting.calls
    unblock_path(path)
    ran = terminal.run(verb, run, "--yes")

    output = " ".join(refused.err.split())
    assert refused.code == leaves
    assert sent == 0
    assert f"run {run} cannot be locked: " in output
    assert f"/{name}: " in output
    assert "Traceback" not in output
    assert ran.code == 0, ran.err


def test_device_files_that_cannot_be_kept_stop_the_preparation(terminal):
    """Step 4 fails if the vault cannot be written: exit code 1, and no later step starts.

    The message names the file; once it can be written, the same command succeeds.
    """
    run = terminal.planned()
    terminal.inject(Faults([Fault("CreateVpnConnection", FaultKind.KILL_BEFORE)]))
    with suppress(Killed):
        terminal.run("apply", "plan.json")
    vault = terminal.place / "home" / "runs" / run / "vault"
    terminal.inject(counting := Counting())

    block_path(vault)
    stopped = terminal.run("apply", run)
    changes = counting.changes
    where = terminal.status(run)
    again = terminal.run("apply", run)
    unchanged = counting.changes - changes
    unblock_path(vault)
    ran = terminal.run("apply", run)

    output = " ".join(stopped.err.split())
    assert stopped.code == 1
    assert "cannot write the device file" in output
    assert "Traceback" not in output
    assert (where["step"], where["traffic"]) == (4, "old")
    assert (again.code, unchanged) == (1, 0)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--vpn-gateway", "vgw-0a100000000000001", "--playbook", "mine.yaml"),
        ("approve", "mine.yaml"),
        ("discover", "--accounts", "mine.yaml"),
        ("hand-back", "run-1", "--terraform-state", "mine.yaml"),
    ],
)
def test_a_file_that_is_read_is_not_overwritten(terminal, words, monkeypatch):
    """A slip of the keyboard costs no playbook, plan or state; nothing is sent to AWS."""
    monkeypatch.chdir(terminal.place)
    mine = terminal.place / "mine.yaml"
    mine.write_text("name: mine\n", encoding="utf-8")
    (terminal.place / "again.html").symlink_to(mine)
    terminal.inject(counting := Counting())

    ran = terminal.run_bare(*words, "-o", "again.html")

    assert ran.code == Exit.USAGE
    assert "again.html is read by this command" in ran.err
    assert mine.read_text(encoding="utf-8") == "name: mine\n"
    assert counting.calls == 0
