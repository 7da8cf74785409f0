"""The tutorials run as written: every command, each page in one shell, in an empty home."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from vpnmigrate.local.lock import watchdog_of
from vpnmigrate.local.run_directory import Run

ROOT = Path(__file__).parents[2]
TUTORIALS = (
    "tutorial.md",
    "tutorial-change-window.md",
    "tutorial-when-it-goes-wrong.md",
    "tutorial-discovery.md",
)
PORT = "5055"
_UNTIL_IT_WRITES = """
for _ in $(seq 600); do
  [ -s {log} ] && break
  sleep 0.1
done"""
"""A reader is slower than this shell, so wait until a background command has written output."""
LONGEST = 900  # seconds, if one hangs; together they take one minute on an idle machine

_LOG = re.compile(r"> (\S+\.log)(?: 2>&1)? &$")

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What differs from run to run: ids, digests, times, durations, outside addresses.
_VARYING = re.compile(
    r"\bm-[0-9a-f]{8}\b|\b(?:vgw|vpn|cgw|rtb|vpc|subnet|run|mig|rtbassoc)-[0-9a-z]+\b"
    r"|\b[0-9a-f]{8,64}\b"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|\+00:00)?"
    r"|\b\d\d:\d\d:\d\d(?: UTC|Z)?"
    r"|\b\d+(?:\.\d+)? ?(?:s|min|h|d|seconds?|minutes?)\b(?: \d+ ?(?:s|min|h)\b)*"
    r"|\b198\.1[89]\.\d+\.\d+\b"
)


@dataclass(frozen=True)
class ShownCommand:
    """A command of a tutorial, with the output that the page shows."""

    command: str
    output: tuple[str, ...]


def transcripts(page: str) -> list[ShownCommand]:
    """Return the commands of *page*; a line that starts with ``> `` continues the one before."""
    found: list[ShownCommand] = []
    for block in _BLOCK.findall(page):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(ShownCommand(line[2:], ()))
            elif line.startswith("> "):
                found[-1] = ShownCommand(f"{found[-1].command}\n{line[2:]}", found[-1].output)
            elif line.strip() and line.strip() != "...":
                found[-1] = ShownCommand(found[-1].command, (*found[-1].output, line))
    return found


def steady(line: str) -> str:
    """Return *line* without the values that differ from run to run."""
    return re.sub(r"\s+", " ", _VARYING.sub("#", line)).strip()


def _script(commands: list[ShownCommand]) -> str:
    """Return a script that runs *commands*, each followed by its number and exit status."""
    lines = ["exec 2>&1"]
    for number, one in enumerate(commands):
        lines += [
            one.command,
            "status=$?",
            _UNTIL_IT_WRITES.format(log=log[1]) if (log := _LOG.search(one.command)) else "",
            f"printf '\\n<<<%s %s>>>\\n' {number} $status",
            "(exit $status)",
        ]
    return "\n".join([*lines, "kill $(jobs -p) 2>/dev/null; true", ""])


def _free_ports(many: int) -> list[str]:
    """Return *many* different free ports."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(many)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [str(probe.getsockname()[1]) for probe in probes]


def _run(commands: list[ShownCommand], home: Path, port: str) -> list[tuple[int, str]]:
    programs = home / "bin"
    programs.mkdir(parents=True)
    program = programs / "vpnmigrate"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vpnmigrate "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    environment = {
        "HOME": str(home),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    shell = subprocess.Popen(
        ["bash", "-c", _script(commands).replace(PORT, port)],
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        printed, _ = shell.communicate(timeout=LONGEST)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)  # the sandbox, if the shell could not end it
        for run in home.glob("**/runs/m-*"):
            if (watchdog := watchdog_of(Run(run))) is not None:
                os.kill(watchdog, signal.SIGKILL)  # it has a session of its own
    printed = printed.replace(f"127.0.0.1:{port}", f"127.0.0.1:{PORT}")
    parts = re.split(r"\n<<<(\d+) (\d+)>>>\n", printed)
    return [(int(status), text) for text, status in zip(parts[::3], parts[2::3], strict=False)]


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_the_tutorials_work_as_written(tmp_path: Path) -> None:
    """Each command succeeds, or the next one shows its exit code; each shown line is printed.

    Each page has its own shell, home and sandbox, and they are run at the same time, since most of
    what they do is wait.
    """
    commands = {name: transcripts(_page(name)) for name in TUTORIALS}

    with ThreadPoolExecutor(len(TUTORIALS)) as pool:
        runs = {
            name: pool.submit(_run, commands[name], tmp_path / name, port)
            for name, port in zip(TUTORIALS, _free_ports(len(TUTORIALS)), strict=True)
        }

    for name, run in runs.items():
        _require_as_written(commands[name], run.result())


def _require_as_written(commands: list[ShownCommand], results: list[tuple[int, str]]) -> None:
    transcript = "\n".join(
        f"$ {one.command}\n{text}[{status}]"
        for one, (status, text) in zip(commands, results, strict=False)
    )
    assert len(commands) == len(results), transcript
    for number, (one, (status, text)) in enumerate(zip(commands, results, strict=True)):
        asked = number + 1 < len(commands) and commands[number + 1].command == "echo $?"
        assert status == 0 or asked, transcript
        printed = {steady(line) for line in text.splitlines()}
        missing = [line for line in one.output if steady(line) not in printed]
        assert not missing, f"{missing} not printed by `{one.command}`:\n{transcript}"


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_has_commands(name: str) -> None:
    """Each tutorial has commands, so a renamed block does not go unnoticed."""
    assert len(transcripts(_page(name))) > 10
