"""Bounded HTTP: botocore's HTTP session with limits in bytes and time.

botocore has no setting for either, so this module uses two of its private attributes; a test fails
if they no longer exist.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Final

from vpnmigrate.aws.allowance import (
    current,
    discard_what_was_not_delivered,
)
from vpnmigrate.aws.errors import NotSentError, UnexpectedAnswerError
from vpnmigrate.aws.request_hooks import ask
from vpnmigrate.model.errors import VpnMigrateError

_PIECE: Final = 2**16


def bound(client: Any, *, alters: bool, most: int) -> None:
    """Limit answers of *client* to *most* bytes; *alters* is true if it may alter AWS."""
    endpoint = client._endpoint  # noqa: SLF001
    endpoint.http_session = _BoundedSession(endpoint.http_session, alters=alters, most=most)


class _BoundedSession:
    """Sends through *inner*, botocore's session, and reads every answer in pieces."""

    def __init__(self, inner: Any, *, alters: bool, most: int) -> None:
        self._inner = inner
        self._most = most
        http, https = _pools(alters=alters)
        inner._pool_classes_by_scheme.update(http=http, https=https)  # noqa: SLF001

    def send(self, request: Any) -> Any:
        """Send *request* and return the whole answer.

        Raises:
            NotSentError: The call was abandoned, or its time to send has passed.
            UnexpectedAnswerError: The answer is too long or too late.
        """
        from botocore.awsrequest import AWSResponse

        allowance = current()
        if allowance is not None:
            allowance.require_time()
        request.stream_output = True
        try:
            answer = self._sent(request)
            body = self._read(answer.raw, request.url)
        finally:
            if allowance is not None:
                allowance.end_exchange()
        return AWSResponse(answer.url, answer.status_code, answer.headers, _Whole(body))

    def close(self) -> None:
        """Close the idle connections."""
        self._inner.close()

    def _sent(self, request: Any) -> Any:
        from botocore.exceptions import HTTPClientError

        try:
            return self._inner.send(request)
        except HTTPClientError as exc:
            cause = exc.kwargs.get("error")
            if isinstance(cause, NotSentError | VpnMigrateError):
                raise cause from exc  # Raised by this package: the request was not sent.
            raise

    def _read(self, raw: Any, url: str) -> bytes:
        from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
        from urllib3.exceptions import HTTPError
        from urllib3.exceptions import ReadTimeoutError as Silence

        try:
            return b"".join(self._pieces(raw))
        except Silence as exc:
            raise ReadTimeoutError(endpoint_url=url, error=exc) from exc
        except (HTTPError, OSError) as exc:
            raise ConnectionClosedError(endpoint_url=url, error=exc) from exc
        except UnexpectedAnswerError:
            raw.close()
            raise

    def _pieces(self, raw: Any) -> Iterator[bytes]:
        allowance, read = current(), 0
        # Compressed answers are not unpacked: botocore does not request any.
        while piece := raw.read1(_PIECE, decode_content=False):
            read += len(piece)
            if read > self._most:
                raise UnexpectedAnswerError(f"the answer is longer than {self._most:,} bytes")
            if allowance is not None:
                allowance.take(len(piece))
            yield piece


class _Whole:
    """The body of an answer that was read completely."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        """Yield the body, as urllib3's response does."""
        yield self._body


@functools.cache
def _pools(*, alters: bool) -> tuple[type, type]:
    """Return connection pools whose connections call the send guard again before a request.

    botocore's own event comes before the connection is made, which may take long: a slow name
    resolution, or several addresses that do not answer.
    """
    from botocore import awsrequest

    class GuardedConnection:
        """Mixin for botocore's connections."""

        _due = False
        sock: Any

        def request(self, *args: Any, **named: Any) -> Any:
            self._due = True
            return super().request(*args, **named)  # type: ignore[misc]

        def send(self, data: Any) -> Any:
            if self._due:
                self._due = False
                if self.sock is None:
                    self.connect()  # type: ignore[attr-defined]
                discard_what_was_not_delivered(self.sock)
                ask()
                allowance = current()
                if allowance is not None:
                    allowance.begin_sending(self.sock, alters=alters)
            return super().send(data)  # type: ignore[misc]

    class Http(GuardedConnection, awsrequest.AWSHTTPConnection):  # type: ignore[misc]
        pass

    class Https(GuardedConnection, awsrequest.AWSHTTPSConnection):  # type: ignore[misc]
        pass

    class HttpPool(awsrequest.AWSHTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(awsrequest.AWSHTTPSConnectionPool):
        ConnectionCls = Https

    return HttpPool, HttpsPool
