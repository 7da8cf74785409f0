"""Runs the AWS CLI, an independent client, against a sandbox server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VARIABLE = "VPNMIGRATE_TEST_AWS_CLI"
"""Path of the program, in a separate environment because it pins botocore."""

REFUSED = 255
"""Exit status of the CLI, version 1, when a service refuses a call."""


class AwsCli:
    """The CLI with an environment in which only the sandbox can be reached."""

    def __init__(self, program: Path, environment: Mapping[str, str], home: Path) -> None:
        self._program = program
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AWS_CONFIG_FILE": str(home / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
            **environment,
        }

    def __call__(self, *words: str) -> Any:
        """Return the JSON output of ``aws WORDS``; None if it prints nothing."""
        done = self._run(*words)
        assert done.returncode == 0, f"aws {' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def refused(self, *words: str) -> str:
        """Return the error code of a refused ``aws WORDS``."""
        done = self._run(*words)
        assert done.returncode == REFUSED, f"aws {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stderr.partition("(")[2].partition(")")[0]

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(self._program), "--output", "json", *words]
        return subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
