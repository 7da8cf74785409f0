"""Struct types: prepared for threads, before these read or write them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec
from msgspec import Struct


def analyse_structs() -> None:
    """Analyse the annotations of every struct that is loaded, in this thread.

    Otherwise msgspec does so when it first decodes a struct.  If several threads do that at
    the same moment, one of them reads an unfinished analysis, and the process ends with SIGSEGV
    (msgspec 0.22).
    """
    for each in set(_below(Struct)):
        with suppress(TypeError, NameError):  # It is a base, or generic: nothing decodes it.
            msgspec.json.Decoder(each)


def _below(kind: type[Struct]) -> Iterator[type[Struct]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)
