"""Run commands at the same time; print what fails whole, and of others the last line.

usage: run_together.py COMMAND...     each command is one argument, with its words in it

The exit status is 1 if a command fails.  ``tox.ini`` uses it where each command has one processor.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor


def main(commands: list[str]) -> int:
    """Run *commands*, and return the exit status."""
    with ThreadPoolExecutor(max_workers=len(commands)) as pool:
        ended = list(pool.map(_run, commands))
    for command, process in zip(commands, ended, strict=True):
        lines = process.stdout.splitlines()
        shown = lines if process.returncode else lines[-1:]
        print(f"{command}:", *shown, sep="\n")
    return int(any(process.returncode for process in ended))


def _run(command: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    try:
        return subprocess.run(
            words,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        return subprocess.CompletedProcess(words, 127, f"{error}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if sys.argv[1:] else __doc__)
