"""Command ``plan``."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec.structs import replace

import vpnmigrate
from vpnmigrate.cli.account_reader import AccountReader, account_reader
from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import (
    AwsOptions,
    OutputOptions,
    RunDirectoryOptions,
    SignKey,
    runs,
)
from vpnmigrate.cli.run_selection import require_replannable
from vpnmigrate.engine.recorder import built_by
from vpnmigrate.journal import replay
from vpnmigrate.local.documents import (
    DEFAULT_PLAYBOOK,
    load_plan_in_force,
    load_playbook,
    plan_text,
    require_no_input,
)
from vpnmigrate.local.drivers.extras import require_extras
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.program_files import pinned
from vpnmigrate.local.signatures import lists_of, save_signed
from vpnmigrate.model.clock import moment
from vpnmigrate.model.decisions import ChangeNumber, Decisions
from vpnmigrate.model.ec2 import MigrationId, VpnConnectionId, VpnGatewayId
from vpnmigrate.model.errors import RefusedError, UsageError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Plan, PlanAuthor
from vpnmigrate.model.signatures import SignedKind
from vpnmigrate.planning.outage_estimate import outage_estimate
from vpnmigrate.planning.permission_checks import checks_of_plan
from vpnmigrate.planning.planner import plan_from, replan_from, with_permissions
from vpnmigrate.planning.rollback_proof import RollbackProof, prove
from vpnmigrate.planning.window_parser import example_window, window_from
from vpnmigrate.report import plan as view
from vpnmigrate.report.plan_summary import PlanView
from vpnmigrate.report.rollback_proof import proof_sentence


def plan(
    ctx: typer.Context,
    aws: AwsOptions,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    vpn_gateway: Annotated[
        str | None,
        typer.Option("--vpn-gateway", metavar="vgw-...", help="The gateway to replace."),
    ] = None,
    vpn_connection: Annotated[
        str | None,
        typer.Option("--vpn-connection", metavar="vpn-...", help="Any connection of that gateway."),
    ] = None,
    playbook: Annotated[
        str | None,
        typer.Option(
            "--playbook", metavar="NAME|FILE", help="The decisions to use; see playbook list."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write. Default: plan-<migration>.json, numbered if a run was started "
            "with that file.",
        ),
    ] = None,
    change: Annotated[
        str | None,
        typer.Option(
            "--change", metavar="NUMBER", help="Change number; shown in tags, journal and reports."
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            "--window",
            metavar="START/END",
            help="When step 7 may start, for example '2026-11-28T02:00/04:00 Europe/Berlin'.",
        ),
    ] = None,
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            "--allowed-signers",
            metavar="FILE",
            help="The SSH keys that may sign plan and approvals; the plan contains its hash.",
        ),
    ] = None,
    sign_key: SignKey = None,
    from_run: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN",
            autocompletion=runs,
            help="Plan again for a held run, and keep the resources it has created.",
        ),
    ] = None,
) -> None:
    """Survey an account and write a plan.

    Checks everything that could prevent the migration, and changes nothing in AWS.  Name the
    gateway, or one of its connections, or a run.
    """
    context = command_context(ctx, home, printing)
    about = PlanTarget(gateway=vpn_gateway, connection=vpn_connection, run=from_run)
    chosen = PlanDecisions(playbook, change, window, allowed_signers)
    made, proof, file = _make(context, aws, about, chosen, PlanOutput(output, sign_key))
    shown = PlanView(
        made,
        proof,
        outage_estimate(made, None),
        context.file(file),
        context.invocation,
        signed=sign_key is not None,
    )
    context.results.print(view.text(shown), view.as_json(shown))


@dataclass(frozen=True)
class PlanTarget:
    """The target of a plan: exactly one of gateway, connection and run is given."""

    gateway: str | None
    connection: str | None
    run: str | None

    def require_one(self) -> None:
        """Check that exactly one target is named.

        Raises:
            UsageError: No target is named, or more than one.
        """
        given = [name for name in (self.gateway, self.connection, self.run) if name]
        if len(given) != 1:
            raise UsageError(
                "give exactly one of --vpn-gateway, --vpn-connection and --from",
                advice=cli("plan", "--vpn-gateway", "vgw-..."),
            )


@dataclass(frozen=True)
class PlanDecisions:
    """The operator's decisions: a playbook, and options that replace parts of it."""

    playbook: str | None
    change: str | None
    window: str | None = None
    allowed_signers: Path | None = None

    def over(self, decisions: Decisions) -> Decisions:
        """Return *decisions* with the values of the command line in place of their own.

        Raises:
            UsageError: A value is invalid.
        """
        if self.window is not None:
            decisions = replace(decisions, window=window_from(self.window))
        if self.allowed_signers is not None:
            # The target of a link: the plan names the file itself.
            signers = str(self.allowed_signers.expanduser().resolve())
            approvals = replace(decisions.approvals, allowed_signers=signers)
            decisions = replace(decisions, approvals=approvals)
        if self.change is None:
            return decisions
        try:
            number = msgspec.convert(self.change, ChangeNumber)
        except msgspec.ValidationError:
            raise UsageError(
                f"--change {self.change!r} is not a valid tag value",
                advice="use at most 64 letters, digits and . _ : / @ + = -, without spaces",
            ) from None
        return replace(decisions, change=number)


@dataclass(frozen=True)
class PlanOutput:
    """The file to write, and the key to sign it with."""

    file: Path | None = None
    sign_key: Path | None = None


def _make(
    context: CommandContext,
    aws: AwsOptions,
    about: PlanTarget,
    chosen: PlanDecisions,
    output: PlanOutput,
) -> tuple[Plan, RollbackProof, Path]:
    """Survey, check, plan, prove the rollback, and write the plan; changes nothing in AWS.

    Raises:
        VpnMigrateError: The migration is not possible; no file is written then.
    """
    about.require_one()
    if output.file is not None:
        require_no_input(output.file, (chosen.playbook, chosen.allowed_signers, output.sign_key))
        require_unused(context, output.file)
    if about.run:
        plan = _again(context, aws, about.run, chosen)
    else:
        plan = _afresh(context, aws, about, chosen)
    proof = proof_of(plan)
    return plan, proof, write_plan(context, plan, output)


def proof_of(plan: Plan) -> RollbackProof:
    """Return the proof that *plan* can be rolled back.

    Raises:
        RefusedError: It cannot.
    """
    proof = prove(plan)
    if not proof.holds:
        raise RefusedError(
            f"the plan has {proof_sentence(proof)}",
            advice="this is a bug in vpnmigrate: please report it with the survey",
        )
    return proof


def write_plan(context: CommandContext, plan: Plan, output: PlanOutput) -> Path:
    """Write *plan*, signed if a key is given, and return its file.

    Raises:
        UsageError: The file cannot be written.
    """
    file = output.file or _default_file(context, plan)
    text, signature = plan_text(plan), None
    if output.sign_key is not None:
        signature = context.sign(text, output.sign_key, SignedKind.PLAN)
    save_signed(text, signature, file)
    return file


def _default_file(context: CommandContext, plan: Plan) -> Path:
    """Return a file for *plan* with which no run was started: ``plan-RUN.json``, then numbered."""
    first = Path(f"plan-{plan.migration}.json")
    others = (first.with_stem(f"{first.stem}-{number}") for number in count(2))
    return next(file for file in chain([first], others) if context.runs.of_plan_file(file) is None)


def require_unused(context: CommandContext, file: Path) -> None:
    """Check that no run was started with the plan in *file*, which would be overwritten.

    Raises:
        RefusedError: A run of this directory was started with it.
    """
    run = context.runs.of_plan_file(file)
    if run is not None:
        raise RefusedError(
            f"{file} is the plan that run {run.id} was started with, so it is not overwritten",
            advice=("choose another file with -o; to see the run:", cli("status", run.id)),
        )


def _afresh(
    context: CommandContext, aws: AwsOptions, about: PlanTarget, chosen: PlanDecisions
) -> Plan:
    decided = decided_by(context, chosen)
    reader = account_reader(context, aws)
    if about.connection:
        gateway = reader.find_gateway(VpnConnectionId(about.connection))
    else:
        gateway = VpnGatewayId(about.gateway or "")
    return new_plan(context, reader, gateway, decided)


@dataclass(frozen=True)
class DecidedPlaybook:
    """A playbook's name, its decisions with those of the command line, and its programs."""

    name: str
    decisions: Decisions
    programs: Mapping[str, str]


def decided_by(context: CommandContext, chosen: PlanDecisions) -> DecidedPlaybook:
    """Return the decisions of a new plan.

    Raises:
        UsageError: The playbook or an option is invalid, or a window is over.
    """
    playbook = load_playbook(chosen.playbook or DEFAULT_PLAYBOOK)
    decisions = chosen.over(playbook.decisions)
    _require_ahead(context, decisions)
    return DecidedPlaybook(playbook.name, decisions, _programs(decisions))


def new_plan(
    context: CommandContext, reader: AccountReader, gateway: VpnGatewayId, decided: DecidedPlaybook
) -> Plan:
    """Survey *gateway* and return the plan of a new migration.

    Raises:
        VpnMigrateError: The migration is not possible.
    """
    plan = plan_from(
        reader.survey(gateway),
        decided.decisions,
        decided.name,
        migration=MigrationId(f"m-{secrets.token_hex(4)}"),
        made=context.dependencies.clock.wall(),
        tool=vpnmigrate.__version__,
        programs=decided.programs,
        author=_author(context, reader),
    )
    return _with_permissions(plan, reader)


def _again(context: CommandContext, aws: AwsOptions, run_id: str, chosen: PlanDecisions) -> Plan:
    run = context.runs.find(run_id)
    entries = read_journal(run).entries
    state = replay(entries)
    require_replannable(run, state)
    if state.journal_lost and not state.adoptions.asked:
        raise RefusedError(
            f"the journal of {run_id} is lost, so the resources it has created are unknown",
            advice=("roll back, or name the resources it has created:", cli("apply", run_id)),
        )
    old = load_plan_in_force(run.plan)
    name, decisions = old.playbook, old.decisions
    if chosen.playbook:
        playbook = load_playbook(chosen.playbook)
        name, decisions = playbook.name, playbook.decisions
        if not decisions.change:
            # The change number belongs to the migration, not to a playbook.
            decisions = replace(decisions, change=old.decisions.change)
        if not decisions.window:
            # A window stays in force if the new playbook does not name one.
            decisions = replace(decisions, window=old.decisions.window)
    decisions = chosen.over(decisions)
    _require_ahead(context, decisions)
    programs = _programs(decisions)
    reader = account_reader(context, aws)
    plan = replan_from(
        old,
        reader.survey(old.old_gateway),
        decisions,
        name,
        built=built_by(state, old, reader.observe(old)),
        holder=run.holder,
        made=context.dependencies.clock.wall(),
        tool=vpnmigrate.__version__,
        programs=programs,
        author=_author(context, reader),
    )
    return _with_permissions(plan, reader)


def _programs(decisions: Decisions) -> dict[str, str]:
    """Return the hashes of the files that *decisions* name: programs and lists of signers.

    Raises:
        UsageError: A program or the library of a driver is missing.
    """
    require_extras(decisions)
    return {**pinned(decisions), **lists_of(decisions)}


def _with_permissions(plan: Plan, reader: AccountReader) -> Plan:
    """Return *plan* with findings about the permissions that it needs."""
    return with_permissions(plan, reader.missing_permissions(checks_of_plan(plan)))


def _author(context: CommandContext, reader: AccountReader) -> PlanAuthor:
    me = context.dependencies.me
    return PlanAuthor(reader.identity().arn, me.user, me.host)


def _require_ahead(context: CommandContext, decisions: Decisions) -> None:
    """Check that no window of *decisions* is over.

    Raises:
        UsageError: A window is over.
    """
    now = context.dependencies.clock.wall()
    where = {"--window, or in the playbook": decisions.window}
    where["finalize in the playbook"] = decisions.finalize.window
    for place, window in where.items():
        if window is not None and window.end <= now:
            raise UsageError(
                f"the window {window.written} is over: it is {moment(now)} now",
                advice=f"name a later one with {place}, such as {example_window(now)}",
            )
