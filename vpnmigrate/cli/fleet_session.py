"""Fleet session: one session of a run that was delivered to a worker.

It is the session of ``apply`` (``run_session``), with the run's journal and messages in the
database, and without a person at a terminal: the operator who started the run has consented.  A
working copy of the run is kept in the worker's run directory, for the log, the device files and the
programs of the plan; nothing in it is needed to continue the run elsewhere.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from vpnmigrate.aws.account import Account
from vpnmigrate.aws.accounts import AccountSource
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.crash_log import keep
from vpnmigrate.cli.dependencies import Dependencies
from vpnmigrate.cli.fleet_actions import work_on
from vpnmigrate.cli.fleet_journal_age import JournalAge
from vpnmigrate.cli.gate_options import ApprovalsAndForces
from vpnmigrate.cli.options import AwsOptions, PromptOptions
from vpnmigrate.cli.run_selection import SelectedRun
from vpnmigrate.cli.run_session import RunOptions
from vpnmigrate.cli.signals import SessionSignals, SignalHandler
from vpnmigrate.cli.worker_output import RunConsole
from vpnmigrate.engine.execute import call_tags
from vpnmigrate.engine.ports import (
    Calls,
    DeviceDrivers,
    NetworkPaths,
    Operator,
    Probes,
    StopRequest,
    Watchdog,
)
from vpnmigrate.engine.rollback_retries import (
    LONGEST_BACKOFF,
    LONGEST_BACKOFF_IN_OUTAGE,
    backoff_after,
)
from vpnmigrate.fleet.database.access import LeasedRunAccess
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import Lease, SessionEnd
from vpnmigrate.fleet.database.rehearsals import FleetRehearsals
from vpnmigrate.fleet.database.run_rows import FleetRun
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.progress import MemberProgress, progress_of_run
from vpnmigrate.fleet.worker import AFTER_A_DEFECT, StopOrder
from vpnmigrate.journal import RunState, replay
from vpnmigrate.journal.records import Entry, Failed, StepSettled
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.documents import load_approval
from vpnmigrate.local.lock import ProcessIdentity
from vpnmigrate.local.logs import RunLog
from vpnmigrate.local.private_files import FOLDER_MODE, write_whole
from vpnmigrate.local.rehearsals import Rehearsals
from vpnmigrate.local.run_access import RunAccess
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.signatures import signature_file
from vpnmigrate.local.ssh_keygen import SshKeygen
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.changes import ArchiveConfiguration
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.errors import (
    DatabaseError,
    HeldError,
    InterruptedRunError,
    TakenOverError,
    VpnMigrateError,
)
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.report.console import Console, MessageOutput
from vpnmigrate.report.errors import RunBugError, RunFailedError
from vpnmigrate.report.fleet_runs import summary_of
from vpnmigrate.report.names import NamesOfRun
from vpnmigrate.report.status import RunStatusView
from vpnmigrate.report.text import RunCommands

_UNATTENDED: Final = PromptOptions(yes=True, no_input=True)
KEPT_CLIENTS: Final = 16
"""Accounts and Regions whose clients a worker keeps, each with some 7 MB.

The clients of sessions under way stay as long as these."""


class FleetSessions:
    """Sessions of the worker of *context*, whose runs are in *database* (``worker.Session``)."""

    def __init__(self, context: CommandContext, database: Database, aws: AwsOptions) -> None:
        self._context = context
        self._database = database
        self._runs = FleetRuns(database)
        self._aws = aws
        self._journal_age = JournalAge()
        self._clients = SessionClients(context.dependencies)

    def work(self, row: FleetRun, lease: Lease, order: StopOrder) -> SessionEnd:
        """Work on the run of *row* until it is done or waits, and return when it is due again.

        Raises:
            JournalError: The run was taken over, or the database does not answer.
        """
        console = RunConsole(self._context.console, row.id)
        try:
            view = self._session(row, lease, order, console)
        except RunFailedError as failed:
            if isinstance(failed.error, TakenOverError | DatabaseError):
                raise failed.error from failed
            console.print_line(failed.message)
            return _end(failed.view, _again(failed.view, failed.error))
        except RunBugError as bug:
            keep(bug.__cause__ or bug, ("fleet", "worker", row.id), self._context.redaction)
            console.print_line("an unexpected error, see crash.log; traffic: see fleet status")
            return _end(bug.view, AFTER_A_DEFECT if bug.view.state.outage.open else None)
        except (TakenOverError, DatabaseError):
            raise
        except VpnMigrateError as error:
            # The session did not begin: this worker's disk, its credentials, the plan.
            console.print_line(f"session not started: {error.message}")
            down = row.outage or lease.displaced is not None
            again = LONGEST_BACKOFF_IN_OUTAGE if down else LONGEST_BACKOFF
            progress = MemberProgress(row.progress, row.progress_since)
            trouble = self._context.redaction.text(error.message)
            return SessionEnd(again, row.outage, progress, trouble=trouble)
        console.print_line(f"session ended: {view.state.status}")
        return _end(view, _again(view, None))

    def _session(
        self, row: FleetRun, lease: Lease, order: StopOrder, console: Console
    ) -> RunStatusView:
        access = LeasedRunAccess(self._database, lease)
        dependencies = _WorkerDependencies(
            self._context.dependencies, self._clients, row, access, order
        )
        context = replace(self._context, dependencies=dependencies, console=console)
        plan, text = self._runs.plan(row.id)
        run = self._working_copy(row, plan, text)
        approvals = tuple(load_approval(path) for path in self._approval_files(run))
        aws = replace(self._aws, region=row.region, profile=row.profile or self._aws.profile)
        terms = row.terms
        options = RunOptions(
            aws,
            _UNATTENDED,
            approvals_and_forces=ApprovalsAndForces(approvals, terms.forces),
            probes=terms.probes,
            confirm_within=terms.confirm_within,
        )
        self._bring_rehearsal(context, plan)
        # Another worker's directory may have an earlier plan, and this one may be new.
        entries = access.read(run).entries
        self._journal_age.require_current(context, run, plan, entries, row.goal_now, aws)
        state = replay(entries)
        selected = SelectedRun(run, plan, text, new=False, in_force=state.fingerprint)
        files = _DeviceFiles(context, run, plan, aws)
        files.restore(state)
        view = work_on(context, selected, options, row.goal_now, terms)
        files.restore(view.state)
        return view

    def _bring_rehearsal(self, context: CommandContext, plan: Plan) -> None:
        """Keep the rehearsal of *plan* that an operator has added, where the gate reads it.

        The gate decides without it if it cannot be kept; traffic may be down.
        """
        try:
            given = FleetRehearsals(self._database).of(plan)
            here = context.rehearsal_of(plan)
            if given is not None and (here is None or here.at < given.at):
                Rehearsals(context.settings.home).keep(given)
        except DatabaseError:
            raise
        except VpnMigrateError as error:
            context.console.print_line(f"rehearsal result ignored: {error.message}")

    def _working_copy(self, row: FleetRun, plan: Plan, text: bytes) -> Run:
        """Return the run's directory on this worker, with the plan and the holder of the row."""
        known = self._context.runs.at(row.id)
        if not known.plan.is_file():
            known = self._context.runs.create(plan, text, row.holder)
        known.require_private()
        # Commands of this machine must not begin the run again, without its journal.
        write_whole(known.database, self._database.address.without_password.encode())
        known.replan(plan, text)
        return known

    def _approval_files(self, run: Run) -> list[Path]:
        folder = run.path / "approvals"
        folder.mkdir(FOLDER_MODE, exist_ok=True)
        paths = []
        for approval in self._runs.approvals(run.id):
            path = folder / f"{approval.digest}.json"
            write_whole(path, approval.text)
            if approval.signature:
                write_whole(signature_file(path), approval.signature.encode())
            paths.append(path)
        return paths


class _DeviceFiles:
    """Device files of a run that another worker has archived: they are in that worker's vault."""

    def __init__(self, context: CommandContext, run: Run, plan: Plan, aws: AwsOptions) -> None:
        self._context = context
        self._run = run
        self._plan = plan
        self._aws = aws

    def restore(self, state: RunState) -> None:
        """Read missing files from EC2 again; not while traffic is down, unless drivers need them.

        *state* is that of the run now.  A file that EC2 does not show is read by a later session.
        """
        dependencies = self._context.dependencies
        if state.outage.open and not self._plan.decisions.drivers:
            return
        vault = Vault(self._run.vault, self._context.redaction.learn)
        missing = [
            (intent.step, change)
            for intent in state.intents
            if isinstance(change := intent.change, ArchiveConfiguration)
            and isinstance(intent.outcome, Performed)
            and not vault.folder(change.connection).is_dir()
        ]
        if not missing:
            return
        console = self._context.console
        try:
            account = Account(dependencies.clients(self._aws), dependencies.clock, vault)
            outcomes = [
                account.perform(change, call_tags(self._plan, state.attempt, step))
                for step, change in missing
            ]
        except VpnMigrateError as error:
            console.print_line(f"device files are not here: {error.message}")
            return
        if all(isinstance(outcome, Performed) for outcome in outcomes):
            console.print_line("device files were read from EC2 again")


def _end(view: RunStatusView, again: timedelta | None) -> SessionEnd:
    """Return the end of a session that left the run as in *view*, and due *again* then."""
    state = view.state
    progress = progress_of_run(state, alive=False)
    return SessionEnd(again, state.outage.open, progress, summary_of(view))


def _again(view: RunStatusView, error: VpnMigrateError | None) -> timedelta | None:
    """Return when the run of *view* is due again after *error*, or after it was done."""
    state = view.state
    if isinstance(error, InterruptedRunError):
        return timedelta(0)
    if state.confirm.until is not None and not _goes_back(state):
        return max(timedelta(0), state.confirm.until - view.now)
    if isinstance(error, HeldError):
        return _until_gates_may_open(view)
    if error is not None and (state.outage.open or _goes_back(state)):
        return backoff_after(_failures(view.entries), outage=state.outage.open)
    return None  # Done; or an operator reads the failure and decides.


def _until_gates_may_open(view: RunStatusView) -> timedelta | None:
    """Return when the gates of a held run are to be evaluated again; None to wait for a message."""
    if view.state.task is not None or view.state.order is not None:
        return None
    decisions = None if view.plan is None else view.plan.decisions
    window = None if decisions is None else decisions.window
    if decisions is not None and view.state.status is RunStatus.CUT_OVER:
        window = decisions.finalize.window
    opens = timedelta(0) if window is None else window.start - view.wall
    return max(opens, view.soak_left, LONGEST_BACKOFF)


def _goes_back(state: RunState) -> bool:
    return state.direction is Direction.ROLLBACK and not state.finished


def _failures(entries: Sequence[Entry]) -> int:
    """Return how many sessions have failed since the last step that was done."""
    failures = 0
    for entry in reversed(entries):
        match entry.record:
            case StepSettled():
                break
            case Failed():
                failures += 1
            case _:
                pass
    return max(1, failures)


class WorkerStopRequest:
    """Request to stop from the worker, which the run reads where traffic flows.

    In a cutover it is not made: another worker would need time to take over, and the plan's
    back-out policy would roll back.
    """

    asks = False

    def __init__(self, order: StopOrder, cutting: Callable[[], bool]) -> None:
        self._order = order
        self._cutting = cutting

    @property
    def reason(self) -> str | None:
        """The reason to stop at the next safe point, or None."""
        return None if self._cutting() else (self._order.reason or None)

    def withdraw(self) -> None:
        """Do nothing: the worker's order stays."""


class _WorkerSignals:
    """The worker's order to stop, in place of signals (``SessionSignals``)."""

    def __init__(self, order: StopOrder) -> None:
        self._order = order

    def request(self, handler: SignalHandler) -> StopRequest:
        return WorkerStopRequest(self._order, handler.cutting)

    @contextmanager
    def handle(self, handler: SignalHandler) -> Iterator[None]:
        """Do nothing: signals go to the worker."""
        yield

    def restore(self) -> None:
        """Do nothing."""


class _NoWatchdog:
    """No watchdog: the database wakes a run that was not confirmed in time."""

    def start(self, awake: Callable[[], object]) -> int:
        del awake
        return 0

    def on_duty(self) -> bool:
        return True


class SessionClients:
    """Clients of a worker, which sessions in the same account and Region share.

    A client of EC2 takes 70 ms of CPU, because botocore makes a method for each of its 750
    operations; a session has a reader and a writer, and a run has several sessions.
    """

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[AwsOptions, str], ClientSource] = OrderedDict()

    def of(self, aws: AwsOptions, role: str) -> ClientSource:
        """Return the clients of *role*, or those of *aws* if it is empty."""
        with self._lock:
            made = self._made.get((aws, role))
            if made is None:
                dependencies = self._dependencies
                made = dependencies.role_clients(aws, role) if role else dependencies.clients(aws)
                self._made[aws, role] = made
                if len(self._made) > KEPT_CLIENTS:
                    self._made.popitem(last=False)
            self._made.move_to_end((aws, role))
            return made


class _WorkerDependencies:
    """The dependencies of a worker for one run (``Dependencies``)."""

    def __init__(
        self,
        dependencies: Dependencies,
        clients: SessionClients,
        row: FleetRun,
        access: RunAccess,
        order: StopOrder,
    ) -> None:
        self._dependencies = dependencies
        self._clients = clients
        self._row = row
        self._order = order
        self.run_access = access
        self.reachable = dependencies.reachable
        self.clock: Clock = dependencies.clock
        self.me: ProcessIdentity = dependencies.me
        self.keygen: SshKeygen = dependencies.keygen

    def signals(self) -> SessionSignals:
        return _WorkerSignals(self._order)

    def clients(self, aws: AwsOptions) -> ClientSource:
        return self._clients.of(aws, self._row.role)

    def role_clients(self, aws: AwsOptions, role: str) -> ClientSource:
        return self._clients.of(aws, role)

    def accounts(self, aws: AwsOptions, jobs: int) -> AccountSource:
        return self._dependencies.accounts(aws, jobs)

    def calls(self, clients: ClientSource) -> Calls:
        return self._dependencies.calls(clients)

    def paths(self, clients: ClientSource) -> NetworkPaths:
        return self._dependencies.paths(clients)

    def watchdog(self, run: Run, aws: AwsOptions) -> Watchdog:
        del run, aws
        return _NoWatchdog()

    def operator(
        self,
        console: MessageOutput,
        on: RunCommands,
        run: Run,
        prompt_options: PromptOptions,
        names: NamesOfRun,
    ) -> Operator:
        return self._dependencies.operator(console, on, run, prompt_options, names)

    def drivers(self, run: Run, plan: Plan, vault: Vault, log: RunLog) -> DeviceDrivers | None:
        return self._dependencies.drivers(run, plan, vault, log)

    def probes(self, run: Run, extra: Sequence[str]) -> Probes:
        return self._dependencies.probes(run, extra)

    def operator_present(self, prompt_options: PromptOptions) -> bool:
        del prompt_options
        return False

    def beside_screen(self) -> None:
        return
