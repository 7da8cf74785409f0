"""Probes: the operator's reachability checks, and their statistics.

A probe is ``host:port`` (a TCP connection) or a command whose exit status is the result.  No shell
runs it: words that only a shell would interpret are refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.errors import UsageError


class ConnectProbe(Struct, frozen=True):
    """A probe that opens and closes a TCP connection."""

    host: str
    port: int


class CommandProbe(Struct, frozen=True):
    """A probe that runs a program; exit status 0 is an answer."""

    words: tuple[str, ...]


Aim = ConnectProbe | CommandProbe

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")

_LAST_PORT = 65_535

_SHELL_ONLY = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1"})

_ADVICE = "write host:port, or a command like 'ping -c 1 -W 1 10.1.0.5'; a pipe belongs in a script"


def probe_from(text: str) -> Aim:
    """Return the probe that *text* describes.

    Raises:
        UsageError: *text* is neither an address with a port nor a command without shell syntax.
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"probe {text!r}: {error}", advice=_ADVICE) from error
    if not words:
        raise UsageError("a probe is empty", advice=_ADVICE)
    if strange := sorted(_SHELL_ONLY.intersection(words)):
        raise UsageError(
            f"probe {text!r}: {strange[0]} needs a shell, and probes run without one",
            advice=_ADVICE,
        )
    found = _ADDRESS.fullmatch(words[0]) if len(words) == 1 else None
    if found is None:
        return CommandProbe(words)
    port = int(found["port"])
    if not 0 < port <= _LAST_PORT:
        raise UsageError(f"probe {text!r}: {port} is not a TCP port", advice=_ADVICE)
    return ConnectProbe(found["host"].strip("[]"), port)


def counted(stats: ProbeStats, at: datetime, *, answered: bool) -> ProbeStats:
    """Return *stats* after one more attempt, sent *at*."""
    since = stats.since if stats.works is answered else at
    stats = replace(stats, sent=stats.sent + 1, works=answered, since=since)
    if answered:
        return stats
    return replace(stats, lost=stats.lost + 1, first_loss=stats.first_loss or at, last_loss=at)


def missed(stats: Iterable[ProbeStats], proven: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for each probe that worked before step 7 and does not work now."""
    required = frozenset(proven)
    return tuple(
        f"probe {stats.probe} worked before step 7 and does not work now"
        for stats in stats
        if stats.probe in required and not stats.works and not stats.halted
    )


class ProbeStats(Struct, frozen=True):
    """One probe's attempts since the last observation before step 7, and its current state."""

    probe: str
    """As the operator wrote it."""
    sent: int = 0
    lost: int = 0
    works: bool | None = None
    """Whether the last attempt was answered; None before the first."""
    since: datetime | None = None
    """Since when ``works`` has had its value."""
    first_loss: datetime | None = None
    last_loss: datetime | None = None
    halted: str = ""
    """Why it is no longer sent; empty while it is sent."""

    @property
    def ever_worked(self) -> bool:
        """Whether any attempt was answered."""
        return self.sent > self.lost


class ProbeEvent(StrEnum):
    """When probe statistics are journaled: at these events, not every second."""

    BEFORE = "before"
    """Just before step 7: probes that work now must work again after the cutover."""
    NEWS = "news"
    """A probe started or stopped being answered."""
    END = "end"
    """The final statistics."""
