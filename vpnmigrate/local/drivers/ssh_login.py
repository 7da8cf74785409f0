"""SSH login: how the drivers over SSH identify themselves and the device.

A password comes from a private file or a program, and is neither an argument nor in the
environment.  The device's host key has to be in the file of known hosts.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from vpnmigrate.local.drivers.verbs import DriverError
from vpnmigrate.model.decisions import SshAccess

CONNECT_LIMIT: Final = 10.0
"""Seconds for a connection, and for the answer to a login."""
READ_SHARE: Final = 4
"""The answer to one command may take the limit of the call divided by this: 30 s by default, as a
commit of a large router does.  After one that is lost there is time to look again."""
PASSWORD_LIMIT: Final = 10.0
"""Seconds for the program that prints the password."""
_OTHERS: Final = 0o077


def netmiko_arguments(
    access: SshAccess, command: Sequence[str], limit_seconds: float
) -> dict[str, Any]:
    """Return netmiko's arguments for a connection.

    *command* is the program for the password, and *limit_seconds* the limit of the whole call.

    Raises:
        DriverError: A file, the program or the agent gives no secret.
    """
    by_agent = not (access.key_file or access.password_file or command)
    if access.key_file:
        _require_private(Path(access.key_file))
    elif by_agent and not _agent_has_keys():
        raise DriverError(
            "the SSH agent has no key, and the playbook names neither key file nor password, so "
            "nothing was sent: `ssh-add KEY_FILE`, in the session in which vpnmigrate runs"
        )
    return {
        "host": access.host,
        "port": access.port,
        "username": access.user,
        "password": password_of(access, command),
        "use_keys": bool(access.key_file),
        "key_file": access.key_file or None,
        "allow_agent": by_agent,
        "ssh_strict": True,
        "system_host_keys": not access.known_hosts,
        "alt_host_keys": bool(access.known_hosts),
        "alt_key_file": access.known_hosts,
        "conn_timeout": CONNECT_LIMIT,
        "banner_timeout": CONNECT_LIMIT,
        "auth_timeout": CONNECT_LIMIT,
        "read_timeout_override": limit_seconds / READ_SHARE,
    }


def _agent_has_keys() -> bool:
    try:
        from paramiko import Agent  # noqa: PLC0415  an extra
    except ImportError:
        return True  # The driver names its missing library when it connects.
    agent = Agent()
    try:
        return bool(agent.get_keys())
    finally:
        agent.close()


def password_of(access: SshAccess, command: Sequence[str]) -> str | None:
    """Return the password, or None if the login uses a key.

    Raises:
        DriverError: The file or the program does not give one.
    """
    if access.password_file:
        path = Path(access.password_file)
        _require_private(path)
        found = path.read_text(encoding="utf-8")
    elif command:
        found = _printed_by(command)
    else:
        return None
    lines = found.splitlines()
    if not lines or not lines[0]:
        raise DriverError(f"{access.password_file or command[0]} gives no password")
    return lines[0]


def _printed_by(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603  the program of the plan, shown and approved
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=PASSWORD_LIMIT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise DriverError(f"{command[0]} gives no password: {why}") from None
    return done.stdout.decode(errors="replace")


def _require_private(path: Path) -> None:
    """Check that *path* is a file that only this user can read.

    Raises:
        DriverError: Others can read it, or it cannot be read.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise DriverError(f"{path}: {error.strerror}") from None
    if not stat.S_ISREG(found.st_mode) or found.st_mode & _OTHERS:
        raise DriverError(f"others may read {path}, so it is not used: chmod 600 {path}")
    if found.st_uid not in (os.geteuid(), 0):
        raise DriverError(f"{path} belongs to another user, so it is not used")
