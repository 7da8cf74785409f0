"""Hash chain: journal lines as JSON, each with the hash of the line before it.

The first line has the hash of the migration id, so that a journal belongs to one run.  The chain
shows that a line was altered, lost, added or moved, by accident or by an editor.  It is not a
signature.  Alone, it does not show that lines are missing at the end or that the last one was
altered: a ``JournalHead`` stored beside it does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import replace

from vpnmigrate.journal.records import JOURNAL_FORMAT, Entry, Record
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.model.errors import JournalDamagedError, JournalError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.redaction import Redaction

RESTORE = (
    "restore the journal from a backup; without one, start again from the plan and AWS's tags:",
    cli("apply", "PLAN", "--run-dir", "NEW", "--take-over", "HOLDER"),
    "or the same with rollback",
)
_UPGRADE = "use the vpnmigrate that wrote it, or a newer one"


class _Header(msgspec.Struct, frozen=True):
    """Fields of a line in any format; ``prev`` and ``seq`` are its place in the chain."""

    v: int
    seq: int = 0
    prev: str = ""


class _Written(msgspec.Struct, frozen=True, omit_defaults=True):
    v: int
    seq: int
    at: datetime
    boot: str
    up: timedelta
    prev: str
    record: Record
    ahead: timedelta | None = None
    """None means zero, and is not written."""


_ENCODER: Final = msgspec.json.Encoder()
_ENTRIES: Final = msgspec.json.Decoder(Entry)
_HEADERS: Final = msgspec.json.Decoder(_Header)
_START: Final = b'{"v":%d,' % JOURNAL_FORMAT
"""The beginning of each line that ``chained`` writes."""


class JournalContents(msgspec.Struct, frozen=True):
    """The contents of a journal file."""

    entries: tuple[Entry, ...]
    head: str
    """The ``prev`` of the next line."""
    sound: int
    """Number of bytes of ``entries``."""
    torn: bytes
    """An unfinished line after them; no call was sent because of it."""


class JournalHead(msgspec.Struct, frozen=True):
    """The acknowledged part of a journal: *lines* lines, the last of which has *hash*."""

    lines: int
    hash: str


def genesis(migration: str) -> str:
    """Return the ``prev`` of the first line of *migration*'s journal."""
    return _hash(b"vpnmigrate journal of " + migration.encode())


class ChainedLines(msgspec.Struct, frozen=True):
    """Entries with their place in the chain, their text, and the head after them."""

    entries: tuple[Entry, ...]
    text: bytes
    head: str


def redacted(record: Record, redaction: Redaction) -> Record:
    """Return *record* without keys, because a line in the chain cannot be edited later."""
    document = msgspec.to_builtins(record)
    cut = redaction.value(document)
    return record if cut == document else msgspec.convert(cut, type(record))


def chained(entries: Iterable[Entry], head: str) -> ChainedLines:
    """Return *entries* as lines that follow *head*."""
    placed, lines = [], []
    for entry in entries:
        placed.append(replace(entry, prev=head))
        line = _ENCODER.encode(
            _Written(
                JOURNAL_FORMAT,
                entry.seq,
                entry.at,
                entry.boot,
                entry.up,
                head,
                entry.record,
                entry.ahead or None,
            )
        )
        head = _hash(line)
        lines.append(line + b"\n")
    return ChainedLines(tuple(placed), b"".join(lines), head)


def read_chain(
    text: bytes,
    migration: str,
    name: str = "the journal",
    mark: JournalHead | None = None,
    most: int | None = None,
) -> JournalContents:
    """Read and verify a whole journal; messages call it *name*.

    With *mark*, an acknowledged line is never treated as unfinished.  At most *most* lines are
    read.  Each part is verified before the next one is read, so a text that is not a journal needs
    no more memory than its first lines.

    Raises:
        JournalDamagedError: A line differs from the one written; the message says which and why.
        JournalError: Another version of the program wrote it.
    """
    end, rest = _end_of_lines(text, name)
    if most is not None:
        end = _end_of_first(text, end, most)
    found = _intact(text, end, migration, mark)
    entries, head = found or _examined(text, end, migration, name, mark)
    return JournalContents(entries, head, len(text) - len(rest), rest)


_Verified = tuple[tuple[Entry, ...], str]
"""Entries, and the head after them."""


def _intact(text: bytes, end: int, migration: str, mark: JournalHead | None) -> _Verified | None:
    """Return the entries of a journal that is as ``chained`` wrote it; None if it may not be.

    Each line is decoded once, with many others in one call.  ``_examined`` says what is wrong.
    """
    head = genesis(migration)
    entries: list[Entry] = []
    for part in _parts(text, end):
        lines = part[:-1].split(b"\n")
        try:
            read = _ENTRIES.decode_lines(part)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if len(read) != len(lines):
            return None
        for number, (entry, line) in enumerate(zip(read, lines, strict=True), len(entries) + 1):
            if not line.startswith(_START) or entry.prev != head or entry.seq != number:
                return None
            head = sha256(line).hexdigest()
        entries += read
    if mark is not None and mark.lines:
        after = entries[mark.lines : mark.lines + 1]
        marked = after[0].prev if after else head
        if mark.lines > len(entries) or mark.hash != marked:
            return None
    return tuple(entries), head


def _examined(
    text: bytes, end: int, migration: str, name: str, mark: JournalHead | None
) -> _Verified:
    """Verify the place of each line before any record is read, and name the first fault."""
    head = marked = genesis(migration)
    number = 0
    lines = _lines(text, end)
    line = next(lines, None)
    header = None if line is None else _header(line, 1, name)
    while line is not None and header is not None:
        number += 1
        following = next(lines, None)
        after = None if following is None else _header(following, number + 1, name)
        own = _hash(line)
        intact = after.prev == own if after and after.prev else None
        _require_in_chain(header, number, head, name, intact=intact)
        head = own
        if mark is not None and number == mark.lines:
            marked = head
        line, header = following, after
    if mark is not None and mark.lines > number:
        raise _missing(name, number, mark)
    if mark is not None and mark.lines and mark.hash != marked:
        raise _damaged(name, mark.lines, "it is not the acknowledged line")
    # The chain is intact, so an unreadable record comes from another version of the program.
    entries = (_entry(line, n, name) for n, line in enumerate(_lines(text, end), start=1))
    return tuple(entries), head


def _end_of_lines(text: bytes, name: str) -> tuple[int, bytes]:
    """Return where the last whole line ends, and the unfinished line after it."""
    end = text.rfind(b"\n") + 1
    rest = text[end:]
    if rest and _is_more_than_json(rest):
        # This is not an unfinished line, and the next record would be appended to it.
        raise _damaged(name, text.count(b"\n") + 1, "it has extra data after its end")
    if not rest and end:
        begins = text.rfind(b"\n", 0, end - 1) + 1
        if _is_torn(text[begins : end - 1]):
            return begins, text[begins:]
    return end, rest


def _end_of_first(text: bytes, end: int, most: int) -> int:
    """Return where the first *most* lines of *text* up to *end* end."""
    first = 0
    for _ in range(most):
        if first < end:
            first = text.index(b"\n", first) + 1
    return first


def _lines(text: bytes, end: int) -> Iterator[bytes]:
    """Yield the lines of *text* up to *end*, without line ends."""
    begins = 0
    while begins < end:
        ends = text.index(b"\n", begins)
        yield text[begins:ends]
        begins = ends + 1


_PART: Final = 32 * 1024


def _parts(text: bytes, end: int) -> Iterator[bytes]:
    """Yield the lines of *text* up to *end*, many whole ones at a time."""
    begins = 0
    while begins < end:
        ends = text.index(b"\n", min(begins + _PART, end) - 1) + 1
        yield text[begins:ends]
        begins = ends


def _require_in_chain(
    header: _Header, number: int, head: str, name: str, *, intact: bool | None
) -> None:
    """Check that the line with *header* follows *head*.

    *intact* is whether the next line has its hash; None if there is no next line with a hash.
    """
    if header.v > JOURNAL_FORMAT and intact is not False:
        raise _newer(name, number, f"it has format {header.v}")
    if header.v < JOURNAL_FORMAT and number == 1 and intact is not False:
        raise JournalError(
            f"{name} has format {header.v}, which this version does not read",
            advice="use the version of vpnmigrate that wrote it",
        )
    if header.prev != head:
        raise _broken(name, number, intact=bool(intact))
    if header.seq != number or header.v != JOURNAL_FORMAT:
        raise _damaged(name, number, "its number or format was altered")


def _header(line: bytes, number: int, name: str) -> _Header:
    try:
        return _HEADERS.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _damaged(name, number, f"it cannot be read ({fault_of(exc)})") from None


def _entry(line: bytes, number: int, name: str) -> Entry:
    """Return the entry of a line that the chain has verified."""
    try:
        return _ENTRIES.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _newer(
            name, number, f"its record type is unknown to this version ({fault_of(exc)})"
        ) from None


def _broken(name: str, number: int, *, intact: bool) -> JournalDamagedError:
    """Return the error for a break in the chain before line *number*."""
    if number == 1:
        return _damaged(name, 1, "it is not the first line of this run's journal")
    if intact:
        return _damaged(name, number - 1, "it was altered, or lines after it are missing")
    return _damaged(name, number, f"it was altered, or does not follow line {number - 1}")


def _missing(name: str, found: int, mark: JournalHead) -> JournalDamagedError:
    if not found:
        return _damaged(name, 1, f"it is missing, with all its {mark.lines} lines")
    lost = mark.lines - found
    text = "the last line is" if lost == 1 else f"the last {lost} lines are"
    return _damaged(name, found + 1, f"{text} missing or cannot be read")


def _damaged(name: str, number: int, why: str) -> JournalDamagedError:
    return JournalDamagedError(
        f"{name} is damaged at line {number}: {why}", line=number, advice=RESTORE
    )


def _newer(name: str, number: int, why: str) -> JournalError:
    return JournalError(f"{name} cannot be read from line {number} on: {why}", advice=_UPGRADE)


def _is_torn(line: bytes) -> bool:
    """Return whether the last line was never finished, rather than altered later."""
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return not _is_more_than_json(line)
    return False


def _is_more_than_json(line: bytes) -> bool:
    """Return whether data follows a whole JSON value: joined lines, or an altered end."""
    text = line.decode(errors="replace")
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return end < len(text)


def _hash(line: bytes) -> str:
    return sha256(line).hexdigest()
