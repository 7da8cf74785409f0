"""Consistency rules: when a describe answer can be trusted, given EC2's delays.

A describe may miss what we just did, and it may still show what we just undid.  So a fact that we
are working on counts at once only if it shows the effect of our latest intent on it and no opposing
intent is recent; any other value counts only in a snapshot begun a consistency delay after that
intent.  Acts and verdicts both work from what is left, so "done" is never said because of a stale
reading.

A setting that EC2 alters before it answers needs no such patience: answers that came in order say
what it is now, whatever a describe shows.  Attachments and lives of resources move on after the
answer, and have no such shortcut.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.facts import (
    UNKNOWN,
    Claim,
    EdgeAssociation,
    Fact,
    Prefix,
    Propagation,
    RouteTarget,
    Value,
)
from vpnmigrate.model.snapshot import Snapshot

CONSISTENCY_DELAY = timedelta(minutes=2)
"""Longest lag of a describe call that is reckoned with: general propagation, domain.md 3.1."""


_ALTERED_BEFORE_THE_ANSWER = Propagation | RouteTarget | EdgeAssociation | Prefix | Claim


class SentChange(Struct, frozen=True):
    """A change that was, or may have been, sent.  Definite refusals are no intents."""

    fact: Fact
    arrived: frozenset[Value]
    at: datetime
    performed: bool
    """Whether EC2 confirmed it; if not, it is in doubt."""


def recent(intents: Iterable[SentChange], begun: datetime) -> list[SentChange]:
    """Return those whose effect a describe that was *begun* then need not show yet."""
    believed_from = begun - CONSISTENCY_DELAY
    return [intent for intent in intents if intent.at > believed_from]


def mask_stale(snapshot: Snapshot, intents: Iterable[SentChange]) -> Snapshot:
    """Return *snapshot* with UNKNOWN for every fact whose reading may not be believed.

    *intents* are in the order they were written.  A process without a journal does not know what
    its forerunner sent last, so it must not even ask before a consistency delay has passed.
    """
    facts = dict(snapshot.facts)
    stale: set[Fact] = set()
    for fact, about in _by_fact(recent(intents, snapshot.begun)).items():
        if _shows_its_effect(snapshot.value(fact), about):
            continue
        stale.add(fact)
        if not _is_known_from_answers(fact, snapshot.value(fact), about):
            facts[fact] = UNKNOWN
    return replace(snapshot, facts=facts, stale=frozenset(stale))


def externally_changed(snapshot: Snapshot, intents: Iterable[SentChange]) -> frozenset[Fact]:
    """Find the facts that another hand changed: ours was confirmed, and is believably not there.

    *snapshot* has been through ``mask_stale``.
    """
    return frozenset(
        fact
        for fact, about in _by_fact(intents).items()
        if about[-1].performed and snapshot.value(fact) not in {UNKNOWN, *about[-1].arrived}
    )


def _shows_its_effect(seen: Value, recent: Sequence[SentChange]) -> bool:
    """Return whether a reading can only come from after the latest intent."""
    latest = recent[-1].arrived
    return seen in latest and not any(latest.isdisjoint(other.arrived) for other in recent)


def _is_known_from_answers(fact: Fact, seen: Value, recent: Sequence[SentChange]) -> bool:
    """Return whether EC2's answers alone prove what a reading, possibly stale, happens to show."""
    return (
        isinstance(fact, _ALTERED_BEFORE_THE_ANSWER)
        and seen in recent[-1].arrived
        and all(intent.performed for intent in recent)
    )


def _by_fact(intents: Iterable[SentChange]) -> Mapping[Fact, list[SentChange]]:
    grouped: defaultdict[Fact, list[SentChange]] = defaultdict(list)
    for intent in intents:
        grouped[intent.fact].append(intent)
    return grouped
