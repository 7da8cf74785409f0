"""Batches of changes: in parallel or one by one, each answer recorded with its own intent."""

from __future__ import annotations

import threading

from tests.support.builders import NOON, OLD, a_plan
from tests.support.parts import an_executor
from tests.support.stage import Lookout
from vpnmigrate.aws.call_threads import CallThreads
from vpnmigrate.engine.call_limits import DirectCalls
from vpnmigrate.engine.ports import Calls
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Answered, DirectionTaken, Intended
from vpnmigrate.model.changes import DisablePropagation
from vpnmigrate.model.changes.base import CallTags, Performed
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import RouteTableId
from vpnmigrate.model.plan import Direction

BATCH = [DisablePropagation(RouteTableId(f"rtb-{n}"), OLD) for n in range(3)]


class ParallelEc2:
    """An EC2 that answers once *number* calls are in flight at the same time."""

    def __init__(self, number: int) -> None:
        self._barrier = threading.Barrier(number, timeout=30)
        self.threads: list[str] = []
        self.marks: set[CallTags] = set()

    def perform(self, change, mark):
        self._barrier.wait()
        self.threads.append(threading.current_thread().name)
        self.marks.add(mark)
        return Performed(f"req-{change.table}")


def performed(ec2: ParallelEc2, calls: Calls, batch=BATCH):
    clock = VirtualClock(NOON)
    journal = MemoryJournal(clock)
    recorder = RunRecorder(journal, Lookout())
    recorder.write(DirectionTaken(Direction.FORWARD, 2))
    plan = a_plan(decisions=Decisions(change="CHG-1"))
    executor = an_executor(
        ec2,  # type: ignore[arg-type]  # all of EC2 that a performer asks for
        recorder,
        clock,
        plan,
        calls,
    )
    done = executor.execute(7, batch)
    return done, [entry.record for entry in journal.entries[1:]]


def test_a_batch_is_under_way_together():
    """No call waits for the answer to another, and each answer is recorded for its own change."""
    ec2 = ParallelEc2(3)

    done, records = performed(ec2, CallThreads(3))

    assert {(d.change.table, d.outcome.request_id) for d in done} == {
        (change.table, f"req-{change.table}") for change in BATCH
    }
    assert records[:3] == [Intended(n, 7, change) for n, change in enumerate(BATCH, start=1)]
    assert sorted(records[3:], key=lambda r: r.intent) == [
        Answered(n, Performed(f"req-{change.table}")) for n, change in enumerate(BATCH, start=1)
    ]


def test_one_by_one_keeps_to_order_and_thread():
    """With one call at a time the order is fixed, so that a journal is repeatable."""
    ec2 = ParallelEc2(1)

    done, records = performed(ec2, DirectCalls())

    assert [d.change for d in done] == BATCH
    assert [r.intent for r in records[3:]] == [1, 2, 3]
    assert set(ec2.threads) == {threading.current_thread().name}


def test_calls_carry_run_attempt_step_and_change_number():
    """CloudTrail shows for each call the run and the operator's change number."""
    ec2 = ParallelEc2(1)

    performed(ec2, DirectCalls())

    assert ec2.marks == {CallTags(a_plan().migration, 2, 7, "CHG-1")}
