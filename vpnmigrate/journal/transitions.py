"""Transitions: the state of a run after one more record.

Nothing here raises: the operator must be able to see the run's status with any journal.  Records
that contradict each other are listed in ``RunState.contradictions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.journal.device_work import with_device_work
from vpnmigrate.journal.growing import Intents, UniqueTexts
from vpnmigrate.journal.operator_records import (
    apply_operator_record,
    clear_operator_state,
    end_approved_attempt,
    start_confirm_timer,
    with_approval,
)
from vpnmigrate.journal.outage import (
    INTERRUPTING,
    cancel_outage,
    leaving,
    residue_left,
    traffic,
    with_facts,
    with_tunnels,
)
from vpnmigrate.journal.record_base import (
    DeviceConfirmed,
    DriverAnswered,
    DriverCalled,
    DriverGaveUp,
)
from vpnmigrate.journal.records import (
    Adopted,
    AdoptionAsked,
    Answered,
    Approved,
    BaselineTaken,
    ClockMoved,
    CredentialsExpired,
    CredentialsRenewed,
    Degraded,
    DirectionTaken,
    Entry,
    ExternalChange,
    Failed,
    FinalizeRequested,
    Finished,
    Flapped,
    Forced,
    GatesSeen,
    Held,
    HookRan,
    Intended,
    Interrupted,
    JournalLost,
    Noted,
    Opened,
    OperatorConfirmed,
    OutageBegan,
    OutageEnded,
    PlanSigned,
    Probed,
    Replanned,
    ResidueLeft,
    RunNote,
    StepBegun,
    StepSettled,
    TakenOver,
    TrafficVerified,
)
from vpnmigrate.journal.state import (
    ExpiredCredentials,
    Intent,
    RunState,
    RunStatus,
    Traffic,
    may_follow,
)
from vpnmigrate.journal.state_parts import (
    Adoption,
    Deviations,
    ProbeState,
    Residue,
    TunnelShortages,
)
from vpnmigrate.model.changes import ArchiveConfiguration
from vpnmigrate.model.changes.base import Outcome, Performed
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_CUTOVER, Direction
from vpnmigrate.model.probes import ProbeEvent, ProbeStats
from vpnmigrate.model.snapshot import Baseline, JournalFacts

CLAIM = 1
SWAP = 8


def state_after(  # noqa: C901, PLR0912  one case per record
    state: RunState, entry: Entry
) -> RunState:
    """Return the state after *entry*, which follows the entries that made *state*."""
    match entry.record:
        case Intended() as intended:
            return _intended(state, intended, entry.at)
        case Answered(number, outcome):
            return _answered(state, number, outcome, entry.at)
        case StepBegun() as begun:
            return _step_begun(state, begun)
        case StepSettled() as settled:
            return _settled(state, settled)
        case ExternalChange(what):
            known = state.deviations
            changes = _with(known.external_changes, what)
            return replace(state, deviations=replace(known, external_changes=changes))
        case Opened() as opened:
            return replace(
                state,
                opened=opened,
                expired=None,
                migration=opened.migration,
                fingerprint=opened.fingerprint,
            )
        case TakenOver() | JournalLost() | FinalizeRequested() as note:
            return _noted(state, note)
        case Replanned(fingerprint):
            return replace(state, fingerprint=fingerprint)
        case DirectionTaken() as taken:
            return _direction_taken(state, taken, entry)
        case Adopted(role, id_):
            adoption = Adoption(role, id_, len(state.intents))
            made = (*state.adoptions.made, adoption)
            return replace(state, adoptions=replace(state.adoptions, made=made))
        case AdoptionAsked(refused=refused):
            every = _with(state.adoptions.refused, *refused)
            return replace(state, adoptions=replace(state.adoptions, asked=True, refused=every))
        case OperatorConfirmed() | DeviceConfirmed() as confirmed:
            return with_device_work(state, confirmed, entry.at)
        case DriverCalled() | DriverAnswered() | DriverGaveUp() as driven:
            return with_device_work(state, driven, entry.at)
        case BaselineTaken() as taken:
            propagated = {table: frozenset(found) for table, found in taken.propagated.items()}
            baseline = Baseline(taken.taken, taken.tunnels_up, propagated, taken.accepted)
            return with_facts(state, baseline=baseline)
        case TrafficVerified() as verified:
            return start_confirm_timer(traffic(state, verified, entry.ahead), entry.at)
        case OutageBegan() | OutageEnded() as about:
            return traffic(state, about, entry.ahead)
        case Approved() as approved:
            return with_approval(state, approved)
        case PlanSigned(fingerprint, signature):
            signatures = {**state.approvals.plan_signatures, fingerprint: signature}
            approvals = replace(state.approvals, plan_signatures=signatures)
            return replace(state, approvals=approvals)
        case GatesSeen() as seen:
            return replace(state, gates=replace(state.gates, seen=seen, at=entry.wall))
        case Forced() as forced:
            forced_all = (*state.gates.forced, forced)
            return replace(state, gates=replace(state.gates, forced=forced_all))
        case Flapped():
            # Finalize does not wait until traffic is stable again, so there the time begins anew.
            since = entry.at if state.finished else None
            return replace(state, flaps=state.flaps + 1, stable_since=since)
        case Degraded() | CryptoSeen() as found:
            return with_tunnels(state, found)
        case ResidueLeft() as left:
            return residue_left(state, left)
        case Probed() as probed:
            return _probes_after(state, probed)
        case HookRan(moment, fault=fault):
            lines = (f"the hook of {moment} {fault}",) if fault else ()
            return replace(state, notes=_with(state.notes, *lines))
        case Noted(what):
            return replace(state, notes=_with(state.notes, what))
        case CredentialsExpired(why, renew):
            return replace(state, expired=ExpiredCredentials(entry.at, why, renew))
        case CredentialsRenewed():
            return replace(state, expired=None)
        case ClockMoved():
            return replace(state, clock_ahead=entry.ahead)
        case Held(why):
            return _held(state, why)
        case Interrupted(why):
            return replace(state, error=why)
        case Failed(why, stuck=stuck):
            state = _move(working(state), RunStatus.STUCK) if stuck else state
            return replace(state, error=why)
        case Finished() as finished:
            # Step 10 is done only once traffic is stable, also after it was incomplete.
            return _arrived(replace(state, stable_since=state.stable_since or entry.at), finished)
        case wanted:
            return apply_operator_record(state, wanted, entry.wall)


def _noted(state: RunState, note: RunNote) -> RunState:
    state = replace(state, notes=_with(state.notes, str(note)))
    match note:
        case TakenOver(holder):
            return replace(state, taken_over_from=holder)
        case JournalLost():
            return replace(state, journal_lost=True)
        case FinalizeRequested(delete_old_gateway):
            return replace(state, delete_old_gateway=delete_old_gateway)


def _step_begun(state: RunState, begun: StepBegun) -> RunState:
    state = replace(state, step=begun.number, title=begun.title, cleaning=begun.cleaning)
    if begun.number == LAST_OF_CUTOVER and state.direction is Direction.FORWARD:
        state = with_facts(state, tunnels_switched=True)
    return working(state)


def _direction_taken(state: RunState, taken: DirectionTaken, entry: Entry) -> RunState:
    if taken.direction is Direction.FORWARD and taken.attempt != state.attempt:
        state = replace(
            state,
            attempt_since=entry.at,
            settled=frozenset(),
            cutover_begun=False,
            journal_facts=JournalFacts(files=state.journal_facts.files),
            probes=ProbeState(),
            deviations=Deviations(differs=state.deviations.differs),
        )
    elif taken.direction is not state.direction or state.finished:
        # Finalize does not affect traffic, so verified traffic stays verified.
        if taken.direction is not Direction.FINALIZE:
            state = with_facts(state, verified=None)
        if state.direction is None:
            # The journal begins with a rollback, so the state before it is unknown.
            state = replace(state, traffic=Traffic.UNKNOWN)
    if taken.direction is not state.direction or state.finished or taken.attempt != state.attempt:
        state = replace(
            state,
            attempt_since=state.attempt_since or entry.at,
            settled_here=frozenset(),
            step=0,
            title="",
            cleaning=False,
            flaps=0,
            shortages=TunnelShortages(accepted=state.shortages.accepted),
            residue=Residue(),
            crypto=state.crypto if taken.direction is Direction.FINALIZE else None,
        )
        state = _reset_probe_counts(state, taken)
    if taken.direction is not Direction.FINALIZE:
        state = replace(state, delete_old_gateway=False)
    if taken.direction is Direction.ROLLBACK:
        if taken.direction is not state.direction or state.finished:
            state = end_approved_attempt(state, entry)
        # Restoring traffic comes first: a rollback overrides a pause and fulfills an abort.
        state = replace(state, order=None)
    if taken.direction is Direction.ROLLBACK or taken.attempt != state.attempt:
        state = clear_operator_state(state)
    return working(
        replace(
            state,
            direction=taken.direction,
            attempt=taken.attempt,
            keep_new=taken.keep_new,
            until=taken.until,
            finished=False,
        )
    )


def working(state: RunState) -> RunState:
    """Return *state* with work in progress: the previous stop no longer applies."""
    if state.held or state.error:
        state = replace(state, held="", held_by_order=False, error="")
    return _move(state, _at_work(state))


def _at_work(state: RunState) -> RunStatus:
    cutting = state.cutover_begun or state.outage.open or state.step >= FIRST_OF_CUTOVER
    match state.direction:
        case Direction.FORWARD if cutting:
            return RunStatus.CUTTING_OVER
        case Direction.FORWARD:
            return RunStatus.PREPARING
        case Direction.ROLLBACK:
            return RunStatus.ROLLING_BACK
        case Direction.FINALIZE:
            return RunStatus.FINALIZING
        case None:
            return state.status


def _held(state: RunState, why: str) -> RunState:
    """Return *state* after a process has held.

    If an order held a process before it began a direction, a planned or finished run is unchanged.
    """
    ordered = state.order is not None
    if state.direction is None or state.finished:
        return replace(state, held=why, held_by_order=ordered)
    state = _move(working(state), RunStatus.HELD)
    return replace(state, held=why, held_by_order=ordered)


_ARRIVALS = {
    Direction.FORWARD: RunStatus.CUT_OVER,
    Direction.ROLLBACK: RunStatus.ROLLED_BACK,
    Direction.FINALIZE: RunStatus.FINALIZED,
}


def _arrived(state: RunState, finished: Finished) -> RunState:
    state = _move(working(state), _ARRIVALS[finished.direction])
    return replace(
        state,
        finished=True,
        order=None,
        journal_lost=False,
        delete_old_gateway=False,
        cutover_open=state.cutover_open and finished.direction is not Direction.ROLLBACK,
        deviations=replace(
            state.deviations,
            lost=_with(state.deviations.lost, *finished.lost),
            differs=finished.differs,
        ),
        traffic=_traffic_after(state, finished),
    )


def _traffic_after(state: RunState, finished: Finished) -> Traffic:
    """Return the path of traffic at the end of a direction.

    A survey that shows the whole account as before shows the path, also to a run whose first
    direction was a rollback.
    """
    if finished.unproven:
        return Traffic.UNKNOWN
    restored = finished.direction is Direction.ROLLBACK and not finished.differs
    if restored and not state.contradictions and state.traffic is Traffic.UNKNOWN:
        return Traffic.OLD
    return state.traffic


def _settled(state: RunState, settled: StepSettled) -> RunState:
    forward = state.direction is Direction.FORWARD and not settled.cleaning
    if settled.number == SWAP and state.traffic is leaving(state):
        # The swap was made without an outage in this journal.
        state = replace(state, traffic=Traffic.UNKNOWN)
    back = state.direction is Direction.ROLLBACK and not settled.cleaning
    claimed = settled.number == CLAIM and not settled.cleaning
    undone = back and settled.number == LAST_OF_CUTOVER and not state.residue.is_left
    whole = not (state.residue.is_left and settled.number >= FIRST_OF_CUTOVER)
    if settled.lost:
        lost = _with(state.deviations.lost, *settled.lost)
        state = replace(state, deviations=replace(state.deviations, lost=lost))
    return replace(
        working(state),
        cutover_open=state.cutover_open and not undone,
        settled=state.settled | {settled.number} if forward and whole else state.settled,
        settled_here=state.settled_here | {(settled.number, settled.cleaning)},
        taken_over_from="" if claimed else state.taken_over_from,
    )


def _intended(state: RunState, intended: Intended, at: datetime) -> RunState:
    step = intended.step
    cutting = FIRST_OF_CUTOVER <= step <= LAST_OF_CUTOVER
    interrupts = (len(state.intents),) if step in INTERRUPTING else ()
    state = replace(
        state,
        intents=intents_of(state).plus(unanswered(intended, at)),
        interrupting=(*state.interrupting, *interrupts),
        cutover_begun=state.cutover_begun or step >= FIRST_OF_CUTOVER,
        cutover_open=state.cutover_open or cutting,
    )
    return working(state)


def unanswered(asked: Intended, at: datetime) -> Intent:
    """Return the intent that was recorded *at* a moment, without an outcome."""
    return Intent(asked.intent, at, asked.step, asked.change, asked.present)


def _answered(state: RunState, number: int, outcome: Outcome, at: datetime) -> RunState:
    index = intents_of(state).place_of(number)
    if index is None:
        return _puzzled(state, f"intent {number} has an answer but no record")
    asked = state.intents[index]
    answered = replace(asked, outcome=outcome, answered=at)
    state = replace(state, intents=intents_of(state).answered(index, answered))
    if isinstance(asked.change, ArchiveConfiguration) and isinstance(outcome, Performed):
        state = with_facts(state, files={**state.journal_facts.files, **outcome.files})
    return cancel_outage(state)


def intents_of(state: RunState) -> Intents:
    """Return the intents of *state*, also where it was made with others than ``Intents``."""
    intents = state.intents
    return intents if isinstance(intents, Intents) else Intents(intents)


def _move(state: RunState, to: RunStatus) -> RunState:
    if state.status is to:
        return state
    if may_follow(state.status, to):
        return replace(state, status=to)
    return replace(_puzzled(state, f"a run that is {state.status} became {to}"), status=to)


def _puzzled(state: RunState, what: str) -> RunState:
    return replace(state, traffic=Traffic.UNKNOWN, contradictions=_with(state.contradictions, what))


def _with(known: Sequence[str], *more: str) -> UniqueTexts:
    texts = known if isinstance(known, UniqueTexts) else UniqueTexts(known)
    return texts.plus(*more)


def _reset_probe_counts(state: RunState, taken: DirectionTaken) -> RunState:
    """Return *state* with new probe counts for the direction *taken*.

    A rollback that only cleans up sends no probes, nor does finalize: the counts stay.
    """
    if taken.direction is Direction.FINALIZE or not (state.cutover_open or state.outage.open):
        return state
    probes = state.probes
    if taken.direction is Direction.ROLLBACK and state.direction is not Direction.ROLLBACK:
        probes = replace(probes, forward=probes.latest)
    latest = {probe: ProbeStats(probe) for probe in probes.latest}
    return replace(state, probes=replace(probes, latest=latest))


def _probes_after(state: RunState, probed: Probed) -> RunState:
    """Return *state* with probe results; just before step 7 also with the required probes."""
    latest = {**state.probes.latest, **{stats.probe: stats for stats in probed.stats}}
    if probed.moment is not ProbeEvent.BEFORE:
        return replace(state, probes=replace(state.probes, latest=latest))
    worked = frozenset(stats.probe for stats in probed.stats if stats.ever_worked)
    # Probes before step 7 only show what works, and are not counted.
    uncounted = {name: ProbeStats(name, works=t.works, since=t.since) for name, t in latest.items()}
    return replace(state, probes=replace(state.probes, latest=uncounted, proven=worked))
