"""Open descriptors of the process that runs the tests, and which test has left them open."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

MOST_MORE: Final = 32
"""Descriptors that a process may have more than before its first test.

Servers of the session and sockets of libraries are less than ten.  What a test leaves open is found
after 32 such tests at the latest."""
_FOLDER: Final = "/proc/self/fd/"
"""Linux's links from the descriptors of this process to what they are."""


def open_descriptors() -> dict[int, str]:
    """Return what each descriptor of this process is; empty on other than Linux."""
    found: dict[int, str] = {}
    with suppress(FileNotFoundError):
        # After each test; paths as objects take five times as long.
        for name in os.listdir(_FOLDER):  # noqa: PTH208
            with suppress(FileNotFoundError):  # The listing's own, or closed by a thread.
                found[int(name)] = os.readlink(_FOLDER + name)  # noqa: PTH115
    return found


class DescriptorCheck:
    """Whether the tests of this process leave descriptors open, one test after another."""

    def __init__(self) -> None:
        self._before = open_descriptors()
        self._left: dict[int, tuple[str, str]] = {}
        """Of each descriptor since then: what it is, and after which test it was found."""

    def complaint_after(self, test: str) -> str:
        """Return which tests have left too many descriptors open; empty if none have.

        Descriptors of garbage are closed first.  Each one is reported once.
        """
        self._find(test)
        if len(self._left) <= MOST_MORE:
            return ""
        gc.collect()
        self._find(test)
        if len(self._left) <= MOST_MORE:
            return ""
        text = f"the tests of this process have left {len(self._left)} descriptors open:"
        by_test: dict[str, Counter[str]] = {}
        for link, finder in self._left.values():
            by_test.setdefault(finder, Counter())[_kind(link)] += 1
        lines = [f"{name}: {_listed(kinds)}" for name, kinds in by_test.items()]
        self._before, self._left = open_descriptors(), {}
        return "\n  ".join([text, *lines])

    def _find(self, test: str) -> None:
        now = open_descriptors()
        self._left = {
            number: (link, self._finder(number, link) or test)
            for number, link in now.items()
            if self._before.get(number) != link
        }

    def _finder(self, number: int, link: str) -> str:
        """Return the test after which a descriptor was found before, or an empty string."""
        known, finder = self._left.get(number, ("", ""))
        return finder if known == link else ""


def _kind(link: str) -> str:
    """Return *link* without its number, which differs between two sockets or pipes."""
    return link.partition(":[")[0] if link[:1] != "/" and link[-2:-1].isdigit() else link


def _listed(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count} of {kind}" for kind, count in kinds.items())
