"""What finalize was asked for, kept in the journal until a finalize has done it."""

from __future__ import annotations

from collections.abc import Iterable

from vpnmigrate.journal.records import DirectionTaken, Entry, Finished, Noted
from vpnmigrate.model.plan import Direction

GATEWAY_GOES = "finalize was asked to delete the old virtual private gateway as well"
GATEWAY_STAYS = "finalize was asked to leave the old virtual private gateway"


def gateway_goes(entries: Iterable[Entry]) -> bool:
    """Tell whether the finalize that is under way is to delete the old gateway too.

    The last word counts, and none outlives the journey that it was given for.
    """
    goes = False
    for entry in entries:
        match entry.record:
            case Noted(what=what) if what in (GATEWAY_GOES, GATEWAY_STAYS):
                goes = what == GATEWAY_GOES
            case DirectionTaken(direction=Direction.FORWARD | Direction.BACK) | Finished():
                goes = False
            case _:
                pass  # tells of something else
    return goes
