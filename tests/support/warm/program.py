"""``vpnmigrate``, started once: ``python -m tests.support.warm.program SOCKET PACKAGES...``.

Each of its commands is the same code in a process of its own, with the modules already loaded.
"""

from __future__ import annotations

import importlib
import io
import os
import pkgutil
import runpy
import subprocess
import sys
from contextlib import redirect_stderr

import botocore.session

from tests.support.warm.forks import Forks, run
from vpnmigrate.aws.session import session_with_models
from vpnmigrate.cli import main as vpnmigrate  # before it becomes the module of that name
from vpnmigrate.cli.main import run_command

REGION = "us-east-1"
WINDOW = "window"
"""Command that leads the session of a terminal, and serves the shell that is started there.

Its words are a socket and the command line of the shell."""


def main(address: str, *packages: str) -> None:
    """Load *packages*, and serve commands until standard input is closed."""
    for package in packages:
        _load(package)
    # What Typer and botocore load late.
    with redirect_stderr(io.StringIO()):
        run_command(["unknown"])
    for service in ("ec2", "sts"):
        session_with_models(botocore.session.Session(), REGION).client(service)
    forks = Forks(address)
    print("ready", flush=True)  # noqa: T201  the parent process reads it
    module, *words = forks.next_command(0).words
    if module == WINDOW:
        within, *shell = words
        forks = Forks(within)
        leader = os.pidfd_open(subprocess.Popen(shell).pid)
        module, *words = forks.next_command(leader).words
    sys.argv = [module, *words]
    if module == "vpnmigrate":
        run(vpnmigrate)
    run(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True))


def _load(package: str) -> None:
    module = importlib.import_module(package)
    for each in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{package}."):
        importlib.import_module(each.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
