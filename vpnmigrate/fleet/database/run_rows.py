"""Fleet run: a row of the database, and what follows from its columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import RowMapping

from vpnmigrate.fleet.database.leases import has_ended
from vpnmigrate.fleet.database.schema import RUNS, RunGoal
from vpnmigrate.fleet.progress import PLAN_MAY_CHANGE, MemberProgress, MemberState
from vpnmigrate.fleet.run_summary import NOT_BEGUN, RunSummary
from vpnmigrate.fleet.run_terms import RunTerms


class WaitingOrder(Struct, frozen=True, omit_defaults=True):
    """An order of an operator for a wave, which waits for a slot of this run."""

    goal: RunGoal
    """``ROLLBACK`` or ``FINALIZE``."""
    terms: RunTerms = RunTerms()


@dataclass(frozen=True)
class FleetRun:
    """A run of the fleet as the database has it."""

    id: str
    fingerprint: str
    account: str
    region: str
    role: str
    """ARN of the role that a worker assumes; empty for the credentials of the profile."""
    profile: str
    """Profile of the AWS CLI on the worker; empty for the worker's own credentials."""
    campaign: str | None
    member: str
    """Id of the run's member in the campaign."""
    holder: str
    """The name under which the run claims its gateway, for every worker."""
    goal: RunGoal
    terms: RunTerms
    ordered: WaitingOrder | None
    """The goal that replaces this one once the run gets a slot."""
    wake: int
    """How many reasons to work on the run there have been."""
    served: int
    """How many of them sessions have begun for; fewer than *wake*: work waits."""
    due_at: datetime | None
    lease_owner: str | None
    """The worker that has the run, or had it when it died; None after a session that ended."""
    alive: bool
    """Whether a worker has the run now."""
    outage: bool
    """Whether traffic was down when the last session ended."""
    lines: int
    progress: MemberState
    """State of the member when the last session ended."""
    progress_since: datetime | None
    summary: RunSummary | None
    """What the journal showed when the last session ended."""
    trouble: str
    """Why the last session did not begin; empty if it did."""

    @property
    def current_summary(self) -> RunSummary | None:
        """What the journal shows; None if it has grown since, so that it has to be read."""
        if self.lines == 0:
            return NOT_BEGUN
        known = self.summary
        return known if known is not None and known.lines == self.lines else None

    @property
    def member_progress(self) -> MemberProgress:
        """The progress of the campaign's member; one that wants work is under way."""
        if self.goal is RunGoal.NOTHING:
            return MemberProgress()
        if not self.alive and not self.wants_work and not self._keeps_slot:
            if self.to_roll_back:
                return MemberProgress(MemberState.TO_ROLL_BACK)
            return MemberProgress(self.progress, self.progress_since)
        if self.progress is MemberState.ROLLING_BACK:
            return MemberProgress(MemberState.ROLLING_BACK)
        match self.goal:
            case RunGoal.FINALIZE:
                return MemberProgress(self.progress, self.progress_since)
            case RunGoal.ROLLBACK:
                return MemberProgress(MemberState.ROLLING_BACK)
            case RunGoal.PREPARE:
                return MemberProgress(MemberState.RUNNING)
            case _:
                return MemberProgress(MemberState.CUTOVER)

    @property
    def _keeps_slot(self) -> bool:
        """Whether the run begins by itself after a wait, so that it is under way meanwhile.

        Its first session could not begin; or it belongs to no campaign, and waits for its gates.
        """
        if self.progress is MemberState.WAITING:
            return self.due_at is not None
        alone = self.campaign is None and self.goal is RunGoal.CUTOVER
        return alone and self.progress is MemberState.STAGED and not self.to_roll_back

    @property
    def to_roll_back(self) -> bool:
        """Whether a rollback waits for a slot."""
        return self.ordered is not None and self.ordered.goal is RunGoal.ROLLBACK

    @property
    def goal_now(self) -> RunGoal:
        """How far a session takes the run: none begins a cutover or deletes before a rollback."""
        return RunGoal.PREPARE if self.to_roll_back else self.goal

    @property
    def has_begun(self) -> bool:
        """Whether a session may have sent anything; without a journal line, none has."""
        idle = self.lease_owner is None and self.progress is MemberState.WAITING
        return self.lines > 0 or not idle

    @property
    def state_of_plan(self) -> MemberState:
        """The state that decides whether its plan may change: waiting until the run has begun."""
        return self.member_progress.state if self.has_begun else MemberState.WAITING

    @property
    def keeps_plan(self) -> bool:
        """Whether the run has begun, and was not rolled back, so that its plan is in force."""
        return self.state_of_plan not in PLAN_MAY_CHANGE

    @property
    def wants_work(self) -> bool:
        """Whether a session is to begin, or to be resumed after its worker died."""
        return self.goal is not RunGoal.NOTHING and (
            self.wake > self.served or self.lease_owner is not None
        )


RUN_COLUMNS: Final = (
    RUNS.c.id,
    RUNS.c.fingerprint,
    RUNS.c.account,
    RUNS.c.region,
    RUNS.c.role,
    RUNS.c.profile,
    RUNS.c.campaign,
    RUNS.c.member,
    RUNS.c.holder,
    RUNS.c.goal,
    RUNS.c.terms,
    RUNS.c.ordered,
    RUNS.c.wake,
    RUNS.c.served,
    RUNS.c.due_at,
    RUNS.c.lease_owner,
    sa.not_(has_ended()).label("alive"),
    RUNS.c.outage,
    RUNS.c.lines,
    RUNS.c.progress,
    RUNS.c.progress_since,
    RUNS.c.summary,
    RUNS.c.trouble,
)


def run_of(row: RowMapping) -> FleetRun:
    """Return the run of a *row* with ``RUN_COLUMNS``."""
    text, ordered = row["summary"], row["ordered"]
    typed = {
        "goal": RunGoal(row["goal"]),
        "terms": _TERMS.decode(row["terms"]),
        "ordered": None if ordered is None else _ORDERS.decode(ordered),
        "progress": MemberState(row["progress"]),
        "summary": None if text is None else _SUMMARIES.decode(text),
    }
    return FleetRun(**{**row, **typed})


_TERMS: Final = msgspec.json.Decoder(RunTerms)
_ORDERS: Final = msgspec.json.Decoder(WaitingOrder)
_SUMMARIES: Final = msgspec.json.Decoder(RunSummary)
