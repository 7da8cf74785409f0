"""What gates judge beside a look at AWS: handed in as values, so that each can be tried alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vpnmigrate.model.approval import Approval, Rehearsed
from vpnmigrate.ports import Identity, Path


@dataclass(frozen=True)
class ProofOfReturn:
    """What a trial of the way back has shown, such as of the permissions that it needs."""

    holds: bool
    told: str


@dataclass(frozen=True)
class Circumstances:
    """The hour, the host and the people of a milestone."""

    now: datetime
    identity: Identity
    user: str
    """Login name of whoever carries the plan out."""
    differences: tuple[str, ...] = ()
    """How AWS is configured differently from the plan's survey."""
    paths: Sequence[Path] = ()
    approvals: tuple[Approval, ...] = ()
    """As they were handed in; the gate judges them anew."""
    rehearsed: Rehearsed | None = None
    proof: ProofOfReturn | None = None
    """None where nobody has tried."""
