"""The text of a journal: alterations are detected, an unfinished last line is ignored."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.builders import MIGRATION, NOON
from tests.support.journals import OPENED, Story, entries
from vpnmigrate.journal.chain import JournalHead, chained, genesis, read_chain
from vpnmigrate.journal.records import JOURNAL_FORMAT, Entry, Noted
from vpnmigrate.model.errors import JournalDamagedError, JournalError

STORY = Story().opened().set_out().begun(1).settled(1)
ENTRIES = chained(STORY.entries, genesis(MIGRATION)).entries


def text_of(journal: tuple[Entry, ...] = ENTRIES) -> bytes:
    """Return *journal* as the text of its file."""
    return chained(journal, genesis(MIGRATION)).text


TEXT = text_of()
LINES = TEXT.splitlines(keepends=True)


def rewritten(number: int, **changes: object) -> bytes:
    """Return *text* with fields of one line, counted from 1, altered."""
    line = json.loads(LINES[number - 1]) | changes
    altered = json.dumps(line, separators=(",", ":")).encode() + b"\n"
    return b"".join([*LINES[: number - 1], altered, *LINES[number:]])


def test_what_was_written_is_read() -> None:
    """A journal is read as it was written, to the microsecond, with the head for the next line."""
    everything = chained(Story().migrated().returned().finalized().entries, genesis(MIGRATION))
    text, head = everything.text, everything.head

    contents = read_chain(text, MIGRATION)

    assert contents.entries == everything.entries
    assert contents.head == head
    assert (contents.sound, contents.torn) == (len(text), b"")


def test_nothing_is_an_empty_journal() -> None:
    """An empty journal has no entries, and its chain begins with the migration id."""
    contents = read_chain(b"", MIGRATION)

    assert contents.entries == ()
    assert contents.head == genesis(MIGRATION)


def test_each_line_carries_the_hash_of_the_one_before() -> None:
    """The chain can be checked with sha256sum: a line is hashed without its newline."""
    second = json.loads(LINES[1])

    assert second["prev"] == hashlib.sha256(LINES[0].rstrip(b"\n")).hexdigest()
    assert {"v", "seq", "at", "boot", "up", "prev", "record"} == set(second)
    assert (second["v"], second["seq"]) == (JOURNAL_FORMAT, 2)


def test_a_line_says_when_it_was_written_by_every_measure() -> None:
    """An entry has the run time, the machine's uptime, and the offset of its wall clock."""
    entry = Entry(1, NOON, OPENED, "boot", timedelta(seconds=7), timedelta(hours=-1))
    text = chained([entry], genesis(MIGRATION)).text

    (read,) = read_chain(text, MIGRATION).entries

    assert read == replace(entry, prev=genesis(MIGRATION))
    assert read.wall == NOON - timedelta(hours=1)


def test_a_line_that_another_encoder_wrote_is_read() -> None:
    """A line may have blanks and another order of fields, as long as its hash is in the chain."""
    head, lines = genesis(MIGRATION), []
    for line in LINES:
        fields = dict(reversed((json.loads(line) | {"prev": head}).items()))
        lines.append(json.dumps(fields).encode())
        head = hashlib.sha256(lines[-1]).hexdigest()

    found = read_chain(b"\n".join((*lines, b"")), MIGRATION, mark=JournalHead(len(lines), head))

    assert [replace(entry, prev="") for entry in found.entries] == [
        replace(entry, prev="") for entry in ENTRIES
    ]
    assert found.head == head


@pytest.mark.parametrize("bit", range(8))
def test_any_flipped_bit_before_the_last_line_is_found(bit: int) -> None:
    """If any single bit is altered, reading fails and names a line next to the damage."""
    for place in range(len(TEXT) - len(LINES[-1])):
        altered = bytearray(TEXT)
        altered[place] ^= 1 << bit
        line = TEXT[:place].count(b"\n") + 1

        with pytest.raises(JournalDamagedError) as caught:
            read_chain(bytes(altered), MIGRATION)

        assert abs(caught.value.line - line) <= 1
        assert f"line {caught.value.line}" in caught.value.message


@pytest.mark.parametrize("number", [1, 2])
def test_an_edited_record_is_named_by_its_line(number: int) -> None:
    """Damage in the middle is reported with the number of the altered line."""
    with pytest.raises(JournalDamagedError) as caught:
        read_chain(rewritten(number, record={"record": "noted", "what": "nothing"}), MIGRATION)

    assert caught.value.line == number
    assert caught.value.advice_text


@pytest.mark.parametrize(
    "lines",
    [
        [LINES[0], LINES[2], LINES[3]],
        [LINES[1], LINES[2]],
        [LINES[0], LINES[2], LINES[1], LINES[3]],
        [LINES[0], LINES[1], LINES[1], LINES[2]],
        [LINES[0], b"\n", LINES[1]],
        [line.replace(b"\n", b"\r\n") for line in LINES],
    ],
    ids=["lost", "first lost", "moved", "twice", "blank", "line ends"],
)
def test_lines_lost_moved_or_added_are_found(lines: list[bytes]) -> None:
    """Lines are accepted in their original order only."""
    with pytest.raises(JournalDamagedError):
        read_chain(b"".join(lines), MIGRATION)


def test_a_forged_number_is_found() -> None:
    """A last line whose number is wrong is refused although its hash fits."""
    with pytest.raises(JournalDamagedError) as caught:
        read_chain(rewritten(4, seq=9), MIGRATION)

    assert caught.value.line == 4


def test_another_runs_journal_is_refused() -> None:
    """A journal that was copied from another run does not begin where this run's chain does."""
    with pytest.raises(JournalDamagedError, match="first line of this run's journal"):
        read_chain(TEXT, "mig-other")


def test_a_last_line_cut_at_any_byte_is_forgiven() -> None:
    """If only a part of the last line was written, the journal is the lines before it."""
    sound = len(TEXT) - len(LINES[-1])
    for end in range(sound, len(TEXT)):
        contents = read_chain(TEXT[:end], MIGRATION)

        assert contents.entries == ENTRIES[:-1]
        assert contents.sound == sound
        assert contents.torn == TEXT[sound:end]


@pytest.mark.parametrize("tail", [b"\0" * 100, b'{"v":1,"se\0\0\0', b"garbage\n", b"\xff\xfe"])
def test_a_tail_that_power_loss_left_is_forgiven(tail: bytes) -> None:
    """An unacknowledged last line may contain any bytes; it is ignored."""
    contents = read_chain(TEXT + tail, MIGRATION)

    assert contents.entries == ENTRIES
    assert contents.torn == tail


def test_a_newer_format_is_told_apart_from_damage() -> None:
    """A journal of a newer version is not called damaged: the advice is to use that version."""
    newer = rewritten(4, v=JOURNAL_FORMAT + 1)

    with pytest.raises(JournalError, match=f"format {JOURNAL_FORMAT + 1}") as caught:
        read_chain(newer, MIGRATION)

    assert not isinstance(caught.value, JournalDamagedError)
    assert "newer" in caught.value.advice_text


def test_an_older_format_is_refused_by_name() -> None:
    """A journal of format 1 is not called damaged: the advice is to use its version."""
    older = rewritten(1, v=1).splitlines(keepends=True)[0]

    with pytest.raises(JournalError, match="format 1, which this version does not read") as caught:
        read_chain(older, MIGRATION)

    assert not isinstance(caught.value, JournalDamagedError)


def test_an_unknown_record_is_told_apart_from_damage() -> None:
    """A record type of a newer version is refused, not skipped and not called damage."""
    with pytest.raises(JournalError, match="line 4") as caught:
        read_chain(rewritten(4, record={"record": "teleported"}), MIGRATION)

    assert not isinstance(caught.value, JournalDamagedError)


def test_a_field_that_came_later_does_not_hurt() -> None:
    """A field added by a later version of the same format is ignored."""
    contents = read_chain(rewritten(4, extra="later"), MIGRATION)

    assert contents.entries == ENTRIES


def test_records_survive_any_text() -> None:
    """Newlines and unusual characters inside a record do not break its line."""
    odd = entries(OPENED, Noted('a\nb\r\u2028"\\ \U0001f600'))

    assert read_chain(text_of(odd), MIGRATION).entries == chained(odd, genesis(MIGRATION)).entries


@pytest.mark.parametrize(
    "line", [b"", b"{}", b'{"v":2}', b'{"v":2,"seq":1}', b"[" * 5_000, b"\xff"]
)
def test_what_is_no_journal_costs_no_memory(line):
    """A line is verified before the next one is read, also in a file that is not a journal."""
    text = (line + b"\n") * (4_000_000 // (len(line) + 1))
    tracemalloc.start()
    try:
        with pytest.raises(JournalDamagedError) as damaged:
            read_chain(text, MIGRATION)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert damaged.value.line in (1, 2)
    assert peak < 1_000_000


def test_a_long_journal_is_read_in_parts():
    """Each line is there once, also where a line is longer than a part."""
    long = entries(OPENED, *(Noted(f"{number}" * 20_000) for number in range(12)))

    assert read_chain(text_of(long), MIGRATION).entries == chained(long, genesis(MIGRATION)).entries


def test_no_more_lines_are_read_than_asked_for():
    """With a known number of lines, lines added after them are not read."""
    text = chained(ENTRIES, genesis(MIGRATION)).text

    assert len(read_chain(text, MIGRATION, most=2).entries) == 2
