"""The command line in the time of a served sandbox: ``python -m tests.e2e.quick WORDS...``.

EC2's consistency delay alone is two minutes, and a run waits for it more than once.  Everything
but the clock, and above all the way to EC2, is that of ``python -m vpnmigrate``.  Where
``VPNMIGRATE_TEST_ENGINEER`` is set somebody sits here who says at once that a device task is done.
What ``VPNMIGRATE_TEST_AHEAD`` names is how many seconds the clocks were put forward meanwhile.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from vpnmigrate.aws.session import Clients
from vpnmigrate.changes import AskOperator, OperatorTask
from vpnmigrate.cli.flags import Asking, Aws
from vpnmigrate.cli.leave import run
from vpnmigrate.cli.parts import OwnParts
from vpnmigrate.cli.signals import to_the_end
from vpnmigrate.ports import Choice, Overdue, People
from vpnmigrate.report.console import Speaker
from vpnmigrate.rundir import Run
from vpnmigrate.sandbox.control import Client
from vpnmigrate.sandbox.pace import PacedClock
from vpnmigrate.snapshot import Word

ENGINEER = "VPNMIGRATE_TEST_ENGINEER"
AHEAD = "VPNMIGRATE_TEST_AHEAD"


class Ahead:
    """How far somebody has put the clocks forward since this process began."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._then = self._seconds()

    def now(self) -> timedelta:
        """Read it again."""
        return timedelta(seconds=self._seconds() - self._then)

    def _seconds(self) -> float:
        try:
            return float(self._file.read_text(encoding="ascii") or 0)
        except FileNotFoundError:
            return 0.0


class SandboxClock(PacedClock):
    """The sandbox's pace, and each jump of its clock."""

    def __init__(self, speed: float, ahead: Ahead) -> None:
        super().__init__(speed)
        self._jumps = ahead

    def now(self) -> datetime:
        return super().now() + self._jumps.now()


class SandboxTime(OwnParts):
    """An ordinary process's parts, but for the clock: it agrees with the sandbox's."""

    program = "tests.e2e.quick"

    def __init__(self, sandbox: Client) -> None:
        super().__init__()
        state = sandbox.state()
        clock = SandboxClock(state["speed"], Ahead(Path(os.environ.get(AHEAD, os.devnull))))
        clock.advance(datetime.fromisoformat(state["time"]) - clock.now())
        self.clock = clock

    def clients(self, aws: Aws) -> Clients:
        """Give the usual clients, told the sandbox's time where AWS would tell its own."""
        clients = super().clients(aws)
        clients.sts().meta.events.register("after-call.sts", self._date)
        return clients

    def _date(self, parsed: dict[str, Any], **_event: object) -> None:
        now = format_datetime(self.clock.now())
        parsed["ResponseMetadata"]["HTTPHeaders"]["date"] = now

    def people(self, console: Speaker, run: Run, asking: Asking) -> People:
        if os.environ.get(ENGINEER):
            return Willing()
        return super().people(console, run, asking)


class Willing:
    """Whoever does the device tasks has a robot at the devices."""

    patient = True

    def ask(self, task: OperatorTask) -> Word | None:
        return task.word if isinstance(task, AskOperator) else Word.TEST_PASSED

    def announce(self, task: OperatorTask) -> None:
        pass

    def decide(self, overdue: Overdue | None) -> Choice | None:
        return None


if __name__ == "__main__":
    parts = SandboxTime(Client(os.environ["AWS_ENDPOINT_URL"]))
    sys.exit(to_the_end(lambda: run(sys.argv[1:], parts)))
