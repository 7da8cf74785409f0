"""Who sits here: the login name and the host, for the lock, the journal and the claim."""

from __future__ import annotations

import getpass
import secrets
import socket

from vpnmigrate.claims import holder_name
from vpnmigrate.lock import Me, this_process


def me() -> Me:
    """Give who this process is."""
    return this_process(_user(), socket.gethostname())


def new_holder() -> str:
    """Make the name under which a new run claims its gateway."""
    return holder_name(_user(), socket.gethostname(), secrets.token_hex(4))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run under a number that has no name.
        return "unknown"
