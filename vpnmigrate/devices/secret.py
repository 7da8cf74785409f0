"""Secret: a pre-shared key as a value that cannot be printed, logged or pickled.

``keys_in`` finds the keys in EC2's text, and ``local.vault`` writes the text to the disk; it passes
each key to ``model.redaction``, which removes it from everything else that is written.
"""

from __future__ import annotations

import operator
import re
from itertools import takewhile
from typing import Final, NoReturn, final

from vpnmigrate.model.ec2 import KeyVisibility
from vpnmigrate.model.redaction import BLOCK, HIDDEN

_PLAIN: Final = re.compile(r"[A-Za-z.]+|[0-9a-f._]+")
"""A word, a number or a part of an id, which may occur in other text."""

_PART: Final = 8
"""Characters: EC2's shortest key.  A shorter part is useless, and may occur by coincidence."""

_KEY: Final = re.compile(r"[A-Za-z0-9._]{8,64}")
"""EC2's own rule for keys (domain.md 6.3)."""

_NEW_KEY: Final = re.compile(r"[A-Za-z1-9._][A-Za-z0-9._]{7,63}")
"""EC2's own rule for keys that it is sent: none begins with zero (domain.md 6.3)."""

_KEY_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._]+")

_ELEMENTS: Final = re.compile(
    # The forms that a parser of XML accepts: with a prefix, attributes, comments, CDATA.
    r"<(?:[\w.-]{1,40}:)?pre_shared_key(?:\s[^<>]{0,200})?>"
    r"(?:\s|<!--[^>]{0,200}-->|<!\[CDATA\[){0,40}([^<\s\]]+)\s*(?:<|\]\]>)"
)

_PLACEHOLDERS: Final = frozenset({"redacted"})
"""Words in place of a key that Secrets Manager has (domain.md 14.1), in lower case."""


@final
class Secret:
    """Pre-shared key.  Only ``reveal`` returns its text."""

    __slots__ = ("_blocks", "_text", "is_distinct", "marks")

    def __init__(self, text: str) -> None:
        self._text = text
        self.is_distinct: Final = bool(text) and not _PLAIN.fullmatch(text)
        """Whether the key is so specific that its occurrence in a text is not a coincidence."""
        ends = range(BLOCK, len(text) + 1, BLOCK)
        self._blocks = tuple(text[end - BLOCK : end] for end in ends)
        self.marks: Final = frozenset(map(hash, self._blocks))
        """Hashes of the key's blocks, which do not show them (``redaction.Key``)."""

    def reveal(self) -> str:
        """Return the key, only for a request to EC2, a private or encrypted file, or a search.

        The files are those of the vault and of ``device config``; the search finds keys in the
        evidence of a run before it is packed.
        """
        return self._text

    def hidden_in(self, text: str) -> str:
        """Return *text* without this key and its longer parts, for messages that may quote it.

        A message may have been cut in the middle of a key.
        """
        if not self._text or not self._may_be_in(text):
            return text
        text = text.replace(self._text, HIDDEN)
        if not self.is_distinct:
            return text
        for start in range(len(self._text) - _PART + 1):
            while (at := text.find(self._text[start : start + _PART])) >= 0:
                alike = map(operator.eq, text[at:], self._text[start:])
                end = at + len([*takewhile(bool, alike)])
                text = f"{text[:at]}{HIDDEN}{text[end:]}"
        # Two keys may begin alike: then both hide a part of the same text.
        return text.replace(HIDDEN + HIDDEN, HIDDEN)

    def _may_be_in(self, text: str) -> bool:
        """Return whether *text* may contain the key or a longer part.

        Every text that is written is searched for every key, and nearly none contains one.
        """
        for block in self._blocks:  # A generator would take as long as the search.
            if block in text:
                return True
        return not self._blocks

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key cannot be pickled: it would leave the process in clear text")


def keys_in(text: str) -> frozenset[Secret]:
    """Return every key in a key element of *text*, which need not be a whole document."""
    return frozenset(filter(None, map(key_of, _ELEMENTS.findall(text))))


def key_of(text: str) -> Secret | None:
    """Return *text* as a key if it is valid, or None for a placeholder of EC2."""
    if not _KEY.fullmatch(text) or text.lower() in _PLACEHOLDERS:
        return None
    return Secret(text)


def key_visibility(text: str | None) -> KeyVisibility:
    """Return what *text*, EC2's value of a pre-shared key, is, without keeping it."""
    text = (text or "").strip()
    if not text:
        return KeyVisibility.UNKNOWN
    if text.lower() in _PLACEHOLDERS or not _KEY_CHARACTERS.fullmatch(text):
        return KeyVisibility.REDACTED
    return KeyVisibility.SHOWN if _NEW_KEY.fullmatch(text) else KeyVisibility.UNFIT
