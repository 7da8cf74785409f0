"""What became of a change, as told by whoever performed it."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

from vpnmigrate.commands import Advice


class Performed(Struct, frozen=True, tag="performed"):
    """The call was answered: its effect is on the way or there."""

    request_id: str = ""
    made: str | None = None
    """Id of the resource a creation made."""
    files: dict[str, str] = {}
    """Archived connection id to the SHA-256 of its configuration."""


class Later(Struct, frozen=True, tag="later"):
    """Refused for now and certainly without effect; worth another try until *limit* has passed."""

    why: str
    limit: timedelta
    """From the first refusal of this change; each has its source in domain.md 12.2."""
    request_id: str = ""


class Refused(Struct, frozen=True, tag="refused"):
    """Refused and certainly without effect; no rule says that it passes."""

    code: str
    message: str
    advice: Advice = ""
    """What the operator can do about it, a sentence."""
    request_id: str = ""
    definite: bool = True
    """False for a code that no rule knows: it may pass by itself."""


class InDoubt(Struct, frozen=True, tag="in-doubt"):
    """No answer that says whether it was done; only a look that may be believed can tell."""

    why: str


Outcome = Performed | Later | Refused | InDoubt
