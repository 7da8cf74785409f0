"""Runs of a fleet, controlled from any machine through the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from vpnmigrate.cli.commands.done import done_messages
from vpnmigrate.cli.commands.orders import (
    accept_message,
    await_answer,
    order_message,
    order_result,
    require_possible,
)
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.dependencies import new_holder
from vpnmigrate.cli.fleet_journals import FleetJournals
from vpnmigrate.cli.fleet_plans import require_plan_files
from vpnmigrate.cli.fleet_waves import WaveControl, wave_of
from vpnmigrate.cli.options import PromptOptions
from vpnmigrate.cli.run_actions import (
    finalized_error,
    require_cut_over,
    require_every_name,
    require_rollback_consent,
)
from vpnmigrate.cli.run_selection import names_a_file
from vpnmigrate.fleet.campaign import CampaignAccount
from vpnmigrate.fleet.campaign_file import CampaignFile, load_campaign
from vpnmigrate.fleet.database.campaigns import FleetCampaigns, StoredCampaign
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.deliveries import deliver
from vpnmigrate.fleet.database.messages import DatabaseInbox
from vpnmigrate.fleet.database.rehearsals import FleetRehearsals
from vpnmigrate.fleet.database.run_rows import FleetRun
from vpnmigrate.fleet.database.runs import FleetRuns, NewRun, RunPlace, StoredApproval
from vpnmigrate.fleet.database.schema import FleetState, RunGoal
from vpnmigrate.fleet.database.workers import FleetWorkers
from vpnmigrate.fleet.grouping import require_planned
from vpnmigrate.fleet.run_terms import RunTerms
from vpnmigrate.journal import RunState, finalize_command, replay
from vpnmigrate.journal.orders import answer_to
from vpnmigrate.journal.records import OrderVerb
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.documents import (
    LARGEST_PLAN,
    load_approval,
    plan_from_text,
    require_derived,
)
from vpnmigrate.local.inbox import AcceptMessage, Order
from vpnmigrate.local.signatures import signature_of
from vpnmigrate.local.text_files import file_bytes
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import RefusedError, UsageError
from vpnmigrate.model.errors.commands import Command, cli, option
from vpnmigrate.model.gates import Force
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.report.fleet_runs import worker_command
from vpnmigrate.report.results import OrderResult
from vpnmigrate.report.status import RunStatusView, deletion_begun
from vpnmigrate.report.text import wrapped


class FleetControl:
    """Orders of an operator to the fleet in *database*."""

    def __init__(self, context: CommandContext, database: Database) -> None:
        self._context = context
        self._database = database
        self._runs = FleetRuns(database)
        self._campaigns = FleetCampaigns(database)
        self._journals = FleetJournals(context, database)

    def start(self, named: Sequence[str], goal: RunGoal, terms: RunTerms) -> tuple[str, ...]:
        """Add the plans among *named* to the database, and start all of them; return their ids.

        *terms* are for one attempt: the first, or after a rollback the next one.

        Raises:
            UsageError: A plan cannot be read, or the database has no such run; nothing was started.
            RefusedError: A plan was edited, its run is there with another plan, a campaign's rules
                start it, or another run is at its site.
        """
        terms = replace(terms, who=self._who)
        if starts_campaign(named):
            return self._start_campaign(load_campaign(Path(named[0])), terms)
        plans = [_read(Path(name)) for name in named if names_a_file(Path(name))]
        known = [self._runs.find(name).id for name in named if not names_a_file(Path(name))]
        every = [*(plan for plan, _ in plans), *(self._runs.plan(run)[0] for run in known)]
        self.add_rehearsals(every)
        for plan, text in plans:
            self._runs.add(plan, text, new_holder(self._context.dependencies.me))
            self._runs.remove_stale(plan)
        chosen = (*(plan.migration for plan, _ in plans), *known)
        attempts = {run: self._attempt(run) for run in chosen}
        given = {run: replace(terms, attempt=attempt) for run, attempt in attempts.items()}
        self._campaigns.start_by_hand(given, goal, deliver)
        return chosen

    def obstacles(self) -> tuple[str | Command, ...]:
        """Return each reason why no worker executes an order now, with a command against it."""
        here = option("--database", self._database.address.without_password)
        complete = self._context.invocation.complete
        found: list[str | Command] = []
        if self._runs.state() is FleetState.STOPPED:
            resume = complete(cli("fleet", "resume", *here))
            found += ["The fleet is stopped; to let workers begin:", resume]
        if not any(worker.alive for worker in FleetWorkers(self._database).list()):
            start = worker_command(self._context.invocation, *here)
            found += ["No worker is alive; to start one:", start]
        return tuple(found)

    def has_campaign(self, name: str) -> bool:
        """Return whether the campaign *name* has been started."""
        return name in self._campaigns.names()

    def require_one(self, named: Sequence[str]) -> None:
        """Check that *named* is one plan or run, for options of a single run.

        Raises:
            UsageError: It is a campaign, or several.
        """
        if len(named) != 1 or starts_campaign(named):
            raise UsageError(
                "approvals, forced gates and probes are for one run",
                advice="start the others without these options",
            )

    def _attempt(self, run: str) -> int:
        """Return the attempt that a start of *run* begins or continues."""
        state = replay(self._journals.contents(run).entries)
        begins = state.status is RunStatus.ROLLED_BACK
        return max(1, state.attempt + 1 if begins else state.attempt)

    def _start_campaign(self, file: CampaignFile, terms: RunTerms) -> tuple[str, ...]:
        """Add the campaign in *file* and the plans of its members; workers start them by its rules.

        A campaign that is there already is replaced, as far as it has not begun.

        Raises:
            UsageError: A plan is missing, or the calendar cannot be read; nothing was added.
            RefusedError: A plan is not that of its member, or something changes that has begun.
        """
        campaign, runs = file.campaign, []
        require_plan_files(self._context, file, campaign.members)
        for member in campaign.members:
            path = file.plan_of(member)
            plan, text = _read(path)
            require_planned(member, plan, str(path))
            account = campaign.accounts.get(member.account, CampaignAccount())
            at = RunPlace(account.role, account.profile, campaign.name, member.id)
            runs.append(NewRun(plan, text, new_holder(self._context.dependencies.me), at, terms))
        stored = StoredCampaign(campaign, file.text, file.calendar())
        stored.freezes_at(
            self._context.dependencies.clock.wall()
        )  # Its calendar can be understood.
        self.add_rehearsals(run.plan for run in runs)
        self._campaigns.put(stored, runs, self._who)
        return tuple(run.plan.migration for run in runs)

    def add_rehearsals(self, plans: Iterable[Plan]) -> None:
        """Add the results of rehearsals of *plans* that this machine has, for the workers."""
        kept = (self._context.rehearsal_of(plan) for plan in plans)
        results = [each for each in kept if each is not None]
        FleetRehearsals(self._database).put(results, self._who, deliver)

    @property
    def _who(self) -> str:
        me = self._context.dependencies.me
        return f"{me.user}@{me.host}"

    def roll_back(self, run: str, prompt_options: PromptOptions, *, keep_new: bool) -> None:
        """Order the rollback of *run*, also after its migration.

        Raises:
            RefusedError: It has not begun, a worker migrates it now, or it is finalized.
            HeldError: The operator does not consent to the interruption of traffic.
        """
        row = self._runs.find(run)
        view, plan = self._journals.view(row), self._journals.plan(row)
        state = view.state
        if state.direction is None:
            raise RefusedError(
                f"run {run} has not begun, so there is nothing to roll back",
                advice=cli("fleet", "status", run),
            )
        if row.alive and not state.finished and state.direction is not Direction.ROLLBACK:
            raise RefusedError(
                f"worker {row.lease_owner} works on run {run}",
                advice=("to roll it back at its next safe point:", cli("fleet", "abort", run)),
            )
        if deletion_begun(state):
            raise finalized_error(run)
        if neighbour := self._campaigns.neighbour_of(row):
            # No reason to refuse: the new path may be the one that fails.
            self._context.console.print_line(
                wrapped(f"Beware: {neighbour}, so both paths of the site may be down.")
            )
        require_rollback_consent(self._context, plan, state, prompt_options)
        self._aim(run, state, RunGoal.ROLLBACK, RunTerms(keep_new=keep_new))

    def finalize(
        self, run: str, named: Sequence[str], forces: tuple[Force, ...], *, delete_old_gateway: bool
    ) -> None:
        """Order finalize of *run*, all of whose old connections have to be *named*.

        Raises:
            RefusedError: It has not migrated, or its rollback is ordered.
            UsageError: A connection is not named, or another one is.
        """
        row = self._runs.find(run)
        if row.to_roll_back:
            raise RefusedError(
                f"a rollback of run {run} is ordered, and waits for a slot",
                advice=("to see what it waits for:", cli("fleet", "status", row.campaign or run)),
            )
        view, plan = self._journals.view(row), self._journals.plan(row)
        require_cut_over(run, view.state)
        words = finalize_command(
            run, plan.old_connections, delete_old_gateway=delete_old_gateway
        ).words[1:]
        require_every_name(run, plan, named, cli("fleet", *words))
        terms = RunTerms(forces=forces, delete_old_gateway=delete_old_gateway)
        self._aim(run, view.state, RunGoal.FINALIZE, terms)

    def _aim(self, run: str, state: RunState, goal: RunGoal, terms: RunTerms) -> None:
        given = replace(terms, who=self._who, attempt=state.attempt)
        self._runs.start(run, goal, deliver, given)

    @property
    def waves(self) -> WaveControl:
        """Orders for whole waves."""
        return WaveControl(self._context, self._database, self._who)

    def accept(self, run: str, degraded: Sequence[str], reasons: Sequence[str]) -> OrderResult:
        """Accept fewer tunnels for the *degraded* connections of *run* (``orders.accept``).

        Raises:
            UsageError: There is no such run, or not one reason.
            RefusedError: Something else is missing too; nothing has changed.
        """
        row = self._runs.find(run)
        view = self._journals.view(row)
        message = accept_message(self._context, view.now, degraded, reasons)
        return self._sent(row, view, OrderVerb.ACCEPT, message)

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
        view = self._journals.view(row)
        return self._sent(row, view, verb, order_message(self._context, verb, view.now))

    def _sent(
        self, row: FleetRun, view: RunStatusView, verb: OrderVerb, message: Order | AcceptMessage
    ) -> OrderResult:
        inbox = DatabaseInbox(self._database, row.id)
        # A worker resumes a run to execute an order, so an abort always has a process.
        require_possible(view, verb, waiting=any(inbox.messages()))
        message_id = inbox.post(message, deliver)
        answer = await_answer(
            self._context.dependencies.clock,
            lambda: answer_to(message_id, self._journals.contents(row.id).entries),
        )
        found = order_result(verb, answer, self._journals.view(row))
        return replace(found, unread=_UNREAD)

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

    def approve_wave(self, named: str, wave: str) -> str:
        """Approve that *wave* of a campaign begins, as it is now, and return the campaign's name.

        Raises:
            UsageError: There is no such campaign or wave, or the wave needs no approval.
        """
        stored, chosen = wave_of(self._campaigns, named, wave)
        if not chosen.approval:
            needed = [each.name for each in stored.campaign.waves if each.approval]
            raise UsageError(
                f"wave {wave} of campaign {stored.name} needs no approval",
                advice=f"these need one: {', '.join(needed)}" if needed else "none needs one",
            )
        self._campaigns.approve(stored.name, chosen, self._who)
        return stored.name

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


_UNREAD: Final = (
    "no worker has read it yet. The worker of the run reads it after its current AWS call; if "
    "none has the run, one resumes it."
)
"""Effect of an order that has no answer yet."""


def starts_campaign(named: Sequence[str]) -> bool:
    """Return whether *named* is one campaign file, and not plans or runs."""
    return len(named) == 1 and Path(named[0]).suffix in {".yaml", ".yml"}


def _read(path: Path) -> tuple[Plan, bytes]:
    """Return the plan in the file at *path*, and its text."""
    text = file_bytes(path, LARGEST_PLAN)
    plan = plan_from_text(text, str(path))
    require_derived(plan, path)
    return plan, text
