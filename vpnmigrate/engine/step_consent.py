"""Step consent: ``apply --step`` asks the operator before each change of the cutover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.ports import StepPrompt
from vpnmigrate.errors import HeldError
from vpnmigrate.journal.records import AbortAsked, Noted
from vpnmigrate.model.changes import AwsChange, MutatingChange
from vpnmigrate.model.changes.base import CallTags
from vpnmigrate.model.plan import Direction, Phase
from vpnmigrate.model.proposed_change import ProposedChange, StepChoice
from vpnmigrate.planning.inverse import inverse_of
from vpnmigrate.steps.base import NotYet, Step, StepInput, Verdict


@dataclass
class _Open:
    """The question that is open."""

    proposed: ProposedChange
    choice: StepChoice | None = None


class StepConsent:
    """Asks before each change of a cutover; without a *prompt* every change is made.

    The run does not wait for an answer: it observes AWS, follows orders and counts its limits,
    and only the change is not sent.  A rollback is never asked about.
    """

    def __init__(self, context: RunContext, prompt: StepPrompt | None, *, user: str) -> None:
        self._plan = context.plan
        self._recorder = context.recorder
        self._operator = context.operator
        self._prompt = prompt
        self._user = user
        self._given: set[AwsChange] = set()
        """Changes that the operator lets the run make; a repeated call is not asked about again."""
        self._open: _Open | None = None

    def explained(self, verdict: Verdict) -> Verdict:
        """Return *verdict* with the open question as the reason for waiting, if there is one."""
        if self._open is None or not isinstance(verdict, NotYet):
            return verdict
        return NotYet(f"the operator is asked: {self._open.proposed.change}")

    def permitted(
        self, step: Step, changes: Sequence[AwsChange], view: StepInput
    ) -> Sequence[AwsChange]:
        """Return those of *changes* that may be sent now, and ask about the first other one.

        Raises:
            HeldError: No operator is present, and traffic flows, so the run can wait.
        """
        if self._prompt is None or not self._asks(step):
            self._close()
            return changes
        waiting = [change for change in changes if change not in self._given]
        if self._open is not None and self._open.proposed.change not in waiting:
            self._close()
        if waiting and self._ask(step, waiting[0], view):
            waiting.pop(0)  # It is sent, and its effect shown, before the next question.
        if not self._operator.patient:
            self.hold_if_waiting()
        return [change for change in changes if change not in waiting]

    def poll(self) -> bool:
        """Return whether the open question has an answer now, so that a wait can end."""
        if self._prompt is None or self._open is None:
            return False
        if self._open.choice is None:
            self._open.choice = self._prompt.choose(self._open.proposed)
        return self._open.choice is not None

    def hold_if_waiting(self) -> None:
        """Hold the run if a change waits for an answer while traffic flows.

        Raises:
            HeldError: It waits; the advice is the command that asks again.
        """
        if self._open is not None and not self._recorder.state.outage.open:
            raise HeldError(
                f"nothing was answered before: {self._open.proposed.change}; traffic is not "
                "interrupted",
                advice=self._recorder.resuming(self._plan),
            )

    def _asks(self, step: Step) -> bool:
        state = self._recorder.state
        forward = state.direction is Direction.FORWARD and step.phase is Phase.CUTOVER
        # A lost terminal must not extend the outage.
        return forward and (self._operator.patient or not state.outage.open)

    def _ask(self, step: Step, change: AwsChange, view: StepInput) -> bool:
        """Ask about *change* if that is not done yet; return whether it may be sent."""
        if self._open is None:
            self._open = _Open(self._proposed(step, change, view))
        self.poll()
        choice = self._open.choice
        if choice is StepChoice.WAIT:
            self._open.choice = None
        if choice is None or choice is StepChoice.WAIT:
            return False
        self._close()
        if choice is StepChoice.ROLL_BACK:
            opened = self._recorder.state.opened
            self._recorder.write(AbortAsked(self._user, "" if opened is None else opened.host))
            return False
        self._recorder.write(Noted(f"{self._user} let the run make the next change: {change}"))
        self._given.add(change)
        return True

    def _close(self) -> None:
        if self._open is not None and self._prompt is not None:
            self._prompt.choose(None)
        self._open = None

    def _proposed(self, step: Step, change: AwsChange, view: StepInput) -> ProposedChange:
        state = self._recorder.state
        tags = CallTags(
            self._plan.migration, state.attempt, step.number, self._plan.decisions.change
        )
        request = change.request(tags) if isinstance(change, MutatingChange) else None
        inverse = inverse_of(self._plan, change, view.now.ours)
        return ProposedChange(step.number, step.title, change, request, inverse, state.outage.open)
