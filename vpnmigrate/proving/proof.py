"""What a walk through all states of a plan has shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from vpnmigrate.model.plan import Direction


@dataclass(frozen=True)
class Length:
    """How long a way is at most."""

    changes: int = 0
    """Calls that alter AWS."""
    cutover: timedelta = timedelta(0)
    """The limits of those steps 7 to 10 that still have something to do, added up."""
    begins: str = ""
    """The state at its beginning, in an operator's words."""


@dataclass(frozen=True)
class DeadEnd:
    """A state from which there is no way to an end."""

    state: str
    way: Direction
    why: str

    def __str__(self) -> str:
        way = "back" if self.way is Direction.BACK else "forward"
        return f"no way {way} from {self.state}: {self.why}"


@dataclass(frozen=True)
class Proof:
    """What the walk through all states has shown."""

    states: int
    back: Length
    """The longest way back from any state."""
    forward: Length
    """The longest way forward from any state."""
    dead_ends: tuple[DeadEnd, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every state has a way back and a way forward."""
        return not self.dead_ends
