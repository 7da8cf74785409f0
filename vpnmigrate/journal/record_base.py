"""The base of every journal record."""

from __future__ import annotations

from msgspec import Struct


class JournalRecord(Struct, frozen=True, tag_field="record"):
    """A record of the journal; its tag says which."""
