"""Server of the board: read-only, on loopback, for one campaign.

It needs no key and shows none.  A page of another site cannot read it: a request with another name
in ``Host`` (DNS rebinding) is refused, and a browser keeps other origins from reading the answers.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from vpnmigrate.model.errors import UsageError, VpnMigrateError
from vpnmigrate.model.errors.extras import install_command
from vpnmigrate.report.board import board_page, board_values, changed_values
from vpnmigrate.report.fleet import FleetStatus
from vpnmigrate.sandbox.server.guard import is_loopback

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from uvicorn import Server

HOST: Final = "127.0.0.1"
REFRESH: Final = timedelta(seconds=1)
"""How often the status is read while a page is open; a page's clocks run by themselves."""
QUIET: Final = 15
"""Reads without a change after which a line is sent, so that a closed page is noticed."""
ENDING: Final = timedelta(seconds=5)
"""How long the end waits for open pages, whose events end with the next refresh."""

Read = Callable[[], FleetStatus]


class StatusFeed:
    """The status of a campaign, read by one thread at a time for all pages."""

    def __init__(self, read: Read, refresh: timedelta = REFRESH) -> None:
        self._read = read
        self._refresh = refresh.total_seconds()
        self._lock = asyncio.Lock()
        self._last: FleetStatus | None = None
        self._at = 0.0
        self._ends: Callable[[], bool] = lambda: False

    def end_when(self, ends: Callable[[], bool]) -> None:
        """End the events of all pages at the first refresh at which *ends* returns True."""
        self._ends = ends

    async def now(self) -> FleetStatus:
        """Return the status, at most one refresh old.

        Raises:
            VpnMigrateError: It cannot be read.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:
            if self._last is None or loop.time() - self._at >= self._refresh:
                self._last = await asyncio.to_thread(self._read)
                self._at = loop.time()
            return self._last

    async def events(self) -> AsyncIterator[str]:
        """Yield server-sent events: the whole status, and then the rows that change."""
        before: dict[str, Any] = {}
        quiet = 0
        while not self._ends():
            try:
                values = board_values(await self.now())
            except VpnMigrateError as error:
                yield _event("trouble", error.message)
            else:
                found = changed_values(before, values)
                quiet += 1
                if found["rows"] or _without_time(values) != _without_time(before):
                    quiet = 0
                    yield _event("status", found)
                elif quiet % QUIET == 0:
                    yield _event("status", found)
                before = values
            await asyncio.sleep(self._refresh)


def _without_time(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in {"at", "rows"}}


def _event(kind: str, value: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n"


def board_application(feed: StatusFeed) -> Starlette:
    """Return the application that serves the status of *feed*."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    async def page(_request: Request) -> Response:
        try:
            found = board_page(await feed.now())
        except VpnMigrateError as error:
            return PlainTextResponse(f"{error.message}\n", 503)
        return HTMLResponse(found.html, headers={"Content-Security-Policy": found.policy})

    async def events(_request: Request) -> Response:
        return StreamingResponse(feed.events(), media_type="text/event-stream")

    async def guarded(
        request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        if not is_loopback(request.headers.get("host", "")):
            return PlainTextResponse("refused: Host is not localhost or a loopback address\n", 403)
        response = await answer(request)
        response.headers.update(
            {
                "Cache-Control": "no-store",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            }
        )
        return response

    return Starlette(
        routes=[Route("/", page), Route("/events", events)],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=guarded)],
    )


def board_server(read: Read, refresh: timedelta = REFRESH) -> Server:
    """Return the server of the board; its ``run`` takes the socket of ``listening``.

    Raises:
        UsageError: Its libraries are not installed.
    """
    try:
        from uvicorn import Config, Server
    except ImportError:
        raise UsageError(
            "the board needs libraries that are not installed",
            advice=install_command("fleet"),
        ) from None
    feed = StatusFeed(read, refresh)
    server = Server(
        Config(
            board_application(feed),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=round(ENDING.total_seconds()),
        )
    )
    feed.end_when(lambda: server.should_exit)
    return server


def listening(port: int) -> socket.socket:
    """Return a socket that listens on *port* of loopback; 0 selects a free one.

    Raises:
        UsageError: The port is taken.
    """
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
    except OSError as error:
        made.close()
        raise UsageError(
            f"port {port} cannot be used: {error.strerror}", advice="choose another --port"
        ) from None
    made.listen()
    return made
