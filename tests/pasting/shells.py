"""Shells as in a new terminal, without a start-up file and variables."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REQUIRED = "VPNMIGRATE_TEST_ZSH"
"""Set to ``required`` by CI, where a missing zsh is a failure."""
SHELLS = {"bash": ("--norc", "--noprofile", "-i"), "zsh": ("-f", "-i")}
PATIENCE = 60
"""Seconds on a busy machine."""

_RECORDER = """#!/bin/sh
# Write the words received, each ended by NUL, and the variables that decide where AWS is.
{ printf '%s\\0' "${0##*/}" "$@"; printf '\\n'; } >> "$RECORDED"
env | grep -E '^(AWS_|VPNMIGRATE_)' >> "$RECORDED.env"
exit 0
"""


def require(name: str) -> None:
    """Skip the test if the shell *name* is missing, unless it is required."""
    if shutil.which(name) is None:
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(f"no {name} here, and {REQUIRED} requires it")
        pytest.skip(f"no {name} here. On Debian: sudo apt-get install {name}")


class Pasted:
    """A new terminal in an empty directory, whose programs record their words."""

    def __init__(self, shell: str, place: Path) -> None:
        require(shell)
        self._shell = shell
        self._place = place / f"terminal-{shell}"
        programs = self._place / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        for name in ("vpnmigrate", "aws", "chmod"):
            program = programs / name
            program.write_text(_RECORDER, encoding="utf-8")
            program.chmod(0o755)
        self._recorded = self._place / "recorded"
        self.environment: list[str] = []

    def paste(self, text: str) -> list[tuple[str, ...]]:
        """Paste *text*, and return the words of each command that ran."""
        self._recorded.unlink(missing_ok=True)
        (self._place / "recorded.env").unlink(missing_ok=True)
        home = self._place / "home"
        home.mkdir(exist_ok=True)
        ran = subprocess.run(
            [self._shell, *SHELLS[self._shell]],
            input=os.fsencode(f"{text}\n"),
            cwd=home,
            env={
                "HOME": str(home),
                "PATH": f"{self._place / 'bin'}:/usr/bin:/bin",
                "RECORDED": str(self._recorded),
                "LANG": "C.UTF-8",
                "HISTFILE": "/dev/null",
            },
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ran.returncode == 0, (text, ran.stderr)
        assert not list(home.iterdir()), f"a command of {text!r} made a file"
        lines = self._recorded.read_bytes().split(b"\0\n")
        env = self._place / "recorded.env"
        self.environment = env.read_text(encoding="utf-8").splitlines() if env.exists() else []
        return [tuple(map(os.fsdecode, line.split(b"\0"))) for line in lines if line]
