"""The tree of a vendor's configuration commands: read, write, and check commands with it.

An extract has one word of the command line on each line, indented below the word before it::

    proposal <@text> -        a list: the word, then a value that names the entry
     lifetime: 180..86400     a word and its value
     *: @ipaddr               a value without a word of its own
     disable -                a statement may end with this word
     options                  a word that needs another one after it
     bfd ...                  a word whose statements are not in the extract

A value is one of the alternatives after it, separated by blanks: a word, a range ``1..9``, a kind
of ``KINDS`` after ``@``, or ``@text`` with its length ``{1..32}`` and a pattern ``~REGEX``
(``!~REGEX``: the pattern is not found in it).  ``=WORD`` is a word that starts with such a sign.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

NAMELESS: Final = "*"
"""The name of a value that stands without a word of its own."""
HIDDEN: Final = "..."
WHOLE: Final = "-"


@dataclass(frozen=True)
class Word:
    """A word of the command line, with the words that may follow it."""

    name: str
    key: str | None = None
    """Alternatives of the value that names an entry of a list."""
    value: str | None = None
    """Alternatives of a leaf's value."""
    whole: bool = False
    """Whether a statement may end here."""
    hidden: bool = False
    """Whether the words below are left out."""
    words: dict[str, Word] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.value is not None:
            return f"{self.name}: {self.value}"
        key = [] if self.key is None else [f"<{self.key}>"]
        end = [WHOLE] * self.whole + [HIDDEN] * self.hidden
        return " ".join([self.name, *key, *end])


class Subtrees:
    """The parts of a grammar that are kept: paths, and how many levels of words below each."""

    def __init__(self, depths: Mapping[str, int]) -> None:
        self._ways = {tuple(path.split()): levels for path, levels in depths.items()}

    def includes(self, path: tuple[str, ...]) -> bool:
        """Return whether *path* is in a subtree or on the way to one."""
        return any(
            way[: len(path)] == path or (path[: len(way)] == way and len(path) - len(way) < levels)
            for way, levels in self._ways.items()
        )


def extract(root: Word, subtrees: Subtrees, header: str) -> str:
    """Return the text of an extract."""
    comments = "".join(f"# {line}\n" for line in header.splitlines())
    return comments + "".join(f"{line}\n" for line in _lines(_trimmed(root, subtrees, ()), 0))


def _trimmed(word: Word, subtrees: Subtrees, path: tuple[str, ...]) -> Word:
    kept = {
        name: _trimmed(each, subtrees, (*path, name))
        if subtrees.includes((*path, name))
        else replace(each, hidden=each.hidden or bool(each.words), words={})
        for name, each in word.words.items()
    }
    return replace(word, words=kept)


def _lines(word: Word, depth: int) -> Iterator[str]:
    for each in word.words.values():
        yield f"{' ' * depth}{each}"
        yield from _lines(each, depth + 1)


class Grammar:
    """What the commands of a platform may be."""

    def __init__(self, text: str, *, verbs: Sequence[str], several: bool) -> None:
        """Read the *text* of an extract.

        *verbs* are the commands besides ``set``, which may end at any word; with *several*, one
        command may have several statements of a word.
        """
        self._verbs, self._several = verbs, several
        self._root = Word("")
        path = [self._root]
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            depth = len(line) - len(line.lstrip(" "))
            word = _read(line.strip())
            del path[depth + 1 :]
            path[-1].words[word.name] = word
            path.append(word)

    @classmethod
    def of(cls, file: Path, *, verbs: Sequence[str], several: bool) -> Grammar:
        """Read an extract from a file."""
        return cls(file.read_text(encoding="utf-8"), verbs=verbs, several=several)

    def refusal(self, command: str) -> str | None:
        """Return why the device would refuse *command*, or None."""
        verb, *words = shlex.split(command)
        if verb != "set" and verb not in self._verbs:
            return f"{verb} is no command"
        try:
            self._follow(words, to_an_end=verb == "set")
        except ValueError as error:
            return str(error)
        return None

    def _follow(self, words: Sequence[str], *, to_an_end: bool) -> None:
        """Follow the words of a path.

        Raises:
            ValueError: A word or value is not possible at its place, or one is missing.
        """
        above, rest, ended = self._root, list(words), False
        while rest:
            word = above.words.get(rest[0]) or above.words.get(NAMELESS)
            if word is None:
                known = "of the extract " if above.hidden else ""
                raise ValueError(f"{rest[0]} is no word {known}after {above.name or 'the verb'}")
            if word.name != NAMELESS:
                del rest[0]
            wanted = word.value if word.key is None else word.key
            given = rest.pop(0) if wanted is not None and rest else None
            if wanted is not None and given is not None and not is_possible(given, wanted):
                raise ValueError(f"{given} is no value of {word.name}: {wanted}")
            ended = (
                word.whole
                if wanted is None
                else given is not None and (word.whole or word.value is not None)
            )
            if word.words or word.hidden or word.key is not None:
                above = word
            elif rest and not self._several:
                raise ValueError(f"{rest[0]} follows {word.name}, which ends the command")
        if to_an_end and not ended:
            raise ValueError(f"{words[-1]} needs another word")


def _read(line: str) -> Word:
    """Return the word of a line of an extract, without the words below it."""
    name, colon, value = line.partition(":")
    if colon and not re.search(r"[ <]", name):
        return Word(name, value=value.strip())
    name, _, rest = line.partition(" ")
    key = re.fullmatch(r"<(.*)>([^>]*)", rest)
    ends = (key[2] if key else rest).split()
    return Word(name, key[1] if key else None, None, WHOLE in ends, HIDDEN in ends)


_TEXT: Final = re.compile(r"@text(?:\{(\d+)\.\.(\d+)\})?(?:(!?)~(.+))?")
_RANGE: Final = re.compile(r"(-?\d+)\.\.(-?\d+)")
_CLASSES: Final = {
    "[:alnum:]": "a-zA-Z0-9",
    "[:alpha:]": "a-zA-Z",
    "[:ascii:]": r"\x00-\x7f",
    "[:digit:]": "0-9",
    "[:xdigit:]": "0-9a-fA-F",
}


def is_possible(value: str, alternatives: str) -> bool:
    """Return whether *value* is one of the *alternatives*."""
    return any(_fits(value, each) for each in alternatives.split())


def _fits(value: str, alternative: str) -> bool:
    if text := _TEXT.fullmatch(alternative):
        least, most, negated, pattern = text.groups()
        for name, characters in _CLASSES.items():
            pattern = pattern and pattern.replace(name, characters)
        long_enough = most is None or int(least) <= len(value) <= int(most)
        return long_enough and (
            pattern is None or (re.search(pattern, value) is None) == bool(negated)
        )
    if limits := _RANGE.fullmatch(alternative):
        number = re.fullmatch(r"-?\d+", value)
        return bool(number) and int(limits[1]) <= int(value) <= int(limits[2])
    if alternative.startswith("@"):
        kind = alternative[1:]
        if kind not in KINDS:
            raise ValueError(f"there is no check of values of kind {kind}")
        return KINDS[kind](value)
    return value == alternative


def _parses(parse: Callable[[str], object], slash: bool | None = None) -> Callable[[str], bool]:
    """Return a check that *parse* raises nothing, and that there is a slash or none."""

    def check(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return slash is None or ("/" in value) == slash

    return check


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(pattern, value) is not None


_ADDRESS: Final = _parses(ipaddress.ip_address)
_INTERFACE: Final = r"[a-z]+[a-z0-9]*(-\d+/\d+/\d+)?"

KINDS: Final[Mapping[str, Callable[[str], bool]]] = {
    # VyOS, names of its validators
    "ip-address": _ADDRESS,
    "ipv4-address": _parses(ipaddress.IPv4Address),
    "ipv6-address": _parses(ipaddress.IPv6Address),
    "ip-host": _parses(ipaddress.ip_interface, slash=True),
    "ipv4-host": _parses(ipaddress.IPv4Interface, slash=True),
    "ipv6-host": _parses(ipaddress.IPv6Interface, slash=True),
    "ip-prefix": _parses(ipaddress.ip_network, slash=True),
    "ipv4-prefix": _parses(ipaddress.IPv4Network, slash=True),
    "ipv6-prefix": _parses(ipaddress.IPv6Network, slash=True),
    "fqdn": _matches(r"[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*\.?"),
    # Junos, names of its types
    "ipaddr": _ADDRESS,
    "ipaddr-scoped": _ADDRESS,
    "ipv4addr": _parses(ipaddress.IPv4Address),
    "ipv6addr": _parses(ipaddress.IPv6Address),
    "ipprefix": _parses(ipaddress.ip_network),
    "ipv4prefix": _parses(ipaddress.IPv4Interface),
    "ipv6prefix": _parses(ipaddress.IPv6Interface),
    "interface-name": _matches(rf"{_INTERFACE}\.\d+"),
    "interface-device": _matches(_INTERFACE),
    "interface-unit": _matches(rf"{_INTERFACE}(\.\d+)?"),
    "ipaddr-or-interface": lambda value: _ADDRESS(value) or KINDS["interface-name"](value),
    "policy-algebra": _matches(r"[\w-]+"),
    "unreadable": bool,
}
"""Checks of values by kind; a command with a value of another kind cannot be checked."""
