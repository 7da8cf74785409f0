"""An operator with a printed runbook and the AWS CLI, without this program."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

_BLOCK = re.compile(r"^(`{3,})bash (\w+) ?(\w*)\n(.*?)\n\1$", re.DOTALL | re.MULTILINE)
PATIENCE = 1200
"""Seconds for one direction: half a minute on an idle machine, ten times that on a busy one."""
SPY = """#!/bin/sh
{ printf '%s\\n' "$@"; env; } >>"$SPY_LOG"
exec "$SPY_PROGRAM" "$@"
"""


def blocks(document: str, direction: str, rows: str = "") -> list[str]:
    """Return the shell blocks of *way* in a printed runbook, only of *rows* if given."""
    return [
        text
        for _, of, row, text in _BLOCK.findall(document)
        if of == direction and (not rows or row in rows.split())
    ]


class Shell:
    """Bash with a CLI in its path that records its arguments and environment."""

    def __init__(self, program: Path, environment: Mapping[str, str], home: Path) -> None:
        self._home = home
        self._log = home / "argv-and-environment.log"
        bin_ = home / "bin"
        bin_.mkdir()
        spy = bin_ / "aws"
        spy.write_text(SPY, encoding="utf-8")
        spy.chmod(0o755)
        self._environment = {
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "AWS_CONFIG_FILE": str(home / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PAUSE": "0.3",
            "SPY_LOG": str(self._log),
            "SPY_PROGRAM": str(program),
            **environment,
        }

    @property
    def seen(self) -> str:
        """Everything about the commands that is visible to all users of the machine."""
        return self._log.read_text(encoding="utf-8")

    def paste(self, *blocks: str) -> str:
        """Run *blocks* in a new shell and return its output."""
        done = subprocess.run(
            ["bash"],
            input="\n".join(blocks),
            env=self._environment,
            cwd=self._home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout
