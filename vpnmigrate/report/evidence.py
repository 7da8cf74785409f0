"""The report of a run: what was done, when, by whom, and how that differs from what was planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vpnmigrate import __version__
from vpnmigrate.journal import replay
from vpnmigrate.journal.history import (
    Call,
    Journey,
    Kept,
    Voice,
    calls_of,
    journeys_of,
    processes_of,
    voices_of,
)
from vpnmigrate.journal.records import Entry
from vpnmigrate.model.approval import Rehearsed
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.redaction import mapped, without_key_elements
from vpnmigrate.report import admitted, measured
from vpnmigrate.report.document import Document, Section, Table
from vpnmigrate.report.progress import Narrator
from vpnmigrate.report.words import count, safe

SCHEMA = "vpnmigrate/report/1"


@dataclass(frozen=True)
class After:
    """A survey at the end, compared with what the plan says the end is."""

    taken: datetime
    expected: str
    """What it was compared with."""
    differences: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """A run with all that its report is made of."""

    run: str
    plan: Plan
    entries: Sequence[Entry]
    after: After | None = None
    rehearsed: Rehearsed | None = None
    """What is kept of the last rehearsal of this very plan."""


def document(evidence: Evidence) -> Document:
    """Give the report; nothing in it depends on when it is made."""
    plan = evidence.plan
    change = f", change {plan.decisions.change}" if plan.decisions.change else ""
    return Document(
        f"Migration {evidence.run} of {plan.old_gateway} on {plan.vpc}{change}",
        tuple(_sections(evidence)),
    )


def as_json(evidence: Evidence) -> dict[str, Any]:
    """Give the same as a JSON document."""
    plan, entries = evidence.plan, evidence.entries
    state = replay(entries)
    after = evidence.after
    told = {
        "schema": SCHEMA,
        "run": evidence.run,
        "plan": plan.fingerprint,
        "change": plan.decisions.change,
        "status": state.status.value,
        "account": plan.account,
        "region": plan.region,
        "processes": [
            {"at": at.isoformat(), "user": o.user, "host": o.host, "tool": o.tool}
            for at, o in processes_of(entries)
        ],
        **measured.as_json(entries, state, evidence.rehearsed),
        "journeys": [_journey_json(journey) for journey in journeys_of(plan, entries)],
        "people": [
            {"at": voice.at.isoformat(), "who": voice.who, "host": voice.host, "said": said}
            for voice, said in _spoken(entries)
        ],
        **admitted.as_json(entries, state),
        "lost": list(state.lost),
        "other_hands": list(state.other_hands),
        "notes": list(state.notes),
        "puzzles": list(state.puzzles),
        "after": after
        and {
            "taken": after.taken.isoformat(),
            "expected": after.expected,
            "differences": list(after.differences),
        },
        "calls": [_call_json(call) for call in calls_of(entries)],
        "timeline": [{"at": at.isoformat(), "what": what} for at, what in _timeline(entries)],
    }
    cut: dict[str, Any] = mapped(told, without_key_elements)
    return cut


def _sections(evidence: Evidence) -> Iterator[Section]:
    plan, entries = evidence.plan, evidence.entries
    state = replay(entries)
    yield Section("Outcome", tuple(_outcome(evidence)))
    yield from admitted.forces(state)
    notable = (*state.lost, *state.other_hands, *state.puzzles)
    if notable:
        yield Section("Other hands, and what does not add up", notable, loud=True)
    yield measured.section(entries, state, evidence.rehearsed)
    for journey in journeys_of(plan, entries):
        yield _planned_against_actual(journey)
    yield _after(evidence.after)
    yield from admitted.rounds(entries, state)
    people = tuple((moment(v.at), _where(v), said) for v, said in _spoken(entries))
    yield Section(
        "People",
        () if people else ("nobody had to say anything",),
        Table(("when", "who", "said"), people) if people else None,
    )
    if state.notes:
        yield Section("Notes", state.notes)
    yield _calls(evidence)
    lines = tuple((moment(at), what) for at, what in _timeline(entries))
    yield Section("Timeline", (), Table(("when (UTC)", "what"), lines))


def _outcome(evidence: Evidence) -> Iterator[str]:
    plan, entries = evidence.plan, evidence.entries
    state = replay(entries)
    yield f"the run is {state.status.value.replace('-', ' ')}"
    if state.held or state.error:
        yield f"it stopped: {state.held or state.error}"
    yield f"plan {plan.fingerprint}, playbook {plan.playbook}, made {moment(plan.made)}"
    yield f"account {plan.account}, Region {plan.region}"
    for at, opened in processes_of(entries):
        where = f"{opened.user} on {opened.host}, process {opened.process}"
        yield f"taken up {moment(at)} by {where}, vpnmigrate {opened.tool}"
    others = {o.fingerprint for _, o in processes_of(entries)} - {plan.fingerprint}
    for fingerprint in sorted(others):
        yield f"an earlier process went by plan {fingerprint}"


def _planned_against_actual(journey: Journey) -> Section:
    ending = "gone to its end" if journey.finished else "not gone to its end"
    length = span(journey.ended - journey.began)
    rows = tuple(
        (f"step {step.number}", count(step.made.total(), "change"), _differs(step))
        for step in journey.steps
    )
    return Section(
        f"Planned and actual: {journey.direction.value}, attempt {journey.attempt}",
        (f"set out {moment(journey.began)}, {ending}, {length} in all",),
        Table(("step", "made", "differs from the plan"), rows),
    )


def _differs(step: Kept) -> str:
    if step.to_plan:
        return "as planned"
    missing, more = step.planned - step.made, step.made - step.planned
    told = [f"not made: {_kinds(missing)}"] if missing else []
    told += [f"not planned: {_kinds(more)}"] if more else []
    return "; ".join(told)


def _kinds(kinds: Counter[str]) -> str:
    return " ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))


def _after(after: After | None) -> Section:
    if after is None:
        return Section(
            "Before and after",
            ("AWS was not surveyed at the end; the option --survey of report does it",),
        )
    compared = f"surveyed {moment(after.taken)}, compared with {after.expected}"
    said = after.differences or ("nothing differs",)
    return Section("Before and after", (compared, *said), loud=bool(after.differences))


def _calls(evidence: Evidence) -> Section:
    rows = tuple(
        (moment(c.at), f"step {c.step}", c.change.call, *_ending(c), str(c.change))
        for c in calls_of(evidence.entries)
    )
    agent = f"vpnmigrate/{__version__} run/{evidence.plan.migration} step/N"
    return Section(
        "Calls that alter AWS",
        (
            f"CloudTrail has them by request id, and under a user agent that ends in {agent}",
            "reads are not listed here; the user agents of a run's looks end in the run",
        ),
        Table(("when", "step", "call", "outcome", "request id", "what"), rows),
    )


def _ending(call: Call) -> tuple[str, str]:
    request = call.request_id or "no request id"
    match call.outcome:
        case Performed():
            return "performed", request
        case Later(why=why):
            return f"refused for now ({why})", request
        case Refused(code=code):
            return f"refused ({code})", request
        case InDoubt(why=why):
            return f"in doubt ({why})", request
        case None:
            return "in doubt (its process ended)", request


def _timeline(entries: Sequence[Entry]) -> Iterator[tuple[datetime, str]]:
    narrator = Narrator()
    for entry in entries:
        for line in narrator.lines(entry):
            yield entry.wall, str(line).partition(" ")[2].strip()


def _spoken(entries: Sequence[Entry]) -> Iterator[tuple[Voice, str]]:
    by_number = {voice.seq: voice for voice in voices_of(entries)}
    narrator = Narrator()
    for entry in entries:
        told = [str(line).partition(" ")[2].strip() for line in narrator.lines(entry)]
        if entry.seq in by_number:
            yield by_number[entry.seq], "; ".join(told)


def _where(voice: Voice) -> str:
    return f"{voice.who} on {voice.host}" if voice.host else voice.who


def _journey_json(journey: Journey) -> dict[str, Any]:
    return {
        "direction": journey.direction.value,
        "attempt": journey.attempt,
        "began": journey.began.isoformat(),
        "ended": journey.ended.isoformat(),
        "finished": journey.finished,
        "steps": [
            {"step": step.number, "planned": dict(step.planned), "made": dict(step.made)}
            for step in journey.steps
        ],
    }


def _call_json(call: Call) -> dict[str, Any]:
    ending, _ = _ending(call)
    return {
        "at": call.at.isoformat(),
        "answered": call.answered and call.answered.isoformat(),
        "step": call.step,
        "call": call.change.call,
        "what": safe(str(call.change)),
        "outcome": safe(ending),
        "request_id": call.request_id,
    }
