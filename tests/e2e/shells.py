"""The terminals of a migration: one serves the sandbox, the others run the program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE = 120
"""Seconds of the machine for any one command; the longest takes ten on an idle one."""

_REAL = ("-m", "vpnmigrate")
_QUICK = ("-m", "tests.e2e.quick")


@contextmanager
def served(scenario: str, speed: int) -> Iterator[Mapping[str, str]]:
    """Serve *scenario* in a process of its own, and give the environment it prints."""
    words = ("sandbox", "serve", "--scenario", scenario, "--speed", str(speed), "--json")
    with subprocess.Popen(
        [sys.executable, *_REAL, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
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


class Terminal:
    """Where ``vpnmigrate`` is typed, with nothing in its environment that leads to AWS."""

    def __init__(self, environment: Mapping[str, str], home: Path) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "VPNMIGRATE_HOME": str(home / "runs"),
            "PYTHONPATH": str(ROOT),  # the watchdog of ``tests.e2e.quick`` works elsewhere
            "PYTHONWARNINGS": "error",
            **environment,
        }

    def real(self, *words: str) -> Any:
        """Run ``vpnmigrate WORDS --json`` in the machine's time; give what it prints."""
        return self._finished(0, (*_REAL, *words))

    def quick(self, *words: str, leaves: int = 0) -> Any:
        """Run ``vpnmigrate WORDS --json`` in the sandbox's time; it exits with *leaves*."""
        return self._finished(leaves, (*_QUICK, *words))

    @contextmanager
    def until_said(self, text: str, *words: str, leaves: int) -> Iterator[None]:
        """Run ``vpnmigrate WORDS`` until it says *text*, and then to its end.

        It ends by itself, with *leaves*, after what the caller has done meanwhile.
        """
        process = self._begun((*_QUICK, *words))
        assert process.stderr is not None
        try:
            said = [""]
            while text not in said[-1]:
                said.append(process.stderr.readline())
                assert said[-1], f"it ended without that: {''.join(said)}"
            yield
            _, complaint = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == leaves, complaint

    def begun(self, *words: str, **how: Any) -> subprocess.Popen[str]:
        """Begin ``vpnmigrate WORDS`` in the sandbox's time; *how* is Popen's, for its streams."""
        return self._begun((*_QUICK, *words), **how)

    def _finished(self, leaves: int, command: tuple[str, ...]) -> Any:
        with self._begun((*command, "--json")) as process:
            found, complaint = process.communicate(timeout=PATIENCE)
        assert process.returncode == leaves, f"{' '.join(command)}: {complaint}"
        return json.loads(found)

    def _begun(self, command: tuple[str, ...], **how: Any) -> subprocess.Popen[str]:
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=self.environment,
            text=True,
            **(streams | how),
        )
