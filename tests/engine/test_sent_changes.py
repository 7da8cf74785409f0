"""Sent changes: what a run has sent and created, as its records are written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from tests.support.builders import VPC, a_table
from tests.support.stage import Lookout
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import (
    Adopted,
    Answered,
    DirectionTaken,
    Intended,
    Record,
    StepBegun,
)
from vpnmigrate.model.changes import (
    AttachVpnGateway,
    CreateRoute,
    CreateVpnGateway,
    EnablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import RouteTableId, RouteTableRecord, VpcId, VpnGatewayId
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction

TABLE, OLD, NEW = RouteTableId("rtb-1"), VpnGatewayId("vgw-old"), VpnGatewayId("vgw-new")
FIRST, SECOND = "10.1.0.0/16", "10.2.0.0/16"
THERE, BACK = ReplaceRoute(TABLE, FIRST, NEW), ReplaceRoute(TABLE, FIRST, OLD)
CREATE, MOVE = CreateRoute(TABLE, FIRST, NEW), ReplaceRoute(TABLE, SECOND, NEW)
GONE = Refused("InvalidRoute.NotFound", "no such route", missing=True)


def test_each_record_leaves_what_the_whole_journal_leaves():
    """A run that continues knows the same of its routes as one that reads its journal again."""
    clock = VirtualClock()
    journal = MemoryJournal(clock)
    recorder = RunRecorder(journal, Lookout())
    seen = []
    records: tuple[Record, ...] = (
        DirectionTaken(Direction.FORWARD, 1),
        StepBegun(9, "Restore routing"),
        Intended(1, 9, THERE),
        Intended(2, 9, MOVE),
        Answered(2, GONE),
        Answered(1, Performed("id-1")),
        Intended(3, 9, BACK),
        Answered(3, Later("throttled", timedelta(minutes=1), "id-3")),
        Intended(4, 9, BACK),
        Answered(4, GONE),
        Intended(5, 9, CREATE),
        Answered(5, Refused("Code", "no")),
        Intended(6, 9, CREATE),
        Answered(6, InDoubt("no answer")),
        Answered(1, Refused("Code", "no")),
    )
    for record in records:
        clock.sleep(timedelta(seconds=1))
        recorder.write(record)
        again = RunRecorder(MemoryJournal(clock, journal.entries), Lookout()).sent
        sent = recorder.sent
        assert (sent.directed, sent.vanished) == (again.directed, again.vanished)
        seen.append((sent.directed.get(THERE.fact), THERE.fact in sent.vanished))

    assert MOVE.fact in recorder.sent.vanished
    assert MOVE.fact not in recorder.sent.directed
    assert seen[2:] == [
        *[(NEW, False)] * 4,
        (OLD, False),
        (NEW, False),
        (OLD, False),
        (NEW, True),
        (NEW, False),
        (NEW, True),
        *[(NEW, False)] * 3,
    ]


def test_attachments_propagations_and_creations_are_followed_as_well():
    """Answers in any order, also a second one, leave what the whole journal leaves."""
    clock = VirtualClock()
    journal = MemoryJournal(clock)
    recorder = RunRecorder(journal, Lookout())
    attach, enable = AttachVpnGateway(NEW, VpcId(VPC)), EnablePropagation(TABLE, NEW)
    create = CreateVpnGateway(GATEWAY_ROLE)
    tables = (a_table(TABLE, edge_of=OLD),)
    records: tuple[Record, ...] = (
        DirectionTaken(Direction.FORWARD, 1),
        StepBegun(2, "Create the new virtual private gateway"),
        Intended(1, 2, create),
        Answered(1, Later("throttled", timedelta(minutes=1), "id-1")),
        Intended(2, 2, create),
        Answered(2, Performed("id-2", NEW)),
        StepBegun(8, "Swap the virtual private gateways"),
        Intended(3, 8, attach),
        Intended(4, 8, attach),
        Answered(3, Later("throttled", timedelta(minutes=1), "id-3")),
        StepBegun(9, "Restore routing"),
        Intended(5, 9, enable),
        Answered(5, Refused("Code", "no")),
        Intended(6, 9, enable),
        Answered(4, Performed("id-4")),
        Answered(3, InDoubt("no answer")),
        Adopted(GATEWAY_ROLE, "vgw-other"),
        DirectionTaken(Direction.ROLLBACK, 1),
        Answered(6, Performed("id-6")),
        DirectionTaken(Direction.FORWARD, 2),
    )
    for record in records:
        clock.sleep(timedelta(seconds=1))
        recorder.write(record)
        again = RunRecorder(MemoryJournal(clock, journal.entries), Lookout())
        assert _known(recorder, tables) == _known(again, tables)

    attached = [each for each in recorder.sent.with_side_effects(()) if each.fact == attach.fact]
    assert [each.performed for each in attached] == [True, False]
    assert recorder.evidence().made == {GATEWAY_ROLE: frozenset({NEW, "vgw-other"})}


def _known(recorder: RunRecorder, tables: Sequence[RouteTableRecord]) -> tuple[object, ...]:
    sent = recorder.sent
    return (
        sent.of_attempt,
        sent.touched,
        sent.idle(tables),
        tuple(sent.with_side_effects(tables)),
        recorder.evidence(),
    )
