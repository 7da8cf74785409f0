"""Output of a worker: its own lines, and those of its runs with the id of each.

In a file or a pipe each message has its line, and each command one line, so that programs can read
them.  A terminal would break long lines within words, so there they are folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.model.clock import moment
from vpnmigrate.report.console import Console
from vpnmigrate.report.text import WIDTH, safe, wrapped

_FOLDED: Final = re.compile(r" \\\n\s*")
"""The end of a line of a folded command."""
_COMMAND: Final = re.compile(r"(?:^|[ :])(?:vpnmigrate|aws) [a-z]")
_LABEL: Final = re.compile(r" *[a-z][a-z ]*: ")
_INDENT: Final = re.compile(r"(?:\d\d:\d\d:\d\dZ)? *")
"""What a line of progress begins with; its continuation is below its text."""


class WorkerLog:
    """Lines of the worker on standard error, each with the time."""

    def __init__(self, context: CommandContext) -> None:
        self._context = context

    def say(self, text: str) -> None:
        """Print *text*."""
        console = self._context.console
        lead = f"{moment(self._context.dependencies.clock.wall())} "
        line = f"{lead}{safe(text)}"
        if console.stream.isatty():
            line = wrapped(text, first=lead, rest="  ")
        console.print_line(line)


class RunConsole(Console):
    """Messages of one run among those of a worker: each begins with the id of the run."""

    can_draw = False

    def __init__(self, console: Console, run: str) -> None:
        self.redaction = console.redaction
        self.stream = console.stream
        self.colour = False
        self._lead = f"{run}: "

    def print_line(self, text: str = "") -> None:
        """Print the lines of *text* at once; a command can be pasted."""
        lines = self._folded(text) if self.stream.isatty() else self._whole(text)
        if shown := "\n".join(lines):
            super().print_line(shown)

    def _whole(self, text: str) -> Iterator[str]:
        for line in _FOLDED.sub(" ", text).splitlines():
            if line.strip():
                yield f"{self._lead}{line}"

    def _folded(self, text: str) -> Iterator[str]:
        # A command that has lines of its own follows the id of the run, or its label.
        lead = before = f"{self._lead.rstrip()}\n"
        for part in _parts(text):
            if _COMMAND.search(part):
                # Never folded again: as it is, it can be pasted.
                apart = "\n" in part or len(self._lead) + len(part) > WIDTH
                yield f"{before}{part}" if apart else f"{self._lead}{part}"
                before = lead
            else:
                found = _INDENT.match(part)
                first = f"{self._lead}{found.group() if found is not None else ''}"
                own = len(first) - len(self._lead)
                yield wrapped(part[own:], first=first, rest=" " * (len(first) + 2))
                before = "" if part.endswith(":") else lead


def _parts(text: str) -> Iterator[str]:
    """Yield folded commands with their lines, and each other message as one line."""
    part = last = ""
    for line in filter(str.strip, text.splitlines()):
        if last.endswith(" \\"):
            part = f"{part}\n{line}"
        elif _continues(last, line):
            part = f"{part} {line.strip()}"
        else:
            if part:
                yield part
            part = line
        last = line
    if part:
        yield part


def _continues(last: str, line: str) -> bool:
    """Return whether *line* continues a paragraph: the *last* had no room for its first word."""
    apart = _COMMAND.search(last) or _COMMAND.search(line) or _LABEL.match(line)
    return not apart and len(last) + 1 + len(line.split(maxsplit=1)[0]) > WIDTH
