"""Run session: a run locked, journalled and interruptible; ``_run`` creates its ``Runner``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vpnmigrate.aws.account import Account
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.gate_options import ApprovalsAndForces
from vpnmigrate.cli.observer_group import ObserverGroup
from vpnmigrate.cli.options import AwsOptions, PromptOptions
from vpnmigrate.cli.run_selection import SelectedRun, require_replannable
from vpnmigrate.cli.run_status import (
    run_status,
    status_view_of,
    status_view_without_process,
    with_run_status,
)
from vpnmigrate.cli.signals import SessionSignals, SignalHandler
from vpnmigrate.cli.signed_files import new_approvals, new_plan_signature, valid_approval
from vpnmigrate.cli.usual_times import usual_times
from vpnmigrate.engine.call_limits import IDENTITY_LIMIT, no_wait_check
from vpnmigrate.engine.commit_confirm import CommitConfirm
from vpnmigrate.engine.context import ClaimHolder
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.gates import RollbackProofResult
from vpnmigrate.engine.ports import Calls, NetworkPaths, Observer
from vpnmigrate.engine.recorder import evidence_of
from vpnmigrate.engine.runner import Runner, RunPorts
from vpnmigrate.engine.traffic_watch import NoProbes
from vpnmigrate.journal import RunState, replay
from vpnmigrate.journal.interruption import stop_action
from vpnmigrate.journal.records import (
    Approved,
    JournalLost,
    Noted,
    Record,
    Replanned,
    TakenOver,
)
from vpnmigrate.journal.usual_times import UsualTimes
from vpnmigrate.local.hooks import CommandHooks, HookedJournal, supervise_hooks
from vpnmigrate.local.live_view import LiveFile
from vpnmigrate.local.logs import RunLog, log_of
from vpnmigrate.local.rehearsals import Rehearsals
from vpnmigrate.local.run_access import SessionJournal
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.signatures import (
    RunSignatures,
)
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.clock import span
from vpnmigrate.model.consistency import CONSISTENCY_DELAY
from vpnmigrate.model.errors import (
    MalformedFileError,
    UsageError,
    VpnMigrateError,
    WrongAccountError,
)
from vpnmigrate.model.errors.commands import cli, option
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.probes import CommandProbe, probe_from
from vpnmigrate.model.programs import ADVICE, name_fault
from vpnmigrate.model.signatures import CheckedSignature
from vpnmigrate.planning.rollback_proof import prove
from vpnmigrate.report.console import MessageOutput
from vpnmigrate.report.errors import RunBugError, RunFailedError
from vpnmigrate.report.names import NamesOfRun
from vpnmigrate.report.progress import Narrator, PlainProgress, approved_line
from vpnmigrate.report.rollback_proof import proof_brief
from vpnmigrate.report.status import RunStatusView, traffic
from vpnmigrate.report.text import RunCommands, wrapped

if TYPE_CHECKING:
    from vpnmigrate.report.input_line import InputLine

JOURNAL_LOST = (
    "The journal of an earlier process is missing, so answers of AWS may be stale for "
    f"{span(CONSISTENCY_DELAY)}. No change is sent until then; please wait."
)

FORGONE = "probes are off: none is sent and none is required (--no-probes)"


@dataclass(frozen=True)
class RunOptions:
    """Options of the operator for one session of a run."""

    aws: AwsOptions
    prompt_options: PromptOptions
    take_over: str | None = None
    approvals_and_forces: ApprovalsAndForces = field(default_factory=ApprovalsAndForces)
    probes: tuple[str, ...] | None = ()
    """Probes in addition to the plan's; None turns all probes off."""
    confirm_within: timedelta | None = None
    step: bool = False
    """Whether the operator is asked before each change of a cutover."""
    adopt: tuple[str, ...] | None = None
    """Resources created by an earlier process whose journal is lost; None to ask for them."""


@dataclass(frozen=True)
class RunRecords:
    """Records of a run: its journal and its log; and the signals of its session."""

    journal: SessionJournal
    log: RunLog
    signals: SessionSignals


@dataclass(frozen=True)
class SessionOpening:
    """What a session has once it is recorded: the run as it was, and the way to AWS."""

    before: RunState
    """The state before this session."""
    approvals: Sequence[Approved]
    signatures: RunSignatures
    clients: ClientSource
    calls: Calls
    paths: NetworkPaths
    taken_over_from: str
    """The holder that an operator named, until the claim is this run's."""
    journal_lost: bool


@dataclass(frozen=True)
class ActiveRun:
    """A locked run: its runner, its state *before*, *write* for durable records, and its clock.

    *check_plan_signature* checks the signature of the plan in force.
    """

    runner: Runner
    before: RunState
    write: Callable[[Record], object]
    now: Callable[[], datetime]
    check_plan_signature: Callable[[], CheckedSignature]


RunAction = Callable[[ActiveRun], object]


def run_session(
    context: CommandContext, selected: SelectedRun, options: RunOptions, action: RunAction
) -> RunStatusView:
    """Lock a run, do *action* with it, and return its status afterwards.

    Raises:
        LockedError: Another process has the run.
        RunFailedError: Any error after the run was locked.
        RunBugError: Any other exception of the run.
    """
    dependencies = context.dependencies
    signals = dependencies.signals()
    with with_run_status(context, selected.run, status_view_of):
        held = dependencies.run_access.hold(
            selected.run, dependencies.clock, dependencies.me, options.take_over
        )
    try:
        context.redaction.learn(_vault(context, selected.run).every_key())
        with with_run_status(context, selected.run, status_view_without_process):
            journal = held.open_journal(context.redaction)

        def view() -> RunStatusView:
            return run_status(context, selected.run, selected.plan, journal.entries, alive=False)

        try:
            _put_in_force(selected, journal)
            with log_of(
                selected.run, context.settings.log, journal.clock, sys.stderr, context.redaction
            ) as log:
                for note in filter(None, (held.note, journal.notice)):
                    context.console.print_line(note)
                    log.notice(note)
                _run(context, selected, options, RunRecords(journal, log, signals), action, view)
        except VpnMigrateError as error:
            raise RunFailedError(error, view()) from error
        except Exception as error:
            raise RunBugError(view()) from error
        finally:
            journal.close()
        return view()
    finally:
        held.release()
        signals.restore()


def _put_in_force(selected: SelectedRun, journal: SessionJournal) -> None:
    """Replace the run's plan by a newer one, if its cutover has not started.

    Raises:
        RefusedError: The cutover has started, so the plan cannot be replaced.
    """
    if not selected.replanned:
        return
    require_replannable(selected.run, replay(journal.entries))
    selected.run.replan(selected.plan, selected.text)
    journal.write(Replanned(selected.plan.fingerprint))


def _run(
    context: CommandContext,
    selected: SelectedRun,
    options: RunOptions,
    records: RunRecords,
    action: RunAction,
    view: Callable[[], RunStatusView],
) -> None:
    """Run *action* with a runner whose ports are this machine, AWS and the operator."""
    plan, run, journal = selected.plan, selected.run, records.journal
    opening = _open(context, selected, options, journal)
    before, signatures, me = opening.before, opening.signatures, context.dependencies.me
    rehearsed = _rehearsed(context, plan, context.console)
    usual = usual_times(context, plan, rehearsed, before)
    names = NamesOfRun(plan, journal.entries)
    with (
        _progress(context, selected, journal, before, names, usual, options.prompt_options) as (
            progress,
            output,
        ),
        closing(LiveFile(run, journal.clock, context.redaction, usual)) as live,
    ):
        hooks = CommandHooks(
            run, plan, journal.entries, journal.clock, records.log, context.redaction
        )
        watch = ObserverGroup(progress, records.log, live, hooks, redaction=context.redaction)
        vault = _vault(context, run)
        account = Account(opening.clients, journal.clock, vault, journal.require_ours)
        stop_request = SignalHandler(
            output,
            lambda: watch.cutting,
            lambda: view().next,
            action=lambda asks: stop_action(
                replay(journal.entries), asks=asks, back_out=plan.decisions.back_out
            ),
            operator_present=lambda: context.dependencies.operator_present(options.prompt_options),
            traffic=lambda: traffic(view()),
        )
        operator = context.dependencies.operator(
            output, RunCommands(run.id, context.invocation), run, options.prompt_options, names
        )
        ports = RunPorts(
            ec2=account,
            journal=HookedJournal(journal, hooks),
            operator=operator,
            step_prompt=operator if options.step else None,
            observer=watch,
            clock=journal.clock,
            stop_request=records.signals.request(stop_request),
            paths=opening.paths,
            calls=opening.calls,
            claim_holder=ClaimHolder(run.holder, opening.taken_over_from),
            commit=CommitConfirm(
                options.confirm_within, context.dependencies.watchdog(run, options.aws), me.host
            ),
            journal_lost=opening.journal_lost,
            adopt=options.adopt,
            gate_inputs=GateInputs(
                me.user,
                rehearsed,
                lambda: _proven(plan),
                options.approvals_and_forces.forces,
                hooks,
                account,
                signatures,
                str(run.plan),
            ),
            drivers=context.dependencies.drivers(run, plan, vault, records.log),
            probes=NoProbes()
            if options.probes is None
            else context.dependencies.probes(run, options.probes),
        )
        if options.probes is None:
            journal.write(Noted(FORGONE))
        for added in opening.approvals:
            output.print_line(wrapped(approved_line(added)))
        if ports.journal_lost:
            output.print_line(wrapped(JOURNAL_LOST))
        # The hooks have ended by then, so they are not notified of their results.
        last = ObserverGroup(progress, records.log)
        with supervise_hooks(hooks, journal, last), records.signals.handle(stop_request):
            runner = Runner(plan, ports)
            active = ActiveRun(
                runner,
                before,
                journal.write,
                journal.clock.now,
                lambda: signatures.check_plan(replay(journal.entries)),
            )
            with runner.supervise_drivers():
                action(active)


def _open(
    context: CommandContext, selected: SelectedRun, options: RunOptions, journal: SessionJournal
) -> SessionOpening:
    """Record in *journal* that this process has opened the run, and what it was given.

    Raises:
        RefusedError: An approval does not count.
        UsageError: Resources are named for adoption, but no journal is lost.
        WrongAccountError: The session is for another Region.
    """
    plan, run, dependencies = selected.plan, selected.run, context.dependencies
    before = replay(journal.entries)
    signatures = RunSignatures(dependencies.keygen, plan, run, journal.clock)
    approvals = [
        valid_approval(each, plan, before, journal.clock.wall(), signatures)
        for each in options.approvals_and_forces.approvals
    ]
    journal.write(context.opened(plan, step=options.step))
    clients = dependencies.clients(options.aws)
    calls = dependencies.calls(clients)
    paths = calls.read(
        "the credential provider",
        IDENTITY_LIMIT,
        lambda: _paths(context, clients, plan.region),
        no_wait_check,
    )
    journal.write(*new_approvals(approvals, before), *new_plan_signature(selected, before, context))
    if options.take_over is not None:
        journal.write(TakenOver(options.take_over))
    opened = replay(journal.entries)
    taken_over_from = opened.taken_over_from
    # A journal that starts with a take-over replaces an earlier one.
    replaced = journal.lost or bool(taken_over_from and before.direction is None)
    if replaced:
        journal.write(JournalLost())
    journal_lost = replaced or opened.journal_lost
    doubts = evidence_of(before, plan.surveyed).doubts
    if options.adopt is not None and not (journal_lost or doubts):
        raise UsageError(
            f"--adopt is for a lost or incomplete journal; the journal of {run.id} is complete",
            advice=cli("status", run.id),
        )
    return SessionOpening(
        before, approvals, signatures, clients, calls, paths, taken_over_from, journal_lost
    )


def _vault(context: CommandContext, run: Run) -> Vault:
    """Return the vault of *run*, whose keys are removed from everything this process writes."""
    return Vault(run.vault, context.redaction.learn)


def _rehearsed(
    context: CommandContext, plan: Plan, output: MessageOutput
) -> RehearsalResult | None:
    """Return the kept rehearsal result; an invalid one is reported and counts as none."""
    try:
        return Rehearsals(context.settings.home).of(plan)
    except MalformedFileError as error:
        output.print_line(wrapped(f"Rehearsal result ignored: {error.message}"))
        return None


def _proven(plan: Plan) -> RollbackProofResult:
    proof = prove(plan)
    return RollbackProofResult(proof.holds, proof_brief(proof))


def _paths(context: CommandContext, clients: ClientSource, region: str) -> NetworkPaths:
    """Return this host's network paths to AWS in *region*.

    Raises:
        WrongAccountError: The session is for another Region.
    """
    if clients.region != region:
        again = (context.line or cli("status")).with_words(*option("--region", region))
        raise WrongAccountError(
            f"the plan is for Region {region}, but {clients.region} is set",
            advice=("run the same command in the plan's Region:", again),
        )
    return context.dependencies.paths(clients)


@contextmanager
def _progress(
    context: CommandContext,
    selected: SelectedRun,
    journal: SessionJournal,
    before: RunState,
    names: NamesOfRun,
    usual: UsualTimes,
    prompt_options: PromptOptions,
) -> Iterator[tuple[Observer, MessageOutput]]:
    on, clock = RunCommands(selected.run.id, context.invocation), journal.clock
    if not context.console.can_draw:
        down_since = before.outage.since if before.outage.open else None
        decide_by = None if before.deadline is None else before.deadline.at
        plain = PlainProgress(
            context.console,
            clock,
            down_since,
            decide_by,
            narrator=Narrator(on, names, before),
            usual=usual,
        )
        yield plain, context.console
        return
    from vpnmigrate.report.terminal import TerminalProgress

    typed = _keyboard(context, prompt_options)
    narrator = Narrator(on, names, before)
    terminal = TerminalProgress(context.console, clock, narrator, before, typed, usual)
    terminal.beside = context.dependencies.beside_screen()
    with terminal as progress:
        yield progress, progress


def _keyboard(context: CommandContext, prompt_options: PromptOptions) -> InputLine | None:
    """Return the keyboard of this process's terminal; None if it has none."""
    from vpnmigrate.report.input_line import InputLine, MutedInputLine

    if context.dependencies.operator_present(prompt_options):
        return InputLine(sys.stdin)
    if context.dependencies.operator_present(PromptOptions()):
        return MutedInputLine(sys.stdin)
    return None


def probes_of(texts: Iterable[str], *, none: bool) -> tuple[str, ...] | None:
    """Check the probes of a command line before the run starts; *none* turns all probes off.

    Raises:
        UsageError: A probe is invalid, or probes are given together with *none*.
    """
    probes = tuple(texts)
    for text in probes:
        aim = probe_from(text)
        # A name without a slash is searched in PATH, as in the shell where it was typed.
        if isinstance(aim, CommandProbe) and "/" in aim.words[0] and name_fault(aim.words):
            raise UsageError(f"--probe: {name_fault(aim.words)}", advice=ADVICE)
    if none and probes:
        raise UsageError("--probe and --no-probes exclude each other")
    return None if none else probes


def named(ids: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return the resources that ``--adopt`` names; None if it was not given."""
    return tuple(ids) if ids else None
