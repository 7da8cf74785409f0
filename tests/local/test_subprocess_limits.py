"""Limits of child processes, with real programs that exceed them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from vpnmigrate.local.program_files import pinned
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.subprocess_limits import (
    MOST_OUTPUT,
    ProcessLimits,
    ProcessResult,
    run_bounded,
)
from vpnmigrate.model.decisions import Decisions, HookMoment

PROGRAMS = pinned(Decisions(hooks={HookMoment.HELD: (sys.executable,)}))
PATIENT = ProcessLimits(timedelta(seconds=60))
SHORT = ProcessLimits(timedelta(seconds=0.3))


Python = Callable[..., ProcessResult]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with its directory."""
    run = Run(tmp_path / "m-1")
    run.path.mkdir()
    return run


@pytest.fixture
def python(run: Run) -> Python:
    """Run a line of Python within limits."""

    def python(text: str, bounds: ProcessLimits = PATIENT, data: bytes = b"") -> ProcessResult:
        return run_bounded([sys.executable, "-c", text], data, bounds, run, PROGRAMS)

    return python


def test_what_it_is_told_and_what_it_says(python):
    """The program can read its input, and both its outputs are kept as text."""
    ended = python(
        "import sys; print(sys.stdin.read()[::-1], flush=True); print('x', file=sys.stderr)",
        data=b"abc",
    )

    assert (ended.exit, ended.fault, ended.output.split()) == (0, "", ["cba", "x"])


@pytest.mark.parametrize(
    ("text", "exit_", "fault"),
    [
        ("raise SystemExit(3)", 3, "failed with exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", None, "was killed by signal 9"),
    ],
)
def test_how_it_ends_badly(python, text, exit_, fault):
    """An exit status and a signal are reported differently."""
    ended = python(text)

    assert (ended.exit, ended.fault) == (exit_, fault)


def test_what_cannot_be_run_is_no_exception(run):
    """A program without execute permission is a fault of the hook."""
    text = str(Path(__file__))
    programs = pinned(Decisions(hooks={HookMoment.HELD: (sys.executable, text)}))
    ended = run_bounded([text], b"", PATIENT, run, programs)

    assert ended.exit is None
    assert ended.fault == "could not be run: Permission denied"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("no-such-program-anywhere", "is not an absolute path, so PATH would decide"),
        ("./here", "so the working directory would decide"),
        ("/bin/sh", "the plan does not contain the hash of /bin/sh"),
        ("/a\0b", "the plan does not contain the hash"),
    ],
)
def test_what_the_plan_does_not_know_is_not_run(program, why, run):
    """A program with unpinned content, or a relative name from a forged plan, is not run."""
    ended = run_bounded([program], b"", PATIENT, run, {**PROGRAMS, "./here": "0" * 64})

    assert ended.exit is None
    assert ended.fault.startswith("was not run: ")
    assert why in ended.fault


def test_one_that_does_not_end_is_killed_with_all_it_started(python, tmp_path):
    """After the time limit, the program and its children are gone."""
    note = tmp_path / "pid"
    program = (
        "import os, time\n"
        "child = os.fork()\n"
        f"open({str(note)!r}, 'w').write(str(child)) if child else None\n"
        "time.sleep(600)"
    )
    for seconds in (2, 10, 50):  # On a busy machine it has not started everything after two.
        ended = python(program, ProcessLimits(timedelta(seconds=seconds)))
        assert (ended.exit, ended.fault) == (None, f"took over {seconds} s and was killed")
        if note.exists() and note.read_text():
            break

    assert _gone(int(note.read_text()))


def _gone(pid: int) -> bool:
    """Return whether *pid* has ended; a zombie counts as ended."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        Event().wait(0.05)  # The kernel may take a moment.
    return False


def test_one_that_deafens_itself_is_killed_all_the_same(python):
    """Neither ignored signals nor closed outputs keep a program alive beyond its time."""
    ended = python(
        f"import os, signal, time\nsignal.signal({int(signal.SIGTERM)}, signal.SIG_IGN)\n"
        "os.close(1); os.close(2); time.sleep(600)",
        SHORT,
    )

    assert ended.exit is None


def test_a_flood_of_output_is_capped_and_blocks_nobody(python):
    """Megabytes of output are read, and the beginning is kept."""
    ended = python("print('x' * 5_000_000)")

    assert ended.exit == 0
    assert ended.output == "x" * MOST_OUTPUT


def test_a_child_that_keeps_the_pipe_does_not_keep_us(python):
    """The end of the program counts, not that of a child which inherited its output."""
    ended = python(
        "import os, time\nif os.fork() == 0: time.sleep(1); os._exit(0)\nprint('bye', flush=True)"
    )

    assert (ended.exit, ended.output) == (0, "bye\n")


def test_it_does_not_have_to_listen(python):
    """A program that ends without reading its input has no fault."""
    assert python("pass", data=b"x" * 1_000_000).fault == ""


def test_output_that_is_no_text_is_shown_all_the_same(python):
    """Bytes that are not UTF-8 are escaped."""
    ended = python("import os; os.write(1, bytes([255, 65]))")

    assert ended.output == "\\xffA"
