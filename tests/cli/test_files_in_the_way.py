"""Lock, owner and device files that the disk refuses: one message, and nothing is sent."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

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


def in_the_way(path: Path) -> None:
    """Put a directory where a file is to be written, or the other way round."""
    if path.is_dir():
        path.rename(path.with_name(f"{path.name}.aside"))
        path.write_text("", encoding="utf-8")
        return
    path.unlink(missing_ok=True)
    path.mkdir()


def out_of_the_way(path: Path) -> None:
    """Let *path* be written again."""
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
    """No call leaves for AWS, not even a read; 5 says that traffic is down, 1 that it is not.

    The refusal names the file, and once that can be written the same command gets to its end.
    """
    run = terminal.planned()
    terminal.meets(Faults([Fault(dies_at, FaultKind.KILL_BEFORE)]))
    with suppress(Killed):
        terminal.run("apply", "plan.json")
    path = terminal.place / "home" / "runs" / run / name
    terminal.meets(counting := Counting())

    in_the_way(path)
    refused = terminal.run(verb, run, "--yes")
    sent = counting.calls
    out_of_the_way(path)
    ran = terminal.run(verb, run, "--yes")

    output = " ".join(refused.err.split())
    assert refused.code == leaves
    assert sent == 0
    assert f"run {run} cannot be locked: " in output
    assert f"/{name}: " in output
    assert "Traceback" not in output
    assert ran.code == 0, ran.err


def test_device_files_that_cannot_be_kept_stop_the_preparation(terminal):
    """Step 4 fails where the vault cannot be written: exit code 1, and nothing follows it.

    The message names the file, and once it can be written the same command gets to the end.
    """
    run = terminal.planned()
    terminal.meets(Faults([Fault("CreateVpnConnection", FaultKind.KILL_BEFORE)]))
    with suppress(Killed):
        terminal.run("apply", "plan.json")
    vault = terminal.place / "home" / "runs" / run / "vault"
    terminal.meets(counting := Counting())

    in_the_way(vault)
    stopped = terminal.run("apply", run)
    changes = counting.changes
    where = terminal.status(run)
    again = terminal.run("apply", run)
    unchanged = counting.changes - changes
    out_of_the_way(vault)
    ran = terminal.run("apply", run)

    output = " ".join(stopped.err.split())
    assert stopped.code == 1
    assert "cannot write the device file" in output
    assert "Traceback" not in output
    assert (where["step"], where["traffic"]) == (4, "old")
    assert (again.code, unchanged) == (1, 0)
    assert ran.code == 0, ran.err
