"""Take-over during a suspension: the old process writes no record and sends no new call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_connection, a_customer_gateway, a_plan, a_survey
from tests.support.counts import share
from tests.support.filed import ANN, BOB, Desk, named
from tests.support.parts import an_executor
from tests.support.stage import Stage
from vpnmigrate.aws.call_threads import CallThreads
from vpnmigrate.engine.call_limits import DirectCalls
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Answered, Intended
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.journal_file import FileJournal
from vpnmigrate.model.changes import AwsChange, DisablePropagation
from vpnmigrate.model.changes.base import CallTags, Outcome, Performed
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import RouteTableId, VpnGatewayId
from vpnmigrate.model.errors import TakenOverError

READS = ("Describe", "Get", "List")
APPLY_SENDS = 11
"""Mutating calls of a run with two connections; a test counts them."""


class Asleep:
    """Calls *happening* while the *nth* mutating call of the process is in flight."""

    def __init__(self, nth: int, happening: Callable[[], None]) -> None:
        self._nth = nth
        self._happening = happening
        self.arrived: list[str] = []

    def before(self, service: str, action: str, nth: int) -> None:
        if action.startswith(READS):
            return
        self.arrived.append(action)
        if len(self.arrived) == self._nth:
            self._happening()

    def after(self, service: str, action: str, nth: int) -> None:
        pass


def a_stage(tmp_path: Path) -> Stage:
    """Two connections, so that batches have several calls."""
    two = a_survey(
        connections=(a_connection(), a_connection("vpn-too", customer_gateway="cgw-2")),
        customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-2")),
    )
    return Stage(tmp_path / "vault", two)


class TestAPerformer:
    """The check before each call, on any thread."""

    class Ec2:
        """Answers every change, and counts."""

        def __init__(self) -> None:
            self.sent: list[AwsChange] = []

        def perform(self, change: AwsChange, tags: CallTags) -> Outcome:
            self.sent.append(change)
            return Performed("req-1")

    class Lost(MemoryJournal):
        """A journal that another process takes over after *questions* checks."""

        def __init__(self, questions: int) -> None:
            super().__init__(VirtualClock(NOON))
            self._left = questions

        def require_ours(self) -> None:
            self._left -= 1
            if self._left < 0:
                raise TakenOverError("taken over")

    @pytest.mark.parametrize("parallel", [1, 4])
    @pytest.mark.parametrize("allowed", range(5))
    def test_sends_no_call_that_it_may_not(self, parallel: int, allowed: int) -> None:
        """A batch whose intents are durable ends with the call before the take-over."""
        ec2, journal = self.Ec2(), self.Lost(allowed)
        book = RunRecorder(journal, Quiet())
        batch = [
            DisablePropagation(RouteTableId(f"rtb-{n}"), VpnGatewayId("vgw-1")) for n in range(5)
        ]
        executor = an_executor(
            ec2,  # type: ignore[arg-type]  # all of EC2 that a performer asks for
            book,
            VirtualClock(NOON),
            a_plan(),
            DirectCalls() if parallel == 1 else CallThreads(parallel),
        )

        with pytest.raises(TakenOverError):
            executor.execute(7, batch)

        records = [entry.record for entry in journal.entries]
        assert len(ec2.sent) == allowed
        assert sum(isinstance(record, Intended) for record in records) == len(batch)
        assert sum(isinstance(record, Answered) for record in records) <= allowed


class Quiet:
    """Ignores every notification."""

    def on_entry(self, entry: object) -> None:
        pass

    def on_wait(self, *what: object) -> None:
        pass

    def on_view(self, sighting: object) -> None:
        pass

    def on_reading(self, unreadable: object) -> None:
        pass


def test_an_undisturbed_run_sends_as_many_calls_as_are_tried_below(tmp_path: Path) -> None:
    """The table of the next test has every mutating call of apply."""
    stage = a_stage(tmp_path)
    stage.faults = counted = Asleep(0, lambda: None)

    stage.forward()

    assert len(counted.arrived) == APPLY_SENDS


EVERY_CALL = [(nth, parallel) for nth in range(1, APPLY_SENDS + 1) for parallel in (1, 4)]


@pytest.mark.parametrize(("nth", "parallel"), share(EVERY_CALL, one_in=5))
def test_one_call_is_all_that_a_displaced_process_still_sends(
    tmp_path: Path, nth: int, parallel: int
) -> None:
    """After a take-over during any call of apply, only calls in flight still arrive.

    The run that took over resumes from there to the end of an undisturbed run.
    """
    stage = a_stage(tmp_path)
    context = Desk(tmp_path / "runs", stage.clock)
    with ExitStack() as colleague:
        later: list[FileJournal] = []

        def take_over() -> None:
            later.append(colleague.enter_context(context.process(BOB, take_over=named(ANN))))

        stage.faults = asleep = Asleep(nth, take_over)
        with context.process(ANN) as journal, pytest.raises(TakenOverError, match="bob on desk"):
            stage.forward(journal=journal, parallel=parallel)
        assert nth <= len(asleep.arrived) < nth + parallel

        stage.faults = None
        state = stage.forward(journal=later[0])

    assert state.status is RunStatus.CUT_OVER
    seen = stage.plain.observe(stage.plan)
    assert (len(seen.gateways), len(seen.connections)) == (2, 4)
