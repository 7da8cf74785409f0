"""Request hooks: the user agent of each call, and a last check before it is sent.

The mark travels with the call, not with the client: a client takes a tenth of a second to make and
serves every step and thread, while botocore settles a client's user agent when it is made.

It is asked when the request is made and signed, and once more when its connection stands
(``bounded_http``): neither a describe call on the way to it, nor whoever lends the credentials, nor
a name that is slow to resolve can take long between the last question and the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from vpnmigrate import __version__
from vpnmigrate.model.ec2 import MigrationId

PROGRAM: Final = f"vpnmigrate/{__version__}"
"""What every call of ours carries, of a run or not."""

_mark: ContextVar[str] = ContextVar("vpnmigrate-mark", default="")
"""Each thread sees what it carries itself, and botocore calls its handlers in that thread."""


@contextmanager
def tag_calls(migration: MigrationId, step: int | None = None) -> Iterator[None]:
    """Mark the calls made within as those of a run, and of *step* where one makes them."""
    text = f" run/{migration}" + ("" if step is None else f" step/{step}")
    before = _mark.set(text)
    try:
        yield
    finally:
        _mark.reset(before)


def mark_calls(client: Any) -> None:
    """Have every request of *client* carry what the thread that makes it carries."""
    service = client.meta.service_model.service_id.hyphenize()
    # botocore writes its user agent in the last place of the same event, so ours comes after it.
    client.meta.events.register_last(f"request-created.{service}", _add)


def _add(request: Any, **_event: Any) -> None:
    """Add to the user agent of *request*, which is signed already: signatures leave it out."""
    headers = request.headers
    headers.replace_header("User-Agent", headers["User-Agent"] + _mark.get())


SendGuard = Callable[[], None]
"""Returns, or raises what stops the request and passes through to whoever made it."""


def allow_all() -> None:
    """Let every request go."""


_question: ContextVar[SendGuard] = ContextVar("vpnmigrate-question", default=allow_all)
"""Each thread asks its own, and botocore calls its handlers in that thread."""


@contextmanager
def guard_sends(question: SendGuard) -> Iterator[None]:
    """Ask *question* before each request made within."""
    before = _question.set(question)
    try:
        yield
    finally:
        _question.reset(before)


def install_send_guard(client: Any) -> None:
    """Have every request of *client* asked about by the thread that makes it."""
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-send.{service}", _ask)


def ask() -> None:
    """Ask the question of this thread.

    Raises:
        Exception: Whatever stops the request.
    """
    _question.get()()


def _ask(**_event: Any) -> None:
    ask()
