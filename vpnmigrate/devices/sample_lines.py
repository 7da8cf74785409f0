"""Lines of samples and running configurations, each with the section that it is in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Line = tuple[int, str]
"""A line with its number, from 1."""


def plain_lines(text: str) -> Iterator[Line]:
    """Yield the lines of a form in which each is complete in itself."""
    yield from ((number, line.rstrip()) for number, line in enumerate(text.split("\n"), 1))


def fortios_lines(text: str) -> Iterator[Line]:
    """Yield each ``edit`` of FortiOS with its ``config`` before it.

    Tables name their entries independently: ``edit 1`` is a route in one and a policy in another.
    """
    sections: list[str] = []
    for number, line in plain_lines(text):
        words = line.strip()
        if words.startswith("config "):
            sections.append(words)
        elif words == "end" and sections:
            sections.pop()
        elif words.startswith("edit ") and sections and sections[-1] not in _OF_DOMAINS:
            yield number, f"{sections[-1]} {words}"


_OF_DOMAINS: Final = {"config vdom", "config global"}
"""Sections of FortiOS around the configuration of a virtual domain."""


def mikrotik_lines(text: str) -> Iterator[Line]:
    """Yield what RouterOS adds, as menu and name or address.

    ``/export`` folds lines, and has a menu on a line of its own.
    """
    menu, begun, number = "", "", 0
    for at, line in plain_lines(text):
        number = number if begun else at
        begun += line.strip()
        if begun.endswith("\\"):
            begun = begun[:-1]
            continue
        if match := re.match(r"(/[a-z /-]*[a-z])(?: +add\b|$)", begun):
            menu = match[1]
        for setting in re.findall(r"\b(?:name|address)=\S+", begun) if _ADD.search(begun) else ():
            yield number, f"{menu} {setting}"
        begun = ""


_ADD: Final = re.compile(r"(?:^|[a-z] +)add\b")
