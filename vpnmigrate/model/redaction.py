"""Redaction: pre-shared keys removed from text that is written, shown or sent.

No message is made of an answer or a device file in the first place.  This cuts what gets there all
the same, by an error not foreseen, a tag, a hook or a test command: the value of whatever is named
a pre-shared key, in XML, JSON, YAML, forms and Python, escaped or not, whole or cut off; and each
key that the vault has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

HIDDEN: Final = "[key withheld]"
"""Stands wherever a key would have been shown."""

_NAME = r"pre[ _-]?shared[ _-]?key"
_ENCODED = r"(?:{char}|&(?:amp;)*(?:{name}|#0*{dec}|#x0*{hex});|\\+(?:u00|x){hex}|%(?:25)*{hex})"
_OPEN = _ENCODED.format(char="<", name="lt", dec="60", hex="3c")
_CLOSE = _ENCODED.format(char=">", name="gt", dec="62", hex="3e")
_QUOTE = _ENCODED.format(char=r"\\*[\"']", name="(?:quot|apos)", dec="(?:34|39)", hex="2[27]")
_SLASH = r"(?:\\*/|%(?:25)*2f)\s*(?:[\w.-]{1,40}:)?"
_TAG = rf"(?:{_NAME}|\w{{0,40}}_key)"
"""A tag's name: the end of one is enough, since the text may begin in the middle of it."""
_ELEMENT: Final = re.compile(
    # An end tag; or a start tag and all up to the end tag, or to the text's end if there is none.
    rf"{_SLASH}{_TAG}|({_TAG}(?:\s[^<>]{{0,200}}?)?{_CLOSE})"
    rf"(?:{re.escape(HIDDEN)}|.*?(?={_OPEN}\s*{_SLASH}{_TAG}|\Z))",
    re.IGNORECASE | re.DOTALL,
)
_ENDED: Final = re.compile(
    # The end of an element whose start tag is not there.
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
_WORTH_A_LOOK: Final = re.compile(r"key|shared", re.IGNORECASE)


class Key(Protocol):
    """A key that can be cut out of text without being shown (``devices.secret.Secret``)."""

    @property
    def is_distinct(self) -> bool:
        """Whether text that has it has it for no other reason."""
        ...

    def hidden_in(self, text: str) -> str:
        """Return *text* without it."""
        ...


def without_key_elements(text: str) -> str:
    """Return *text* without the value of anything that is named a pre-shared key."""
    if not _WORTH_A_LOOK.search(text):
        return text
    text = _ELEMENT.sub(_emptied, text)
    text = _ENDED.sub(rf"{HIDDEN}\1", text)
    return _MEMBER.sub(rf"\1{HIDDEN}", text)


def _emptied(found: re.Match[str]) -> str:
    start = found[1]
    return found[0] if start is None or start == found[0] else f"{start}{HIDDEN}"


class Redaction:
    """Cuts keys out of text: those that an element names, and those that it has learnt."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = frozenset(keys)

    def learn(self, keys: Iterable[Key]) -> None:
        """Cut *keys* as well from now on, in every thread."""
        self._keys |= frozenset(keys)

    def text(self, text: str) -> str:
        """Return *text* without keys.

        A key that is a plain word or number is cut only where an element names it: ids, states
        and codes must stay what they are.
        """
        text = without_key_elements(text)
        for key in self._keys:
            if key.is_distinct:
                text = key.hidden_in(text)
        return text

    def value(self, value: Any) -> Any:
        """Return plain data with every text in it redacted, names of members aside."""
        return mapped(value, self.text)


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return plain data with every text in it changed, names of members aside."""
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
