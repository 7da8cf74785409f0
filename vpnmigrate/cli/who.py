"""Who sits here: the login name and the host, for the lock, the journal and the claim."""

from __future__ import annotations

import getpass
import secrets
import socket

from vpnmigrate.local.lock import Me, holder_name, this_process


def this_person() -> Me:
    """Give who runs this process."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # A container may run under a number that has no name.
        user = "unknown"
    return this_process(user, socket.gethostname())


def new_holder(me: Me) -> str:
    """Make the name under which a new run of *me* claims its gateway."""
    return holder_name(me.user, me.host, secrets.token_hex(4))
