"""What hooks are told, and when: at named moments, one JSON document each.

Hooks are named by the plan's decisions, so that its fingerprint covers which command runs when.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import (
    Acceptable,
    Accepted,
    DirectionTaken,
    Entry,
    Failed,
    Finished,
    Forced,
    Held,
    Intended,
    Interrupted,
    OutageBegan,
    OutageEnded,
    Record,
    StepSettled,
    TrafficVerified,
)
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.decisions import HookMoment
from vpnmigrate.model.plan import Direction, Plan

SCHEMA = "vpnmigrate/hook/1"

ASKED = frozenset({HookMoment.BEFORE_CUTOVER, HookMoment.BEFORE_FINALIZE})
"""Moments at which the run waits for the hook and does not go on unless it exits 0."""

ABOUT: dict[HookMoment, str] = {
    HookMoment.BEFORE_CUTOVER: "May the cutover begin?  One of its gates, asked each time.",
    HookMoment.BEFORE_FINALIZE: "May the old connections be deleted?  One of finalize's gates.",
    HookMoment.OUTAGE_BEGAN: "The first call that interrupts traffic is about to be sent.",
    HookMoment.OUTAGE_ENDED: "Traffic flows again, and has held steady.",
    HookMoment.STEP_SETTLED: "A step's goal was seen to hold.",
    HookMoment.NEEDS_PERSON: "A task for a person, or something they may accept.",
    HookMoment.VERIFIED: "The joining side was verified to carry traffic.",
    HookMoment.FORCED: "Somebody forced a gate, or accepted fewer tunnels.",
    HookMoment.HELD: "The run rests, at a gate or for a person.",
    HookMoment.INTERRUPTED: "An operator's signal stopped the run; it can be resumed.",
    HookMoment.FAILED: "The run stopped short; `stuck` says whether traffic is down.",
    HookMoment.TURNED_BACK: "The way back was taken.",
    HookMoment.ROLLED_BACK: "The rollback is finished; `why` says what is not as before.",
    HookMoment.FINISHED: "The migration is done up to step 10.",
    HookMoment.RETIRED: "The old connections are deleted.",
}
"""Every moment, in the order in which a run may come to it."""

_ARRIVED = {
    Direction.FORWARD: HookMoment.FINISHED,
    Direction.BACK: HookMoment.ROLLED_BACK,
    Direction.RETIRE: HookMoment.RETIRED,
}


class Telling(msgspec.Struct, frozen=True):
    """The document that a hook reads on standard input.  Fields are only ever added."""

    run: str
    plan: str
    """Fingerprint of the plan in force."""
    change: str
    """The change board's number, or empty."""
    moment: HookMoment
    at: datetime
    seq: int
    """Number of the journal entry that it is about: hooks may overtake each other."""
    account: str
    region: str
    vpc: str
    old_gateway: str
    attempt: int
    direction: str
    step: int
    """AWS's number of the step begun last; 0 before the first."""
    title: str
    traffic: str
    """``old``, ``new``, ``none`` or ``unknown``."""
    outage_since: datetime | None
    outage_seconds: float
    """How long traffic has been down, or was in the last outage."""
    stuck: bool
    why: str
    """What there is to say about the moment: a task, a reason, a force; or empty."""
    schema: str = SCHEMA


def moment_of(record: Record) -> HookMoment | None:
    """Give the moment that *record* marks, if any; the two that are asked are marked by none."""
    match record:
        case OutageBegan():
            return HookMoment.OUTAGE_BEGAN
        case OutageEnded():
            return HookMoment.OUTAGE_ENDED
        case StepSettled():
            return HookMoment.STEP_SETTLED
        case Intended(change=AskOperator()) | Acceptable(what=(_, *_)):
            return HookMoment.NEEDS_PERSON
        case TrafficVerified():
            return HookMoment.VERIFIED
        case Forced() | Accepted():
            return HookMoment.FORCED
        case Held():
            return HookMoment.HELD
        case Interrupted():
            return HookMoment.INTERRUPTED
        case Failed():
            return HookMoment.FAILED
        case DirectionTaken(direction=Direction.BACK):
            return HookMoment.TURNED_BACK
        case Finished(direction=direction):
            return _ARRIVED[direction]
        case _:
            return None


def telling(
    plan: Plan, moment: HookMoment, state: RunState, entry: Entry | None, at: datetime
) -> bytes:
    """Give what a hook is told at *moment*, after *entry* if one marks it.

    *state* is the run's, *entry* included.  There is no key in either.
    """
    record = None if entry is None else entry.record
    told = Telling(
        run=plan.migration,
        plan=plan.fingerprint,
        change=plan.decisions.change,
        moment=moment,
        at=at,
        seq=0 if entry is None else entry.seq,
        account=plan.account,
        region=plan.region,
        vpc=plan.vpc,
        old_gateway=plan.old_gateway,
        attempt=state.attempt,
        direction="" if state.direction is None else state.direction.value,
        step=state.step,
        title=state.title,
        traffic=state.traffic.value,
        outage_since=state.outage_since,
        outage_seconds=_seconds(state, at),
        stuck=isinstance(record, Failed) and record.stuck,
        why=_why(record),
    )
    return msgspec.json.encode(told) + b"\n"


def _seconds(state: RunState, at: datetime) -> float:
    lasted = state.outage(at)
    return 0.0 if lasted is None else round(lasted.total_seconds(), 3)


def _why(record: Record | None) -> str:
    match record:
        case Intended(change=change):
            return str(change)
        case Acceptable(what=what):
            return "; ".join(each.told for each in what)
        case Forced(gate=gate, reason=reason):
            return f"{gate}: {reason}"
        case Accepted(what=what, reason=reason):
            return f"{what.told}: {reason}"
        case Held(why=why) | Interrupted(why=why) | Failed(why=why):
            return why
        case Finished(differs=differs):
            return "; ".join(differs)
        case _:
            return ""
