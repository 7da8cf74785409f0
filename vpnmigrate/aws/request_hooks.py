"""Request hooks: the user agent of each call, and a last check before it is sent.

The tag belongs to the call, not to the client: creating a client takes a tenth of a second and it
serves every step and thread, while botocore fixes a client's user agent at its creation.

The send guard is called when the request is signed, and again when its connection is open
(``bounded_http``): a describe call, a credential provider or a slow name resolution cannot delay
the request after the last check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import parse_qs

from vpnmigrate import __version__
from vpnmigrate.model.ec2 import MigrationId

PROGRAM: Final = f"vpnmigrate/{__version__}"
"""The part of the user agent in every call."""

_mark: ContextVar[str] = ContextVar("vpnmigrate-mark", default="")
"""One per thread; botocore calls its handlers in the thread that makes the call."""


def event_of(client: Any, event: str) -> str:
    """Return the name under which botocore announces *event* of *client*'s service."""
    return f"{event}.{client.meta.service_model.service_id.hyphenize()}"


@contextmanager
def tag_calls(migration: MigrationId, step: int | None = None) -> Iterator[None]:
    """Tag the calls in this context with the run, and with *step* if given."""
    text = f" run/{migration}" + ("" if step is None else f" step/{step}")
    before = _mark.set(text)
    try:
        yield
    finally:
        _mark.reset(before)


def mark_calls(client: Any) -> None:
    """Add the tag of the calling thread to every request of *client*."""
    # botocore writes its user agent last in the same event, so this handler comes after it.
    client.meta.events.register_last(event_of(client, "request-created"), _add)


def _add(request: Any, **_event: Any) -> None:
    """Extend the user agent of *request*, which is not part of the signature."""
    headers = request.headers
    headers.replace_header("User-Agent", headers["User-Agent"] + _mark.get())


SendGuard = Callable[[], None]
"""Returns, or raises an exception that stops the request and reaches its caller."""


def allow_all() -> None:
    """Allow every request."""


_guard: ContextVar[SendGuard] = ContextVar("vpnmigrate-question", default=allow_all)
"""One per thread; botocore calls its handlers in the thread that makes the call."""


@contextmanager
def guard_sends(guard: SendGuard) -> Iterator[None]:
    """Call *guard* before each request in this context."""
    before = _guard.set(guard)
    try:
        yield
    finally:
        _guard.reset(before)


def install_send_guard(client: Any) -> None:
    """Call the guard of the calling thread before every request of *client*."""
    client.meta.events.register(event_of(client, "before-send"), _ask)


def ask() -> None:
    """Call the send guard of this thread.

    Raises:
        Exception: The guard stops the request.
    """
    _guard.get()()


def _ask(**_event: Any) -> None:
    ask()


_READS: Final = ("Describe", "Get")
"""How EC2 names the operations that change nothing."""


def refuse_changes(client: Any) -> None:
    """Refuse every request of *client*, of EC2, that is neither a read nor a dry run.

    The serialized request is checked, so no parameter can be lost on the way to it.
    """
    client.meta.events.register(event_of(client, "before-send"), _require_harmless)


def _require_harmless(request: Any, **_event: Any) -> None:
    """Check that *request* changes nothing.

    Raises:
        UnsafeRequestError: It is neither a read nor a dry run, and is not sent.
    """
    body = request.body or b""
    sent = parse_qs(body.decode() if isinstance(body, bytes) else str(body))
    (action,) = sent.get("Action", [""])
    if not action.startswith(_READS) and sent.get("DryRun") != ["true"]:
        raise UnsafeRequestError(action)


class UnsafeRequestError(Exception):
    """A bug in this program: a client that only reads was told to change something."""

    def __init__(self, action: str) -> None:
        super().__init__(f"{action or 'a call'} was not sent: it is neither a read nor a dry run")
