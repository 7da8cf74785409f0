"""Operator tasks: requests to people, and their confirmations."""

from __future__ import annotations

from vpnmigrate.commands import cli
from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.execute import ChangeExecutor
from vpnmigrate.engine.ports import StopRequest
from vpnmigrate.errors import HeldError, InterruptedRunError
from vpnmigrate.journal.records import Answered, OperatorConfirmed
from vpnmigrate.model.changes import AskOperator, OperatorTask, RunTest
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.model.snapshot import Confirmation


class OperatorTasks:
    """Hands tasks to people and their words to the journal."""

    def __init__(
        self, context: RunContext, executor: ChangeExecutor, stop_request: StopRequest
    ) -> None:
        self._plan = context.plan
        self._operator = context.operator
        self._recorder = context.recorder
        self._executor = executor
        self._stop_request = stop_request
        self._who = context.claim_holder.holder
        self._pending: OperatorTask | None = None
        self._intents: dict[OperatorTask, int] = {}

    def begin_step(self) -> None:
        """Forget what the last step was waiting for."""
        self._pending = None

    def announce(self, task: OperatorTask) -> None:
        """Let the person of *task* get ready."""
        self._operator.announce(task)

    def hand_out(self, task: OperatorTask, *, outage: bool) -> None:
        """Give *task* to its person, and take their word if they are done already.

        Raises:
            HeldError: Nobody is here to do it, and traffic flows, so the run can rest.
        """
        if task not in self._intents:
            self._intents[task] = self._executor.intend(_step_of(task), [task])
        self._pending = task
        if not (self.read_confirmations() or self._operator.patient or outage):
            self.hold_if_waiting()

    def hold_if_waiting(self) -> None:
        """Let the run rest if what it lacks is a person's word.

        Raises:
            HeldError: It does, with the command that gives the word and goes on.
        """
        if self._pending is None:
            return
        step = _step_of(self._pending)
        message = f"step {step} needs a person: {self._pending}"
        done = cli("done", self._plan.migration, str(step))
        raise HeldError(message, advice=done.and_then(self._recorder.resuming(self._plan)))

    def read_confirmations(self) -> bool:
        """Take in whatever was said meanwhile; tell whether it was what we wait for."""
        spoken = set(self._recorder.state.journal_facts.words)
        self._recorder.fold_inbox()
        task = self._pending
        if task is None:
            return False
        if _word_of(task) not in self._recorder.state.journal_facts.words:
            word = self._operator.ask(task)
            if word is not None:
                self._recorder.write(OperatorConfirmed(word, self._who, ""))
        words = self._recorder.state.journal_facts.words
        if _word_of(task) in words and _word_of(task) not in spoken:
            self._recorder.write(Answered(self._intents[task], Performed()))
            self._pending = None
            return True
        return False

    @property
    def asked_to_stop(self) -> str:
        """Why the operator wants the run to stop here; empty if they do not."""
        return self._stop_request.reason or ""

    def stop_if_asked(self) -> None:
        """Stop here, between two changes, if the operator wants it.

        Raises:
            InterruptedRunError: They do; everything done so far is in the journal.
        """
        if reason := self.asked_to_stop:
            raise InterruptedRunError(reason, advice=self._recorder.resuming(self._plan))


def _step_of(task: OperatorTask) -> int:
    match task:
        case AskOperator(step=step):
            return step
        case RunTest():
            return 6


def _word_of(task: OperatorTask) -> Confirmation:
    match task:
        case AskOperator(word=word):
            return word
        case RunTest():
            return Confirmation.TEST_PASSED
