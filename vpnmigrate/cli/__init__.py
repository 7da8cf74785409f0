"""Command line: a file per command or group of commands, and what they share.

Commands parse options and print results; the work is done by the packages below.
Begin with ``app``, then ``commands/apply`` and ``run_session``.
"""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process and exit with its exit code."""
    # Imported here, so that ``import vpnmigrate.cli`` does not import Typer.
    from vpnmigrate.cli.main import run_command
    from vpnmigrate.cli.signals import to_the_end

    sys.exit(to_the_end(lambda: run_command(sys.argv[1:])))
