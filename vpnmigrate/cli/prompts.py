"""Prompts: questions to the operator, and the test command."""

from __future__ import annotations

import select
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol, TextIO

from vpnmigrate.engine.ports import DeadlineChoice, OverdueCutover
from vpnmigrate.local.child_processes import OPERATOR_PROGRAM, inherited_by, working_directory
from vpnmigrate.local.program_files import checked
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.changes import AskOperator, OperatorTask, RunTest
from vpnmigrate.model.clock import span
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.console import MessageOutput
from vpnmigrate.report.text import RunCommands, command, wrapped

_DONE = ("done",)
_YES_OR_NO = ("yes", "no")
_TEST = ("again", "done")

TEST_LIMIT = timedelta(minutes=10)
"""A test that takes longer than this has failed: the engineer who wrote it meant minutes."""


class Prompt(Protocol):
    """Where a person's answers come from."""

    @property
    def patient(self) -> bool:
        """Whether a person sits there."""
        ...

    def answer(self) -> str | None:
        """Return a line if one has been typed, without waiting for it."""
        ...


class NoPrompt:
    """Nobody is there: tasks are done by ``vpnmigrate done`` from another terminal."""

    patient = False

    def answer(self) -> str | None:
        """Return nothing."""
        return None


class StdinPrompt:
    """A person at a terminal; once stdin has ended nobody sits there any more."""

    def __init__(self, stdin: TextIO) -> None:
        self._stdin = stdin
        self.patient = True

    def answer(self) -> str | None:
        """Return a typed line, or None if there is none yet."""
        try:
            ready, _, _ = select.select([self._stdin], [], [], 0)
            line = self._stdin.readline() if ready else None
        except (OSError, ValueError):
            line = ""
        if line == "":
            self.patient = False
            return None
        return line


class PromptReader:
    """One keyboard for several questions: what is no answer to one is kept for the others."""

    def __init__(self, console: MessageOutput, prompt: Prompt) -> None:
        self._console = console
        self._prompt = prompt
        self._open: dict[tuple[str, ...], bool] = {}
        """The answers to every open question, and whether the line was found to be none of them."""
        self._line = ""

    def answer(self, *known: str) -> str:
        """Return what was typed if it is *known*; nothing else counts."""
        self._open.setdefault(known, False)
        if not self._line:
            self._read()
        if self._line in known:
            typed, self._line = self._line, ""
            return typed
        self._open[known] = True
        if self._line and all(self._open.values()):
            answers = ", ".join(word for words in self._open for word in words)
            self._console.print_line(f"    the answers are: {answers}")
            self._line = ""
        return ""

    def close(self, *known: str) -> None:
        """Expect these answers no longer."""
        self._open.pop(known, None)

    def _read(self) -> None:
        typed = self._prompt.answer()
        if typed is not None:
            self._console.operator_typed()
        self._line = " ".join((typed or "").lower().split())
        self._open = dict.fromkeys(self._open, False)


class TerminalOperator:
    """Tells once how to answer a task, hears ``done``, and runs the test command if there is one.

    The word is journalled by the runner, so an answer lost with a dying process is asked again.
    """

    def __init__(
        self,
        console: MessageOutput,
        prompt: Prompt,
        run: Run,
        on: RunCommands,
        programs: Mapping[str, str],
    ) -> None:
        self._console = console
        self._prompt = prompt
        self._programs = programs
        self._run = run
        self._on = on
        self._hearing = PromptReader(console, prompt)
        self._shown: set[OperatorTask] = set()
        self._task: tuple[str, ...] = ()
        """The answers to the task that was asked about last, while that is not over."""
        self._asked_about_task = False
        self._overdue: OverdueCutover | None = None
        self._owned = ""
        """The resource that was asked about last."""

    @property
    def patient(self) -> bool:
        """Whether someone can be waited for here."""
        return self._prompt.patient

    def ask(self, task: OperatorTask) -> Confirmation | None:
        """Show *task* if it is new, and give its word if it has been done."""
        new = task not in self._shown
        self._shown.add(task)
        match task:
            case RunTest():
                return self._try(task) if new else self._hear_again(task)
            case AskOperator():
                if new:
                    self._explain(task)
                return task.word if self._hear(_DONE) == "done" else None

    def announce(self, task: OperatorTask) -> None:
        """Report that *task* comes up soon."""
        self._console.print_line(wrapped(str(task), first="  COMING UP: "))

    def decide(self, overdue: OverdueCutover | None) -> DeadlineChoice | None:
        """Ask once, at a terminal, and give what was typed since."""
        asked_before, self._overdue = self._overdue, overdue
        self._notice_the_end_of_a_task()
        if overdue is None:
            self._hearing.close(*DeadlineChoice)
            return None
        if not self.patient:
            return None
        if overdue != asked_before:
            self._explain_choice(overdue)
        typed = self._hearing.answer(*DeadlineChoice)
        return DeadlineChoice(typed) if typed else None

    def owns(self, id_: str, role: Role) -> bool | None:
        """Ask once, at a terminal, and return what was typed since."""
        if not self.patient:
            return None
        if self._owned != id_:
            self._owned = id_
            self._console.print_line(
                wrapped(
                    f"The journal is lost. Did this run make {id_} (its {role})? What it made can "
                    "be put on the VPC, and is deleted by a rollback. Type yes or no.",
                )
            )
        typed = self._hearing.answer(*_YES_OR_NO)
        if typed:
            self._hearing.close(*_YES_OR_NO)
        return typed == "yes" if typed else None

    def _hear(self, answers: tuple[str, ...]) -> str:
        self._task, self._asked_about_task = answers, True
        return self._hearing.answer(*answers)

    def _notice_the_end_of_a_task(self) -> None:
        """Expect no word for a task that the run has not asked about since the last time."""
        if not self._asked_about_task:
            self._hearing.close(*self._task)
        self._asked_about_task = False

    def _explain_choice(self, overdue: OverdueCutover) -> None:
        ends = (
            f"the window ends in {span(overdue.left)}"
            if overdue.left > timedelta(0)
            else "the window has ended"
        )
        self._console.print_line(f"    {ends}; a way back takes about {span(overdue.rollback)}")
        self._console.print_line("    type 'roll back' or 'go on'; until then the run watches on")

    def _explain(self, task: AskOperator) -> None:
        self._console.print_line(f"    device files: {self._run.vault}")
        typed = "type 'done' here, or run" if self.patient else "when done, run"
        done = self._on.command("done", str(task.step))
        self._console.print_line(command(done, first=f"    {typed}: "))

    def _try(self, task: RunTest) -> Confirmation | None:
        """Run the test; it may take its time, because traffic is untouched while it runs."""
        fault = checked(task.command, self._programs).fault
        if fault:
            self._tell_failure(f"was not run: {fault}")
            return None
        try:
            directory = working_directory(self._run)
            ended = subprocess.run(  # noqa: S603  the command is the plan's own, shown and approved
                task.command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd=directory,
                env=inherited_by(OPERATOR_PROGRAM, directory),
                timeout=TEST_LIMIT.total_seconds(),
                check=False,
            )
        except OSError as error:
            verdict = f"cannot be run: {error.strerror}"
        except subprocess.TimeoutExpired:
            verdict = f"did not end within {span(TEST_LIMIT)}"
        else:
            if ended.returncode == 0:
                self._console.print_line("    the test passed")
                return Confirmation.TEST_PASSED
            verdict = f"failed with exit status {ended.returncode}"
        self._tell_failure(verdict)
        return None

    def _tell_failure(self, verdict: str) -> None:
        self._console.print_line(f"    the test {verdict}")
        if self.patient:
            self._console.print_line("    type 'again' to run it again, 'done' to go on without it")

    def _hear_again(self, task: RunTest) -> Confirmation | None:
        match self._hear(_TEST):
            case "again":
                return self._try(task)
            case "done":
                return Confirmation.TEST_PASSED
            case _:
                return None


class AssumeYesOperator(TerminalOperator):
    """Whoever said yes beforehand: they do their tasks, and no decision is asked of them."""

    def decide(self, overdue: OverdueCutover | None) -> DeadlineChoice | None:
        """Leave it to other terminals."""
        del overdue
        return None
