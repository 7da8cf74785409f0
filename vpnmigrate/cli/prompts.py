"""Prompts: questions to the operator, and the test command."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol, TextIO

from vpnmigrate.cli.prompt_help import (
    AGREES,
    ASKS_FOR_HELP,
    DONE,
    TEST,
    YES,
    YES_OR_NO,
    help_lines,
)
from vpnmigrate.engine.ports import (
    Consent,
    DeadlineChoice,
    InterruptChoice,
    Interruption,
    OverdueCutover,
)
from vpnmigrate.journal import replay
from vpnmigrate.local.child_processes import OPERATOR_PROGRAM, inherited_by, working_directory
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.program_files import checked
from vpnmigrate.local.readable import readable
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.changes import AskOperator, OperatorTask, RunTest
from vpnmigrate.model.clock import rounded, span
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.model.errors.commands import Command
from vpnmigrate.model.proposed_change import ProposedChange, StepChoice
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.console import MessageOutput, in_background
from vpnmigrate.report.input_line import InputLine
from vpnmigrate.report.names import Names, NamesOfRun
from vpnmigrate.report.proposed_change import proposed_line, proposed_text
from vpnmigrate.report.text import RunCommands, command, wrapped

_SHORT: Mapping[tuple[str, ...], str] = {AGREES: "y/N"}
"""Answers as the input line shows them, where that is not all of them."""
_SAME: Mapping[str, str] = {"rollback": "roll back", "continue": "resume"}
"""Verbs of commands, which operators type as well, with the answer that has their meaning."""
_INTERRUPTED = {
    InterruptChoice.RESUME: "the run continues",
    InterruptChoice.ROLL_BACK: "the run rolls back from its next safe point",
    InterruptChoice.STOP: "the process ends at its next safe point; traffic stays down",
}

TEST_LIMIT = timedelta(minutes=10)
"""Maximum run time of the test command; a test is meant to take minutes."""


def interruption_question(
    to: Interruption, names: Names, confirm_within: timedelta | None = None
) -> str:
    """Return the question before the outage, with its expected and its longest duration.

    Without a confirmation within *confirm_within* the run is rolled back; None for no limit.
    """
    vpc, outage = names.named(to.vpc), to.outage
    about = (
        f"about {span(rounded(outage.expected))} ({outage.source}), at worst {span(outage.worst)} "
        f"({outage.at_worst})"
    )
    back = ""
    if confirm_within is not None:
        back = f"; rolls back by itself unless confirmed within {span(confirm_within)}"
    return f"This interrupts VPN traffic of {vpc} for {about}{back}. Continue? [y/N]"


def confirm_within(run: Run) -> timedelta | None:
    """Return the time within which *run* has to be confirmed; None if there is none, or no run."""
    try:
        return replay(read_journal(run).entries).confirm.within
    except VpnMigrateError:
        return None


GLANCE = 0.2
"""Seconds after which a signal takes effect that arrives right before the wait for a line."""


def read_line(stdin: TextIO) -> str:
    """Wait for a line and return it with its end, or "" after the last.

    A signal that arrives right before a read does not interrupt it, and its handler would run only
    after Enter.
    """
    while not readable(stdin, GLANCE):
        pass
    return stdin.readline()


class Prompt(Protocol):
    """Source of an operator's answers."""

    @property
    def reachable(self) -> bool:
        """Whether an operator can be asked now: not while another job has the terminal."""
        ...

    @property
    def patient(self) -> bool:
        """Whether an operator is present."""
        ...

    def answer(self) -> str | None:
        """Return a typed line without waiting, or None."""
        ...


class NoPrompt:
    """No terminal: tasks are confirmed with ``vpnmigrate done`` from another terminal."""

    patient = False
    reachable = False

    def answer(self) -> str | None:
        """Return None."""
        return None


class StdinPrompt:
    """An operator at a terminal, until stdin ends.

    Nothing is read in the background, where reading would stop the process, also in an outage.
    Below a live screen, *input_line* reads the keys.
    """

    def __init__(self, stdin: TextIO, input_line: InputLine | None = None) -> None:
        self._stdin = stdin
        self._input_line = input_line
        self.patient = True

    @property
    def reachable(self) -> bool:
        """Whether an operator can be asked now: not while another job has the terminal."""
        return self.patient and not in_background(self._stdin)

    def answer(self) -> str | None:
        """Return a typed line, or None if there is none yet."""
        if in_background(self._stdin):
            return None
        line = self._typed()
        if line == "":
            self.patient = False
            return None
        return line

    def _typed(self) -> str | None:
        """Return a whole line with its end, None if there is none yet, or "" after the last."""
        if self._input_line is not None:
            line = self._input_line.line()
            if line is not None or self._input_line.is_open:
                return line
        try:
            return self._stdin.readline() if readable(self._stdin, 0) else None
        except (OSError, ValueError):
            return ""


class PromptReader:
    """Input for several open questions: a line that answers one is not lost to the others."""

    def __init__(
        self, console: MessageOutput, prompt: Prompt, observe: Command | None = None
    ) -> None:
        """Read answers from *prompt*; *observe* is the command that the help names."""
        self._console = console
        self._prompt = prompt
        self._observe = observe
        self._open: dict[tuple[str, ...], bool] = {}
        """The answers to each open question, and whether the typed line is none of them."""
        self._line = ""
        self._only_return = False
        """Whether an empty line was typed, which no question has read yet."""
        self._with_default: set[tuple[str, ...]] = set()
        self._questions: dict[tuple[str, ...], str] = {}

    def answer(self, *known: str, default: str = "", question: str = "") -> str:
        """Return the typed line if it is one of *known*, or an empty string.

        An empty line is the *default*.  The screen shows the *question* until it is answered.
        """
        self._open.setdefault(known, False)
        self._questions[known] = question
        if default:
            self._with_default.add(known)
        self._show_open()
        if not self._line and not self._only_return:
            self._read()
        if self._only_return and (default or not self._with_default):
            self._only_return = False
            return default
        if self._line in known:
            typed, self._line = self._line, ""
            return typed
        self._open[known] = True
        if self._line and all(self._open.values()):
            if self._line in ASKS_FOR_HELP:
                self._console.print_line("\n".join(help_lines(self._open, self._observe)))
            else:
                answers = ", ".join(word for words in self._open for word in words)
                self._console.print_line(f"    please type: {answers} (? for help)")
            self._line = ""
        return ""

    def close(self, *known: str) -> None:
        """Remove the question with these answers."""
        self._open.pop(known, None)
        self._questions.pop(known, None)
        self._with_default.discard(known)
        self._show_open()

    def _show_open(self) -> None:
        """Show at the input line what can be typed, and what is asked."""
        line = self._console.input_line
        if line is not None:
            line.answers = tuple(_SHORT.get(known, "/".join(known)) for known in self._open)
            line.question = " ".join(filter(None, self._questions.values()))

    def _read(self) -> None:
        typed = self._prompt.answer()
        if typed is not None and self._console.input_line is not None:
            # The screen removes the line; above it, it is kept.
            self._console.print_line(f"> {typed.rstrip()}")
        self._line = " ".join((typed or "").lower().split())
        self._line = _SAME.get(self._line, self._line)
        self._only_return = typed is not None and not self._line
        self._open = dict.fromkeys(self._open, False)


class TerminalOperator:
    """Operator at a terminal: shows tasks, reads ``done``, and runs the test command.

    The runner journals each confirmation, so a task is shown again if the process dies before.
    """

    def __init__(
        self,
        console: MessageOutput,
        prompt: Prompt,
        run: Run,
        on: RunCommands,
        programs: Mapping[str, str],
        names: NamesOfRun | None = None,
    ) -> None:
        self._console = console
        self._prompt = prompt
        self._programs = programs
        self._names = names or NamesOfRun()
        self._run = run
        self._on = on
        self._reader = PromptReader(console, prompt, on.command("status"))
        self._shown: set[OperatorTask] = set()
        self._task: tuple[str, ...] = ()
        """The answers to the task that was asked about last, until it is done."""
        self._asked_about_task = False
        self._overdue: OverdueCutover | None = None
        self._proposed: ProposedChange | None = None
        """The change that was asked about last, while the question is open."""
        self._interruption: Interruption | None = None
        """The interruption that was asked about last."""
        self._question = ""
        """The question about it."""
        self._owned = ""
        """The resource that was asked about last."""
        self._choices: tuple[InterruptChoice, ...] = ()
        """The answers to the question after Ctrl-C, while it is open."""
        self._chosen: InterruptChoice | None = None
        """The answer, until its effect has been printed."""

    @property
    def patient(self) -> bool:
        """Whether an operator is present."""
        return self._prompt.patient

    def ask(self, task: OperatorTask) -> Confirmation | None:
        """Show *task* if it is new, and return its confirmation if it is done."""
        new = task not in self._shown
        self._shown.add(task)
        match task:
            case RunTest():
                return self._run_test(task) if new else self._after_failed_test(task)
            case AskOperator():
                if new:
                    self._explain(task)
                return task.confirmation if self._answer_of_task(DONE) == "done" else None

    def announce(self, task: OperatorTask) -> None:
        """Print that *task* comes next."""
        self._console.print_line(
            wrapped(self._names.now.text(str(task)), first="  Next, get ready: ")
        )

    def decide(self, overdue: OverdueCutover | None) -> DeadlineChoice | None:
        """Return the choice that the operator typed at a terminal, after one question."""
        asked_before, self._overdue = self._overdue, overdue
        self._close_finished_task()
        if overdue is None:
            self._reader.close(*DeadlineChoice)
            return None
        if not self.patient:
            return None
        if overdue != asked_before:
            self._explain_choice(overdue)
        typed = self._reader.answer(*DeadlineChoice)
        return DeadlineChoice(typed) if typed else None

    def consents(self, to: Interruption) -> Consent | None:
        """Return the answer that the operator typed at a terminal, after one question."""
        if not self._prompt.reachable:
            return Consent.IMPOSSIBLE
        if self._interruption != to:
            self._interruption = to
            self._question = interruption_question(to, self._names.now, confirm_within(self._run))
            self._console.print_line(wrapped(self._question))
        typed = self._reader.answer(*AGREES, default="no", question=self._question)
        if not typed:
            return None
        self._reader.close(*AGREES)
        self._interruption = None
        return Consent.GIVEN if typed in YES else Consent.REFUSED

    def owns(self, id_: str, role: Role) -> bool | None:
        """Return the answer that the operator typed at a terminal, after one question."""
        if not self.patient:
            return None
        if self._owned != id_:
            self._owned = id_
            question = (
                f"The journal is lost. Did this run create {id_} (its {role})? If yes, it can "
                "be attached to the VPC, and a rollback deletes it. Type yes or no."
            )
            self._console.print_line(wrapped(self._names.now.text(question)))
        typed = self._reader.answer(*YES_OR_NO)
        if typed:
            self._reader.close(*YES_OR_NO)
        return typed == "yes" if typed else None

    def interrupted(self, choices: Sequence[InterruptChoice]) -> InterruptChoice | None:
        """Return the answer to one question; the default if standard input has ended."""
        asked, self._choices = self._choices, tuple(choices)
        if asked != self._choices:
            self._reader.close(*asked)
        if not choices:
            # Printed once the request is withdrawn: the next Ctrl-C is the first again then.
            if self._chosen is not None:
                self._console.print_line(f"    {_INTERRUPTED[self._chosen]}")
            self._chosen = None
            return None
        if not self.patient:
            return InterruptChoice.RESUME
        if asked != self._choices:
            self._explain_interruption()
        typed = self._reader.answer(*self._choices, default=InterruptChoice.RESUME)
        if not typed:
            return None
        self._chosen = InterruptChoice(typed)
        return self._chosen

    def choose(self, proposed: ProposedChange | None) -> StepChoice | None:
        """Return the answer that the operator typed, after one question for each new change."""
        asked_before, self._proposed = self._proposed, proposed
        if proposed is None:
            self._reader.close(*StepChoice)
            return None
        if not self.patient:
            return None
        if proposed != asked_before:
            self._console.print_line(proposed_text(proposed, self._names.now))
        question = proposed_line(proposed, self._names.now)
        typed = self._reader.answer(*StepChoice, question=question)
        if typed == StepChoice.WAIT:
            self._console.print_line("    waiting; type run or roll back")
        return StepChoice(typed) if typed else None

    def _explain_interruption(self) -> None:
        back = InterruptChoice.ROLL_BACK in self._choices
        self._console.print_line("    TRAFFIC IS DOWN. The run continues until you answer. Type:")
        self._console.print_line("      resume     continue (default: press Enter)")
        if back:
            self._console.print_line("      roll back  return to the old gateway")
        self._console.print_line("      stop       end this process; traffic stays down")

    def _answer_of_task(self, answers: tuple[str, ...]) -> str:
        self._task, self._asked_about_task = answers, True
        return self._reader.answer(*answers)

    def _close_finished_task(self) -> None:
        """Remove the question of a task that the run has not asked about since the last call."""
        if not self._asked_about_task:
            self._reader.close(*self._task)
        self._asked_about_task = False

    def _explain_choice(self, overdue: OverdueCutover) -> None:
        ends = (
            f"the window ends in {span(overdue.left)}"
            if overdue.left > timedelta(0)
            else "the window has ended"
        )
        self._console.print_line(f"    {ends}; a rollback takes about {span(overdue.rollback)}")
        self._console.print_line(
            "    type 'roll back' or 'go on'; until then the run keeps watching"
        )

    def _explain(self, task: AskOperator) -> None:
        self._console.print_line(f"    device files: {self._run.vault}")
        typed = "type 'done' here, or run" if self.patient else "when done, run"
        done = self._on.command("done", str(task.step))
        self._console.print_line(command(done, first=f"    {typed}: "))

    def _run_test(self, task: RunTest) -> Confirmation | None:
        """Run the test and wait for it; traffic is not affected while it runs."""
        fault = checked(task.command, self._programs).fault
        if fault:
            self._show_failure(f"was not run: {fault}")
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
        self._show_failure(verdict)
        return None

    def _show_failure(self, verdict: str) -> None:
        self._console.print_line(f"    the test {verdict}")
        if self.patient:
            self._console.print_line(
                "    type 'again' to run it again, 'done' to continue without it"
            )

    def _after_failed_test(self, task: RunTest) -> Confirmation | None:
        match self._answer_of_task(TEST):
            case "again":
                return self._run_test(task)
            case "done":
                return Confirmation.TEST_PASSED
            case _:
                return None


class AssumeYesOperator(TerminalOperator):
    """Operator who gave ``--yes``: tasks are shown, decisions are left to other terminals."""

    def consents(self, to: Interruption) -> Consent | None:
        """Return the consent that ``--yes`` gave."""
        del to
        return Consent.GIVEN

    def decide(self, overdue: OverdueCutover | None) -> DeadlineChoice | None:
        """Return None: other terminals decide."""
        del overdue
        return None
