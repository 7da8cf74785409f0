"""Commands ``fleet new``, ``plan``, ``rehearse`` and ``schema``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.commands.discover import JOBS, MOST_JOBS
from vpnmigrate.cli.context import CommandContext, command_context, results_output
from vpnmigrate.cli.fleet_database import DatabaseOptions, fleet_database
from vpnmigrate.cli.fleet_plans import (
    PlansInForce,
    StoredPlan,
    has_plan,
    make_plans,
    rehearse_plans,
    targets_of,
)
from vpnmigrate.cli.options import AwsOptions, OutputOptions, RunDirectoryOptions
from vpnmigrate.fleet.campaign import campaign_from, campaign_schema, campaign_schema_text
from vpnmigrate.fleet.campaign_file import CampaignFile, load_campaign
from vpnmigrate.fleet.campaign_text import campaign_text
from vpnmigrate.fleet.grouping import WaveSizes, campaign_of, discovery_document
from vpnmigrate.local.documents import DEFAULT_PLAYBOOK, load_plan, load_playbook, save_text
from vpnmigrate.local.text_files import MEGABYTE, decoded_json, file_bytes
from vpnmigrate.model.errors import Exit, RefusedError, VpnMigrateError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.discovery_targets import role_in, role_target
from vpnmigrate.report import fleet as view
from vpnmigrate.report.fleet_results import FleetResult, FleetRow, results_json, results_text

LARGEST_DISCOVERY = 256 * MEGABYTE
"""1,000 gateways with their tables and findings take some ten megabytes."""

CampaignArgument = Annotated[
    Path, typer.Argument(metavar="CAMPAIGN", show_default=False, help="A campaign file.")
]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role-arn",
        metavar="ARN",
        help="Reach the account of this role through it. Repeatable; replaces the campaign's.",
    ),
]


def new(
    ctx: typer.Context,
    discovery: Annotated[
        Path,
        typer.Argument(
            metavar="DISCOVERY", show_default=False, help="A file written by discover: .json."
        ),
    ],
    printing: OutputOptions,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="File to write."),
    ] = Path("campaign.yaml"),
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Its name. Default: that of the file."),
    ] = None,
    playbook: Annotated[
        str,
        typer.Option("--playbook", metavar="NAME|FILE", help="The decisions of its plans."),
    ] = DEFAULT_PLAYBOOK,
    canary: Annotated[int, typer.Option("--canary", min=1, help="Gateways of the first wave.")] = 1,
    wave_size: Annotated[
        int, typer.Option("--wave-size", min=1, help="Gateways of each further wave, at most.")
    ] = 10,
    role_arn: Annotated[
        list[str] | None,
        typer.Option(
            "--role-arn",
            metavar="ARN",
            help="Reach the account of this role through it. Repeatable.",
        ),
    ] = None,
    organization: Annotated[
        str | None,
        typer.Option(
            "--organization",
            metavar="ROLE",
            help="Reach every account through its role of this name.",
        ),
    ] = None,
) -> None:
    """Write a campaign: the gateways that discover found, in waves.

    The first wave is the canary: the gateway that shares least with others, and the smallest.
    Paths of one site are put into different waves.  What cannot be migrated is left out and listed;
    if discovery could not read everything, the exit code is 1.
    """
    context = command_context(ctx, RunDirectoryOptions(), printing)
    raw = file_bytes(discovery, LARGEST_DISCOVERY)
    found = discovery_document(decoded_json(raw, str(discovery)), str(discovery))
    load_playbook(playbook)
    roles = {}
    if organization is not None:
        rows = [row for row in found.gateways if row.can_be_migrated]
        roles = {row.account: role_in(row.account, organization, row.region) for row in rows}
    roles |= {target.account: target.role for target in map(role_target, role_arn or ())}
    if output.exists():
        raise RefusedError(
            f"{output} exists, and people edit campaigns, so it is not overwritten",
            advice="choose another file with -o",
        )
    sizes = WaveSizes(canary, wave_size)
    campaign = campaign_of(found, name or output.stem, playbook, roles, sizes)
    text = context.redaction.text(campaign_text(campaign))
    campaign = campaign_from(text, str(output))
    save_text(text, output)
    commands = tuple(
        context.invocation.complete(cli("fleet", verb, context.file(output)))
        for verb in ("plan", "rehearse", "status")
    )
    about = (campaign, found, str(output), commands)
    context.results.print(view.new_text(*about), view.new_json(*about))
    if not found.complete:
        raise typer.Exit(Exit.FAILED)


def plan(
    ctx: typer.Context,
    campaign: CampaignArgument,
    aws: AwsOptions,
    home: RunDirectoryOptions,
    place: DatabaseOptions,
    printing: OutputOptions,
    role_arn: Roles = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Also renew the plans of members that have not begun, if something has changed.",
        ),
    ] = False,
    change: Annotated[
        str | None,
        typer.Option(
            "--change", metavar="NUMBER", help="Change number; shown in tags, journal and reports."
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option("--jobs", min=1, max=MOST_JOBS, help="Gateways that are read at a time."),
    ] = JOBS,
) -> None:
    """Survey the gateways of a campaign and write their plans.

    Changes nothing in AWS.  A plan that exists is kept, so the same command continues after an
    interruption.  With --again, it is renewed if the account, the decisions or the program have
    changed since, unless its run has begun here or in the named database; the file of such a run is
    restored from the database.  A gateway that cannot be planned is listed with the reason, and the
    exit code is 1.
    """
    context = command_context(ctx, home, printing)
    file = load_campaign(campaign)
    targets = targets_of(file, map(role_target, role_arn or ()))
    first = file.campaign.members[0]
    at_hand = AwsOptions(aws.endpoint_url, aws.profile, aws.region or first.region)
    source = context.dependencies.accounts(at_hand, jobs)
    rows, begun = [], _begun(context, file, place) if again else None
    for row in make_plans(context, file, source, targets, change, jobs, begun):
        _tell(context, row, "planned")
        rows.append(row)
    order = [member.id for member in file.campaign.members]
    rows.sort(key=lambda row: order.index(row.member.id))
    _print_rows(context, "planned", rows, "rehearse", campaign)


def _begun(context: CommandContext, file: CampaignFile, place: DatabaseOptions) -> PlansInForce:
    """Return the plans in force, on this machine and in the database."""
    files = [file.plan_of(member) for member in file.campaign.members]
    local = frozenset(run.id for run in context.runs.of_plan_files(files).values())
    if not place.is_named:
        return PlansInForce(local)
    with fleet_database(place, context.redaction) as database:
        from vpnmigrate.fleet.database.runs import FleetRuns

        runs = FleetRuns(database)
        begun = [run for run in runs.list() if run.keeps_plan]
        paths = {member.id: file.plan_of(member) for member in file.campaign.members}
        stored = {}
        for run in begun:
            if run.campaign == file.campaign.name and run.member in paths:
                is_there = has_plan(paths[run.member], run.fingerprint)
                text = None if is_there else runs.plan(run.id)[1]
                stored[run.member] = StoredPlan(run.id, run.state_of_plan, text)
        return PlansInForce(local | frozenset(run.id for run in begun), stored)


def rehearse(
    ctx: typer.Context,
    campaign: CampaignArgument,
    home: RunDirectoryOptions,
    place: DatabaseOptions,
    printing: OutputOptions,
) -> None:
    """Rehearse every plan of a campaign in a sandbox made from its survey.

    A plan whose rehearsal has passed is not rehearsed again, so the same command continues after an
    interruption.  Reads no credentials and calls no AWS.  If a database is named, its workers get
    the results, for the gate of each plan.  If a plan is missing, or its rehearsal fails, it is
    listed and the exit code is 1.
    """
    context = command_context(ctx, home, printing)
    file = load_campaign(campaign)
    rows = []
    with _rehearsal_store(context, place) as add:
        for row in rehearse_plans(context, file):
            _tell(context, row, "rehearsed")
            rows.append(row)
        started = add([row.file for row in rows], file.campaign.name)
    _print_rows(context, "rehearsed", rows, "status" if started else "start", campaign)


@contextmanager
def _rehearsal_store(
    context: CommandContext, place: DatabaseOptions
) -> Iterator[Callable[[Iterable[Path], str], bool]]:
    """Open the database, if one is named, before the work; yield what adds results of plan files.

    It returns whether the campaign of this name has been started there, or needs no start.  A
    failed rehearsal is added too: it replaces an earlier one that has passed.
    """
    if not place.is_named:
        yield lambda _files, _campaign: True
        return
    with fleet_database(place, context.redaction) as database:
        from vpnmigrate.cli.fleet_control import FleetControl

        control = FleetControl(context, database)

        def add(files: Iterable[Path], campaign: str) -> bool:
            control.add_rehearsals(_readable_plans(files))
            return control.has_campaign(campaign)

        yield add


def _readable_plans(files: Iterable[Path]) -> Iterator[Plan]:
    """Yield the plans in *files*; the row of one that cannot be read says so."""
    for file in files:
        with suppress(VpnMigrateError):
            yield load_plan(file)


def _tell(context: CommandContext, row: FleetRow, verb: str) -> None:
    done = verb if row.result is FleetResult.DONE else f"{verb} before"
    state = "FAILED" if row.result is FleetResult.FAILED else done
    context.console.print_line(f"{row.wave}  {row.member.id}  {state}")


def _print_rows(
    context: CommandContext, verb: str, rows: list[FleetRow], following: str, campaign: Path
) -> None:
    failed = any(row.result is FleetResult.FAILED for row in rows)
    name = context.file(campaign)
    on = None if failed else context.invocation.complete(cli("fleet", following, name))
    context.results.print(
        results_text(verb, rows, context.invocation, on),
        results_json(verb, rows, context.invocation, on),
    )
    if failed:
        raise typer.Exit(Exit.FAILED)


def schema(printing: OutputOptions) -> None:
    """Print the JSON Schema of campaigns, for use in an editor."""
    results_output(printing).print(campaign_schema_text().rstrip(), campaign_schema())
