"""What people told a run from other terminals, as its journal says it.

These are records like those of ``records``, and the same rules hold for a field that is added.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from vpnmigrate.model.snapshot import Shortage


class _Record(Struct, frozen=True, tag_field="record"):
    pass


class Verb(StrEnum):
    """What a person can tell a run from another terminal, besides that a task is done."""

    PAUSE = "pause"
    CONTINUE = "continue"
    ABORT = "abort"
    CONFIRM = "confirm"
    ACCEPT = "accept"


class Paused(_Record, frozen=True, tag="paused"):
    """Somebody asked the run to rest; it holds until a Continued, over the end of any process."""

    who: str
    host: str
    message: str = ""
    """Name of the inbox message it came in, so that it is taken up once."""


class Continued(_Record, frozen=True, tag="continued"):
    """Somebody lifted a pause, or thought better of an abort."""

    who: str
    host: str
    message: str = ""


class AbortAsked(_Record, frozen=True, tag="abort-asked"):
    """Somebody gave the attempt up: before the cutover it stops, in the cutover it turns back."""

    who: str
    host: str
    message: str = ""


class ConfirmWished(_Record, frozen=True, tag="confirm-wished"):
    """Somebody wants the cutover of this attempt to be confirmed within a time; None takes it back.

    It holds until the cutover arms it, whichever process comes there.
    """

    within: timedelta | None


class Armed(_Record, frozen=True, tag="armed"):
    """From the first verified traffic on somebody has *within* to confirm, or it is rolled back.

    *process* on *host* is the watchdog that does so.
    """

    within: timedelta
    process: int
    host: str


class WatchdogMissed(_Record, frozen=True, tag="watchdog-missed"):
    """There is no watchdog where one was armed: until the next ``Armed`` nothing is automatic."""

    why: str


class Confirmed(_Record, frozen=True, tag="confirmed"):
    """Somebody confirmed the migration: nothing goes back by itself any more."""

    who: str
    host: str
    message: str = ""


class Declined(_Record, frozen=True, tag="declined"):
    """Somebody told the run something that cannot be heeded where it stands."""

    verb: Verb
    why: str
    who: str
    host: str
    message: str = ""


class Acceptable(_Record, frozen=True, tag="acceptable"):
    """Nothing is lacking but tunnels of these connections; empty once that is not so any more."""

    what: tuple[Shortage, ...] = ()


class Accepted(_Record, frozen=True, tag="accepted"):
    """Somebody lets the cutover be green although a connection has fewer tunnels than before."""

    what: Shortage
    reason: str
    who: str
    host: str
    message: str = ""


Ordered = (
    Paused
    | Continued
    | AbortAsked
    | ConfirmWished
    | WatchdogMissed
    | Armed
    | Confirmed
    | Declined
    | Acceptable
    | Accepted
)
