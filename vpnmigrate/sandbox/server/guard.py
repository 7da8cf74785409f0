"""Guard of a served sandbox: requests of programs on this machine only.

The server checks no signature, so every client that reaches it controls it.  A web page in a
browser on this machine could reach it: with its own request, which carries ``Origin`` or
``Sec-Fetch-Site``, or with a name that resolves to loopback (DNS rebinding), which is in ``Host``.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes; an EC2 call has a few hundred."""
_CHUNK = 64 * 1024
_MOST_READ = 512 * 1024 * 1024
"""Bytes to read of a refused body; a client that is cut off early never reads the answer."""

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::\d{1,5})?")
_MOTO_CONTROL = re.compile(r"/*moto-api", re.IGNORECASE)


class Guard:
    """A WSGI application that passes on only requests of programs on this machine."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if why := _why_refused(environ):
            return _refusal(403, why)(environ, start_response)
        if "HTTP_TRANSFER_ENCODING" in environ:
            return _refusal(411, "the body has no Content-Length")(environ, start_response)
        length = environ.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdecimal()):
            return _refusal(400, "Content-Length is not a number")(environ, start_response)
        if int(length) > LARGEST_BODY:
            _discard(environ, int(length))
            why = f"the body is larger than {LARGEST_BODY} bytes"
            return _refusal(413, why)(environ, start_response)
        if _MOTO_CONTROL.match(environ.get("PATH_INFO", "")):
            return _refusal(404, "moto's own control API is not served")(environ, start_response)
        return self._application(environ, start_response)


def is_loopback(host: str) -> bool:
    """Return whether a ``Host`` header names this machine by its loopback interface."""
    parts = _HOST.fullmatch(host)
    if parts is None:
        return False
    if parts[2] and parts[2].lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts[1] or parts[2]).is_loopback
    except ValueError:
        return False


def _why_refused(environ: WSGIEnvironment) -> str:
    if not is_loopback(environ.get("HTTP_HOST", "")):
        return "Host is not localhost or a loopback address"
    if "HTTP_ORIGIN" in environ or environ.get("HTTP_SEC_FETCH_SITE", "none") != "none":
        return "requests from web pages are not served"
    return ""


def _discard(environ: WSGIEnvironment, length: int) -> None:
    left = min(length, _MOST_READ)
    while left > 0 and (read := environ["wsgi.input"].read(min(left, _CHUNK))):
        left -= len(read)


def _refusal(status: int, why: str) -> Response:
    body = json.dumps({"error": f"refused: {why}"})
    return Response(body, status, content_type="application/json")
