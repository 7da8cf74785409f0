"""Eventual consistency of EC2: when a describe answer can be trusted, given its delays.

``engine.observe`` applies ``mask_stale`` to every observation; what waits until no reading can be
stale uses ``CONSISTENCY_DELAY``.

A describe may not show a recent change yet, and may still show what a recent change undid.  So the
value of a fact with a recent intent is used at once only if it shows the effect of the latest
intent and no opposing intent is recent; any other value is used only from a snapshot begun a
consistency delay after that intent.  Verdicts are based on the remaining values alone, so a stale
reading never makes a step done.  So are changes while traffic flows, and those that create a
resource always.  While traffic is down, the other changes are based on the likely values as well:
EC2 refuses what is too early, and a repeated call has no further effect.

Settings that EC2 alters before it answers need no delay: answers received in order show their
current value, whatever a describe shows.  Attachments and resource states still change after the
answer, so this does not apply to them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.facts import (
    UNKNOWN,
    UNSETTLED,
    AttachmentOf,
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
"""Longest assumed lag of a describe call: general propagation, domain.md 3.1."""


_OF_TABLE = Propagation | RouteTarget | EdgeAssociation
_ALTERED_BEFORE_THE_ANSWER = _OF_TABLE | Prefix | Claim
_REPEATABLE = _OF_TABLE | AttachmentOf | Claim
"""Facts whose changes name both ends, so that a repeated call has no further effect."""


class SentChange(Struct, frozen=True):
    """A change that was, or may have been, sent; definite refusals are excluded."""

    fact: Fact
    arrived: frozenset[Value]
    at: datetime
    performed: bool
    """Whether EC2 confirmed it; otherwise it is in doubt."""
    already: bool = False
    """Whether EC2 answered that there was nothing left to do: evidence, but no proof."""


def recent(sent: Iterable[SentChange], begun: datetime) -> list[SentChange]:
    """Return the changes whose effect a describe begun at *begun* may not show yet."""
    earliest = begun - CONSISTENCY_DELAY
    return [each for each in sent if each.at > earliest]


def mask_stale(snapshot: Snapshot, sent: Iterable[SentChange]) -> Snapshot:
    """Return *snapshot* with UNKNOWN for every fact whose reading may be stale.

    *sent* are in the order they were written.  Without a journal, the previous process's last
    call is unknown, so such a process uses no describe that began earlier than a consistency delay
    after its own start.
    """
    lately = recent(sent, snapshot.begun)
    if not lately:
        return snapshot
    facts = dict(snapshot.facts)
    stale: set[Fact] = set()
    likely: dict[Fact, Value] = {}
    for fact, about in by_fact(lately).items():
        seen = snapshot.value(fact)
        if _shows_its_effect(seen, about):
            continue
        stale.add(fact)
        if not _is_known_from_answers(fact, seen, about):
            facts[fact] = UNKNOWN
            if isinstance(fact, _REPEATABLE):
                deleted = isinstance(fact, _OF_TABLE) and fact.table not in snapshot.tables
                likely[fact] = seen if deleted else _likely_value(seen, about)
    return replace(snapshot, facts=facts, stale=frozenset(stale), likely=likely)


def externally_changed(snapshot: Snapshot, sent: ChangesByFact) -> frozenset[Fact]:
    """Return the facts changed outside this run: its change was confirmed but is no longer seen.

    *snapshot* must be a result of ``mask_stale``.
    """
    listed = snapshot.facts
    return frozenset(
        fact
        for fact, about in sent.items()
        # Nearly all facts are listed with the value of the latest change.
        if listed.get(fact) not in about[-1].arrived
        and about[-1].performed
        and (seen := snapshot.value(fact)) is not UNKNOWN
        and seen not in about[-1].arrived
        and not _may_be_own_doing(snapshot.begun, about)
    )


def _may_be_own_doing(begun: datetime, about: Sequence[SentChange]) -> bool:
    """Return whether an earlier opposing call in doubt may have taken effect after the latest."""
    latest = about[-1]
    if begun >= latest.at + 2 * CONSISTENCY_DELAY:
        return False
    earliest = latest.at - CONSISTENCY_DELAY
    return any(
        not (each.performed or each.already)
        and each.at > earliest
        and latest.arrived.isdisjoint(each.arrived)
        for each in about[:-1]
    )


def _likely_value(seen: Value, about: Sequence[SentChange]) -> Value:
    """Return the value to act on while *seen* may be stale.

    A call in doubt counts as not carried out, so that it is repeated until EC2 answers it.  An
    answered one counts as carried out, or as in progress if EC2 completes it after the answer.
    """
    latest = about[-1]
    if latest.performed:
        return seen if seen in latest.arrived else _first_of(latest.arrived)
    if seen not in latest.arrived or latest.already:
        return seen
    # Only an opposing intent keeps a visible effect from being used.
    opposed = next(each for each in reversed(about) if latest.arrived.isdisjoint(each.arrived))
    return _last_of(opposed.arrived)


def _first_of(values: frozenset[Value]) -> Value:
    """Return the value of *values* that a change reaches first."""
    return min(values, key=lambda value: (value not in UNSETTLED, value))


def _last_of(values: frozenset[Value]) -> Value:
    """Return the value of *values* that a change reaches last."""
    return min(values, key=lambda value: (value in UNSETTLED, value))


def _shows_its_effect(seen: Value, about: Sequence[SentChange]) -> bool:
    """Return whether the value seen proves that the reading is later than the latest intent."""
    latest = about[-1].arrived
    opposed = len(about) > 1 and any(latest.isdisjoint(other.arrived) for other in about)
    return seen in latest and not opposed


def _is_known_from_answers(fact: Fact, seen: Value, about: Sequence[SentChange]) -> bool:
    """Return whether EC2's answers alone prove the value in a reading that may be stale."""
    return (
        isinstance(fact, _ALTERED_BEFORE_THE_ANSWER)
        and seen in about[-1].arrived
        and all(each.performed for each in about)
    )


ChangesByFact = Mapping[Fact, Sequence[SentChange]]
"""The changes of each fact, in the order they were written."""


def by_fact(sent: Iterable[SentChange]) -> ChangesByFact:
    """Return *sent* by the fact that each alters."""
    grouped: defaultdict[Fact, list[SentChange]] = defaultdict(list)
    for each in sent:
        grouped[each.fact].append(each)
    return grouped
