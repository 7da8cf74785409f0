"""Journals of any length: the entries of attempts that make the changes of a large plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import cycle, islice

from vpnmigrate.journal.chain import chained, genesis
from vpnmigrate.journal.records import (
    Answered,
    DirectionTaken,
    Entry,
    Finished,
    Intended,
    Opened,
    OutageBegan,
    OutageEnded,
    Record,
    StepBegun,
    StepSettled,
    TrafficVerified,
)
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.model.ec2 import MigrationId
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_CUTOVER, Direction, Phase, Plan

BETWEEN = timedelta(milliseconds=200)
"""Time between two entries."""


def long_journal(plan: Plan, lines: int, migration: MigrationId) -> tuple[Entry, ...]:
    """Return *lines* entries: attempts forward, each rolled back but perhaps the last one."""
    entries: list[Entry] = []
    at = began = plan.made
    for record in islice(_records(plan, migration), lines):
        at += BETWEEN
        if isinstance(record, OutageBegan):
            began = at
        timed = _at(record, at, began)
        entries.append(Entry(len(entries) + 1, at, timed, "boot", at - plan.made))
    return tuple(entries)


def _at(record: Record, at: datetime, began: datetime) -> Record:
    """Return *record* as written at *at*, in an outage since *began*."""
    match record:
        case OutageBegan():
            return OutageBegan(at)
        case OutageEnded():
            return OutageEnded(at, at - began)
        case TrafficVerified():
            return TrafficVerified(at)
        case _:
            return record


def journal_text(entries: Sequence[Entry], migration: MigrationId) -> bytes:
    """Return *entries* as the content of a journal file."""
    return chained(entries, genesis(migration)).text


def _records(plan: Plan, migration: MigrationId) -> Iterator[Record]:
    """Yield the records of attempts without end."""
    intent = 0
    yield Opened(migration, plan.fingerprint, "host", "user", 1, "test")
    for attempt, direction in enumerate(cycle((Direction.FORWARD, Direction.ROLLBACK)), start=2):
        yield DirectionTaken(direction, attempt // 2)
        steps = plan.forward if direction is Direction.FORWARD else plan.back
        down = False
        for step in steps:
            cleaning = step.phase is Phase.CLEAN_UP
            yield StepBegun(step.number, step.title, cleaning)
            cutting = FIRST_OF_CUTOVER <= step.number <= LAST_OF_CUTOVER and not cleaning
            if cutting and not down:
                down = True
                yield OutageBegan(plan.made)
            for change in step.changes:
                intent += 1
                yield Intended(intent, step.number, change)
                if not isinstance(change, AskOperator):
                    yield Answered(intent, Performed(f"request-{intent:08}"))
            if cutting and step.number == LAST_OF_CUTOVER:
                yield TrafficVerified(plan.made)
                yield OutageEnded(plan.made, BETWEEN)
            yield StepSettled(step.number, cleaning)
        yield Finished(direction)
