"""Operators of one served sandbox: real processes, real journals, and their results."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from tests.e2e.quick import ENGINEER
from tests.e2e.shells import PATIENCE, QUICK, Terminal
from tests.support.control import DeviceControl
from tests.support.shapes import Shape, shape_left, shape_of
from tests.support.stage import Stage
from tests.support.warm.processes import WarmProcess, warm_program
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.session import Clients, session
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.journal import RunState, replay
from vpnmigrate.local.documents import load_plan
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.planning.drift import differences
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import serve

GATEWAY = "vgw-0a100000000000001"
SCENARIO = "single-bgp"
SPEED = 120
"""Minimum limit of a step: five minutes are two and a half seconds of a busy machine."""
PLAYBOOK = """
name: quick
summary: A fast clock needs long limits where a person is waited for.
decisions:
  asn: 64600
  waits:
    tunnels: 12h
"""
REACTION = timedelta(seconds=20)
"""Time after which the robot does a device task."""
TICK = 0.02
"""Seconds between two checks of a process."""
Process = subprocess.Popen[str] | WarmProcess


class Migration:
    """One plan for one sandbox, whose device tasks a robot does."""

    def __init__(self, environment: Mapping[str, str], home: Path, decided: str = PLAYBOOK) -> None:
        self.environment = {**environment, ENGINEER: "1"}
        self.home = home
        self.terminal = Terminal(self.environment, home)
        self.control = DeviceControl(environment["AWS_ENDPOINT_URL"])
        self.control.attend_after(REACTION)
        self.plan_file = home / "plan.json"
        playbook = home / "playbook.yaml"
        playbook.write_text(decided, encoding="utf-8")
        words = ("--vpn-gateway", GATEWAY, "--playbook", str(playbook))
        self.terminal.real("plan", *words, "--output", str(self.plan_file))
        self.plan = load_plan(self.plan_file)
        self.run = Run(home / "runs" / self.plan.migration)
        self._known: tuple[int, RunState] | None = None
        """The state of the run, and the length of the journal it is from."""
        self._account = Account(
            Clients(
                lambda: session(None, self.plan.region),
                endpoint_url=environment["AWS_ENDPOINT_URL"],
            ),
            VirtualClock(),
            Vault(home / "no-vault"),
        )

    def begin(self, verb: str, *words: str, **how: Any) -> WarmProcess:
        """Start *verb* without input, with the consent that this needs."""
        subject = self.run.id if verb == "finalize" else str(self.plan_file)
        words = (*words, *(() if verb == "finalize" else ("--yes",)))
        errors = (self.home / f"{verb}.err").open("a")
        with errors:
            streams = {"stdout": subprocess.DEVNULL, "stderr": errors}
            return self.terminal.begun(verb, subject, *words, **(streams | how))

    def output(self, verb: str) -> str:
        """Return the output of all processes of *verb*."""
        errors = self.home / f"{verb}.err"
        return errors.read_text() if errors.exists() else ""

    def finish(self, verb: str, *words: str, leaves: int = 0) -> None:
        """Run *verb* to its end."""
        self.end(self.begin(verb, *words), verb, leaves=leaves)

    def end(self, process: WarmProcess, verb: str, *, leaves: int = 0) -> None:
        """Wait for the end of *process*, which runs *verb*."""
        ended(process, leaves, lambda: self.output(verb))

    def hold_outage(self) -> None:
        """Enable no tunnels, so that an outage lasts until ``release_outage``.

        What a test does in it then needs no luck on a busy machine.
        """
        self.control.leave_alone()

    def release_outage(self) -> None:
        """Enable the tunnels of the attached gateway."""
        self.control.attend_after(REACTION)

    def suspend_for(self, process: WarmProcess, span: timedelta) -> None:
        """Advance EC2 and all clocks by *span* while *process* is suspended, and resume it."""
        process.stop()
        self.control.advance(span)
        process.send_signal(signal.SIGCONT)

    def lines(self) -> int:
        """Count the journal's lines."""
        try:
            return self.run.journal.read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def state(self) -> RunState:
        """Return the state of the run; the journal is read again when it has grown."""
        length = self.run.journal.stat().st_size
        if self._known is None or self._known[0] != length:
            self._known = length, replay(read_journal(self.run).entries)
        return self._known[1]

    def shape(self) -> Shape:
        """Return the state of the account once it is stable."""
        self.control.advance(timedelta(minutes=10))
        return shape_of(self._account.observe(self.plan), self.plan.migration)

    def expected(self) -> Shape:
        """Return the end state of an undisturbed apply of this plan, in another world."""
        anytime = msgspec.structs.replace(self.plan.decisions, window=None)
        stage = Stage(self.home / "stage", self.plan.before, decisions=anytime)
        stage.forward()
        return shape_left(stage)

    def assert_migrated(self, expected: Shape) -> None:
        """Check that the state equals that of an undisturbed apply, and the journal is valid."""
        assert self.shape() == expected
        read_journal(self.run)

    def assert_returned(self) -> None:
        """Check that the state is as before, no resource is left, and the journal is valid."""
        self.control.advance(timedelta(minutes=10))
        assert differences(self.plan.before, self._account.survey(self.plan.old_gateway)) == ()
        assert self.made() == set()
        read_journal(self.run)

    def assert_finalized(self) -> None:
        """Check that finalize has deleted everything it has to delete."""
        shape = self.shape()
        assert GATEWAY not in {name for name, _ in shape.gateways}
        assert not {name for name, *_ in shape.connections} & set(self.plan.old_connections)
        read_journal(self.run)

    def made(self) -> set[str]:
        """Return the roles of the run's resources that still exist."""
        shape = shape_of(self._account.observe(self.plan), self.plan.migration)
        roles = {name for name, _ in shape.gateways} | {name for name, *_ in shape.connections}
        return {role for role in roles if role.startswith(("gateway", "connection/"))}


@contextmanager
def a_migration(
    home: Path, decided: str | Callable[[str], str] = PLAYBOOK, speed: float = SPEED
) -> Iterator[Migration]:
    """Serve a sandbox and plan its migration, with the playbook *decided*.

    It may depend on the address of the sandbox.

    A thread of this process serves it, because another process takes seconds to start.
    """
    with serve(load_world(load(SCENARIO), ScaledClock(speed))) as server:
        url = server.environment["AWS_ENDPOINT_URL"]
        playbook = decided if isinstance(decided, str) else decided(url)
        yield Migration(server.environment, home, playbook)


def on_a_terminal(migration: Migration, *words: str) -> tuple[WarmProcess, int]:
    """Start ``apply`` in the foreground of a terminal; return the terminal's other end."""
    ours, theirs = pty.openpty()
    try:
        process = warm_program("vpnmigrate.cli").start(
            QUICK,
            *("apply", str(migration.plan_file), *words),
            env=migration.terminal.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            session=True,
            terminal=True,
        )
    finally:
        os.close(theirs)
    return process, ours


def until(process: Process, reached: Callable[[], bool]) -> bool:
    """Wait until *reached*; return whether *process* is still running then."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and not reached():
        assert time.monotonic() < deadline, "it neither ended nor got there"
        time.sleep(TICK)
    return process.poll() is None


def ended(process: Process, leaves: int, output: Callable[[], str]) -> None:
    """Wait for the end of *process*, and check its exit code *leaves*."""
    try:
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == leaves, output()[-3000:]
