"""Questions that need a yes before anything is done."""

from __future__ import annotations

import sys

from vpnmigrate.cli.desk import Desk
from vpnmigrate.cli.flags import Asking
from vpnmigrate.errors import HeldError
from vpnmigrate.report.text import wrapped


def require_yes(desk: Desk, asking: Asking, question: str) -> None:
    """Ask the person at the terminal, if there is one who has not said yes beforehand.

    Off a terminal the command itself is the answer: it names what it works on.

    Raises:
        HeldError: They did not say yes.
    """
    if asking.yes or not desk.parts.attended(asking):
        return
    desk.console.say(wrapped(f"{question} [y/N]"))
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise HeldError("not begun: nobody said yes", advice="say yes, or give --yes")
