"""Operators before one served sandbox: real processes, real journals, and what they leave."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import msgspec

from tests.e2e.quick import ENGINEER
from tests.e2e.shells import PATIENCE, Terminal
from tests.support.control import DeviceControl
from tests.support.shapes import Shape, shape_left, shape_of
from tests.support.stage import Stage
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.session import Clients
from vpnmigrate.cli.commands.sandbox import load
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
"""A step may take five minutes at least: two and a half seconds of a busy machine."""
PLAYBOOK = """
name: quick
summary: A clock that races needs patience where a person is waited for.
decisions:
  asn: 64600
  waits:
    tunnels: 12h
"""
TICK = 0.01
"""Seconds between two looks at a process."""


class Migration:
    """One plan before one sandbox, whose devices a robot attends."""

    def __init__(self, environment: Mapping[str, str], home: Path, decided: str = PLAYBOOK) -> None:
        self.environment = {**environment, ENGINEER: "1"}
        self.home = home
        self.terminal = Terminal(self.environment, home)
        self.control = DeviceControl(environment["AWS_ENDPOINT_URL"])
        self.control.attend_after(timedelta(seconds=20))
        self.plan_file = home / "plan.json"
        playbook = home / "playbook.yaml"
        playbook.write_text(decided, encoding="utf-8")
        words = ("--vpn-gateway", GATEWAY, "--playbook", str(playbook))
        self.terminal.real("plan", *words, "--output", str(self.plan_file))
        self.plan = load_plan(self.plan_file)
        self.run = Run(home / "runs" / self.plan.migration)
        self._account = Account(
            Clients(
                lambda: boto3.Session("SANDBOX", "SANDBOX", region_name=self.plan.region),
                endpoint_url=environment["AWS_ENDPOINT_URL"],
            ),
            VirtualClock(),
            Vault(home / "no-vault"),
        )

    def begin(self, verb: str, *words: str, **how: Any) -> subprocess.Popen[str]:
        """Begin *verb*, from a terminal that nobody types at."""
        subject = self.run.id if verb == "finalize" else str(self.plan_file)
        errors = (self.home / f"{verb}.err").open("a")
        with errors:
            streams = {"stdout": subprocess.DEVNULL, "stderr": errors}
            return self.terminal.begun(verb, subject, *words, **(streams | how))

    def said(self, verb: str) -> str:
        """Return everything that processes of *verb* have said."""
        errors = self.home / f"{verb}.err"
        return errors.read_text() if errors.exists() else ""

    def finish(self, verb: str, *words: str, leaves: int = 0) -> None:
        """Run *verb* to its end."""
        ended(self.begin(verb, *words), leaves, lambda: self.said(verb))

    def stop(self, process: subprocess.Popen[str]) -> None:
        """Put *process* to sleep."""
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)

    def sleeps(self, process: subprocess.Popen[str], span: timedelta) -> None:
        """Let *span* pass for EC2 and all clocks while *process* sleeps, and wake it up."""
        self.stop(process)
        self.control.advance(span)
        process.send_signal(signal.SIGCONT)

    def lines(self) -> int:
        """Count the journal's lines."""
        try:
            return self.run.journal.read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def shape(self) -> Shape:
        """Look at what is there once everything has come to rest."""
        self.control.advance(timedelta(minutes=10))
        return shape_of(self._account.observe(self.plan), self.plan.migration)

    def expected(self) -> Shape:
        """Return what an undisturbed apply of this plan leaves, in a world and a time of its own."""
        anytime = msgspec.structs.replace(self.plan.decisions, window=None)
        stage = Stage(self.home / "stage", self.plan.before, decisions=anytime)
        stage.forward()
        return shape_left(stage)

    def assert_migrated(self, expected: Shape) -> None:
        """Everything is where an undisturbed apply leaves it, and the journal is whole."""
        assert self.shape() == expected
        read_journal(self.run)

    def assert_returned(self) -> None:
        """Everything is as it was before, nothing is left, and the journal is whole."""
        self.control.advance(timedelta(minutes=10))
        assert differences(self.plan.before, self._account.survey(self.plan.old_gateway)) == ()
        assert self.made() == set()
        read_journal(self.run)

    def assert_finalized(self) -> None:
        """Nothing that was there before is left of what finalize deletes."""
        shape = self.shape()
        assert GATEWAY not in {name for name, _ in shape.gateways}
        assert not {name for name, *_ in shape.connections} & set(self.plan.old_connections)
        read_journal(self.run)

    def made(self) -> set[str]:
        """Return the roles in which the run has made something that is still there."""
        shape = shape_of(self._account.observe(self.plan), self.plan.migration)
        roles = {name for name, _ in shape.gateways} | {name for name, *_ in shape.connections}
        return {role for role in roles if role.startswith(("gateway", "connection/"))}


@contextmanager
def a_migration(home: Path, decided: str = PLAYBOOK, speed: float = SPEED) -> Iterator[Migration]:
    """Serve a sandbox and plan its migration, with the playbook that says what is *decided*.

    A thread of this process serves it, for a process of its own takes seconds to begin.
    """
    with serve(load_world(load(SCENARIO), ScaledClock(speed))) as server:
        yield Migration(server.environment, home, decided)


def until(process: subprocess.Popen[str], reached: Callable[[], bool]) -> bool:
    """Wait until *reached*; tell whether *process* is still there then."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and not reached():
        assert time.monotonic() < deadline, "it neither ended nor got there"
        time.sleep(TICK)
    return process.poll() is None


def ended(process: subprocess.Popen[str], leaves: int, said: Callable[[], str]) -> None:
    """Let *process* end by itself, with *leaves*."""
    try:
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == leaves, said()[-3000:]
