"""Extras: optional libraries, and the command that installs them for this program."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.errors.commands import Command

EXTRA_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "alembic",
            "icalendar",
            "pgqueuer",
            "psycopg",
            "recurring_ical_events",
            "sqlalchemy",
            "starlette",
            "uvicorn",
        ),
        "fleet",
    ),
    "vici": "lab",
    "napalm": "napalm",
    "netmiko": "netmiko",
}
"""An extra with each library that a command may lack, by the name that is imported."""


def install_command(extra: str) -> Command:
    """Return the command that installs *extra* for the interpreter of this process.

    ``pip`` alone is often that of another environment.  An environment of uv has none.
    """
    named = f"vpnmigrate[{extra}]"
    if find_spec("pip") is None:
        return Command(("uv", "pip", "install", "--python", sys.executable, named))
    return Command((sys.executable, "-m", "pip", "install", named))


def missing_library(error: ModuleNotFoundError) -> UsageError | None:
    """Return the message about the library of an extra that *error* names; None for others."""
    library = (error.name or "").partition(".")[0]
    extra = EXTRA_OF.get(library)
    if extra is None:
        return None
    return UsageError(
        f"this command needs the library {library}, which is not installed; nothing was changed",
        advice=install_command(extra),
    )
