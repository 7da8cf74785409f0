"""The last question before a request leaves: may it still be sent?

It is asked when the request is made and signed, and once more when its connection stands
(``bounded_http``): neither a describe call on the way to it, nor whoever lends the credentials, nor
a name that is slow to resolve can take long between the last question and the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Question = Callable[[], None]
"""Returns, or raises what stops the request and passes through to whoever made it."""


def always() -> None:
    """Let every request go."""


_question: ContextVar[Question] = ContextVar("vpnmigrate-question", default=always)
"""Each thread asks its own, and botocore calls its handlers in that thread."""


@contextmanager
def asking(question: Question) -> Iterator[None]:
    """Ask *question* before each request made within."""
    before = _question.set(question)
    try:
        yield
    finally:
        _question.reset(before)


def ask_before_sending(client: Any) -> None:
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
