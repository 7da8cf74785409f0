"""The people of a run as a terminal knows them: a prompt that never blocks, and a test command."""

from __future__ import annotations

import select
import subprocess
from datetime import timedelta
from typing import Protocol, TextIO

from vpnmigrate.changes import AskOperator, OperatorTask, RunTest
from vpnmigrate.report.console import Speaker
from vpnmigrate.report.words import span, wrapped
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

    def __init__(self, console: Speaker, prompt: Prompt, run: Run) -> None:
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
        new = task not in self._shown
        self._shown.add(task)
        match task:
            case RunTest():
                return self._try(task) if new else self._hear_again(task)
            case AskOperator():
                if new:
                    self._explain(task)
                return task.word if self._answer("done") == "done" else None

    def announce(self, task: OperatorTask) -> None:
        """Say that *task* comes up soon."""
        self._console.say(wrapped(str(task), first="  COMING UP: "))

    def _explain(self, task: AskOperator) -> None:
        self._console.say(f"    device files: {self._run.vault}")
        typed = "type 'done' here, or run" if self.patient else "when done, run"
        self._console.say(f"    {typed}: vpnmigrate done {self._run.id} {task.step}")

    def _answer(self, *known: str) -> str:
        """Give what was typed if it is *known*; nothing else counts."""
        typed = self._prompt.answer()
        if typed is not None:
            self._console.heard()
        answer = (typed or "").strip().lower()
        if answer and answer not in known:
            self._console.say(f"    the answers are: {', '.join(known)}")
        return answer

    def _try(self, task: RunTest) -> Word | None:
        """Run the test; it may take its time, because traffic is untouched while it runs."""
        try:
            ended = subprocess.run(  # noqa: S603  the command is the plan's own, shown and approved
                task.command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TEST_LIMIT.total_seconds(),
                check=False,
            )
        except OSError as error:
            verdict = f"cannot be run: {error.strerror}"
        except subprocess.TimeoutExpired:
            verdict = f"did not end within {span(TEST_LIMIT)}"
        else:
            if ended.returncode == 0:
                self._console.say("    the test passed")
                return Word.TEST_PASSED
            verdict = f"failed with exit status {ended.returncode}"
        self._console.say(f"    the test {verdict}")
        if self.patient:
            self._console.say("    type 'again' to run it again, 'done' to go on without it")
        return None

    def _hear_again(self, task: RunTest) -> Word | None:
        match self._answer("again", "done"):
            case "again":
                return self._try(task)
            case "done":
                return Word.TEST_PASSED
            case _:
                return None
