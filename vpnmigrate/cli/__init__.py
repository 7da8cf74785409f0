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
    from vpnmigrate.cli.signals import signals_as_interrupt, to_the_end

    def work() -> int:
        with signals_as_interrupt():
            from vpnmigrate.cli.main import run_command

            return run_command(sys.argv[1:])

    sys.exit(to_the_end(work))
