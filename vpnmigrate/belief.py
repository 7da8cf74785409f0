"""What may be believed of a reading: EC2's describe calls lag its changes, in both directions.

A describe may miss what we just did, and it may still show what we just undid.  So a fact that we
are working on counts at once only if it shows the effect of our latest intent on it and no opposing
intent is recent; any other value counts only in a snapshot begun a consistency delay after that
intent.  Acts and verdicts both work from what is left, so "done" is never said because of a stale
reading.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vpnmigrate.facts import UNKNOWN, Fact, Value
from vpnmigrate.snapshot import Snapshot

CONSISTENCY_DELAY = timedelta(minutes=2)
"""Longest lag of a describe call that is reckoned with: general propagation, domain.md 3.1."""


@dataclass(frozen=True)
class Intent:
    """A change that was, or may have been, sent.  Definite refusals are no intents."""

    fact: Fact
    arrived: frozenset[Value]
    at: datetime
    performed: bool = False
    """Whether EC2 confirmed it; if not, it is in doubt."""


def trusted(snapshot: Snapshot, intents: Iterable[Intent]) -> Snapshot:
    """Give *snapshot* with UNKNOWN for every fact whose reading may not be believed.

    *intents* are in the order they were written.  A process without a journal does not know what
    its forerunner sent last, so it must not even ask before a consistency delay has passed.
    """
    facts = dict(snapshot.facts)
    for fact, about in _by_fact(intents).items():
        if not _believable(snapshot.value(fact), about, snapshot.begun):
            facts[fact] = UNKNOWN
    return replace(snapshot, facts=facts)


def foreign(snapshot: Snapshot, intents: Iterable[Intent]) -> frozenset[Fact]:
    """Find the facts that another hand changed: ours was confirmed, and is believably not there.

    *snapshot* has been through ``trusted``.
    """
    return frozenset(
        fact
        for fact, about in _by_fact(intents).items()
        if about[-1].performed and snapshot.value(fact) not in {UNKNOWN, *about[-1].arrived}
    )


def _believable(seen: Value, about: Sequence[Intent], begun: datetime) -> bool:
    recent = [intent for intent in about if intent.at + CONSISTENCY_DELAY > begun]
    if not recent:
        return True
    latest = recent[-1]
    opposed = any(latest.arrived.isdisjoint(other.arrived) for other in recent)
    return seen in latest.arrived and not opposed


def _by_fact(intents: Iterable[Intent]) -> Mapping[Fact, list[Intent]]:
    grouped: defaultdict[Fact, list[Intent]] = defaultdict(list)
    for intent in intents:
        grouped[intent.fact].append(intent)
    return grouped
