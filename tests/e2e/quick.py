"""The command line in the time of a served sandbox: ``python -m tests.e2e.quick WORDS...``.

EC2's consistency delay alone is two minutes, and a run waits for it more than once.  Everything
but the clock, and above all the way to EC2, is that of ``python -m vpnmigrate``.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime

from vpnmigrate.cli.leave import run
from vpnmigrate.cli.parts import OwnParts
from vpnmigrate.sandbox.control import Client
from vpnmigrate.sandbox.pace import PacedClock


class SandboxTime(OwnParts):
    """An ordinary process's parts, but for the clock: it agrees with the sandbox's."""

    program = "tests.e2e.quick"

    def __init__(self, sandbox: Client) -> None:
        super().__init__()
        state = sandbox.state()
        clock = PacedClock(state["speed"])
        clock.advance(datetime.fromisoformat(state["time"]) - clock.now())
        self.clock = clock


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], SandboxTime(Client(os.environ["AWS_ENDPOINT_URL"]))))
