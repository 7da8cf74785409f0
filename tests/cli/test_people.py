"""Operators at a terminal: tasks, questions and answers."""

from __future__ import annotations

import _thread
import io
import os
import pty
import sys
import threading
from datetime import timedelta

import pytest

from tests.support.builders import NOON
from vpnmigrate.cli.prompts import (
    AssumeYesOperator,
    NoPrompt,
    StdinPrompt,
    TerminalOperator,
    interruption_question,
    read_line,
)
from vpnmigrate.cli.run_actions import says_yes
from vpnmigrate.engine.ports import (
    Consent,
    DeadlineChoice,
    InterruptChoice,
    Interruption,
    OverdueCutover,
)
from vpnmigrate.local.program_files import pinned
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.changes import AskOperator, RunTest
from vpnmigrate.model.decisions import Decisions, HookMoment
from vpnmigrate.model.ec2 import VpcId
from vpnmigrate.model.plan import OutageEstimate
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.console import Console
from vpnmigrate.report.names import NO_NAMES, Names, NamesOfRun
from vpnmigrate.report.text import RunCommands

TASK = AskOperator(5, Confirmation.DEVICES_CONFIGURED, "load the candidate")
PROGRAMS = pinned(Decisions(hooks={HookMoment.HELD: (sys.executable,)}))
PASSES = RunTest((sys.executable, "-c", "pass"))
FAILS = RunTest((sys.executable, "-c", "raise SystemExit(3)"))
MISSING = RunTest(("/no/such/program/anywhere",))


class Typed:
    """A prompt with typed *lines* and no more."""

    patient = True
    reachable = True

    def __init__(self, *lines: str | None) -> None:
        self._lines = list(lines)

    def answer(self):
        return self._lines.pop(0) if self._lines else None


@pytest.fixture
def screen():
    return io.StringIO()


def operator(screen, prompt, tmp_path):
    run = Run(tmp_path / "m-1")
    run.path.mkdir()
    return TerminalOperator(Console(screen), prompt, run, RunCommands("m-1"), PROGRAMS)


def overdue(minutes):
    return OverdueCutover(NOON, timedelta(minutes=4), timedelta(minutes=minutes))


class TestDeviceTasks:
    def test_done_gives_the_word(self, screen, tmp_path):
        """A task is confirmed when the operator types done, not before."""
        them = operator(screen, Typed("\n", "Done\n"), tmp_path)

        assert [them.ask(TASK) for _ in range(3)] == [None, Confirmation.DEVICES_CONFIGURED, None]

    def test_how_to_answer_is_told_once(self, screen, tmp_path):
        """The folder of the files and the command are shown once."""
        them = operator(screen, NoPrompt(), tmp_path)

        for _ in range(3):
            them.ask(TASK)

        assert screen.getvalue().count("vpnmigrate done m-1 5") == 1
        assert str(tmp_path / "m-1" / "vault") in screen.getvalue()

    def test_anything_but_done_is_no_answer(self, screen, tmp_path):
        """Other input does not confirm a task."""
        them = operator(screen, Typed("yes\n"), tmp_path)

        assert them.ask(TASK) is None
        assert "please type: done (? for help)" in screen.getvalue()

    @pytest.mark.parametrize("typed", ["?\n", " HELP \n"])
    def test_help_says_what_each_answer_does(self, screen, tmp_path, typed):
        """It answers no question, and names the command that shows the run elsewhere."""
        them = operator(screen, Typed("\n", typed, "done\n"), tmp_path)
        them.decide(overdue(13))

        answers = [(them.ask(TASK), them.decide(overdue(13))) for _ in range(3)]

        shown = screen.getvalue()
        assert (Confirmation.DEVICES_CONFIGURED, None) in answers
        assert "      done  the task above is done at every device" in shown
        assert "      roll back  return to the old gateway" in shown
        assert "in another terminal: vpnmigrate status m-1" in shown
        assert "please type" not in shown

    def test_what_comes_up_has_the_names_of_resources_made_meanwhile(self, screen, tmp_path):
        """The names are those of the run now, not of its start."""
        names = NamesOfRun()
        run = Run(tmp_path)
        them = TerminalOperator(Console(screen), NoPrompt(), run, RunCommands("m-1"), {}, names)
        names.now = Names({"vpn-2": "munich"}, frozenset({"vpn-2"}))

        them.announce(AskOperator(10, Confirmation.NEW_TUNNELS_ENABLED, "enable vpn-2"))

        assert screen.getvalue() == '  Next, get ready: enable vpn-2 "munich" (new)\n'

    def test_what_comes_up_is_announced(self, screen, tmp_path):
        """The next task is announced while the gateways are swapped."""
        operator(screen, NoPrompt(), tmp_path).announce(TASK)

        assert screen.getvalue() == "  Next, get ready: load the candidate\n"


class TestTheTest:
    def test_exit_status_0_passes(self, screen, tmp_path):
        """A test command that succeeds confirms the test."""
        assert operator(screen, NoPrompt(), tmp_path).ask(PASSES) is Confirmation.TEST_PASSED

    @pytest.mark.parametrize(("test", "said"), [(FAILS, "exit status 3"), (MISSING, "was not run")])
    def test_anything_else_does_not(self, screen, tmp_path, test, said):
        """A test that fails, or cannot be run, is reported and confirms nothing."""
        assert operator(screen, NoPrompt(), tmp_path).ask(test) is None
        assert said in screen.getvalue()

    def test_a_failed_test_is_run_again_only_when_asked(self, screen, tmp_path):
        """A failed test runs again only if the operator types so."""
        them = operator(screen, Typed("\n", "again\n", "done\n"), tmp_path)

        answers = [them.ask(FAILS) for _ in range(4)]

        assert answers == [None, None, None, Confirmation.TEST_PASSED]
        assert screen.getvalue().count("exit status 3") == 2


class TestTheDecision:
    def test_is_asked_for_once_and_given_when_typed(self, screen, tmp_path):
        """The choice is explained once, and asking does not wait."""
        them = operator(screen, Typed("\n", "Go  ON\n"), tmp_path)

        answers = [them.decide(overdue(minutes)) for minutes in (13, 12, 11)]

        assert answers == [None, DeadlineChoice.GO_ON, None]
        assert screen.getvalue().splitlines() == [
            "    the window ends in 13 min; a rollback takes about 4 min",
            "    type 'roll back' or 'go on'; until then the run keeps watching",
        ]

    def test_says_so_where_the_window_is_over(self, screen, tmp_path):
        """Negative time left is shown as an ended window."""
        operator(screen, Typed(), tmp_path).decide(overdue(-1))

        assert "the window has ended; a rollback" in screen.getvalue()

    def test_shares_the_keyboard_with_a_task(self, screen, tmp_path):
        """Two open questions do not take each other's answers, in any order."""
        them = operator(screen, Typed("\n", "roll back\n", "done\n"), tmp_path)
        them.decide(overdue(13))

        heard = [(them.ask(TASK), them.decide(overdue(13))) for _ in range(3)]

        assert heard == [
            (None, DeadlineChoice.ROLL_BACK),
            (Confirmation.DEVICES_CONFIGURED, None),
            (None, None),
        ]
        assert "please type" not in screen.getvalue()

    def test_is_not_lost_on_a_task_that_is_asked_about_more_often(self, screen, tmp_path):
        """A waiting run asks for its task every second, and for a decision at each observation."""
        them = operator(screen, Typed("\n", "go on\n"), tmp_path)
        them.decide(overdue(13))

        for _ in range(5):
            assert them.ask(TASK) is None

        assert them.decide(overdue(13)) is DeadlineChoice.GO_ON
        assert "please type" not in screen.getvalue()

    def test_no_answer_to_either_names_the_answers_to_both(self, screen, tmp_path):
        """Other input decides nothing, and the valid answers are printed."""
        them = operator(screen, Typed("\n", "yes\n"), tmp_path)
        them.decide(overdue(13))

        heard = [(them.ask(TASK), them.decide(overdue(13))) for _ in range(3)]

        assert heard == [(None, None)] * 3
        assert screen.getvalue().count("please type: roll back, go on, done (?") == 1

    def test_what_answers_neither_is_refused_although_the_task_is_over(self, screen, tmp_path):
        """A finished task does not keep a typed line."""
        them = operator(screen, Typed("done\n", "done\n", "roll back\n"), tmp_path)

        assert them.ask(TASK) is Confirmation.DEVICES_CONFIGURED
        answers = [them.decide(overdue(13)) for _ in range(3)]

        assert answers == [None, None, DeadlineChoice.ROLL_BACK]
        assert "please type" in screen.getvalue()

    def test_is_over_once_nothing_is_to_be_decided(self, screen, tmp_path):
        """A late answer to a decision does not confirm the open task."""
        them = operator(screen, Typed("\n", "go on\n"), tmp_path)
        them.decide(overdue(13))
        them.decide(None)

        assert them.ask(TASK) is None
        assert "please type: done (?" in screen.getvalue()

    def test_is_asked_of_nobody_without_a_terminal(self, screen, tmp_path):
        """Without a terminal no question is printed."""
        assert operator(screen, NoPrompt(), tmp_path).decide(overdue(13)) is None
        assert screen.getvalue() == ""

    def test_is_not_asked_of_who_said_yes_beforehand(self, screen, tmp_path):
        """With --yes tasks can be confirmed, and no decision is asked."""
        them = AssumeYesOperator(
            Console(screen), Typed("roll back\n"), Run(tmp_path / "m-1"), RunCommands("m-1"), {}
        )

        assert them.decide(overdue(13)) is None
        assert screen.getvalue() == ""


ALL = tuple(InterruptChoice)


class TestCtrlCInTheOutage:
    """The question after Ctrl-C while traffic is down."""

    @pytest.mark.parametrize(
        ("typed", "choice"),
        [
            ("\n", InterruptChoice.RESUME),
            ("resume\n", InterruptChoice.RESUME),
            ("Roll  back\n", InterruptChoice.ROLL_BACK),
            ("rollback\n", InterruptChoice.ROLL_BACK),
            ("continue\n", InterruptChoice.RESUME),
            ("stop\n", InterruptChoice.STOP),
        ],
    )
    def test_an_empty_line_resumes_and_the_other_answers_are_typed(
        self, screen, tmp_path, typed, choice
    ):
        """The question does not block, and is shown once, with its default."""
        them = operator(screen, Typed(None, typed), tmp_path)

        assert [them.interrupted(ALL), them.interrupted(ALL)] == [None, choice]
        assert screen.getvalue().count("default: press Enter") == 1

    def test_an_empty_line_is_not_lost_on_a_task_that_reads_first(self, screen, tmp_path):
        """Only a question with a default takes it; another line answers the task."""
        them = operator(screen, Typed(None, "\n", "done\n"), tmp_path)
        them.interrupted(ALL)

        assert them.ask(TASK) is None
        assert them.interrupted(ALL) is InterruptChoice.RESUME
        them.interrupted(())
        assert them.ask(TASK) is Confirmation.DEVICES_CONFIGURED

    def test_in_a_rollback_it_does_not_offer_one(self, screen, tmp_path):
        """The run rolls back already."""
        them = operator(screen, Typed("roll back\n"), tmp_path)

        choices = (InterruptChoice.RESUME, InterruptChoice.STOP)

        assert them.interrupted(choices) is None
        assert "roll back" not in screen.getvalue().replace("please type", "")

    def test_a_terminal_that_is_lost_resumes(self, screen, tmp_path):
        """Without an answer the run goes on, which is the default."""
        assert operator(screen, NoPrompt(), tmp_path).interrupted(ALL) is InterruptChoice.RESUME

    def test_yes_does_not_answer_it(self, screen, tmp_path):
        """``--yes`` consents to the outage; it does not say what Ctrl-C in it means."""
        them = AssumeYesOperator(
            Console(screen), Typed("stop\n"), Run(tmp_path), RunCommands("m-1"), {}
        )

        assert them.interrupted(ALL) is InterruptChoice.STOP


class TestStdinPrompt:
    def test_does_not_wait_for_a_line(self):
        """Without input the answer is None at once."""
        reading, writing = os.pipe()
        with os.fdopen(reading) as stdin, os.fdopen(writing, "w") as keyboard:
            prompt = StdinPrompt(stdin)

            assert prompt.answer() is None
            keyboard.write("done\n")
            keyboard.flush()
            assert prompt.answer() == "done\n"
            assert prompt.patient

    def test_after_the_end_of_input_nobody_is_there(self):
        """After Ctrl-D, or on a lost terminal, the run is held instead of waiting."""
        reading, writing = os.pipe()
        os.close(writing)
        with os.fdopen(reading) as stdin:
            prompt = StdinPrompt(stdin)

            assert prompt.answer() is None
            assert not prompt.patient


class TestConsent:
    """The question before the outage, once the gates are open."""

    TO = Interruption(
        VpcId("vpc-1"),
        OutageEstimate(timedelta(minutes=2), "rehearsed", timedelta(minutes=45), "limits"),
    )

    @pytest.mark.parametrize(
        ("typed", "answer"),
        [
            ("y\n", Consent.GIVEN),
            ("Yes\n", Consent.GIVEN),
            ("n\n", Consent.REFUSED),
            ("\n", Consent.REFUSED),
        ],
    )
    def test_is_one_question_with_the_expected_outage(self, screen, tmp_path, typed, answer):
        """It does not block; Enter alone is a no."""
        them = operator(screen, Typed(None, typed), tmp_path)

        assert [them.consents(self.TO), them.consents(self.TO)] == [None, answer]
        assert " ".join(screen.getvalue().split()) == (
            "This interrupts VPN traffic of vpc-1 for about 2 min (rehearsed), at worst 45 min "
            "(limits). Continue? [y/N]"
        )

    def test_names_the_automatic_rollback(self):
        """The operator has to confirm afterwards."""
        question = interruption_question(self.TO, NO_NAMES, timedelta(hours=2))

        assert "; rolls back by itself unless confirmed within 2 h. Continue?" in question

    def test_cannot_be_asked_without_a_terminal(self, screen, tmp_path):
        """Nothing is printed, and nothing waits."""
        assert operator(screen, NoPrompt(), tmp_path).consents(self.TO) is Consent.IMPOSSIBLE
        assert screen.getvalue() == ""

    def test_is_answered_by_yes_beforehand(self, screen, tmp_path):
        """``--yes`` consents to the outage."""
        run = Run(tmp_path / "m-1")
        them = AssumeYesOperator(Console(screen), NoPrompt(), run, RunCommands("m-1"), {})

        assert them.consents(self.TO) is Consent.GIVEN


def test_a_signal_right_before_the_wait_for_a_line_is_not_lost():
    """It interrupts no system call then, and Enter may never be pressed."""
    person, terminal = pty.openpty()
    # Sets the flag of SIGINT as the signal does, without interrupting a call.
    arrives = threading.Timer(0.05, _thread.interrupt_main)
    enter = threading.Timer(20, lambda: os.write(person, b"\n"))
    enter.start()
    with open(terminal, encoding="utf-8") as stdin:  # noqa: PTH123  a descriptor
        arrives.start()
        with pytest.raises(KeyboardInterrupt):
            read_line(stdin)
        waits = enter.is_alive()
        enter.cancel()
    os.close(person)

    assert waits


@pytest.mark.parametrize(
    ("typed", "yes"), [("?\ny\n", True), ("help\nYES\n", True), ("?\n\n", False), ("?\n", False)]
)
def test_a_question_before_a_command_has_help(typed, yes, screen):
    """It is asked again after that; without an answer it is no consent."""
    reader, writer = os.pipe()
    os.write(writer, typed.encode())
    os.close(writer)
    with open(reader, encoding="utf-8") as stdin:  # noqa: PTH123  a pipe has no path
        assert says_yes(Console(screen), stdin, "Roll back?") is yes

    assert screen.getvalue().count("Roll back? [y/N]") == 2
    assert "n  change nothing in AWS (default)" in screen.getvalue()
