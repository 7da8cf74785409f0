"""Text as one word of bash or zsh, of which a reader sees every character."""

from __future__ import annotations

from shlex import quote


def quoted(text: str) -> str:
    """Return *text* as a shell word; what cannot be seen is written as an escape.

    A control for bidirectional text would show a reader another order than the shell has.
    """
    if text.isprintable():
        return quote(text)
    return f"$'{''.join(map(_escaped, text))}'"


def _escaped(letter: str) -> str:
    code = ord(letter)
    if letter in "\\'":
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    if code < 0x80:  # noqa: PLR2004  ASCII
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004  16 bits
