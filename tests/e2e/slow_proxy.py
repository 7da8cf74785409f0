"""A proxy for a served sandbox, which can slow answers down."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAUSE = 0.2
"""Seconds between two bytes of a slow answer."""
_HOP = {"connection", "content-length", "host", "transfer-encoding"}


class SlowProxy(ThreadingHTTPServer):
    """Forwards requests; while *slow* is set, answers to *action* are sent byte by byte."""

    daemon_threads = True

    def __init__(self, upstream: str, action: str) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.upstream = urlsplit(upstream).netloc
        self.action = action
        self.slow = threading.Event()
        self.trickled = 0

    @property
    def url(self) -> str:
        """The URL of the proxy."""
        return f"http://127.0.0.1:{self.server_port}"


class _Exchange(BaseHTTPRequestHandler):
    """One request through a SlowProxy."""

    server: SlowProxy

    def do_POST(self) -> None:
        """Forward a request with a body."""
        self._hand_on(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def do_GET(self) -> None:
        """Forward a request without a body."""
        self._hand_on(None)

    def _hand_on(self, body: bytes | None) -> None:
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
        upstream.request(self.command, self.path, body, headers)
        answer = upstream.getresponse()
        whole = answer.read()
        upstream.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        asked = parse_qs((body or b"").decode("latin1")).get("Action", [""])[0]
        with suppress(OSError):
            if asked == self.server.action and self.server.slow.is_set():
                self.server.trickled += 1
                self._trickle(whole)
            else:
                self.wfile.write(whole)

    def _trickle(self, whole: bytes) -> None:
        never = threading.Event()
        for at in range(len(whole) - 1):
            if not self.server.slow.is_set():
                self.wfile.write(whole[at:])
                return
            self.wfile.write(whole[at : at + 1])
            never.wait(PAUSE)
        while self.server.slow.is_set():
            never.wait(PAUSE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class uses this name
        """Print nothing."""


@contextmanager
def slowed(upstream: str, action: str) -> Iterator[SlowProxy]:
    """Run a proxy inside the context."""
    with SlowProxy(upstream, action) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.slow.clear()
            proxy.shutdown()
            thread.join()
