"""Moments of hooks, and the input of a hook at each."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.report.examples import BEGAN, BGP, ENABLE, OLD, VPC, a_journal, a_plan
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import (
    Acceptable,
    Accepted,
    DirectionTaken,
    Failed,
    Finished,
    Forced,
    GatesSeen,
    Held,
    HookRan,
    Intended,
    Interrupted,
    OutageBegan,
    OutageEnded,
    Record,
    StepBegun,
    StepSettled,
    TrafficVerified,
)
from vpnmigrate.local.hooks import ABOUT, ASKED, HookInput, hook_input, hook_moment
from vpnmigrate.model.changes import DetachVpnGateway
from vpnmigrate.model.decisions import Decisions, HookMoment
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.gates import Gate, GateResult, GateVerdict, Milestone
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.snapshot import Shortage

DOCS = Path(__file__).parents[2] / "docs"

SHORT = Shortage(BGP, VpnConnectionId("vpn-99"), "vpn-99 has 1 of 2 tunnels UP")
CLOSED = GateResult(Gate.CLOCK, GateVerdict.FAIL, "9 s ahead", "at most 5 s")
MARKED: list[tuple[Record, HookMoment, str]] = [
    (DirectionTaken(Direction.FORWARD, 1), HookMoment.STARTED, ""),
    (GatesSeen(Milestone.CUTOVER, (CLOSED,)), HookMoment.GATE_FAILED, "clock: 9 s ahead"),
    (OutageBegan(BEGAN), HookMoment.OUTAGE_BEGAN, ""),
    (OutageEnded(BEGAN, timedelta()), HookMoment.OUTAGE_ENDED, ""),
    (StepSettled(8), HookMoment.STEP_SETTLED, ""),
    (Intended(1, 10, ENABLE), HookMoment.NEEDS_PERSON, "enable the tunnels of vpn-99"),
    (Acceptable((SHORT,)), HookMoment.NEEDS_PERSON, "vpn-99 has 1 of 2 tunnels UP"),
    (
        Accepted(SHORT, "known", "bob", "desk"),
        HookMoment.FORCED,
        "vpn-99 has 1 of 2 tunnels UP: known",
    ),
    (TrafficVerified(BEGAN), HookMoment.VERIFIED, ""),
    (
        Forced(Milestone.CUTOVER, Gate.CLOCK, "known", "off", "bob"),
        HookMoment.FORCED,
        "clock: known",
    ),
    (Held("for a person", 5), HookMoment.HELD, "for a person"),
    (Interrupted("Ctrl-C"), HookMoment.INTERRUPTED, "Ctrl-C"),
    (Failed("no", 8, stuck=True), HookMoment.FAILED, "no"),
    (DirectionTaken(Direction.ROLLBACK, 1), HookMoment.ROLLBACK_STARTED, ""),
    (Finished(Direction.ROLLBACK), HookMoment.ROLLED_BACK, ""),
    (Finished(Direction.FORWARD), HookMoment.FINISHED, ""),
    (Finished(Direction.FINALIZE), HookMoment.FINALIZED, ""),
]


@pytest.mark.parametrize(("record", "moment", "why"), MARKED)
def test_what_marks_a_moment(record, moment, why):
    """A journal entry marks its moment, and the hook receives its details."""
    *_, entry = entries = a_journal(record)
    document = json.loads(hook_input(a_plan(), moment, replay(entries), entry, entry.at))

    assert (document["moment"], document["why"], document["seq"]) == (
        moment.value,
        why,
        entry.seq,
    )
    assert document["stuck"] is (moment is HookMoment.FAILED)
    assert hook_moment(record) is moment


def test_every_moment_is_marked_or_asked():
    """Every moment that can be configured is reached; that of the deadline without a record."""
    marked = {moment for _, moment, _ in MARKED}

    assert marked | ASKED | {HookMoment.DEADLINE_NEAR} == set(HookMoment)
    assert list(ABOUT) == list(HookMoment)


@pytest.mark.parametrize(
    "record",
    [
        Intended(1, 8, DetachVpnGateway(OLD, VPC)),
        StepBegun(8, "x"),
        GatesSeen(Milestone.CUTOVER, ()),
        HookRan(HookMoment.HELD, "x", timedelta()),
    ],
)
def test_what_marks_none(record):
    """API calls mark no moment, and the end of a hook does not start another hook."""
    assert hook_moment(record) is None


def test_tells_where_the_run_stands():
    """Every document contains run, plan, change, step, traffic and outage."""
    entries = a_journal(StepBegun(8, "Swap gateways"), OutageBegan(BEGAN))
    plan = a_plan(Decisions(change="CHG7"))
    at = BEGAN + timedelta(seconds=90)
    document = json.loads(
        hook_input(plan, HookMoment.OUTAGE_BEGAN, replay(entries), entries[-1], at)
    )

    assert document["schema"] == "vpnmigrate/hook/1"
    assert (document["run"], document["plan"], document["change"]) == (
        "m-7f3c",
        "a1b2c3d4",
        "CHG7",
    )
    assert (document["direction"], document["step"], document["title"]) == (
        "forward",
        8,
        "Swap gateways",
    )
    assert (document["traffic"], document["outage_seconds"]) == ("none", 90.0)


def test_the_page_has_every_moment_and_every_field():
    """The page describes each moment and each field of the document."""
    page = (DOCS / "how-to" / "hooks.md").read_text(encoding="utf-8")

    for moment, about in ABOUT.items():
        assert f"| `{moment.value}` | {about} |" in page
    assert [n for n in HookInput.__struct_fields__ if f"`{n}`" not in page] == []
