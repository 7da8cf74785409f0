"""An SSH server on loopback, behind which a router's command line is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import paramiko

from tests.support.fake_routers import PASSWORD, USER, IosRouter, Router
from vpnmigrate.model.decisions import SshAccess

_LONGEST_WAIT = 30.0


class _Guard(paramiko.ServerInterface):  # type: ignore[misc]  # it has no types
    """Lets the user in by password or key, and serves a terminal or a copy to the router."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def check_auth_password(self, username, password):
        self._router.logins.append(username)
        known = (username, password) == (USER, PASSWORD)
        return paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username, key):
        self._router.logins.append(username)
        known = username == USER and key.get_base64() in self._router.authorized_keys
        return paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username):
        return "password,publickey"

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_pty_request(self, channel, *terminal):
        return True

    def check_channel_shell_request(self, channel):
        _in_thread(_serve_terminal, channel, self._router)
        return True

    def check_channel_exec_request(self, channel, command):
        _in_thread(_receive_file, channel, self._router, command.decode())
        return isinstance(self._router, IosRouter)


def _in_thread(work, *arguments) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


def _serve_terminal(channel: paramiko.Channel, router: Router) -> None:
    session, pending = router.session(), b""
    with suppress(OSError, EOFError):
        channel.sendall(session.prompt.encode())
        while received := channel.recv(65536):
            pending += received.replace(b"\r", b"\n")
            while b"\n" in pending:
                line, _, pending = pending.partition(b"\n")
                typed = line.decode()
                router.typed.append(typed.strip())
                said = router.answers.get(typed.strip()) or session.answer(typed)
                if router.cut_off():
                    channel.get_transport().close()
                    return
                shown = f"{typed}\n{said}\n" if said else f"{typed}\n"
                channel.sendall(f"{shown}{session.prompt}".replace("\n", "\r\n").encode())


def _receive_file(channel: paramiko.Channel, router: IosRouter, command: str) -> None:
    """Receive one file, as ``scp -t`` does."""
    with suppress(OSError, EOFError):
        channel.sendall(b"\0")
        header = b""
        while not header.endswith(b"\n"):
            header += channel.recv(1)
        size = int(header.split()[1])
        channel.sendall(b"\0")
        content = b""
        while len(content) <= size:
            content += channel.recv(65536)
        router.files[command.rpartition("/")[2].strip("'\"")] = content[:size].decode()
        channel.sendall(b"\0")
        channel.send_exit_status(0)
    with suppress(OSError, EOFError):  # The client may have gone as soon as it had the status.
        channel.close()


@dataclass(frozen=True)
class SshDevice:
    """How a driver reaches a router."""

    router: Router
    access: SshAccess


@contextmanager
def ssh_device(router: Router, folder: Path) -> Iterator[SshDevice]:
    """Serve *router*; *folder* has the file of known hosts, and a private one with the password."""
    key = paramiko.ECDSAKey.generate()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        known = folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
        secret = folder / "password"
        secret.touch(0o600)
        secret.write_text(f"{PASSWORD}\n")
        transports: list[paramiko.Transport] = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    if router.cut_off():
                        connection.close()
                        continue
                    transport = paramiko.Transport(connection)
                    transport.add_server_key(key)
                    transports.append(transport)
                    with suppress(paramiko.SSHException, EOFError):
                        transport.start_server(server=_Guard(router))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        access = SshAccess(
            "127.0.0.1", USER, port, known_hosts=str(known), password_file=str(secret)
        )
        try:
            yield SshDevice(router, access)
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for transport in transports:
                transport.close()
            thread.join(_LONGEST_WAIT)
