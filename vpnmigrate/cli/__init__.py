"""The command line: a file for every verb, no logic, and one way out with an exit code."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process and leave with one of the exit codes."""
    from vpnmigrate.cli.leave import run  # keeps ``import vpnmigrate.cli`` free of Typer

    sys.exit(run(sys.argv[1:]))
