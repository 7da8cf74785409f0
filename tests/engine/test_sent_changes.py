"""Sent changes: what a run has directed its routes to, as its records are written."""

from __future__ import annotations

from datetime import timedelta

from tests.support.stage import Lookout
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Answered, DirectionTaken, Intended, Record, StepBegun
from vpnmigrate.model.changes import CreateRoute, ReplaceRoute
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import RouteTableId, VpnGatewayId
from vpnmigrate.model.plan import Direction

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
