"""Windows of 80 columns and 24 lines, in which a test types at a shell as a person would."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import secrets
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte

from tests.support.warm.processes import warm_program
from tests.support.warm.program import WINDOW

COLUMNS, LINES = 80, 24
HISTORY = 100_000
"""Lines that a window keeps, so that none is lost."""
GLANCE = 0.05
"""Seconds between two looks at a window."""
LOADED = ("vpnmigrate.cli", "vpnmigrate.sandbox", "vpnmigrate.planning", "vpnmigrate.rehearsal")
PROGRAM = "VPNMIGRATE_TEST_PROGRAM"
"""Environment variable: the socket of the warm program of this window's session."""
SHELL = ("bash", "--noprofile", "--norc", "-i")
TELL = r'printf "\033]2;%s %s\007" "$((++TYPED))" "$?"'
"""Sets the window's title to the number of commands and the exit status of the last one."""

# What differs from run to run: ids, digests, times, durations, outside addresses.
_VARYING = re.compile(
    r"\bm-[0-9a-f]{8}\b|\b(?:vgw|vpn|cgw|rtb|vpc|subnet|run|mig|rtbassoc)-[0-9a-z]+\b"
    r"|\b[0-9a-f]{8,64}\b"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|\+00:00)?"
    r"|\b\d\d:\d\d:\d\d(?: UTC|Z)?"
    r"|\b\d+(?:\.\d+)? ?(?:s|min|h|d|seconds?|minutes?)\b(?: \d+ ?(?:s|min|h)\b)*"
    r"|\b198\.1[89]\.\d+\.\d+\b"
    r"|\b\d\d-\d\d \d\d:\d\dZ|\b\d+ of \d+ lost|\bby [\w.-]+ on [\w.-]+"
)
# Of full length, because a line may be read while it is written.
_ID = re.compile(r"\b(?:m-[0-9a-f]{8}|(?:vgw|vpn)-[0-9a-f]{17})\b")


def steady(line: str) -> str:
    """Return *line* without the values that differ from run to run: ids become @, others #."""
    return re.sub(r"\s+", " ", _VARYING.sub("#", _ID.sub("@", line))).strip()


def ids_of(line: str) -> list[str]:
    """Return the ids in *line* that differ from run to run."""
    return _ID.findall(line)


class Window:
    """A shell in a window, what is typed there, and every line that it has shown."""

    def __init__(self, place: Path, environment: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        program = warm_program(*LOADED)
        address = str(program.address.with_name(secrets.token_hex(4)))
        prompts = {"PS1": "$ ", "PS2": "> ", "PROMPT_COMMAND": TELL, "TYPED": "-1"}
        self._shell = program.start(
            WINDOW,
            *(address, *SHELL),
            cwd=place,
            env={**environment, **prompts, PROGRAM: address},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            session=True,
            terminal=True,
        )
        os.close(theirs)
        self._screen = pyte.HistoryScreen(COLUMNS, LINES, history=HISTORY)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._since = 0
        """Number of the line at which the last command was typed, counted from the first."""
        self._read = 0
        self._shown: dict[str, str] = {}
        self._expected = 0
        self.transcript: list[str] = []
        """What was typed, and every line that was shown, in the order of its first appearance."""
        self._reader = threading.Thread(target=self._follow, daemon=True)
        self._reader.start()

    def type(self, text: str) -> None:
        """Type the lines of *text*, and Enter after each."""
        with self._lock:
            self._since = self._read = len(self._screen.history.top) + self._screen.cursor.y
            self._shown = {}
            self._expected += 1
            self.transcript.append(f"$ {text}")
        for line in text.split("\n"):
            os.write(self._ours, f"{line}\r".encode())

    def answer(self, text: str) -> None:
        """Type *text* and Enter at a question of the running command."""
        with self._lock:
            self.transcript.append(f"> {text}")
        os.write(self._ours, f"{text}\r".encode())

    @property
    def status(self) -> int | None:
        """The exit status of the last command; None while it runs."""
        number, _, status = self._screen.title.partition(" ")
        return int(status) if status and int(number) == self._expected else None

    def shows(self, start: str) -> bool:
        """Return whether a line of the window begins with *start* now."""
        with self._lock:
            return any(line.startswith(start) for line in self._screen.display)

    def shown(self, line: str) -> str | None:
        """Return a line shown since the last command that is *line* but for its values."""
        with self._lock:
            return self._shown.get(steady(line))

    def _follow(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := os.read(self._ours, 65_536):
                with self._lock:
                    self._stream.feed(chunk)
                    self._take()

    def _take(self) -> None:
        above = self._screen.history.top
        past = [_text(above[n]) for n in range(min(self._read, len(above)), len(above))]
        at = len(above)
        now = [line for n, line in enumerate(self._screen.display) if at + n >= self._since]
        self._read = max(self._since, at)
        for line in (*past, *now):
            text = line.rstrip()
            if text and steady(text) not in self._shown:
                self.transcript.append(text)
            self._shown[steady(text)] = text

    def close(self) -> None:
        """End everything that was started in the window."""
        for process in _of_session(self._shell.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._shell.wait()
        os.close(self._ours)


def until(reached: Callable[[], object], deadline: float) -> bool:
    """Wait until *reached*; return False if that was not before *deadline*."""
    while not reached():
        if time.monotonic() > deadline:
            return False
        time.sleep(GLANCE)
    return True


def _text(line: Mapping[int, pyte.screens.Char]) -> str:
    return "".join(line[column].data for column in range(COLUMNS))


def _of_session(session: int) -> list[int]:
    """Return the processes of a session."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                found.append(int(place.name))
    return found
