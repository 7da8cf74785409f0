"""The input line below the live screen, at a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import termios
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest

from tests.report.examples import BEGAN
from vpnmigrate.cli.prompts import PromptReader, StdinPrompt
from vpnmigrate.journal import RunState
from vpnmigrate.local.readable import readable
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.report.console import Console
from vpnmigrate.report.input_line import InputLine, LineEditor, MutedInputLine, muted
from vpnmigrate.report.screen import ScreenContent, TypedLine, input_text, screen
from vpnmigrate.report.terminal import TerminalProgress
from vpnmigrate.report.text import RunCommands

PATIENCE = 30
"""Seconds for a key to arrive on a busy machine."""


@pytest.mark.parametrize(
    ("keys", "lines", "left"),
    [
        ("done\r", ["done"], ""),
        ("dox\x7fne\n", ["done"], ""),
        ("go away\x17on\n", ["go on"], ""),
        ("yes\x15no\n", ["no"], ""),
        ("a\x1b[A\x1b[3~\x1bOPb", [], "ab"),
        ("\x1bxyz", [], "yz"),
        ("\x00\t\x0cok\n\n", ["ok", ""], ""),
        ("\x7f\x7fk", [], "k"),
    ],
)
def test_keys_edit_the_line(keys, lines, left):
    """Backspace, Ctrl-U and Ctrl-W work; other keys without a letter do nothing."""
    editor = LineEditor()

    assert editor.type(keys) == lines
    assert (editor.text, editor.ended) == (left, False)


def test_ctrl_d_ends_the_input_on_an_empty_line_only():
    """As at the terminal's own line."""
    editor = LineEditor()

    editor.type("a\x04")
    assert not editor.ended
    editor.type("\x15\x04")
    assert editor.ended


class Keyboard:
    """A pseudo-terminal: the keys of a person, and the program's standard input."""

    def __init__(self) -> None:
        self.person, self._theirs = pty.openpty()
        self.stdin: TextIO = os.fdopen(self._theirs, encoding="utf-8")

    def type(self, keys: str) -> None:
        os.write(self.person, keys.encode())

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.stdin)[3] & termios.ECHO)


@pytest.fixture
def keyboard() -> Iterator[Keyboard]:
    found = Keyboard()
    yield found
    found.stdin.close()
    os.close(found.person)


def until(reached: Callable[[], bool]) -> None:
    """Wait until *reached*."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def answer_of(prompt: StdinPrompt) -> str:
    """Wait for the next answer."""
    answer: str | None = None

    def given() -> bool:
        nonlocal answer
        answer = prompt.answer()
        return answer is not None

    until(given)
    assert answer is not None
    return answer


@pytest.fixture
def listening(keyboard) -> Iterator[InputLine]:
    line = InputLine(keyboard.stdin)
    line.open()
    reader = threading.Thread(target=line.listen, args=(lambda: None,))
    reader.start()
    yield line
    line.close()
    reader.join(PATIENCE)
    assert not reader.is_alive()


def test_a_key_is_known_before_enter_and_a_line_after_it(keyboard, listening):
    """The screen can show what is typed; the prompt reads whole lines."""
    keyboard.type("do")
    until(lambda: listening.shown == TypedLine("do"))
    assert listening.line() is None

    keyboard.type("ne\r")
    prompt = StdinPrompt(keyboard.stdin, listening)

    assert answer_of(prompt) == "done\n"
    assert prompt.patient


def test_the_end_of_input_is_the_end_of_patience(keyboard, listening):
    """After Ctrl-D no operator is present, as without the input line."""
    prompt = StdinPrompt(keyboard.stdin, listening)

    keyboard.type("\x04")

    until(lambda: prompt.answer() is None and not prompt.patient)


def test_the_terminal_is_as_before_afterwards(keyboard):
    """The echo is off below the screen only; then lines are read from the terminal again."""
    line = InputLine(keyboard.stdin)
    before = termios.tcgetattr(keyboard.stdin)

    line.open()
    assert not keyboard.echoes
    line.close()

    assert termios.tcgetattr(keyboard.stdin) == before
    keyboard.type("later\n")
    assert answer_of(StdinPrompt(keyboard.stdin, line)) == "later\n"


def test_the_echo_is_turned_off_again_after_the_shell_has_turned_it_on(keyboard, listening):
    """Ctrl-Z and fg leave the shell's modes behind."""
    modes = termios.tcgetattr(keyboard.stdin)
    modes[3] |= termios.ECHO | termios.ICANON
    termios.tcsetattr(keyboard.stdin, termios.TCSANOW, modes)

    until(lambda: not keyboard.echoes)


def test_keys_at_a_terminal_that_asks_nothing_are_dropped(keyboard):
    """They are neither echoed over the screen nor left for the shell; Ctrl-D ends nothing."""
    keyboard.type("before\n")

    with muted(keyboard.stdin):
        keyboard.type("y\n\x04done\n")
        until(lambda: not keyboard.echoes)
        until(lambda: not readable(keyboard.stdin, 0))

    assert keyboard.echoes
    assert MutedInputLine(keyboard.stdin).shown is None
    keyboard.type("after\n")
    assert answer_of(StdinPrompt(keyboard.stdin)) == "after\n"


def test_the_screen_shows_the_answers_and_what_is_typed():
    """Of a line that is too long the end is shown, and it is plain ASCII."""
    shown = ScreenContent(RunCommands("m-1"), RunState(), BEGAN)

    def at(text: str, *answers: str) -> str:
        content = ScreenContent(None, RunState(), BEGAN, typing=TypedLine(text, answers))
        return input_text(content, 20)

    assert input_text(shown, 20) == ""
    assert at("do", "done") == "done> do"
    assert at("", "y/N", "done") == "y/N or done> "
    assert at("x" * 30 + "é", "done") == "x" * 18 + "?"


def test_the_screen_shows_the_whole_question():
    """It takes the place of the wait, which would only say that an answer is awaited."""
    question = "This interrupts VPN traffic of vpc-1. Continue? " * 4
    content = ScreenContent(None, RunState(), BEGAN, typing=TypedLine("", ("y/N",), question))

    lines = screen(content, 80, 24)

    assert lines[1].startswith("QUESTION: This interrupts")
    assert " ".join(line.strip() for line in lines[1:]).endswith("Continue?")


def test_an_answer_is_kept_above_the_screen_and_its_question_removed(keyboard):
    """What was typed stays in the terminal's history."""
    line = InputLine(keyboard.stdin)

    class Output(Console):
        def __init__(self) -> None:
            super().__init__()
            self.input_line = line
            self.lines: list[str] = []

        def print_line(self, text: str = "") -> None:
            self.lines.append(text)

    class Typed:
        patient = reachable = True

        def answer(self) -> str:
            return "Yes \n"

    output = Output()
    reader = PromptReader(output, Typed())

    typed = reader.answer("yes", "no", question="Did it?")
    asked = line.answers, line.question
    reader.close("yes", "no")

    assert typed == "yes"
    assert output.lines == ["> Yes"]
    assert asked == (("yes/no",), "Did it?")
    assert (line.answers, line.question) == ((), "")


def test_keys_are_drawn_at_once_and_the_terminal_is_restored(keyboard, monkeypatch):
    """A key does not wait for the next redraw; the screen leaves the terminal as it was."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    ours, theirs = pty.openpty()
    shown = b""

    def drawn(text: bytes) -> bool:
        nonlocal shown
        if readable(ours, 0):
            shown += os.read(ours, 65_536)
        return text in shown

    line = InputLine(keyboard.stdin)
    with (
        os.fdopen(theirs, "w", encoding="utf-8") as stream,
        TerminalProgress(Console(stream), SteadyClock(), input_line=line),
    ):
        line.answers = ("done",)
        for typed in ("d", "do"):
            keyboard.type(typed[-1])
            until(lambda: drawn(b"done> " + typed.encode()))  # noqa: B023  called at once
    os.close(ours)

    assert keyboard.echoes
