"""The people of a run, as a terminal knows them."""

from __future__ import annotations

import io
import os
import sys

import pytest

from vpnmigrate.changes import AskOperator, RunTest
from vpnmigrate.cli.people import NoPrompt, StdinPrompt, TerminalPeople
from vpnmigrate.report.console import Console
from vpnmigrate.rundir import Run
from vpnmigrate.snapshot import Word

TASK = AskOperator(5, Word.DEVICES_CONFIGURED, "load the candidate")
PASSES = RunTest((sys.executable, "-c", "pass"))
FAILS = RunTest((sys.executable, "-c", "raise SystemExit(3)"))
MISSING = RunTest(("no-such-program-anywhere",))


class Typed:
    """A person who has typed *lines* and no more."""

    patient = True

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)

    def answer(self):
        return self._lines.pop(0) if self._lines else None


@pytest.fixture
def screen():
    return io.StringIO()


def people(screen, prompt, tmp_path):
    return TerminalPeople(Console(screen), prompt, Run(tmp_path / "m-1"))


class TestDeviceTasks:
    def test_done_gives_the_word(self, screen, tmp_path):
        """The word counts when the person says so, not before."""
        them = people(screen, Typed("\n", "Done\n"), tmp_path)

        assert [them.ask(TASK) for _ in range(3)] == [None, Word.DEVICES_CONFIGURED, None]

    def test_how_to_answer_is_told_once(self, screen, tmp_path):
        """Where the files lie and what to run is on the screen once, however often it is asked."""
        them = people(screen, NoPrompt(), tmp_path)

        for _ in range(3):
            them.ask(TASK)

        assert screen.getvalue().count("vpnmigrate done m-1 5") == 1
        assert str(tmp_path / "m-1" / "vault") in screen.getvalue()

    def test_anything_but_done_is_no_answer(self, screen, tmp_path):
        """A slip of the finger does not move a migration on."""
        them = people(screen, Typed("yes\n"), tmp_path)

        assert them.ask(TASK) is None
        assert "the answers are: done" in screen.getvalue()

    def test_what_comes_up_is_announced(self, screen, tmp_path):
        """The engineer hears of the next task while the gateways are swapped."""
        people(screen, NoPrompt(), tmp_path).announce(TASK)

        assert screen.getvalue() == "  COMING UP: load the candidate\n"


class TestTheTest:
    def test_exit_status_0_passes(self, screen, tmp_path):
        """A command that succeeds speaks for the test VPC."""
        assert people(screen, NoPrompt(), tmp_path).ask(PASSES) is Word.TEST_PASSED

    @pytest.mark.parametrize(
        ("test", "said"), [(FAILS, "exit status 3"), (MISSING, "cannot be run")]
    )
    def test_anything_else_does_not(self, screen, tmp_path, test, said):
        """A test that fails, or cannot be run, is told and gives no word."""
        assert people(screen, NoPrompt(), tmp_path).ask(test) is None
        assert said in screen.getvalue()

    def test_a_failed_test_is_run_again_only_when_asked(self, screen, tmp_path):
        """Looking again does not run the command again; the person decides."""
        them = people(screen, Typed("\n", "again\n", "done\n"), tmp_path)

        answers = [them.ask(FAILS) for _ in range(4)]

        assert answers == [None, None, None, Word.TEST_PASSED]
        assert screen.getvalue().count("exit status 3") == 2


class TestStdinPrompt:
    def test_does_not_wait_for_a_line(self):
        """Nothing typed is no answer, at once."""
        reading, writing = os.pipe()
        with os.fdopen(reading) as stdin, os.fdopen(writing, "w") as keyboard:
            prompt = StdinPrompt(stdin)

            assert prompt.answer() is None
            keyboard.write("done\n")
            keyboard.flush()
            assert prompt.answer() == "done\n"
            assert prompt.patient

    def test_after_the_end_of_input_nobody_is_there(self):
        """Ctrl-D, or a terminal that is gone, makes the run rest instead of waiting."""
        reading, writing = os.pipe()
        os.close(writing)
        with os.fdopen(reading) as stdin:
            prompt = StdinPrompt(stdin)

            assert prompt.answer() is None
            assert not prompt.patient
