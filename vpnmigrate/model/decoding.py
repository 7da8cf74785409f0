"""Decoding: the error message of a decoder, without the value it quotes."""

from __future__ import annotations

import re
from typing import Final

import msgspec

_QUOTED_VALUE: Final = re.compile(r"\s*'.*'", re.DOTALL)


def fault_of(error: Exception) -> str:
    """Return a decoder's error without the quoted value, which may be a key."""
    if isinstance(error, msgspec.DecodeError):
        return _QUOTED_VALUE.sub("", str(error))
    if isinstance(error, UnicodeError):
        return "not text in UTF-8"
    return type(error).__name__
