"""Secret: a value that cannot be printed, logged or pickled."""

from __future__ import annotations

import re
from typing import Final, NoReturn, final

from vpnmigrate.model.redaction import HIDDEN

_PLAIN: Final = re.compile(r"[A-Za-z.]+|[0-9a-f._]+")
"""A word, a number or a part of an id, which text may have for other reasons."""


@final
class Secret:
    """A pre-shared key.  It shows itself only to whoever calls ``reveal``."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the key, to be sent to EC2 or written into the vault and nowhere else."""
        return self._text

    def hidden_in(self, text: str) -> str:
        """Return *text* without this key, for words that others wrote and that may quote it."""
        return text.replace(self._text, HIDDEN) if self._text else text

    @property
    def is_distinct(self) -> bool:
        """Whether text that has it has it for no other reason."""
        return bool(self._text) and not _PLAIN.fullmatch(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled: it would leave the process in the clear")
