"""Shell quoting preserves the text and shows every character of it."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from vpnmigrate.model.errors.commands import quoted
from vpnmigrate.report.runbook.aws_cli.commands import as_json

SHELLS = [name for name in ("bash", "zsh") if shutil.which(name)]
TEXTS = [
    "plain",
    "two words",
    "it's; touch PWNED #",
    "a\u202eb\u2066'c\\d",
    "\u2028\u2029\x85\x9b",
    "\x1b[2J\x07",
    "B\u00fcro \u2013 \U0001f600 \U000e0001",
    "$(id) `id` $HOME !!",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_reads_the_very_text(shell, text):
    """The escapes are the shell's own, so no text is lost."""
    word = quoted(text)

    assert word.isprintable()
    found = subprocess.run(
        [shell, "-c", f"printf %s {word}"],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    assert found.stdout.decode() == text


@pytest.mark.parametrize("text", TEXTS)
def test_json_for_the_cli_is_ascii(text):
    """The JSON for the CLI is equivalent, and no character in it is invisible."""
    written = as_json({"Value": text})

    assert written.isascii()
    assert json.loads(written) == {"Value": text}
