"""Answers that come in pages, with a limit: whoever answers may always name another page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from vpnmigrate.aws.failures import NotAnAnswerError

PAGES: Final = 100
"""One hundred pages of 100 rows are fifty times the quota of route tables in a VPC (200), and
more than any other list of ours can have (domain.md 5)."""


def pages(
    ask: Callable[..., Mapping[str, Any]],
    *,
    asked_as: str = "NextToken",
    named_as: str = "NextToken",
    most: int = PAGES,
    **asked: Any,
) -> Iterator[Mapping[str, Any]]:
    """Give the pages that *ask* answers with; *named_as* is where each names the next one.

    Raises:
        NotAnAnswerError: There are more than *most*, or a page leads back to one before.
    """
    seen: set[str] = set()
    for _ in range(most):
        page = ask(**asked)
        yield page
        token = page.get(named_as)
        if not token:
            return
        if token in seen:
            raise NotAnAnswerError("its pages go round in a circle: a token has come twice")
        seen.add(token)
        asked[asked_as] = token
    raise NotAnAnswerError(f"it has more than {most} pages")
