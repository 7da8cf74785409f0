"""The tutorials, typed as they are written, in windows of 80 by 24 and an empty home."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.project.windows import COLUMNS, PROGRAM, Window, ids_of, until
from tests.support.warm.processes import CLIENT
from vpnmigrate.local.lock import watchdog_of
from vpnmigrate.local.run_directory import Run

ROOT = Path(__file__).parents[2]
TUTORIALS = (
    "tutorial.md",
    "tutorial-change-window.md",
    "tutorial-when-it-goes-wrong.md",
    "tutorial-discovery.md",
    "fleet.md",
)
PORTS = ("50555", "50556")
"""Ports on the pages: of the sandbox, and of a host behind the VPN."""
LONGEST = 300  # seconds of one command; each page takes about a minute on an idle machine

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"(?P<window>2?)\$ (?P<typed>.*)")
_ANSWER = re.compile(r"(?P<question>[a-z][A-Za-z/ ]*>) (?P<typed>.+)")
_LOG = re.compile(r"> (\S+\.log)(?: 2>&1)? &$")


@dataclass
class Typed:
    """What a person types, with the lines that the page shows below it."""

    typed: str
    window: str
    question: str = ""
    """The beginning of the line at which it is typed; empty for a command of the shell."""
    output: list[str] = field(default_factory=list)


def items(page: str) -> list[Typed]:
    """Return what *page* types; a line that starts with ``> `` continues the one before.

    A block that begins with output shows what the first window has now.
    """
    found: list[Typed] = []
    for block in _BLOCK.findall(page):
        if not block.startswith(("$", "2$")) and not _ANSWER.match(block):
            found.append(Typed("", ""))
        for line in block.splitlines():
            if command := _COMMAND.fullmatch(line):
                found.append(Typed(command["typed"], command["window"]))
            elif answer := _ANSWER.fullmatch(line):
                found.append(Typed(answer["typed"], "", answer["question"]))
            elif line.startswith("> "):
                found[-1].typed += f"\n{line[2:]}"
            elif line.strip() and line.strip() != "...":
                found[-1].output.append(line)
    return found


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


class Reader:
    """A person who follows a page, in one window or two."""

    def __init__(self, page: str, home: Path) -> None:
        for shown, free in zip(PORTS, _free_ports(len(PORTS)), strict=True):
            page = page.replace(shown, free)
        self._items = items(page)
        self._home = home
        self._ids: dict[str, str] = {}
        """The ids of the page, and those that this person has seen in their place."""
        environment = _environment(home)
        self._windows = {
            name: Window(home, environment) for name in {item.window for item in self._items}
        }
        self._running: dict[str, Typed] = {}
        self._asked: set[str] = set()
        """Windows whose next command asks for the exit status of the last one."""

    def read(self) -> None:
        """Type everything, and check that each line of the page is shown."""
        try:
            for number, item in enumerate(self._items):
                self._do(item, self._items[number + 1 :])
            for name in self._windows:
                self._end(name)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._transcript()}") from None
        finally:
            for window in self._windows.values():
                window.close()
            for run in self._home.glob("**/runs/m-*"):
                if (watchdog := watchdog_of(Run(run))) is not None:
                    os.kill(watchdog, signal.SIGKILL)  # it has a session of its own

    def _do(self, item: Typed, rest: list[Typed]) -> None:
        window, typed = self._windows[item.window], self._with_seen_ids(item.typed)
        if item.question:
            self._require(lambda: window.shows(item.question), f"no {item.question}")
            window.answer(typed)
        elif typed:
            self._end(item.window, asks=item.typed == "echo $?")
            window.type(typed)
            self._running[item.window] = item
        following = next((each for each in rest if each.window == item.window), None)
        goes_on = following is not None and following.question
        self._require(
            lambda: window.status is not None or self._missing(item) == [],
            f"{item.typed!r} does not show all of its lines",
        )
        if not typed:
            return
        if window.status is not None or not (goes_on or self._other_is_next(item, rest)):
            self._require(lambda: window.status is not None, f"{item.typed!r} does not end")
            self._require(lambda: self._missing(item) == [], f"{self._missing(item)} not shown", 2)
        if log := _LOG.search(typed):
            path = self._home / log[1]  # The shell shows its prompt before the log is created.
            self._require(lambda: path.is_file() and path.stat().st_size > 0, f"nothing in {path}")

    def _other_is_next(self, item: Typed, rest: list[Typed]) -> bool:
        return bool(rest) and (rest[0].window != item.window or not rest[0].typed)

    def _end(self, name: str, *, asks: bool = False) -> None:
        """Wait for the end of the last command of a window, which succeeds unless *asks*."""
        window, item = self._windows[name], self._running.pop(name, None)
        self._require(
            lambda: window.status is not None, f"{item.typed if item else 'the shell'} does not end"
        )
        if item is not None:
            assert asks or window.status == 0, f"{item.typed!r} ends with {window.status}"

    def _missing(self, item: Typed) -> list[str]:
        """Return the lines of the page that were not shown; learn the ids of the others."""
        missing = []
        for line in item.output:
            shown = self._windows[item.window].shown(line)
            if shown is None:
                missing.append(line)
            else:
                self._ids |= dict(zip(ids_of(line), ids_of(shown), strict=True))
        return missing

    def _with_seen_ids(self, typed: str) -> str:
        for id_ in ids_of(typed):
            typed = typed.replace(id_, self._ids.get(id_, id_))
        return typed

    def _require(self, reached, otherwise: str, within: float = LONGEST) -> None:
        assert until(reached, time.monotonic() + within), otherwise

    def _transcript(self) -> str:
        return "\n".join(
            f"--- window {name or '1'}\n" + "\n".join(window.transcript)
            for name, window in sorted(self._windows.items())
        )


def _environment(home: Path) -> dict[str, str]:
    programs = home / "bin"
    programs.mkdir(parents=True)
    program = programs / "vpnmigrate"
    client = f'exec "{sys.executable}" -IS "{CLIENT}" "${PROGRAM}" vpnmigrate "$@"'
    program.write_text(f"#!/bin/sh\n{client}\n", encoding="utf-8")
    program.chmod(0o755)
    return {
        "HOME": str(home),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _free_ports(many: int) -> list[str]:
    """Return *many* different free ports, each of five digits as on the pages."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(many)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [str(probe.getsockname()[1]) for probe in probes]


def test_the_tutorials_work_as_written(tmp_path: Path) -> None:
    """Each command succeeds, or the next one shows its exit code; each line of a page is shown.

    Each page has its own windows, home and sandbox, and they are read at the same time, since most
    of what they do is wait.
    """
    readers = [Reader(_page(name), tmp_path / name) for name in TUTORIALS]

    with ThreadPoolExecutor(len(readers)) as pool:
        for done in [pool.submit(reader.read) for reader in readers]:
            done.result()


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_page_fits_a_window(name: str) -> None:
    """What a page types and shows fits 80 columns, so that it reads the same in both places."""
    found = items(_page(name))
    lines = [line for block in _BLOCK.findall(_page(name)) for line in block.splitlines()]

    assert len(found) > 10
    assert [line for line in lines if len(line) > COLUMNS] == []
