"""Whether a run works without the journal of an earlier process, lost with its machine."""

from __future__ import annotations

from collections.abc import Iterable

from vpnmigrate.records import Direction, Entry, Finished, Noted

LOST = Noted("begun without the journal of an earlier process; AWS's tags say what it made")


def is_blind(entries: Iterable[Entry]) -> bool:
    """Tell whether this journal cannot know what was done before it.

    It was begun by a take-over, and no way back or retirement was gone to its end since.  Having
    gone forward is not enough: what the earlier process did of the cutover is not in it, so the
    way back must still look for itself.
    """
    blind = False
    for entry in entries:
        match entry.record:
            case Noted() as note if note == LOST:
                blind = True
            case Finished(direction=Direction.BACK | Direction.RETIRE):
                blind = False
            case _:
                pass  # tells of this journal's own doing
    return blind
