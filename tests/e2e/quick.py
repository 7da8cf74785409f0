"""The command line in the time of a served sandbox: ``python -m tests.e2e.quick WORDS...``.

EC2's consistency delay alone is two minutes, and a run waits for it more than once.  Everything is
as in ``python -m vpnmigrate``, but with ``VPNMIGRATE_TEST_ENGINEER`` set, a simulated operator
confirms device tasks at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from vpnmigrate.cli.main import run_command
from vpnmigrate.cli.options import PromptOptions
from vpnmigrate.cli.sandbox_dependencies import SandboxTimeDependencies
from vpnmigrate.cli.signals import to_the_end
from vpnmigrate.engine.ports import (
    Consent,
    DeadlineChoice,
    InterruptChoice,
    Interruption,
    Operator,
    OverdueCutover,
)
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.changes import AskOperator, OperatorTask
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.proposed_change import ProposedChange, StepChoice
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.console import MessageOutput
from vpnmigrate.report.names import NamesOfRun
from vpnmigrate.report.text import RunCommands

ENGINEER = "VPNMIGRATE_TEST_ENGINEER"


class Quick(SandboxTimeDependencies):
    """Dependencies of a process on the sandbox's clock, with a simulated operator."""

    program = "tests.e2e.quick"

    def operator(
        self,
        console: MessageOutput,
        on: RunCommands,
        run: Run,
        prompt_options: PromptOptions,
        names: NamesOfRun,
    ) -> Operator:
        if os.environ.get(ENGINEER):
            return ConfirmingOperator()
        return super().operator(console, on, run, prompt_options, names)


class ConfirmingOperator:
    """Operator who confirms device tasks, which a robot does."""

    patient = True

    def ask(self, task: OperatorTask) -> Confirmation | None:
        return task.confirmation if isinstance(task, AskOperator) else Confirmation.TEST_PASSED

    def announce(self, task: OperatorTask) -> None:
        pass

    def consents(self, to: Interruption) -> Consent | None:
        return Consent.GIVEN

    def owns(self, id_: str, role: Role) -> bool | None:
        return True

    def decide(self, overdue: OverdueCutover | None) -> DeadlineChoice | None:
        return None

    def interrupted(self, choices: Sequence[InterruptChoice]) -> InterruptChoice | None:
        return None

    def choose(self, proposed: ProposedChange | None) -> StepChoice | None:
        return StepChoice.RUN


if __name__ == "__main__":
    parts = Quick(os.environ["AWS_ENDPOINT_URL"])
    sys.exit(to_the_end(lambda: run_command(sys.argv[1:], parts)))
