"""Report of a run: what was done, when, by whom, and measured outages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

import msgspec

from vpnmigrate.journal import RunState
from vpnmigrate.journal.directions import DirectionAdherence, adherence_of
from vpnmigrate.journal.history import (
    OutagePeriod,
    PersonEntry,
    ReplayedRun,
    SortedEntries,
    made_by_changes,
    person_entries,
    processes_of,
    replayed_run,
    sorted_entries,
)
from vpnmigrate.journal.record_base import DeviceConfirmed
from vpnmigrate.journal.records import Entry, GatesSeen, OperatorConfirmed
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.errors.commands import Invocation, aws
from vpnmigrate.model.gates import GateResult
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.redaction import mapped, without_key_elements
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report import gates, tunnel_options
from vpnmigrate.report.calls import GroupedChanges, call_json, calls_section, grouped, timeline
from vpnmigrate.report.crypto import crypto_json, crypto_section
from vpnmigrate.report.device_progress import site_of
from vpnmigrate.report.directions import direction_json, direction_section
from vpnmigrate.report.document import DocumentTable, ReportDocument, Section
from vpnmigrate.report.names import Names, names_with
from vpnmigrate.report.progress import DIRECTION_NAMES, Narrator, probe_lines
from vpnmigrate.report.run_summary import (
    NOT_SURVEYED,
    expected_outage,
    summary,
    summary_json,
)
from vpnmigrate.report.timeline import timeline_of

SCHEMA = "vpnmigrate/report/1"

CONFIRMATION_WORDS = {
    Confirmation.DEVICES_CONFIGURED: "the devices are configured",
    Confirmation.TEST_PASSED: "the test in the test VPC passed",
    Confirmation.NEW_TUNNELS_ENABLED: "the new tunnels are enabled",
    Confirmation.OLD_TUNNELS_DISABLED: "the old tunnels are disabled",
    Confirmation.TUNNELS_RETURNED: "the old tunnels are enabled again",
}
"""What a person has said with a confirmation."""


@dataclass(frozen=True)
class AfterComparison:
    """A survey at the end, compared with the end state of the plan."""

    taken: datetime
    expected: str
    """Description of the state that it was compared with."""
    differences: tuple[str, ...]
    to_start: tuple[tuple[str, str], ...] = ()
    """Connection and outside address of each tunnel whose start-up action is to be set back."""


@dataclass(frozen=True)
class RunEvidence:
    """A run with everything that its report contains."""

    run: str
    plan: Plan
    entries: Sequence[Entry]
    after: AfterComparison | None = None
    rehearsed: RehearsalResult | None = None
    """The saved result of the last rehearsal of this plan."""

    @cached_property
    def journal(self) -> SortedEntries:
        """The entries as changes and events."""
        return sorted_entries(self.entries)

    @property
    def events(self) -> Sequence[Entry]:
        """The entries about no change: few, in a journal of any length."""
        return self.journal.events

    @cached_property
    def replayed(self) -> ReplayedRun:
        """The state after the entries, and the outages in them."""
        return replayed_run(self.entries)

    @cached_property
    def directions(self) -> tuple[DirectionAdherence, ...]:
        """Every direction that the run took."""
        return adherence_of(self.plan, self.journal)


def document(evidence: RunEvidence) -> ReportDocument:
    """Return the report; it does not depend on the current time."""
    plan = evidence.plan
    names = names_with(plan, made_by_changes(evidence.journal.changes))
    change = f", change {plan.decisions.change}" if plan.decisions.change else ""
    gateway, vpc = names.named(plan.old_gateway), names.named(plan.vpc)
    return ReportDocument(
        f"Migration {evidence.run} of {gateway} on {vpc}{change}",
        tuple(each.mapped(partial(_with_names, names)) for each in _sections(evidence)),
    )


def _with_names(names: Names, text: str) -> str:
    """Return *text* with names beside its ids; a command to paste has ids alone."""
    return text if _COMMAND.search(text) else names.text(text)


_COMMAND = re.compile(r"\b(?:aws|vpnmigrate) [a-z]")


def as_json(evidence: RunEvidence) -> dict[str, Any]:
    """Return the same as a JSON document."""
    plan, events = evidence.plan, evidence.events
    state = evidence.replayed.state
    after = evidence.after
    document = {
        "schema": SCHEMA,
        "run": evidence.run,
        "plan": plan.fingerprint,
        "change": plan.decisions.change,
        "status": state.status.value,
        **summary_json(
            state, surveyed=after is not None, differences=after.differences if after else ()
        ),
        "account": plan.account,
        "region": plan.region,
        "processes": [
            {"at": at.isoformat(), "user": o.user, "host": o.host, "tool": o.tool}
            for at, o in processes_of(events)
        ],
        **outages_json(evidence.replayed, evidence.rehearsed),
        "journeys": [direction_json(period) for period in evidence.directions],
        "people": [
            {"at": voice.at.isoformat(), "who": voice.who, "host": voice.host, "said": said}
            for voice, said in _actions(plan, events)
        ],
        **gates_json(events, state),
        "lost": list(state.deviations.lost),
        "other_hands": list(state.deviations.external_changes),
        "notes": list(state.notes),
        "puzzles": list(state.contradictions),
        "after": after
        and {
            "taken": after.taken.isoformat(),
            "expected": after.expected,
            "differences": list(after.differences),
            "to_start": [
                {"connection": connection, "outside_address": outside}
                for connection, outside in after.to_start
            ],
        },
        "tunnel_options": tunnel_options.as_json(plan),
        "negotiated": crypto_json(state.crypto),
        "calls": [call_json(call) for call in evidence.journal.calls],
        "timeline": [
            {"at": at.isoformat(), "what": what}
            for at, what in timeline(events, GroupedChanges((), evidence.journal.changes))
        ],
    }
    cut: dict[str, Any] = mapped(document, without_key_elements)
    return cut


def _sections(evidence: RunEvidence) -> Iterator[Section]:
    plan, events = evidence.plan, evidence.events
    state = evidence.replayed.state
    yield _summary(evidence)
    yield from _picture(evidence)
    yield from forces(state)
    notable = (*state.deviations.lost, *state.deviations.external_changes, *state.contradictions)
    if notable:
        yield Section("External changes and inconsistencies", notable, loud=True)
    yield outage_section(evidence.replayed, evidence.rehearsed)
    gates_seen = [entry for entry in events if isinstance(entry.record, GatesSeen)]
    for period in evidence.directions:
        yield direction_section(plan, period, gates_seen)
    yield _after(evidence.after)
    yield from _start_up(evidence.after)
    yield Section("Tunnel options, old and new", (), tunnel_options.table(plan))
    yield from crypto_section(state.crypto)
    yield _processes(events)
    yield from rounds(gates_seen, state)
    operator = tuple((moment(v.at), _where(v), said) for v, said in _actions(plan, events))
    yield Section(
        "People",
        () if operator else ("no confirmation or order was given",),
        DocumentTable(("when", "who", "what"), operator) if operator else None,
    )
    if state.notes:
        yield Section("Notes", tuple(state.notes))
    changes = grouped(evidence.journal.changes)
    yield calls_section(plan.migration, changes)
    lines = tuple((moment(at), what) for at, what in timeline(events, changes))
    yield Section("Timeline", (), DocumentTable(("when (UTC)", "what"), lines))


def _summary(evidence: RunEvidence) -> Section:
    after = evidence.after
    return summary(
        evidence.events,
        evidence.replayed,
        evidence.rehearsed,
        tuple(_plan_rows(evidence)),
        surveyed=after is not None,
        differences=after.differences if after else (),
    )


def _plan_rows(evidence: RunEvidence) -> Iterator[tuple[str, str]]:
    plan = evidence.plan
    if plan.decisions.change:
        yield "change", plan.decisions.change
    yield "plan", f"{plan.fingerprint}, playbook {plan.playbook}, made {moment(plan.made)}"
    others = {o.fingerprint for _, o in processes_of(evidence.events)} - {plan.fingerprint}
    for fingerprint in sorted(others):
        yield "earlier plan", fingerprint
    yield "account", f"{plan.account}, Region {plan.region}"


def _picture(evidence: RunEvidence) -> Iterator[Section]:
    outages, people = evidence.replayed.outages, person_entries(evidence.events)
    if (drawn := timeline_of(evidence.directions, outages, people)) is not None:
        yield Section("At a glance", timeline=drawn)


def _processes(events: Sequence[Entry]) -> Section:
    rows = tuple(
        (moment(at), f"{o.user} on {o.host}", str(o.process), f"vpnmigrate {o.tool}", o.fingerprint)
        for at, o in processes_of(events)
    )
    return Section(
        "Processes", (), DocumentTable(("started", "by", "process", "version", "plan"), rows)
    )


def _after(after: AfterComparison | None) -> Section:
    if after is None:
        return Section(
            "Before and after",
            (NOT_SURVEYED,),
        )
    compared = f"surveyed {moment(after.taken)}, compared with {after.expected}"
    differences = after.differences or ("no differences",)
    return Section("Before and after", (compared, *differences), loud=bool(after.differences))


def _start_up(after: AfterComparison | None) -> Iterator[Section]:
    """Yield the commands that set the start-up action back, if any."""
    if after is None or not after.to_start:
        return
    commands = (
        str(
            aws(
                *("ec2", "modify-vpn-tunnel-options", "--vpn-connection-id", connection),
                *("--vpn-tunnel-outside-ip-address", outside),
                *("--tunnel-options", "StartupAction=start"),
            )
        )
        for connection, outside in after.to_start
    )
    yield Section(
        "Start-up action: left to you",
        (
            "the old tunnels had start-up action start; AWS does not initiate the new ones yet",
            "traffic does not depend on it; each command interrupts its tunnel for some minutes",
            "run the next command when the tunnel of the last one is UP again",
            *commands,
        ),
    )


def _actions(plan: Plan, events: Sequence[Entry]) -> Iterator[tuple[PersonEntry, str]]:
    by_number = {voice.seq: voice for voice in person_entries(events)}
    narrator = Narrator()
    for entry in events:
        if entry.seq not in by_number:
            continue
        lines = [str(line).partition(" ")[2].strip() for line in narrator.lines(entry)]
        if isinstance(entry.record, OperatorConfirmed):
            lines = [f"confirmed: {CONFIRMATION_WORDS[entry.record.confirmation]}"]
        if isinstance(entry.record, DeviceConfirmed):
            at = site_of(entry.record.connection, plan)
            lines = [f"confirmed for {at}: {CONFIRMATION_WORDS[entry.record.confirmation]}"]
        yield by_number[entry.seq], "; ".join(lines)


def _where(voice: PersonEntry) -> str:
    return f"{voice.who} on {voice.host}" if voice.host else voice.who


def outage_section(replayed: ReplayedRun, rehearsed: RehearsalResult | None) -> Section:
    """Return the section of the report about outages."""
    state, outages = replayed.state, replayed.outages
    return Section(
        "Outage", (*_outages(outages), *_planned(outages, rehearsed), *_probes(state, outages))
    )


def outages_json(replayed: ReplayedRun, rehearsed: RehearsalResult | None) -> dict[str, Any]:
    """Return the same as JSON values."""
    state = replayed.state
    return {
        "outages": [_outage_json(down, rehearsed) for down in replayed.outages],
        "rehearsed": rehearsed
        and {
            "at": rehearsed.at.isoformat(),
            "cutover": round(rehearsed.cutover.total_seconds(), 3),
            "rollback": round(rehearsed.rollback.total_seconds(), 3),
            "outage": rehearsed.outage and round(rehearsed.outage.total_seconds(), 3),
        },
        "probes": [msgspec.to_builtins(stats) for stats in state.probes.latest.values()],
        "probes_forward": [msgspec.to_builtins(stats) for stats in state.probes.forward.values()],
    }


def _outages(outages: Sequence[OutagePeriod]) -> Iterator[str]:
    if not outages:
        yield "none: no call that interrupts traffic was sent"
    for down in outages:
        least = "at least " if down.earlier or not down.over else ""
        ending = "" if down.over else "; still open at the end of the journal"
        yield (
            f"{least}{span(down.lasted)} from {moment(down.since)}, "
            f"{DIRECTION_NAMES[down.direction]}: "
            "measured from before the first interrupting call until tunnels and routes were "
            f"observed to carry traffic{ending}"
        )
    if len(outages) > 1:
        yield f"total {span(sum((d.lasted for d in outages), start=timedelta()))}"


def _planned(outages: Sequence[OutagePeriod], rehearsed: RehearsalResult | None) -> Iterator[str]:
    if rehearsed is None:
        yield "expected: unknown, because no rehearsal of this plan is recorded here"
        return
    outage = "an unknown" if rehearsed.outage is None else span(rehearsed.outage)
    yield (
        f"expected, by the rehearsal of {moment(rehearsed.at)}, in sandbox time: {outage} outage "
        f"in a cutover of {span(rehearsed.cutover)}, rollback within {span(rehearsed.rollback)}"
    )
    for down in outages:
        expected = expected_outage(down, rehearsed)
        if expected is not None and down.over:
            yield (
                f"the outage of {moment(down.since)} was {_compared(down.lasted, expected)} the "
                f"rehearsal's {span(expected)}"
            )


def _compared(lasted: timedelta, expected: timedelta) -> str:
    more = lasted - expected
    if span(abs(more)) == span(timedelta(0)):
        return "as long as"
    return f"{span(abs(more))} {'longer' if more > timedelta(0) else 'shorter'} than"


def _probes(state: RunState, outages: Sequence[OutagePeriod]) -> Iterator[str]:
    for each in probe_lines(state):
        yield f"probe {each}"
    if outages and not state.probes.latest:
        yield "no probes were configured, so packet loss was not measured (apply --probe)"


def _outage_json(down: OutagePeriod, rehearsed: RehearsalResult | None) -> dict[str, Any]:
    expected = expected_outage(down, rehearsed)
    return {
        "since": down.since.isoformat(),
        "direction": down.direction.value,
        "lasted": round(down.lasted.total_seconds(), 3),
        "expected": None if expected is None else round(expected.total_seconds(), 3),
        "over": down.over,
        "earlier": down.earlier,
    }


def forces(state: RunState) -> Iterator[Section]:
    """Yield the forced gates and the accepted shortages, as warnings."""
    if state.gates.forced:
        yield Section("Forced", tuple(map(gates.forced_line, state.gates.forced)), loud=True)
    if state.shortages.accepted:
        yield Section(
            "Accepted", tuple(map(gates.accepted_line, state.shortages.accepted)), loud=True
        )


def rounds(entries: Sequence[Entry], state: RunState) -> Iterator[Section]:
    """Yield every evaluation of the gates with its results, then the approvals."""
    for entry in entries:
        if isinstance(entry.record, GatesSeen):
            title = gates.title(entry.record)
            rows = tuple(_row(line) for line in entry.record.gates)
            yield Section(
                title[0].upper() + title[1:],
                (f"evaluated {moment(entry.wall)}",),
                DocumentTable(("gate", "verdict", "observed", "required"), rows),
            )
    if state.approvals.added:
        rows = tuple(
            (
                a.approver,
                f"{a.user} on {a.host}",
                moment(a.at),
                f"until {moment(a.expires)}",
                "yes" if a.digest in state.approvals.signed else "no",
            )
            for a in state.approvals.added
        )
        heads = ("approver", "as", "when", "valid", "signed")
        yield Section("Approvals", (), DocumentTable(heads, rows))


def gates_json(entries: Sequence[Entry], state: RunState) -> dict[str, Any]:
    """Return the same as JSON values."""
    return {
        "gates": [
            gates.as_json(entry.record, entry.wall, Invocation())
            for entry in entries
            if isinstance(entry.record, GatesSeen)
        ],
        "forced": [msgspec.to_builtins(each) for each in state.gates.forced],
        "accepted": [msgspec.to_builtins(each) for each in state.shortages.accepted],
        "approvals": [
            {**msgspec.to_builtins(each), "signed": each.digest in state.approvals.signed}
            for each in state.approvals.added
        ],
    }


def _row(seen: GateResult) -> tuple[str, ...]:
    call = f"FORCED ({seen.verdict.value})" if seen.forced else seen.verdict.value
    return seen.gate.value, call, seen.observed, f"required: {seen.required}"
