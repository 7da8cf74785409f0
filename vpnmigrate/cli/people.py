"""The people of a run as a terminal knows them: a prompt that never blocks, and a test command."""

from __future__ import annotations

import select
import subprocess
from datetime import timedelta
from typing import Protocol, TextIO

from vpnmigrate.changes import AskOperator, OperatorTask, RunTest
from vpnmigrate.report.console import Console
from vpnmigrate.report.words import item, wrapped
from vpnmigrate.rundir import Run
from vpnmigrate.snapshot import Word

TEST_LIMIT = timedelta(minutes=10)
"""A test that takes longer than this has failed: the engineer who wrote it meant minutes."""


class Prompt(Protocol):
    """Where a person's answers come from."""

    @property
    def patient(self) -> bool:
        """Whether a person sits there."""
        ...

    def answer(self) -> str | None:
        """Give a line if one has been typed, without waiting for it."""
        ...


class NoPrompt:
    """Nobody is there: tasks are done by ``vpnmigrate done`` from another terminal."""

    patient = False

    def answer(self) -> str | None:
        """Give nothing."""
        return None


class StdinPrompt:
    """A person at a terminal; once stdin has ended nobody sits there any more."""

    def __init__(self, stdin: TextIO) -> None:
        self._stdin = stdin
        self.patient = True

    def answer(self) -> str | None:
        """Give a typed line, or None if there is none yet."""
        try:
            ready, _, _ = select.select([self._stdin], [], [], 0)
            line = self._stdin.readline() if ready else None
        except (OSError, ValueError):
            line = ""
        if line == "":
            self.patient = False
            return None
        return line


class TerminalPeople:
    """Tells once how to answer a task, hears ``done``, and runs the test command if there is one.

    The word is journalled by the runner, so an answer lost with a dying process is asked again.
    """

    def __init__(self, console: Console, prompt: Prompt, run: Run) -> None:
        self._console = console
        self._prompt = prompt
        self._run = run
        self._shown: set[OperatorTask] = set()

    @property
    def patient(self) -> bool:
        """Whether someone can be waited for here."""
        return self._prompt.patient

    def ask(self, task: OperatorTask) -> Word | None:
        """Show *task* if it is new, and give its word if it has been done."""
        match task:
            case RunTest():
                return self._test(task)
            case AskOperator():
                return self._hear(task)

    def announce(self, task: OperatorTask) -> None:
        """Say that *task* comes up soon."""
        self._console.say(wrapped(str(task), first="  COMING UP: "))

    def _hear(self, task: AskOperator) -> Word | None:
        if task not in self._shown:
            self._shown.add(task)
            self._console.say(f"    device files: {self._run.vault}")
            typed = "type 'done' here, or run" if self.patient else "when done, run"
            self._console.say(f"    {typed}: vpnmigrate done {self._run.id} {task.step}")
        answer = self._prompt.answer()
        if answer is None or not answer.strip():
            return None
        if answer.strip().lower() in {"done", "yes", "y"}:
            return task.word
        self._console.say("    only 'done' counts")
        return None

    def _test(self, task: RunTest) -> Word | None:
        self._console.say(item(str(task)))
        try:
            ended = subprocess.run(  # noqa: S603  the command is the plan's own, shown and approved
                task.command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TEST_LIMIT.total_seconds(),
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self._console.say(item(f"the test could not be finished: {type(error).__name__}"))
            return None
        verdict = "passed" if ended.returncode == 0 else f"failed, exit status {ended.returncode}"
        self._console.say(item(f"the test {verdict}"))
        return Word.TEST_PASSED if ended.returncode == 0 else None
