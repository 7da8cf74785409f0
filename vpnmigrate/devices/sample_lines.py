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
    """Yield each ``edit`` of FortiOS with the tables that it is in.

    Tables name their entries independently: ``edit 1`` is a route in one and a policy in another.
    """
    tables: list[str] = []
    for number, line in plain_lines(text):
        words = re.sub(r" +!.*", "", line).strip()
        if words.startswith("config "):
            # A table of its own ends all others: samples of AWS leave out an "end" or two.
            tables = [words] if _TOP.match(words) else [*tables, words]
        elif words == "end":
            tables = tables[:-1]
        elif words == "next" and tables:
            tables[-1] = tables[-1].partition(" edit ")[0]
        elif words.startswith("edit ") and tables and tables[0] not in _OF_DOMAINS:
            tables[-1] = f"{tables[-1].partition(' edit ')[0]} {words}"
            yield number, " ".join(tables)


_TOP: Final = re.compile(r"config +(?:vdom|global|system|vpn|router|firewall|user|log)\b")
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


def without_advice(text: str) -> str:
    """Return *text* without the lines in which AWS says which algorithms a device may use instead.

    Other comments stay: steps for a person, and their values, are comments too.
    """
    return "\n".join(line for _, line in plain_lines(text) if not _ADVICE.search(line))


_ADVICE: Final = re.compile(
    r"minimum requirement|take advantage of|supported IPSec parameters|groups? like|groups such as",
    re.IGNORECASE,
)
