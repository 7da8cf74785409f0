"""The command line: a file for every verb, no logic, and one way out with an exit code."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process and leave with one of the exit codes."""
    # Inside, because ``import vpnmigrate.cli`` is to be free of Typer.
    from vpnmigrate.cli.leave import run
    from vpnmigrate.cli.signals import to_the_end

    sys.exit(to_the_end(lambda: run(sys.argv[1:])))
