"""What became of an operator's probes, in counts: small enough for a journal and a screen."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Tally(Struct, frozen=True):
    """One probe's attempts since the last look before step 7, and how it stands."""

    probe: str
    """As the operator wrote it."""
    sent: int = 0
    lost: int = 0
    works: bool | None = None
    """Whether the last attempt was answered; None before the first."""
    since: datetime | None = None
    """Since when it has been like that."""
    first_loss: datetime | None = None
    last_loss: datetime | None = None
    halted: str = ""
    """Why it is not sent any more; empty while it is."""

    @property
    def ever_worked(self) -> bool:
        """Whether any attempt was answered."""
        return self.sent > self.lost


class Moment(StrEnum):
    """When probes are written down: not once a second, but when there is something to say."""

    BEFORE = "before"
    """Just before step 7: what worked then has to work again."""
    NEWS = "news"
    """Some answer again, or do no more."""
    END = "end"
    """The totals."""
