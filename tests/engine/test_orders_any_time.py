"""Orders of operators at any time: too early, too late, twice, and between any two records.

Processes of a run are started, killed and stopped at random records, and random messages arrive
before, between and during them.  The state that the journal replays to stays right.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.builders import NEW_VPN, OLD_VPN, a_run, an_approval
from tests.support.journals import OPENED
from tests.support.stage import Lookout, Nobody, Stage
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal import Traffic, replay
from vpnmigrate.journal.exit_code import exit_code, exit_code_of_run
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import (
    Approved,
    Entry,
    FinalizeRequested,
    Noted,
    Record,
    Replanned,
    TakenOver,
)
from vpnmigrate.journal.run_clock import run_clock
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.inbox import (
    AbortMessage,
    AcceptMessage,
    ConfirmMessage,
    ContinueMessage,
    DoneMessage,
    Inbox,
    InboxReader,
    Message,
    PauseMessage,
)
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.decisions import BackOut, Decisions, OldTunnels
from vpnmigrate.model.ec2 import Attachment
from vpnmigrate.model.errors import Exit, VpnMigrateError
from vpnmigrate.model.plan import LAST_OF_PREPARE, Direction
from vpnmigrate.report.status import RunStatusView, deletion_begun
from vpnmigrate.report.status_json import one_as_json
from vpnmigrate.report.status_text import one
from vpnmigrate.sandbox.device_engineer import AutoEngineerWorld
from vpnmigrate.sandbox.faults import Killed

REST = 60
"""Seconds of a pause until the operator, who sees that the run waits, lets it continue."""

MESSAGES: dict[str, Callable[..., Message]] = {
    "pause": PauseMessage,
    "continue": ContinueMessage,
    "abort": AbortMessage,
    "abort unless confirmed": lambda **who: AbortMessage(**who, unless_confirmed=True),
    "confirm": ConfirmMessage,
    "done 5": lambda **who: DoneMessage(**who, step=5),
    "done 6": lambda **who: DoneMessage(**who, step=6),
    "done 10": lambda **who: DoneMessage(**who, step=10),
    "done 99": lambda **who: DoneMessage(**who, step=99),
    "accept": lambda **who: AcceptMessage(**who, degraded=(OLD_VPN, NEW_VPN), reason="board"),
}

BRINGS: dict[str, Record] = {
    "an approval": Approved(an_approval("eve", fingerprint="a1b2c3d4")),
    "another plan": Replanned("a1b2c3d4"),
    "a note": Noted("probes are off"),
    "a take-over": TakenOver("carl@desk/1"),
}
"""What the options of a command write before its process begins."""

WITH = st.none() | st.sampled_from(sorted(BRINGS))
_RECORD = st.integers(0, 60)
"""The number of a record that a process writes; a whole migration has about sixty."""
AT = st.none() | _RECORD
MEANWHILE = st.dictionaries(_RECORD, st.sampled_from(sorted(MESSAGES)), max_size=3)


class InboxJournal(MemoryJournal):
    """A journal in memory whose inbox is that of a run directory."""

    def __init__(self, run: Run, clock: Clock, entries: tuple[Entry, ...]) -> None:
        super().__init__(clock, entries)
        self._reader = InboxReader(Inbox(run), self)

    def fold_inbox(self) -> None:
        self._reader.fold()


class OrdersAtAnyTime(RuleBasedStateMachine):
    """One run, its processes, and the operators at other terminals."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.run = a_run(self.home / "runs")

    def teardown(self) -> None:
        try:
            self._follow_the_next_commands()
        finally:
            shutil.rmtree(self.home)

    @initialize(back_out=st.sampled_from(BackOut))
    def begin(self, back_out: BackOut) -> None:
        decisions = Decisions(back_out=back_out, old_tunnels=OldTunnels.LEAVE)
        self.stage = Stage(self.home / "vault", decisions=decisions)

    # Operators at other terminals

    @rule(kind=st.sampled_from(sorted(MESSAGES)), late=st.booleans())
    def say(self, kind: str, late: bool) -> None:
        """Leave a message; it is read at once, or by the next process."""
        self._post(kind)
        if not late:
            journal = self._journal()
            journal.fold_inbox()
            self.stage.entries = tuple(journal.entries)

    # Processes

    @rule(
        staged=st.booleans(),
        alone=st.booleans(),
        meanwhile=MEANWHILE,
        killed=AT,
        stopped=AT,
        brings=WITH,
    )
    def apply(self, staged: bool, alone: bool, **events: Any) -> None:
        if self.finalizing or self.state.status is RunStatus.CUT_OVER:
            return  # The command line refuses it.
        until = LAST_OF_PREPARE if staged and not self.state.cutover_begun else None
        self._process(lambda runner: runner.apply(until=until), alone=alone, **events)

    @rule(
        keep=st.booleans(),
        meanwhile=MEANWHILE,
        killed=AT,
        stopped=AT,
        brings=WITH,
    )
    def rollback(self, keep: bool, **events: Any) -> None:
        if deletion_begun(self.state):
            return  # The command line refuses it.
        self._process(lambda runner: runner.rollback(keep_new=keep), **events)

    @precondition(lambda self: self.state.status is RunStatus.CUT_OVER or self.finalizing)
    @rule(
        gateway=st.booleans(),
        meanwhile=MEANWHILE,
        killed=AT,
        brings=WITH,
    )
    def finalize(self, gateway: bool, **events: Any) -> None:
        def retire(runner: Runner) -> None:
            runner.finalize(delete_old_gateway=gateway)

        self._process(retire, requests=(FinalizeRequested(gateway),), **events)

    def _process(
        self,
        work: Callable[[Runner], object],
        *,
        meanwhile: dict[int, str],
        killed: int | None = None,
        stopped: int | None = None,
        alone: bool = False,
        brings: str | None = None,
        requests: tuple[Record, ...] = (),
    ) -> None:
        """Run one process, and check its exit code."""
        written = 0
        self.stage.signal.reason = None
        if brings in self._refused:
            brings = None

        def on_entry(_: Entry) -> None:
            nonlocal written
            if written == killed:
                raise Killed
            if written == stopped:
                self.stage.signal.reason = "SIGINT received"
            if written in meanwhile:
                self._post(meanwhile[written])
            written += 1

        lookout = Operating(self, on_entry)
        journal = self._journal()
        journal.write(OPENED, *([BRINGS[brings]] if brings else []), *requests)
        how: dict[str, Any] = {
            "journal": journal,
            "lookout": lookout,
            "takes_over_from": replay(journal.entries).taken_over_from,
            **({"operator": Nobody()} if alone else {}),
        }
        found: VpnMigrateError | None = None
        try:
            self.stage.run(work, **how)
        except VpnMigrateError as error:
            found = error
        except Killed:
            return
        code = exit_code(found, self.state) if found else Exit.DONE
        assert code is exit_code_of_run(self.state, self.stage.entries), found
        assert code is not Exit.STUCK, found

    @property
    def _refused(self) -> frozenset[str]:
        """What the command line refuses now, or takes for a run whose journal is lost."""
        plan = {"another plan"} if self.state.cutover_begun else set()
        return frozenset(plan | ({"a take-over"} if self.state.direction is None else set()))

    # What has to hold

    @property
    def state(self):
        return self.stage.state

    @property
    def finalizing(self) -> bool:
        return self.state.direction is Direction.FINALIZE

    @invariant()
    def the_status_is_right(self) -> None:
        """The journal contradicts nothing, and traffic is where the status says."""
        state = self.state
        assert not state.contradictions
        if state.direction is None:
            assert state.status is RunStatus.PLANNED
            return
        assert state.finished == (
            state.status in {RunStatus.CUT_OVER, RunStatus.ROLLED_BACK, RunStatus.FINALIZED}
        )
        if state.finished:
            assert state.order is None
            assert not state.outage.open
        if state.status is RunStatus.HELD:
            assert state.held
        self._view(alive=False)

    def _view(self, *, alive: bool) -> RunStatusView:
        clock = run_clock(self.stage.clock, self.stage.entries)
        view = RunStatusView(
            run=self.stage.plan.migration,
            fingerprint=self.stage.plan.fingerprint,
            state=self.state,
            connections=self.stage.plan.old_connections,
            now=clock.now(),
            folder="runs",
            alive=alive,
        )
        assert one(view)
        assert one_as_json(view)
        return view

    def _follow_the_next_commands(self) -> None:
        """The printed commands lead to an end, whatever was said before."""
        for message in list(Inbox(self.run).messages()):
            Inbox(self.run).remove(message)
        for _ in range(12):
            state = self.state
            if state.finished:
                self._check_the_world()
                return
            command = self._view(alive=False).next
            while command is not None:
                self._type(command.words)
                command = command.then
        pytest.fail(f"it does not end: {self.state.status}, next {self._view(alive=False).next}")

    def _check_the_world(self) -> None:
        """The gateway of the status is attached, a while after the last call."""
        plan, new = self.stage.plan, self.state.status is not RunStatus.ROLLED_BACK
        now = self.stage.observe()
        attached = now.attachment(plan.old_gateway, plan.vpc) is Attachment.ATTACHED
        assert attached is not new
        assert self.state.traffic is (Traffic.NEW if new else Traffic.OLD)

    def _type(self, words: tuple[str, ...]) -> None:
        match words[1]:
            case "continue" | "confirm":
                self.say(words[1], late=False)
            case "done":
                self.say(f"done {words[3]}", late=False)
            case "apply":
                self.apply("--until" in words, alone=False, meanwhile={})
            case "rollback":
                self.rollback("--keep-new" in words, meanwhile={})
            case "finalize":
                self.finalize("--delete-old-gateway" in words, meanwhile={})
            case verb:
                pytest.fail(f"unexpected next command: {verb}")

    def _journal(self) -> InboxJournal:
        entries = self.stage.entries
        return InboxJournal(self.run, run_clock(self.stage.clock, entries), entries)

    def _post(self, kind: str) -> None:
        now = run_clock(self.stage.clock, self.stage.entries).now()
        Inbox(self.run).post(MESSAGES[kind](at=now, who="bob", host="desk"))


class Operating(Lookout):
    """Observer at whose terminal an operator ends a pause that lasts.

    An engineer at the device sees that tunnels are down, whatever was reported as done.
    """

    def __init__(self, machine: OrdersAtAnyTime, on_entry: Callable[[Entry], None]) -> None:
        super().__init__(on_entry)
        self._machine = machine
        self._engineer = AutoEngineerWorld(machine.stage.world, timedelta(seconds=20))

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        super().on_wait(step, why, waited, limit)
        self._engineer.attend()
        if "paused by" in why and round(waited.total_seconds()) == REST:
            self._machine._post("continue")


def test_no_order_at_any_time_damages_a_run() -> None:
    """The status stays right, replay never raises, exit codes agree, and the run can be ended."""
    run_state_machine_as_test(
        OrdersAtAnyTime,
        settings=settings(
            max_examples=40,
            stateful_step_count=8,
            # Shrinking takes minutes; the examples are the same in every run.
            phases=[Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
