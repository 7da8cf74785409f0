"""Start each verb in a process of its own, signal it, and print the exit codes as JSON.

usage: python -m tests.cli.every_verb VERB...

The signal arrives while the command is being loaded: after the program has begun, and before the
command has an effect.  The processes are forked, so that Typer is imported once.
"""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import sys
from contextlib import redirect_stderr
from importlib import import_module
from typing import Any

from vpnmigrate.cli import main  # before it becomes the module of that name
from vpnmigrate.cli.main import run_command

# Typer, its application, and what reports an interruption, before the forks.
for needed in ("app", "context", "invocation", "run_status"):
    import_module(f"vpnmigrate.cli.{needed}")
import_module("vpnmigrate.report.errors")
with redirect_stderr(io.StringIO()):
    run_command(["unknown"])  # loads what Typer loads late
gc.freeze()

COMMANDS = "/vpnmigrate/cli/commands/"
NOT_SENT = 100
"""No exit code of the program: the command was not loaded."""
SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def exit_code(verb: str, number: signal.Signals) -> int:
    """Return the exit code of *verb* after the signal; negative if the signal killed it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sent = False

    def on_event(event: str, details: tuple[Any, ...]) -> None:
        nonlocal sent
        loads = event == "exec" and COMMANDS in getattr(details[0], "co_filename", "")
        if loads and not sent:
            sent = True
            os.kill(os.getpid(), number)

    sys.addaudithook(on_event)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    sys.argv = ["vpnmigrate", *verb.split(), "--help"]
    try:
        main()
    except SystemExit as ended:
        os._exit(int(ended.code or 0) if sent else NOT_SENT)
    os._exit(NOT_SENT)


if __name__ == "__main__":
    codes = {verb: [exit_code(verb, number) for number in SIGNALS] for verb in sys.argv[1:]}
    sys.stdout.write(json.dumps(codes))
