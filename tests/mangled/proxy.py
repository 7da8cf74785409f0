"""A proxy before AWS that cuts, flips and truncates answers at random places."""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from random import Random
from threading import Lock
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import serving
from vpnmigrate.model.clock import Clock

CANARY = b"CANARY"


class Mangler:
    """Mangles *share* of the answers while it is on, at random from *seed*."""

    def __init__(self, seed: int, share: float) -> None:
        self.seed = seed
        self._random = Random(seed)
        self._lock = Lock()
        self.share = share
        self.on = True
        self.mangled: Counter[tuple[str, str]] = Counter()
        """How many answers to each operation were mangled in which way."""
        self.with_keys = 0
        """How many of them held a key."""

    def mangle(self, operation: str, body: bytes) -> tuple[bytes, int]:
        """Return the bytes to send for *body*, and the length to announce."""
        with self._lock:
            if not self.on or not body or self._random.random() >= self.share:
                return body, len(body)
            self.with_keys += CANARY in body
            swap = self._random.choice(("cut", "flip", "truncate"))
            self.mangled[operation, swap] += 1
            place = self._place(body)
            match swap:
                case "cut":
                    return body[:place], place
                case "truncate":
                    return body[:place], len(body)
                case _:
                    return self._flipped(body, place), len(body)

    def _place(self, body: bytes) -> int:
        """Return a random place: anywhere, or in or directly after a key, if there is one."""
        place = self._random.randrange(len(body))
        keys = [at for at in range(len(body)) if body.startswith(CANARY, at)]
        if keys and self._random.random() < 0.7:
            place = min(self._random.choice(keys) + self._random.randrange(60), len(body) - 1)
        return place

    def _flipped(self, body: bytes, place: int) -> bytes:
        flipped = bytearray(body)
        for at in (place, self._random.randrange(len(body))):
            flipped[at] ^= 1 << self._random.randrange(8)
        return bytes(flipped)


@contextmanager
def between(upstream: str, mangler: Mangler, clock: Clock) -> Iterator[str]:
    """Run the proxy before *upstream* and yield its address; *clock* gives the date of answers."""
    target = urlsplit(upstream)

    def forward(request: BaseHTTPRequestHandler, body: bytes) -> None:
        connection = http.client.HTTPConnection(str(target.hostname), target.port)
        kept = {k: v for k, v in request.headers.items() if k.lower() not in _HOPS}
        connection.request("POST", request.path, body, kept)
        answer = connection.getresponse()
        whole = answer.read()
        connection.close()
        sent, length = mangler.mangle(_operation(body, request.headers), whole)
        request.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOPS:
                request.send_header(name, value)
        request.send_header("Date", format_datetime(clock.now(), usegmt=True))
        request.send_header("Content-Length", str(length))
        request.end_headers()
        request.wfile.write(sent)

    with serving(forward) as address:
        yield address


_HOPS = {"connection", "content-length", "transfer-encoding", "date"}


def _operation(body: bytes, headers: Message) -> str:
    action = parse_qs(body.decode(errors="replace")).get("Action")
    return action[0] if action else headers.get("X-Amz-Target", "").rpartition(".")[2]
