"""Common parts of all changes: tags, call tags and outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from msgspec import Struct

from vpnmigrate.commands import Advice
from vpnmigrate.model.ec2 import MigrationId, ResourceState, Role
from vpnmigrate.model.facts import Existence, Fact, Value

Tags = tuple[tuple[str, str], ...]
"""User tags, sorted; ours are added by whoever performs the change."""


class BaseChange(Struct, frozen=True, tag_field="change"):
    """The contract of a change.

    ``fact`` is what it alters; ``arrived`` are the values that show its effect, and ``becomes``
    is the one it ends in, from which the plan's text and the expected end state are derived.
    ``call`` is the EC2 operation, empty where a person or this machine acts.
    """

    @property
    def fact(self) -> Fact:
        raise NotImplementedError

    @property
    def becomes(self) -> Value:
        raise NotImplementedError

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({self.becomes})

    @property
    def call(self) -> str:
        return type(self).__name__


class BaseCreation(BaseChange, frozen=True):
    """Makes a resource in a role; PENDING already shows that it was made."""

    role: Role

    @property
    def fact(self) -> Fact:
        return Existence(self.role)

    @property
    def becomes(self) -> Value:
        return ResourceState.AVAILABLE

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({ResourceState.PENDING, ResourceState.AVAILABLE})


class BaseDeletion(BaseChange, frozen=True):
    """Deletes a resource; ``id`` is what is sent, ``subject`` what the fact is about."""

    subject: Role | str
    """The role of what we made, or the id of what was there before (only in step 11)."""
    id: str

    @property
    def fact(self) -> Fact:
        return Existence(self.subject)

    @property
    def becomes(self) -> Value:
        return ResourceState.ABSENT

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({ResourceState.DELETING, ResourceState.ABSENT})


@dataclass(frozen=True)
class CallTags:
    """What a mutating call carries so that it can be found again: tags and user agent."""

    migration: MigrationId
    attempt: int
    step: int
    change: str = ""
    """The change board's number, where the plan has one."""


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


TrialOutcome = Performed | Later | Refused | InDoubt
