"""A server on a real connection that answers as incorrectly as a test requires."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs

import boto3

from vpnmigrate.aws.account import Account
from vpnmigrate.aws.allowance import ANSWER_BYTES
from vpnmigrate.aws.session import Clients, session
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.clock import SteadyClock

Answer = Callable[[socket.socket], None]
LISTS = (
    "<vpnGatewaySet/><vpnConnectionSet/><routeTableSet/><vpcSet/>"
    "<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>"
)


class HostileServer:
    """Reads whole requests and calls *answer* for each, which writes to the socket."""

    def __init__(self, answer: Callable[[str, int], Answer]) -> None:
        self._answer = answer
        self.actions: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def clients(self, answer_bytes: int = ANSWER_BYTES) -> Clients:
        """Return real clients of the server."""

        def opened() -> boto3.Session:
            return session(None, "eu-west-1")

        return made(Clients(opened, endpoint_url=self.url, answer_bytes=answer_bytes))

    def account(self, folder: Path) -> Account:
        """Return an account that the server answers for."""
        return Account(self.clients(), SteadyClock(), Vault(folder / "vault"))

    def close(self) -> None:
        """End every connection."""
        self._listening.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), closing(connection), connection.makefile("rb") as stream:
            while head := _head(stream):
                body = stream.read(int(head.get("content-length", "0"))).decode()
                action = parse_qs(body).get("Action", [""])[0]
                self.actions.append(action)
                self._answer(action, self.actions.count(action))(connection)


def made(clients: Clients) -> Clients:
    """Create all of *clients* now, which takes a second on a busy machine."""
    for make in (clients.reader, clients.writer, clients.sts, clients.direct_connect):
        make()
    return clients


def _head(stream: object) -> dict[str, str]:
    head: dict[str, str] = {}
    for line in iter(stream.readline, b""):  # type: ignore[attr-defined]
        if not line.strip():
            return head
        name, _, value = line.decode().partition(":")
        head[name.strip().lower()] = value.strip()
    return {}


def whole(text: str = LISTS, wait: float = 0) -> Answer:
    """Answer as AWS does, after *wait* seconds."""
    body = f"<R><requestId>req-1</requestId>{text}</R>".encode()

    def answer(connection: socket.socket) -> None:
        time.sleep(wait)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return answer


def trickle(start: bytes, pause: float = 0.05) -> Answer:
    """Answer with *start*, and then a byte every *pause* seconds without end."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"x")
            time.sleep(pause)

    return answer


STATUS_LINE = b""
HEADERS = b"HTTP/1.1 200 OK\r\nX-Slow: "
BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n<R>"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\n<R>"
CHUNK_SIZE = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;"
CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n<R>"
ERROR = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 100000\r\n\r\n<R>"


def endless(head: str = "", piece: bytes = b"<x/>" * 4096) -> Answer:
    """Answer with a body that does not end."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
        chunked = "chunked" in head
        while True:
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)

    return answer


def never(connection: socket.socket) -> None:
    """Read without answering."""
    while connection.recv(4096):
        pass


@contextmanager
def served(answer: Callable[[str, int], Answer]) -> Iterator[HostileServer]:
    """Run a server in this context."""
    server = HostileServer(answer)
    try:
        yield server
    finally:
        server.close()
