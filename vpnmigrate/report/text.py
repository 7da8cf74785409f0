"""Text helpers: wrapping, columns and safe text.

Views are read on an 80-column terminal, on paper and in a ticket, so they are plain text: no
colour, no box drawing, and independent of the width of the reader's window.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from vpnmigrate.model.errors.commands import (
    Advice,
    Command,
    Invocation,
    cli,
    commands_in,
    tokens,
)
from vpnmigrate.model.redaction import without_key_elements

WIDTH = 80


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural if needed."""
    ending = "es" if noun.endswith(_SIBILANTS) else "s"
    return f"{number} {noun}{'' if number == 1 else ending}"


_SIBILANTS = ("s", "x")


def safe(text: str) -> str:
    """Return untrusted text with control characters and keys replaced.

    A name tag must not move the cursor, change the reading order (bidirectional controls), end a
    line, or show a key.
    """
    plain = without_key_elements(text).replace("\N{HORIZONTAL ELLIPSIS}", "...")
    if plain.isprintable():
        return plain
    return "".join(letter if letter.isprintable() else "?" for letter in plain)


def safe_lines(text: str) -> str:
    """Return untrusted lines, such as a block of shell, with the same replacements."""
    return "\n".join(map(safe, text.split("\n")))


def wrapped(text: str, *, first: str = "", rest: str | None = None, width: int = WIDTH) -> str:
    """Return *text* folded at the width, its first line led by *first*, the others by *rest*.

    Ids and commands are never broken: a line that is too long is better than an id that cannot
    be pasted.
    """
    plain = safe(text)
    if _is_plain(plain):
        lines = _folded(plain, first, " " * len(first) if rest is None else rest, width)
        return "\n".join(lines)
    return textwrap.fill(
        plain,
        width=width,
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _is_plain(text: str) -> bool:
    """Return whether *text* is words with one space between each; as it is safe, no tabs."""
    return bool(text) and "  " not in text and text[0] != " " != text[-1]


def _folded(text: str, first: str, rest: str, width: int) -> Iterator[str]:
    """Yield the lines of plain text; ``textwrap`` takes ten times as long for the same."""
    lead = first
    while len(text) > (room := max(0, width - len(lead))):
        cut = text.rfind(" ", 0, room + 1)
        if cut < 0 and (cut := text.find(" ", room)) < 0:
            break
        yield lead + text[:cut]
        lead, text = rest, text[cut + 1 :]
    yield lead + text


def hanging(line: str | Labelled, width: int = WIDTH) -> str:
    """Return a line of progress folded below its text, after its time of day."""
    if isinstance(line, Labelled):
        return line.below_time()
    width = max(width, WIDTH)  # In a narrower window the terminal folds it.
    lead = _LEAD.match(line)
    first = lead.group() if lead else ""
    return wrapped(line[len(first) :], first=first, rest=" " * (len(first) + 2), width=width)


def folded_line(line: str) -> str:
    """Return a line of Markdown folded at the width, unless it is a row of a table."""
    if len(line) <= WIDTH or line.startswith("|"):
        return line
    mark = _ITEM.match(line)
    lead = mark.group() if mark else ""
    return wrapped(line[len(lead) :], first=lead)


_ITEM = re.compile(r" *(?:[-*] |\d+\. )? *")
_LEAD = re.compile(r"(\d\d:\d\d:\d\dZ)? *")
_BELOW_TIME = " " * 12
"""Indent of a command that does not fit beside the time and the label of its line."""


def item(text: str, *, indent: int = 2) -> str:
    """Return *text* as a list item."""
    return wrapped(text, first=f"{' ' * indent}- ")


def command(shown: Command, *, first: str = "") -> str:
    """Return a command of any length in a form that can be pasted.

    It is folded between words only; an option and its value stay on one line if they fit.
    A command that does not fit beside its label begins below it.
    """
    lines = command_lines(shown, first=first)
    label = first.rstrip()
    if len(lines) > 1 and label:
        indent = " " * (len(first) - len(first.lstrip()) + 2)
        return f"{label}\n{command(shown, first=indent)}"
    return " \\\n".join(lines)


def command_lines(shown: Command, *, first: str = "", width: int = WIDTH) -> list[str]:
    """Return the lines of a command without their backslashes; the first begins with *first*.

    A line is longer than *width* only if a single word is.
    """
    rest = " " * (len(first) + 4)
    room = width - len(" \\")
    lines: list[str] = []
    line, empty = first, True
    for piece in _pieces(tuple(tokens(shown)), room - len(rest)):
        if not empty and len(line) + 1 + len(piece) > room:
            lines.append(line)
            line, empty = rest, True
        line = f"{line}{'' if empty else ' '}{piece}"
        empty = False
    return [*lines, line]


def _pieces(words: Sequence[str], room: int) -> Iterator[str]:
    """Yield the parts that are never folded: a word, or an option with its value."""
    at = 0
    while at < len(words):
        pair = " ".join(words[at : at + 2])
        if _PAIR.match(pair) and len(pair) <= room:
            yield pair
            at += 2
        else:
            yield words[at]
            at += 1


_PAIR = re.compile(r"--?[a-z][a-z-]* (?!-|&&$)")


@dataclass(frozen=True)
class Labelled:
    """A command with the label before it on its line."""

    label: str
    command: Command

    def __str__(self) -> str:
        return f"{self.label}{self.command}"

    def after(self, lead: str) -> Labelled:
        """Return the same with *lead* before it."""
        return Labelled(f"{lead}{self.label}", self.command)

    def folded(self, *, first: str = "") -> str:
        """Return the label and the command, folded so that it can be pasted."""
        return command(self.command, first=f"{first}{self.label}")

    def below_time(self) -> str:
        """Return the same in a log, whose label begins with the time of day.

        The command begins below it if it does not fit; a time alone has no line.
        """
        if len(command_lines(self.command, first=self.label)) == 1:
            return str(self)
        below = command(self.command, first=_BELOW_TIME)
        lead = _LEAD.match(self.label)
        rest = self.label[lead.end() if lead else 0 :]
        return f"{self.label.rstrip()}\n{below}" if rest.strip() else below

    def lines(self, width: int) -> list[str]:
        """Return the lines for a window of *width*, all but the last with a backslash."""
        *folded, last = command_lines(self.command, first=self.label, width=width)
        return [*(f"{line} \\" for line in folded), last]


@dataclass(frozen=True)
class RunCommands:
    """The commands about one run, complete for a new terminal."""

    run: str
    invocation: Invocation = field(default_factory=Invocation)

    def command(self, verb: str, *words: str) -> Command:
        """Return the command *verb* about the run."""
        return self.invocation.complete(cli(verb, self.run, *words))

    def device_sheet(self, site: str) -> Command:
        """Return the command that prints the sheet of a site's device."""
        return self.invocation.complete(cli("device", "sheet", self.run, site))


PLACEHOLDERS = {
    "FILE": "a file",
    "HOLDER": "the name that the message has",
    "NEW": "an empty directory",
    "PLAN": "the file of the plan",
    "RUN": "the id of the run",
    "START/END": "start and end of the window",
    "TEXT": "the reason",
}
"""Words of a printed command that a person has to replace, and by what."""


def placeholders(advice: Advice) -> str:
    """Return what the person has to fill in before the commands of *advice*; empty for nothing."""
    words = {word for each in commands_in(advice) for word in each.every_word}
    named = [f"{word}: {what}" for word, what in PLACEHOLDERS.items() if word in words]
    return f"to be replaced: {', '.join(named)}" if named else ""


def advised(advice: Advice, *, first: str = "") -> str:
    """Return *advice* folded: prose at the width, each command on separate lines."""
    match advice:
        case str() if " " not in advice and first.strip() and len(first) + len(advice) > WIDTH:
            # A path or a digest below its label is broken later by the terminal, or not at all.
            return f"{first.rstrip()}\n{' ' * (len(first) - len(first.lstrip()) + 2)}{safe(advice)}"
        case str():
            return wrapped(advice, first=first)
        case Command():
            return command(advice, first=first)
        case _:
            lines: list[str] = []
            for part in advice:
                lead = " " * len(first) if lines else first
                if isinstance(part, str):
                    lines.append(wrapped(part, first=lead))
                else:
                    lines.append(command(part, first=f"{lead}  " if lines else lead))
            return "\n".join(lines)


def heading(title: str) -> str:
    """Return the title of a section."""
    return f"{title.upper()}\n"


def columns(rows: Iterable[tuple[str, Advice]], *, indent: int = 2) -> str:
    """Return a line per name and value, with the values aligned and folded."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0) + 2
    return "\n".join(advised(value, first=f"{' ' * indent}{name:<{width}}") for name, value in rows)
