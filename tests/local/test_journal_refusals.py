"""Messages about refused journals: line, reason and advice."""

from __future__ import annotations

import json

import pytest

from tests.support.builders import MIGRATION
from tests.support.journals import Story
from vpnmigrate.journal.chain import RESTORE, JournalHead, chained, genesis, read_chain
from vpnmigrate.journal.records import JOURNAL_FORMAT
from vpnmigrate.model.errors import JournalDamagedError, JournalError
from vpnmigrate.model.errors.commands import one_line

WRITTEN = chained(Story().opened().set_out().begun(1).settled(1).entries, genesis(MIGRATION))
TEXT, HEAD = WRITTEN.text, WRITTEN.head
LINES = TEXT.splitlines(keepends=True)
NOTED = {"record": "noted", "what": "nothing"}


def altered(number: int, **changes: object) -> list[bytes]:
    """Alter the fields of one line, counted from 1."""
    line = json.loads(LINES[number - 1]) | changes
    lines = list(LINES)
    lines[number - 1] = json.dumps(line, separators=(",", ":")).encode() + b"\n"
    return lines


def refused(lines: list[bytes], mark: JournalHead | None = None) -> JournalError:
    """Read *lines* and return the error."""
    with pytest.raises(JournalError) as caught:
        read_chain(b"".join(lines), MIGRATION, "the book", mark)
    return caught.value


@pytest.mark.parametrize(
    ("lines", "number", "why"),
    [
        (LINES[1:], 1, "it is not the first line of this run's journal"),
        (altered(2, record=NOTED), 2, "it was altered, or lines after it are missing"),
        (altered(2, prev="0"), 2, "it was altered, or does not follow line 1"),
        ([LINES[0], *LINES[2:]], 1, "it was altered, or lines after it are missing"),
        (altered(4, seq=9), 4, "its number or format was altered"),
        (altered(4, v=JOURNAL_FORMAT - 1), 4, "its number or format was altered"),
    ],
    ids=["first lost", "altered", "torn off", "lost", "renumbered", "older"],
)
def test_damage_is_told_by_its_line(lines, number, why):
    """The message names the journal, the line and the reason; the advice has both commands."""
    error = refused(lines)

    assert isinstance(error, JournalDamagedError)
    assert error.message == f"the book is damaged at line {number}: {why}"
    assert (error.line, error.advice) == (number, RESTORE)


@pytest.mark.parametrize(
    ("kept", "number", "why"),
    [
        (3, 4, "the last line is missing or cannot be read"),
        (1, 2, "the last 3 lines are missing or cannot be read"),
        (0, 1, "it is missing, with all its 4 lines"),
    ],
)
def test_what_was_acknowledged_and_is_missing_is_told(kept, number, why):
    """With a mark, the message says how many lines are missing and from which line on."""
    error = refused(LINES[:kept], JournalHead(4, HEAD))

    assert isinstance(error, JournalDamagedError)
    assert error.message == f"the book is damaged at line {number}: {why}"
    assert error.line == number


def test_another_last_line_than_the_acknowledged_one_is_told():
    """A complete last line that differs from the mark is damaged."""
    error = refused(altered(4, record=NOTED), JournalHead(4, HEAD))

    assert error.message == ("the book is damaged at line 4: it is not the acknowledged line")


@pytest.mark.parametrize(
    ("lines", "number", "why"),
    [
        (altered(4, v=JOURNAL_FORMAT + 1), 4, f"it has format {JOURNAL_FORMAT + 1}"),
        (
            altered(4, record={"record": "teleported"}),
            4,
            "its record type is unknown to this version",
        ),
    ],
    ids=["format", "record"],
)
def test_what_a_newer_program_wrote_is_told(lines, number, why):
    """A journal of a later version is reported with line and version, not as damaged."""
    error = refused(lines)

    assert not isinstance(error, JournalDamagedError)
    assert error.message.startswith(f"the book cannot be read from line {number} on: {why}")
    assert error.advice == "use the vpnmigrate that wrote it, or a newer one"


def test_a_newer_format_may_chain_its_lines_otherwise():
    """Lines of a later format are reported as such, not as damaged."""
    line = b'{"v":%d}\n' % (JOURNAL_FORMAT + 1)

    error = refused([*LINES[:2], line, line])

    assert not isinstance(error, JournalDamagedError)
    assert error.advice == "use the vpnmigrate that wrote it, or a newer one"


def test_a_line_that_is_no_line_of_a_journal_is_told_with_its_fault():
    """A line that cannot be decoded is damaged, and the message has the decoder's reason."""
    error = refused([LINES[0], b"[]\n", *LINES[2:]])

    assert isinstance(error, JournalDamagedError)
    assert error.message.startswith("the book is damaged at line 2: it cannot be read (Expected")
    assert error.line == 2


@pytest.mark.parametrize("behind", [LINES[3].rstrip(), b" ", b"\r"], ids=["line", "blank", "cr"])
def test_a_last_line_that_something_ran_into_is_no_torn_one(behind):
    """A last line with more than one JSON value was complete, and altered later.

    A process that resumed from it would append its next line to the same line.
    """
    error = refused([*LINES[:3], LINES[3].rstrip() + behind])

    assert isinstance(error, JournalDamagedError)
    assert error.message == "the book is damaged at line 4: it has extra data after its end"
    assert error.line == 4


def test_without_a_name_it_is_the_journal():
    """Journal text from another source needs no file name."""
    with pytest.raises(JournalError, match=r"^the journal is damaged at line 1: "):
        read_chain(b"".join(LINES[1:]), MIGRATION)


def test_the_advice_names_the_two_ways_on():
    """Without a backup a run resumes from plan and tags, forward or in rollback."""
    assert one_line(RESTORE) == (
        "restore the journal from a backup; without one, start again from the plan and AWS's tags: "
        "vpnmigrate apply PLAN --run-dir NEW --take-over HOLDER or the same with rollback"
    )
