"""A full migration night with gates and approvals, killed at every write of its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from tests.support.builders import NOON, an_approval
from tests.support.counts import share
from tests.support.stage import Lookout, Postbox, Stage
from vpnmigrate.engine.commit_confirm import CommitConfirm
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal.records import (
    Approved,
    Confirmed,
    ConfirmRequested,
    Continued,
    Entry,
    Paused,
    Record,
    StepSettled,
    TrafficVerified,
)
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.decisions import Approvals, Decisions, OldTunnels, Waits, Window
from vpnmigrate.planning.planner import fingerprint
from vpnmigrate.sandbox.faults import Killed

pytestmark = pytest.mark.no_cover

HOUR = timedelta(hours=1)
BY_THE_BOOK = Decisions(
    old_tunnels=OldTunnels.LEAVE,
    window=Window(NOON, NOON + 6 * HOUR, "noon to six, UTC"),
    approvals=Approvals(required=1),
    rehearsed_within=timedelta(days=7),
    waits=Waits(soak=timedelta(minutes=1)),
)
EXPECTED = {
    "Approved",
    "Armed",
    "BaselineTaken",
    "Confirmed",
    "ConfirmRequested",
    "Continued",
    "GatesSeen",
    "OutageBegan",
    "OutageEnded",
    "Paused",
    "TrafficVerified",
}
"""What this night records besides changes and steps, so that a kill happens at each of them."""


class RunningWatchdog:
    """A watchdog that is always running."""

    def start(self, awake: Callable[[], object]) -> int:
        return 700

    def on_duty(self) -> bool:
        return True


class WriteCounter:
    """Writes are counted over all processes of a night; one of them is the last of its process."""

    def __init__(self, last: int = 0, *, arrives: bool = False) -> None:
        self.last, self.arrives = last, arrives
        self.written = 0
        self.kinds: Counter[str] = Counter()


class KilledJournal(Postbox):
    """A journal whose process is killed before its last write is durable, or right after it."""

    def __init__(self, stage: Stage, counter: WriteCounter) -> None:
        super().__init__(stage.clock, stage.entries, stage.letters)
        self._counter = counter

    def write(self, *records: Record) -> None:
        counter = self._counter
        counter.written += 1
        dies = counter.written == counter.last
        if dies and not counter.arrives:
            raise Killed("before it was durable")
        super().write(*records)
        counter.kinds.update(type(record).__name__ for record in records)
        if dies:
            raise Killed("once it was durable")

    def fold_inbox(self) -> None:
        while self._letters:
            # As in the real inbox, a message is removed once it is durable.
            self.write(self._letters[0])
            self._letters.pop(0)


class Colleagues(Lookout):
    """Pause and continue after step 3, and a confirmation in the soak time."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(self._on_entry)
        self._stage = stage

    def _on_entry(self, entry: Entry) -> None:
        match entry.record:
            case StepSettled(number=3, cleaning=False):
                self._stage.letters += [Paused("bob", "desk"), Continued("bob", "desk")]
            case TrafficVerified():
                self._stage.letters.append(Confirmed("ann", "desk"))
            case _:
                pass  # Another terminal sends nothing.


def approved(stage: Stage) -> Stage:
    """Approve and rehearse the plan of *stage*."""
    plan = stage.plan = msgspec.structs.replace(stage.plan, fingerprint=fingerprint(stage.plan))
    approval = an_approval(fingerprint=plan.fingerprint, account=plan.account)
    stage.letters.append(Approved(approval))
    return stage


def run_to_end(stage: Stage, counter: WriteCounter, action=Runner.apply) -> int:
    """Run *action* with as many processes as it takes; return how many were killed."""
    rehearsed = RehearsalResult(
        fingerprint=stage.plan.fingerprint,
        at=NOON,
        tool="test",
        passed=True,
        cutover=timedelta(minutes=3),
        back={10: timedelta(minutes=4)},
    )
    for deaths in range(3):
        # The operator resumes with the command that status shows, which has no flag.
        within = None if stage.records(ConfirmRequested) else timedelta(minutes=15)
        try:
            stage.run(
                action,
                journal=KilledJournal(stage, counter),
                lookout=Colleagues(stage),
                gate_inputs=GateInputs("ann", rehearsed),
                commit=CommitConfirm(within, RunningWatchdog(), "desk"),
            )
        except Killed:
            stage.clock.sleep(timedelta(seconds=1))
            if stage.state.finished:
                return deaths + 1  # The same command again has nothing to do.
        else:
            return deaths
    pytest.fail("it never comes to an end")


def ends(stage: Stage) -> tuple[object, ...]:
    """Return the end of a night: AWS by role, and the journal."""
    now = stage.observe()
    by_id = {id_: role for role, id_ in now.ours.items()}
    facts = str(sorted(f"{fact}={value}" for fact, value in now.facts.items()))
    for id_, role in by_id.items():
        facts = facts.replace(id_, role)
    return facts, stage.state.status, stage.state.traffic, stage.state.contradictions


@pytest.fixture(scope="module")
def dusk(tmp_path_factory) -> Stage:
    return approved(Stage(tmp_path_factory.mktemp("vault"), decisions=BY_THE_BOOK))


def from_dusk(dusk: Stage) -> Stage:
    """Return a night of its own that starts where *dusk* ends."""
    stage = dusk.branch()
    stage.letters = list(dusk.letters)
    return stage


@pytest.mark.parametrize("arrives", [False, True], ids=["lost", "durable"])
@pytest.mark.parametrize("action", [Runner.apply, Runner.rollback], ids=["on", "back"])
def test_a_night_killed_at_any_line_has_the_same_end(dusk, arrives, action):
    """Killed at any write, the next process has the same end, forward and rolled back."""
    whole, counter = from_dusk(dusk), WriteCounter()
    run_to_end(whole, counter)
    if action is Runner.rollback:
        run_to_end(whole, WriteCounter(), action)
    wanted = ends(whole)
    assert set(counter.kinds) >= EXPECTED

    wrong = []
    every = range(1, counter.written + 1)
    for last in share(every, one_in=4):
        stage, mortal = from_dusk(dusk), WriteCounter(last, arrives=arrives)
        deaths = run_to_end(stage, mortal)
        if action is Runner.rollback:
            run_to_end(stage, WriteCounter(), action)
        if deaths != 1 or ends(stage) != wanted:
            wrong.append((last, deaths, stage.entries[-1], ends(stage)[1:]))

    assert wrong == []
    assert whole.state.status in {RunStatus.CUT_OVER, RunStatus.ROLLED_BACK}
