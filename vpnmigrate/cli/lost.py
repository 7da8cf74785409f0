"""Runs taken over from others: whose place they take, and whether their journal was lost."""

from __future__ import annotations

from collections.abc import Iterable

from vpnmigrate.journal.records import Entry, Finished, Noted, StepSettled

LOST = Noted("begun without the journal of an earlier process; AWS's tags say what it made")

_TAKES = "takes the place of "
_CLAIMING = 1


def taking_over(holder: str) -> Noted:
    """Give the note that *holder* was named by ``--take-over``."""
    return Noted(f"{_TAKES}{holder}")


def outranked(entries: Iterable[Entry]) -> str:
    """Give who was named to be taken over from, until the claim is ours; empty for nobody.

    So a process that dies before it has claimed is resumed without naming them once more, and
    whoever takes the run back later is not overruled.
    """
    holder = ""
    for entry in entries:
        match entry.record:
            case Noted(what=what) if what.startswith(_TAKES):
                holder = what.removeprefix(_TAKES)
            case StepSettled(number=number, cleaning=False) if number == _CLAIMING:
                holder = ""
            case _:
                pass  # tells of something else
    return holder


def is_blind(entries: Iterable[Entry]) -> bool:
    """Tell whether this journal cannot know what was done before it.

    It was begun by a take-over, and no journey has been gone to its end since.
    """
    blind = False
    for entry in entries:
        match entry.record:
            case Noted() as note if note == LOST:
                blind = True
            case Finished():
                blind = False
            case _:
                pass  # tells of this journal's own doing
    return blind
