"""Common parts of all changes: tags, call tags, requests and outcomes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec import Struct

from vpnmigrate.model.ec2 import MigrationId, ResourceState, Role, Tag
from vpnmigrate.model.errors.commands import Advice
from vpnmigrate.model.facts import Existence, Fact, Goal, Value

Tags = tuple[tuple[str, str], ...]
"""User tags, sorted; the program's own tags are added when the change is performed."""


class CallTags(Struct, frozen=True):
    """Values that identify a mutating call later: tags and user agent."""

    migration: MigrationId
    attempt: int
    step: int
    change: str = ""
    """The change number, if the plan has one."""


class Request(Struct, frozen=True):
    """A call: ``operation`` as EC2 names it, ``parameters`` as boto3 takes them."""

    operation: str
    parameters: dict[str, Any]


class BaseChange(Struct, frozen=True, tag_field="change"):
    """The contract of a change.

    ``fact`` is what it alters; ``arrived`` are the values that show its effect.  ``becomes`` is
    the final value, from which the plan's text and the expected end state are derived.
    ``call`` is the EC2 operation, empty for an operator task or a local change.
    """

    @property
    def fact(self) -> Fact:
        raise NotImplementedError

    @property
    def becomes(self) -> Value:
        raise NotImplementedError

    @property
    def goal(self) -> Goal:
        """The fact with its final value."""
        return Goal(self.fact, self.becomes)

    @property
    def arrived(self) -> frozenset[Value]:
        return frozenset({self.becomes})

    @property
    def call(self) -> str:
        return type(self).__name__


class BaseCall(BaseChange, frozen=True):
    """A change that one EC2 call makes.

    Program and runbook send and print the same request.  It holds no key: ``aws`` adds the keys of
    a connection when it sends the call.
    """

    def parameters(self, call_tags: CallTags) -> dict[str, Any]:
        """Return the parameters of the call as boto3 takes them, without keys."""
        raise NotImplementedError

    def request(self, call_tags: CallTags) -> Request:
        """Return the call, without keys."""
        return Request(self.call, self.parameters(call_tags))


class BaseCreation(BaseCall, frozen=True):
    """Creation of the resource of a role; PENDING already shows that it was created."""

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

    def _tagging(self, kind: str, call_tags: CallTags, copied: Tags = ()) -> dict[str, Any]:
        """Return the tags of the new resource, sent with its creation so it always has them."""
        ours = {
            Tag.MIGRATION.value: str(call_tags.migration),
            Tag.ATTEMPT.value: str(call_tags.attempt),
            Tag.ROLE.value: str(self.role),
            **({Tag.CHANGE.value: call_tags.change} if call_tags.change else {}),
        }
        every = {**dict(copied), **ours}
        return {
            "TagSpecifications": [
                {
                    "ResourceType": kind,
                    "Tags": [{"Key": key, "Value": value} for key, value in sorted(every.items())],
                }
            ]
        }


class BaseDeletion(BaseCall, frozen=True):
    """Deletion of a resource; ``id`` is sent to EC2, ``subject`` is the subject of the fact."""

    subject: Role | str
    """The role of a resource of this run, or the id of an old resource (step 11 only)."""
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


class Performed(Struct, frozen=True, gc=False, tag="performed"):
    """The call was answered: its effect is present or in progress."""

    request_id: str = ""
    made: str | None = None
    """Id of the resource that a creation made."""
    files: dict[str, str] = {}
    """Archived connection id to the SHA-256 of its configuration."""


class Later(Struct, frozen=True, gc=False, tag="later"):
    """Refused for now, certainly without effect; the call is retried until *limit* has passed."""

    why: str
    limit: timedelta
    """From the first refusal of this change; each has its source in domain.md 12.2."""
    request_id: str = ""
    holds: bool = False
    """Whether the run holds for a person once *limit* has passed, instead of failing."""
    sent: bool = True
    """False if this process did not send the call, so that AWS has not refused it."""
    throttled: bool = False
    """Whether AWS refused it because too many calls of its operation were made."""


class Refused(Struct, frozen=True, gc=False, tag="refused"):
    """Refused, certainly without effect; no rule says that the error is transient."""

    code: str
    message: str
    advice: Advice = ""
    """What the operator can do about it, as a sentence."""
    request_id: str = ""
    definite: bool = True
    """False for an error code that no rule knows: the error may be transient."""
    missing: bool = False
    """Whether EC2 says that what the change alters does not exist."""


class InDoubt(Struct, frozen=True, gc=False, tag="in-doubt"):
    """The answer was lost or unclear; only a describe that is not stale shows the effect."""

    why: str
    already: bool = False
    """Whether EC2 answered that there was nothing left to do."""


Outcome = Performed | Later | Refused | InDoubt
