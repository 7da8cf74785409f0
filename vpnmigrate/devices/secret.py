"""A value that no log, error or repr shows."""

from __future__ import annotations

from typing import Final, NoReturn, final

HIDDEN: Final = "[key withheld]"
"""Stands wherever a key would have been shown."""


@final
class Secret:
    """A pre-shared key.  It shows itself only to whoever calls ``reveal``."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the key, to be sent to EC2 or written into the vault and nowhere else."""
        return self._text

    def hidden_in(self, text: str) -> str:
        """Give *text* without this key, for words that others wrote and that may quote it."""
        return text.replace(self._text, HIDDEN) if self._text else text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled: it would leave the process in the clear")
