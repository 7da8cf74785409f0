"""Small renderings that every view shares: wrapped lines, columns, safe text.

Views are read on an 80-column terminal, on paper and in a ticket, so they are plain text: no
colour, no box drawing, nothing that depends on the width of the reader's window.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from vpnmigrate.redaction import without_key_elements

WIDTH = 80


def count(number: int, noun: str) -> str:
    """Give a number with its noun, in the plural where it needs one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def safe(text: str) -> str:
    """Return text from outside made harmless, for every view.

    A name tag must not move a terminal's cursor, turn the order of what is read (bidirectional
    controls), end a line, or show a key.
    """
    plain = without_key_elements(text).replace("\N{HORIZONTAL ELLIPSIS}", "...")
    return "".join(letter if letter.isprintable() else "?" for letter in plain)


def safe_lines(text: str) -> str:
    """Return lines from outside made harmless, such as a block of shell."""
    return "\n".join(map(safe, text.split("\n")))


def wrapped(text: str, *, first: str = "", rest: str | None = None) -> str:
    """Fold *text* at the width, its first line led by *first* and the others by *rest*.

    Ids and commands are never broken inside: a line that is too long is better than an id that
    cannot be pasted.
    """
    return textwrap.fill(
        safe(text),
        width=WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def hanging(line: str) -> str:
    """Fold a line of progress under its text, beside the time of day that it begins with."""
    lead = _LEAD.match(line)
    first = lead.group() if lead else ""
    return wrapped(line[len(first) :], first=first, rest=" " * (len(first) + 2))


_LEAD = re.compile(r"(\d\d:\d\d:\d\dZ)? *")


def item(text: str, *, indent: int = 2) -> str:
    """Give *text* as an item of a list."""
    return wrapped(text, first=f"{' ' * indent}- ")


def command(text: str, *, first: str = "") -> str:
    """Give a command so that it can be pasted as it stands, however long it is.

    An option and its value stay on one line.
    """
    lines = textwrap.wrap(
        _VALUE.sub("\\1\0", safe(text)),
        width=WIDTH - len(" \\"),
        initial_indent=first,
        subsequent_indent=" " * (len(first) + 4),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return " \\\n".join(lines).replace("\0", " ")


_VALUE = re.compile(r"(?<= )(--[a-z-]+) (?=[^-])")


def is_command(text: str) -> bool:
    """Tell a command from prose: advice may be either."""
    return text.startswith(("vpnmigrate ", "aws "))


def heading(title: str) -> str:
    """Give the title of a part of a view."""
    return f"{title.upper()}\n"


def columns(rows: Iterable[tuple[str, str]], *, indent: int = 2) -> str:
    """Give name and value per line, the values aligned and folded under themselves."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0) + 2
    return "\n".join(
        (command if is_command(value) else wrapped)(value, first=f"{' ' * indent}{name:<{width}}")
        for name, value in rows
    )
