"""Step consent: ``apply --step`` asks the operator before each change of the cutover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.execute import call_tags
from vpnmigrate.engine.ports import StepPrompt
from vpnmigrate.engine.rollback_retries import LONGEST_BACKOFF_IN_OUTAGE
from vpnmigrate.journal.records import AbortAsked, Noted
from vpnmigrate.model.changes import AwsChange, MutatingChange
from vpnmigrate.model.clock import Timer, span
from vpnmigrate.model.errors import HeldError
from vpnmigrate.model.plan import Direction, Phase
from vpnmigrate.model.proposed_change import ProposedChange, StepChoice
from vpnmigrate.planning.inverse import inverse_of
from vpnmigrate.steps.base import NotYet, Step, StepInput, Verdict

ANSWER_LIMIT = LONGEST_BACKOFF_IN_OUTAGE
"""Limit of a question in the outage, so that no question delays its end for longer than a retry
does; reading the call, its inverse and its effect takes less than half of it."""


@dataclass
class _Open:
    """The question that is open, and since when it waits for an answer."""

    proposed: ProposedChange
    asked: datetime
    latest: datetime
    """The moment at which its time to answer began; ``wait`` starts it again."""
    longest: timedelta
    """The limit of the step: ``wait`` does not extend the question beyond it."""
    choice: StepChoice | None = None


class StepConsent:
    """Asks before each change of a cutover; without a *prompt* every change is made.

    The run does not wait for an answer: it observes AWS, follows orders and counts its limits,
    and only the change is not sent.  A rollback is never asked about.

    While traffic is down, a question has its own limit, which the limit of the step does not
    include.  When it passes, or if the terminal is lost, the journal records that the run
    continues without asking until traffic flows.
    """

    def __init__(
        self, context: RunContext, prompt: StepPrompt | None, *, user: str, time: Timer
    ) -> None:
        """Request confirmations from *user* with *prompt*; *time* is the clock of the limits."""
        self._plan = context.plan
        self._recorder = context.recorder
        self._operator = context.operator
        self._prompt = prompt
        self._user = user
        self._time = time
        self._given: set[AwsChange] = set()
        """Changes that the operator lets the run make; a repeated call is not asked about again."""
        self._open: _Open | None = None
        self._unasked = False
        """Whether the run continues without asking while traffic is down."""
        self._spent = timedelta(0)

    @property
    def is_open(self) -> bool:
        """Whether a change waits for an answer."""
        return self._open is not None

    @property
    def has_own_limit(self) -> bool:
        """Whether a change waits for an answer while traffic is down, and has time left."""
        return self._open is not None and self._outage and not self._has_passed(self._open)

    @property
    def spent(self) -> timedelta:
        """How long questions have been open while traffic was down, each up to its limit."""
        if self._open is None or self._open.proposed.limit is None:
            return self._spent
        until = min(self._time.now(), self._ends(self._open))
        return self._spent + (until - self._open.asked)

    def explained(self, verdict: Verdict) -> Verdict:
        """Return *verdict* with the open question as the reason for waiting, if there is one."""
        if self._open is None or not isinstance(verdict, NotYet):
            return verdict
        then = "; then the run continues without asking" if self._outage else ""
        return NotYet(f"the operator is asked: {self._open.proposed.change}{then}")

    def waited(self, waited: timedelta, limit: timedelta) -> tuple[timedelta, timedelta]:
        """Return how long a question in the outage has waited, and its limit; or the step's."""
        if self._open is None or not self._outage:
            return waited, limit
        began, ends = self._open.latest, self._ends(self._open)
        return min(self._time.now(), ends) - began, ends - began

    def ask_before_sending(
        self, step: Step, changes: Sequence[AwsChange], view: StepInput
    ) -> Sequence[AwsChange]:
        """Return those of *changes* that may be sent now, and ask about the first other one.

        Raises:
            HeldError: No operator is present, and traffic flows, so the run can wait.
        """
        if not self._asks(step):
            self._close()
            return changes
        waiting = [change for change in changes if change not in self._given]
        if waiting and self._continues_unasked(waiting[0]):
            self._close()
            return changes
        # Another step's question stays open: its change is none of these.  So does one whose change
        # a stale reading hides, while it has time left.
        own = self._open is None or self._open.proposed.step == step.number
        hidden = own and self._open is not None and self._open.proposed.change not in waiting
        if hidden and (waiting or not self.has_own_limit):
            self._close()
        if waiting and own and self._ask(step, waiting[0], view):
            waiting.pop(0)  # It is sent, and its effect shown, before the next question.
        if not self._operator.patient:
            self.hold_if_waiting()
        return [change for change in changes if change not in waiting]

    def repeatable(self, step: Step, changes: Sequence[AwsChange]) -> Sequence[AwsChange]:
        """Return those of *changes* that may be sent without another question."""
        if not self._asks(step) or (self._unasked and self._outage):
            return changes
        return [change for change in changes if change in self._given]

    def end_step(self, step: Step) -> None:
        """Close the question about a change of *step*, which is done."""
        if self._open is not None and self._open.proposed.step == step.number:
            self._close()

    def poll(self) -> bool:
        """Return whether the open question has been answered just now, so that a wait can end."""
        return self._open is not None and self._open.choice is None and self._answered()

    def hold_if_waiting(self) -> None:
        """Hold the run if a change waits for an answer while traffic flows.

        Raises:
            HeldError: It waits; the advice is the command that asks again.
        """
        if self._open is not None and not self._outage:
            again = self._recorder.resuming(self._plan)
            raise HeldError(
                f"nothing was answered before: {self._open.proposed.change}; traffic is not "
                "interrupted",
                advice=again if "--step" in again.words else again.with_words("--step"),
            )

    @property
    def _outage(self) -> bool:
        return self._recorder.state.outage.open

    def _asks(self, step: Step) -> bool:
        forward = self._recorder.state.direction is Direction.FORWARD
        return self._prompt is not None and forward and step.phase is Phase.CUTOVER

    def _continues_unasked(self, change: AwsChange) -> bool:
        """Return whether *change* is made without an answer; the journal has the reason."""
        if not self._outage:
            self._unasked = False
        elif not self._unasked:
            # The open question may be another step's, whose change waits as well.
            about = change if self._open is None else self._open.proposed.change
            if not self._operator.patient:
                self._continue_unasked("the terminal is lost before", about)
            elif self._open is not None and self._has_passed(self._open) and not self._answered():
                waited = span(self._time.now() - self._open.asked)
                self._continue_unasked(f"for {waited} there was no answer about", about)
        return self._unasked

    def _continue_unasked(self, why: str, change: AwsChange) -> None:
        self._unasked = True
        self._recorder.write(
            Noted(f"the run continues without asking while traffic is down: {why}: {change}")
        )

    def _ends(self, question: _Open) -> datetime:
        return min(question.latest + ANSWER_LIMIT, question.asked + question.longest)

    def _has_passed(self, question: _Open) -> bool:
        return self._outage and self._time.now() >= self._ends(question)

    def _ask(self, step: Step, change: AwsChange, view: StepInput) -> bool:
        """Prompt for *change* if that is not done yet; return whether it may be sent."""
        if self._open is None:
            now, longest = self._time.now(), step.limit_for(self._plan)
            self._open = _Open(self._proposed(step, change, view), now, now, longest)
        self._answered()
        choice = self._open.choice
        if choice is None:
            return False
        self._close()
        if choice is StepChoice.ROLL_BACK:
            self._recorder.write(AbortAsked(self._user, self._recorder.state.host))
            return False
        self._recorder.write(Noted(f"{self._user} let the run make the next change: {change}"))
        self._given.add(change)
        return True

    def _answered(self) -> bool:
        """Return whether the open question has an answer by now."""
        if self._prompt is None or self._open is None:
            return False
        if self._open.choice is None:
            self._open.choice = self._prompt.choose(self._open.proposed)
        if self._open.choice is StepChoice.WAIT:
            self._open.choice = None
            self._open.latest = self._time.now()
        return self._open.choice is not None

    def _close(self) -> None:
        if self._open is not None and self._prompt is not None:
            self._prompt.choose(None)
        self._spent = self.spent
        self._open = None

    def _proposed(self, step: Step, change: AwsChange, view: StepInput) -> ProposedChange:
        tags = call_tags(self._plan, self._recorder.state.attempt, step.number)
        request = change.request(tags) if isinstance(change, MutatingChange) else None
        inverse = inverse_of(self._plan, change, view.now.ours)
        limit = ANSWER_LIMIT if self._outage else None
        return ProposedChange(
            step.number, step.title, change, request, inverse, self._outage, limit
        )
