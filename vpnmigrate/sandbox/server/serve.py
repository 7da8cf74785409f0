"""Sandbox server: a world over HTTP on loopback."""

from __future__ import annotations

import ipaddress
import selectors
import signal
import socket
import threading
import traceback
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import cache
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from werkzeug.serving import WSGIRequestHandler, make_server

from vpnmigrate import __version__
from vpnmigrate.aws.dry_runs import SANDBOX_SERVER
from vpnmigrate.model.errors import UsageError
from vpnmigrate.sandbox.authorization import AuthorizedWorld
from vpnmigrate.sandbox.device_engineer import AutoEngineerWorld
from vpnmigrate.sandbox.organization import MemberWorld, Organization
from vpnmigrate.sandbox.policy import Policy
from vpnmigrate.sandbox.server.control import WithControl
from vpnmigrate.sandbox.server.guard import Guard
from vpnmigrate.sandbox.server.moto import RESPONSES, Ec2Backend, MotoApplication
from vpnmigrate.sandbox.world import World

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment


def serve(
    world: World,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    attentive: timedelta | None = None,
    policy: Policy | None = None,
    others: Iterable[World] = (),
) -> Server:
    """Return a server of *world*, bound to *port*; port 0 stands for a free one.

    *others* are worlds of other accounts and Regions, which a client reaches by AssumeRole.

    With *attentive* a simulated engineer operates the devices (``AutoEngineerWorld``).  A world on
    a ``ScaledClock`` runs at that clock's speed.  With *policy* callers may do only what it allows.

    Raises:
        UsageError: *host* is not loopback, or the port cannot be bound.
    """
    listener = _listen(host, port)
    try:
        worlds = _Worlds(Organization(world, others), attentive, policy)
        application = MotoApplication(worlds, None if policy is None else RESPONSES)
        return Server(world, listener, Guard(WithControl(application, worlds.attended)))
    finally:
        listener.close()  # The server has its own duplicate.


class _Worlds:
    """The worlds of *organization* as the server calls them (``moto.Backends``)."""

    def __init__(
        self, organization: Organization, attentive: timedelta | None, policy: Policy | None
    ) -> None:
        self._organization = organization
        self._policy = policy
        self.attended = [AutoEngineerWorld(world, attentive) for world in organization.worlds]
        """Each world with its devices' engineer, the home world first."""
        self.backend = cache(self._backend)

    @property
    def home(self) -> Ec2Backend:
        """The world of clients without other settings."""
        first = self.attended[0]
        return self.backend(first.account, first.region)

    def account_of(self, access_key: str) -> str:
        """Return the account of the credentials with *access_key*."""
        return self._organization.account_of(access_key)

    def _backend(self, account: str, region: str) -> Ec2Backend:
        world = self._organization.world(account, region)
        attended = next((each for each in self.attended if each.world is world), world)
        member = MemberWorld(attended, self._organization)
        return member if self._policy is None else AuthorizedWorld(world, self._policy, member)


KEY = "SANDBOX"
"""Access key id and secret in the printed environment; the server checks neither."""


class Server(AbstractContextManager["Server"]):
    """HTTP server of a world; entering starts it, leaving stops it and frees the port."""

    def __init__(self, world: World, listener: socket.socket, application: WSGIApplication) -> None:
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": world.region,
        }
        """Environment variables of a client of this server, without real credentials."""
        self._server = make_server(
            host,
            port,
            application,
            threaded=True,
            request_handler=_QuietHandler,
            fd=listener.fileno(),
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self) -> None:
        """Wait until SIGINT, SIGTERM or SIGHUP; only the main thread may call this."""
        stopped = threading.Event()

        def stop(_signal: int, _frame: FrameType | None) -> None:
            stopped.set()

        # A signal that the parent process ignores (nohup) stays ignored.
        heard = [n for n in _STOPPING if signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, stop) for number in heard}
        try:
            stopped.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _QuietHandler(WSGIRequestHandler):
    """Request handler without a request log, because the terminal is the user's.

    A connection ends with its answer, so that no connection is open when the server stops.
    """

    protocol_version = "HTTP/1.0"

    def version_string(self) -> str:
        """Return the header ``Server``, by which a client knows that dry runs are honoured."""
        return f"{SANDBOX_SERVER}/{__version__}"

    def log(self, *_line: object) -> None:
        pass

    def connection_dropped(
        self, error: BaseException, environ: WSGIEnvironment | None = None
    ) -> None:
        """Close the selector that werkzeug leaves open if a client resets its connection.

        It is part of a cycle, so its descriptor would stay until the next garbage collection.
        """
        for frame, _ in traceback.walk_tb(error.__traceback__):
            left = frame.f_locals.get("selector")
            if isinstance(left, selectors.BaseSelector):
                left.close()


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket; werkzeug's own binding would exit the process on an error."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise UsageError(
            f"{host} is not an IP address to listen on", advice="Use 127.0.0.1."
        ) from None
    if not parsed.is_loopback:
        raise UsageError(
            f"the sandbox listens on loopback only, not on {host}: it checks no signature",
            advice="Use 127.0.0.1, through an SSH tunnel if necessary.",
        )
    family = socket.AF_INET if parsed.version == 4 else socket.AF_INET6  # noqa: PLR2004
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        why = error.strerror if isinstance(error, OSError) else "no such port"
        raise UsageError(
            f"cannot listen on {address} port {port}: {why}",
            advice="Choose another --port, or leave it out for a free one.",
        ) from error
    return listener
