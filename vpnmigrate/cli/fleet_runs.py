"""Runs of a fleet, controlled from any machine through the database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vpnmigrate.cli.commands.done import done_messages
from vpnmigrate.cli.commands.orders import (
    await_answer,
    order_message,
    order_result,
    require_possible,
)
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.dependencies import new_holder
from vpnmigrate.cli.fleet_journals import FleetJournals
from vpnmigrate.cli.run_selection import names_a_file
from vpnmigrate.errors import RefusedError
from vpnmigrate.errors.commands import cli
from vpnmigrate.fleet.campaign import CampaignAccount
from vpnmigrate.fleet.campaign_file import (
    LARGEST_CALENDAR,
    LARGEST_CAMPAIGN,
    CampaignFile,
    load_campaign,
)
from vpnmigrate.fleet.database.campaigns import FleetCampaigns, StoredCampaign
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.deliveries import deliver
from vpnmigrate.fleet.database.messages import DatabaseInbox
from vpnmigrate.fleet.database.runs import FleetRuns, RunPlace, StoredApproval
from vpnmigrate.fleet.database.schema import FleetState, RunGoal
from vpnmigrate.journal.orders import answer_to
from vpnmigrate.journal.records import OrderVerb
from vpnmigrate.local.documents import (
    LARGEST_PLAN,
    load_approval,
    plan_from_text,
    require_derived,
)
from vpnmigrate.local.signatures import signature_of
from vpnmigrate.local.text_files import file_bytes, file_text
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.results import OrderResult
from vpnmigrate.report.status import RunStatusView


class FleetControl:
    """Orders of an operator to the fleet in *database*."""

    def __init__(self, context: CommandContext, database: Database) -> None:
        self._context = context
        self._database = database
        self._runs = FleetRuns(database)
        self._campaigns = FleetCampaigns(database)
        self._journals = FleetJournals(context, database)

    def start(self, named: Sequence[str], *, prepare: bool) -> tuple[str, ...]:
        """Add the plans among *named* to the database, and start all of them; return their ids.

        Raises:
            UsageError: A plan cannot be read, or the database has no such run; nothing was started.
            RefusedError: A plan was edited, or its run is there with another plan.
        """
        if len(named) == 1 and Path(named[0]).suffix in {".yaml", ".yml"}:
            return self._start_campaign(load_campaign(Path(named[0])))
        goal = RunGoal.PREPARE if prepare else RunGoal.CUTOVER
        plans = [_read(Path(name)) for name in named if names_a_file(Path(name))]
        known = [self._runs.find(name).id for name in named if not names_a_file(Path(name))]
        for plan, text in plans:
            self._runs.add(plan, text, new_holder(self._context.parts.me))
        chosen = (*(plan.migration for plan, _ in plans), *known)
        self._runs.start(chosen, goal, deliver)
        return chosen

    def _start_campaign(self, file: CampaignFile) -> tuple[str, ...]:
        """Add the campaign in *file* and the plans of its members; workers start them by its rules.

        Raises:
            UsageError: A plan is missing; nothing was added.
        """
        campaign = file.campaign
        plans = [(member, *_read(file.plan_of(member))) for member in campaign.members]
        self._campaigns.add(stored_campaign(file), self._who)
        for member, plan, text in plans:
            account = campaign.accounts.get(member.account, CampaignAccount())
            at = RunPlace(account.role, account.profile, campaign.name, member.id)
            self._runs.add(plan, text, new_holder(self._context.parts.me), at)
        return tuple(plan.migration for _, plan, _ in plans)

    @property
    def _who(self) -> str:
        me = self._context.parts.me
        return f"{me.user}@{me.host}"

    def set_state(self, state: FleetState) -> None:
        """Set the state of the whole fleet; runs that wait for it are woken when it runs again."""
        self._runs.set_state(state, self._who)
        if state is FleetState.RUNNING:
            self._runs.deliver_waiting(deliver)

    def order(self, run: str, verb: OrderVerb) -> OrderResult:
        """Send an order to the run, and wait a moment for its answer.

        Raises:
            UsageError: There is no such run, or nothing to continue or to confirm.
            RefusedError: The order is not possible in the run's state; nothing has changed.
        """
        row = self._runs.find(run)
        inbox = DatabaseInbox(self._database, row.id)
        view = self._journals.view(row)
        # A worker takes up a run for the sake of an order, so an abort is never without a process.
        require_possible(view, verb, waiting=any(inbox.messages()))
        message_id = inbox.post(order_message(self._context, verb, view.now), deliver)
        answer = await_answer(
            self._context.parts.clock,
            lambda: answer_to(message_id, self._journals.contents(row.id).entries),
        )
        return order_result(verb, answer, self._journals.view(row))

    def done(
        self, run: str, step: int, sites: Sequence[str]
    ) -> tuple[RunStatusView, AskOperator, tuple[VpnConnectionId, ...]]:
        """Confirm the task of *step* for the devices of *sites*, or for all (``done.confirm``)."""
        row = self._runs.find(run)
        view, inbox = self._journals.view(row), DatabaseInbox(self._database, row.id)
        plan = self._journals.plan(row)
        task, messages = done_messages(self._context, view, plan, step, sites)
        for message in messages:
            inbox.post(message, deliver)
        return view, task, tuple(m.connection for m in messages if m.connection is not None)

    def approve(self, run: str, path: Path) -> str:
        """Add the approval in the file at *path* to the run, and return who gave it.

        Raises:
            RefusedError: It is for another plan, or was edited.
        """
        row, given = self._runs.find(run), load_approval(path)
        if given.approval.fingerprint != row.fingerprint:
            raise RefusedError(
                f"{path} approves plan {given.approval.fingerprint[:12]}, and run {row.id} has "
                f"plan {row.fingerprint[:12]}",
                advice=("approve the run's plan:", cli("approve", "PLAN")),
            )
        stored = StoredApproval(given.approval.digest, given.text, signature_of(path) or "")
        self._runs.approve(row.id, stored, deliver)
        return given.approval.approver


def stored_campaign(file: CampaignFile) -> StoredCampaign:
    """Return the campaign in *file* as the database keeps it.

    Raises:
        UsageError: The file or its calendar cannot be read.
    """
    rule = file.campaign.freeze
    return StoredCampaign(
        file.campaign,
        file_text(file.path, LARGEST_CAMPAIGN),
        None if rule is None else file_bytes(file.folder / rule.calendar, LARGEST_CALENDAR),
    )


def _read(path: Path) -> tuple[Plan, bytes]:
    """Return the plan in the file at *path*, and its text."""
    text = file_bytes(path, LARGEST_PLAN)
    plan = plan_from_text(text, str(path))
    require_derived(plan, path)
    return plan, text
