"""The command line in the time of a served sandbox: ``python -m tests.e2e.quick WORDS...``.

EC2's consistency delay alone is two minutes, and a run waits for it more than once.  Everything
but the clock, and above all the way to EC2, is that of ``python -m vpnmigrate``.  Where
``VPNMIGRATE_TEST_ENGINEER`` is set somebody sits here who says at once that a device task is done.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from email.utils import format_datetime
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


class SandboxTime(OwnParts):
    """An ordinary process's parts, but for the clock: it agrees with the sandbox's."""

    program = "tests.e2e.quick"

    def __init__(self, sandbox: Client) -> None:
        super().__init__()
        state = sandbox.state()
        clock = PacedClock(state["speed"])
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
