"""Command line: a file per command or group of commands, and what they share.

Commands parse options and print results; the work is done by the packages below.
Begin with ``app``, then ``commands/apply`` and ``run_session``.
"""

from __future__ import annotations

import atexit
import gc
import sys
from typing import Final, NoReturn

NEW_OBJECTS: Final = 200_000
"""Objects created, and not freed, between two garbage collections.

The start of a command creates this many, which stay; Python's 700 searches them again and again."""


def main() -> NoReturn:
    """Run the command line of this process and exit with its exit code.

    A start with AWS's client takes a third less CPU without most of Python's garbage collections.
    """
    gc.set_threshold(NEW_OBJECTS)
    atexit.register(gc.freeze)  # What exists at the end is not searched for garbage any more.
    # Imported here, so that ``import vpnmigrate.cli`` does not import Typer.
    from vpnmigrate.cli.signals import signals_as_interrupt, to_the_end

    def work() -> int:
        with signals_as_interrupt():
            from vpnmigrate.cli.main import run_command

            return run_command(sys.argv[1:])

    sys.exit(to_the_end(work))
