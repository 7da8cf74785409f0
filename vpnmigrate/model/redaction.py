"""Redaction: pre-shared keys and passwords removed from text that is written, shown or sent.

Messages are not built from API answers or device files.  Redaction removes keys that appear anyway,
through an unforeseen error, a tag, a hook or a test command: the value of any field named
pre-shared key, in XML, JSON, YAML, forms and Python, escaped or not, complete or truncated; and
every key in the vault.  One object of a process (``cli.dependencies.redaction_in``) serves its
journal, log, hooks and output.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, Protocol

HIDDEN: Final = "[key withheld]"
"""Replacement text for a key."""

_NAME = r"pre[ _-]?shared[ _-]?key"
_ENCODED = r"(?:{char}|&(?:amp;)*(?:{name}|#0*{dec}|#x0*{hex});|\\+(?:u00|x){hex}|%(?:25)*{hex})"
_OPEN = _ENCODED.format(char="<", name="lt", dec="60", hex="3c")
_CLOSE = _ENCODED.format(char=">", name="gt", dec="62", hex="3e")
_QUOTE = _ENCODED.format(char=r"\\*[\"']", name="(?:quot|apos)", dec="(?:34|39)", hex="2[27]")
_SLASH = r"(?:\\*/|%(?:25)*2f)\s*(?:[\w.-]{1,40}:)?"
_TAG = rf"(?:{_NAME}|\w{{0,40}}_key)"
"""A tag's name: its end is enough, since the text may begin in the middle of it."""
_ELEMENT: Final = re.compile(
    # An end tag; or a start tag and all up to the end tag, or to the text's end if there is none.
    rf"{_SLASH}{_TAG}|({_TAG}(?:\s[^<>]{{0,200}}?)?{_CLOSE})"
    rf"(?:{re.escape(HIDDEN)}|.*?(?={_OPEN}\s*{_SLASH}{_TAG}|\Z))",
    re.IGNORECASE | re.DOTALL,
)
_ENDED: Final = re.compile(
    # The end of an element whose start tag is missing.
    rf"(?<![\w.])[\w.]{{1,64}}(\s{{0,40}}{_OPEN}\s*{_SLASH}{_NAME})",
    re.IGNORECASE,
)
_MEMBER: Final = re.compile(
    # PreSharedKey with its value: "…": "…", \"…\": \"…\", …=…, …: …  A variable of the shell, as
    # in the runbook's commands, is no value: EC2 allows no "$" in a key (domain.md 6.3).
    rf"({_NAME}(?:{_QUOTE})?\s*(?:[:=]|=>|%(?:25)*3[ad])\s*)"
    rf"(?!(?:{_QUOTE})?(?:{re.escape(HIDDEN)}|\$KEY_\d{{1,2}}(?:{_QUOTE})))"
    rf"(?:({_QUOTE}).*?(?:\2|\Z)|[^\s\"'&<>,;}}\]]+)",
    re.IGNORECASE | re.DOTALL,
)


class Key(Protocol):
    """A key that can be removed from text without being shown (``devices.secret.Secret``)."""

    @property
    def is_distinct(self) -> bool:
        """Whether the key is unlikely to appear in text by coincidence."""
        ...

    @property
    def marks(self) -> Collection[int]:
        """Hashes of blocks of ``BLOCK`` characters; none if the key has no block.

        A text that contains the key, or a part of it that has to be hidden, has one of the blocks.
        """
        ...

    def hidden_in(self, text: str) -> str:
        """Return *text* without the key."""
        ...


BLOCK: Final = 4
"""Characters of a block of a key: each part of eight, EC2's shortest key, contains one."""
_FEW: Final = 8
"""Keys; a text is searched for so many one by one, which is quicker for long texts."""


@dataclass(frozen=True)
class _KnownKeys:
    """Keys by their marks: the worker of a fleet has thousands, and writes short texts."""

    groups: int
    """How many groups of keys these are."""
    every: AbstractSet[Key]
    by_mark: Mapping[int, Collection[Key]]
    unmarked: Collection[Key]

    @classmethod
    def of(cls, groups: Sequence[AbstractSet[Key]]) -> _KnownKeys:
        """Return the keys of *groups*."""
        every = frozenset[Key]().union(*groups)
        distinct = [key for key in every if key.is_distinct]
        by_mark = defaultdict[int, list[Key]](list)
        for key in distinct:
            for mark in key.marks:
                by_mark[mark].append(key)
        return cls(len(groups), every, by_mark, [key for key in distinct if not key.marks])

    def near(self, text: str) -> Iterable[Key]:
        """Return the keys that *text* may contain."""
        if len(self.every) <= _FEW:
            return (key for key in self.every if key.is_distinct)
        marks = {hash(text[at : at + BLOCK]) for at in range(len(text) - BLOCK + 1)}
        found = {key for mark in marks & self.by_mark.keys() for key in self.by_mark[mark]}
        return found.union(self.unmarked)


def without_key_elements(text: str) -> str:
    """Return *text* without the value of any field named pre-shared key."""
    folded = text.casefold()
    if "shared" not in folded and "_key" not in folded:
        return text  # None of the expressions can match.
    text = _ELEMENT.sub(_emptied, text)
    text = _ENDED.sub(rf"{HIDDEN}\1", text)
    return _MEMBER.sub(rf"\1{HIDDEN}", text)


_CREDENTIAL: Final = re.compile(
    # user:password@ of a URL, and libpq's parameter of a URL.
    r"(?<=://)([^\s/@:]*):[^\s/@]+(?=@)|([?&](?:ssl)?password)=[^\s&\"']+",
    re.IGNORECASE,
)


def without_passwords(text: str, instead: str = "***") -> str:
    """Return *text* with *instead* in place of the password of each URL, such as a database's."""
    if "://" not in text:
        return text
    return _CREDENTIAL.sub(
        lambda found: f"{found[1]}:{instead}" if found[2] is None else f"{found[2]}={instead}", text
    )


def _emptied(found: re.Match[str]) -> str:
    start = found[1]
    return found[0] if start is None or start == found[0] else f"{start}{HIDDEN}"


class Redaction:
    """Removes keys from text: those in a field named as a key, and those it has learned."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._learned: list[AbstractSet[Key]] = [frozenset(keys)]
        self._indexed = _KnownKeys.of(self._learned)

    def learn(self, keys: Iterable[Key]) -> None:
        """Add *keys* to those that are removed, in every thread."""
        if new := frozenset(keys) - self._indexed.every:
            self._learned.append(new)

    @property
    def _known(self) -> _KnownKeys:
        """The keys that were learned up to now, by any thread."""
        known, learned = self._indexed, tuple(self._learned)
        if known.groups < len(learned):
            # Another thread may put an older index in its place; the next reader renews it.
            known = self._indexed = _KnownKeys.of(learned)
        return known

    def text(self, text: str) -> str:
        """Return *text* without keys.

        A key that is a plain word or number is removed only inside an element named as a key: ids,
        states and codes must not change.
        """
        text = without_passwords(without_key_elements(text))
        for key in self._known.near(text):
            text = key.hidden_in(text)
        return text

    def value(self, value: Any) -> Any:
        """Return plain data with every text in it redacted, except names of members."""
        return mapped(value, self.text)


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return plain data with *change* applied to every text, except names of members."""
    match value:
        case str():
            return change(value)
        case dict():
            return {
                name: HIDDEN if _holds_a_key(name, below) else mapped(below, change)
                for name, below in value.items()
            }
        case list() | tuple():
            return type(value)(mapped(below, change) for below in value)
        case _:
            return value


def _holds_a_key(name: object, value: object) -> bool:
    return isinstance(value, str) and bool(value) and _IS_NAME.fullmatch(str(name)) is not None


_IS_NAME: Final = re.compile(_NAME, re.IGNORECASE)
