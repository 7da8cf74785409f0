"""Terminals of a migration: one serves the sandbox, the others run the program.

A command is a process of the warm program, because the tests here are about runs and not about
starts; the one that serves the sandbox starts as an operator's does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.warm.processes import WarmProcess, warm_program
from vpnmigrate.local.readable import readable

ROOT = Path(__file__).parents[2]
PATIENCE = 120
"""Limit of one command in machine seconds; the longest takes ten on an idle machine."""

PAUSE = 0.1
"""Seconds between two looks at a pseudo-terminal, or two lines that are typed at it."""

QUICK = "tests.e2e.quick"
_REAL = "vpnmigrate"


@contextmanager
def served(scenario: str, speed: int) -> Iterator[Mapping[str, str]]:
    """Serve *scenario* in another process, and return the environment it prints."""
    words = ("sandbox", "serve", "--scenario", scenario, "--speed", str(speed), "--json")
    with subprocess.Popen(
        [sys.executable, "-m", _REAL, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] not in {"}\n", ""}:
            lines.append(process.stdout.readline())
        try:
            yield json.loads("".join(lines))["environment"]
        finally:
            process.terminate()
            process.wait(PATIENCE)
    assert process.returncode == 0


class Keyboard:
    """The person's end of a pseudo-terminal: what is typed there, and what is printed on it."""

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self.output = ""

    def type(self, text: str) -> None:
        """Type *text*."""
        os.write(self.terminal, text.encode())

    def wait_for(self, text: str, typing: str = "") -> str:
        """Return the output up to *text*, and forget it; type *typing* again and again until then.

        The last answer to what is typed may follow.
        """
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            assert time.monotonic() < deadline, f"no {text!r} in {self._printed(typing)}"
            if not self.read() and typing:
                self.type(typing)
        seen, _, self.output = self.output.partition(text)
        return seen

    def _printed(self, typed: str) -> list[str]:
        """Return the last lines of the output that are not *typed*."""
        lines = self.output.splitlines()
        return [line for line in lines if not (typed and line.strip("$ ") == typed.strip())][-60:]

    def read(self) -> bool:
        """Read what is printed within a moment; return whether there was anything."""
        if not readable(self.terminal, PAUSE):
            return False
        try:
            self.output += os.read(self.terminal, 65536).decode(errors="replace")
        except OSError:
            time.sleep(PAUSE)  # The process has closed its end.
            return False
        return True


class Terminal:
    """A shell that runs ``vpnmigrate``, without AWS settings in its environment."""

    def __init__(self, environment: Mapping[str, str], home: Path) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "VPNMIGRATE_HOME": str(home / "runs"),
            # The watchdog of ``tests.e2e.quick`` works in another directory.
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            **environment,
        }

    def real(self, *words: str) -> Any:
        """Run ``vpnmigrate WORDS --json`` on the machine's clock; return what it prints."""
        return self._finished(0, _REAL, *words)

    def quick(self, *words: str, leaves: int = 0) -> Any:
        """Run ``vpnmigrate WORDS --json`` on the sandbox's clock; it exits with *leaves*."""
        return self._finished(leaves, QUICK, *words)

    @contextmanager
    def until_said(self, text: str, *words: str, leaves: int) -> Iterator[None]:
        """Run ``vpnmigrate WORDS`` until it prints *text*, and then to its end.

        It ends with exit code *leaves*, after the caller has acted in between.
        """
        process = self._begun(QUICK, *words)
        assert process.stderr is not None
        try:
            output = [""]
            while text not in output[-1]:
                output.append(process.stderr.readline())
                assert output[-1], f"it ended without that: {''.join(output)}"
            yield
            _, complaint = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == leaves, complaint

    def begun(self, *words: str, **how: Any) -> WarmProcess:
        """Start ``vpnmigrate WORDS`` on the sandbox's clock; *how* is for ``WarmProgram``."""
        return self._begun(QUICK, *words, **how)

    def _finished(self, leaves: int, *command: str) -> Any:
        with self._begun(*command, "--json") as process:
            found, complaint = process.communicate(timeout=PATIENCE)
        assert process.returncode == leaves, f"{' '.join(command)}: {complaint}"
        return json.loads(found)

    def _begun(self, *command: str, **how: Any) -> WarmProcess:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return warm_program("vpnmigrate.cli").start(
            *command, env=self.environment, **(streams | how)
        )
