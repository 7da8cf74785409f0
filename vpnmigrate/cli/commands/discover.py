"""Command ``discover``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import replace

from vpnmigrate.aws.accounts import AccountSource, identity_of, organization_accounts
from vpnmigrate.cli.commands.plan import DEFAULT_PLAYBOOK
from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.discovery import RegionChoice, read_accounts
from vpnmigrate.cli.options import AwsOptions, OutputOptions, RunDirectoryOptions
from vpnmigrate.engine.call_limits import SURVEY_LIMIT, unattended
from vpnmigrate.errors import Exit, UsageError
from vpnmigrate.local.documents import load_playbook, save_text, text_file
from vpnmigrate.model.discovery import AccountTarget, ClosedAccount, OrganizationMember
from vpnmigrate.planning.discovery import DiscoveryResult, discovered
from vpnmigrate.planning.discovery_targets import (
    organization_targets,
    role_target,
    targets_from_file,
)
from vpnmigrate.report import discovery as view
from vpnmigrate.report.discovery_page import html
from vpnmigrate.report.discovery_table import csv_text

JOBS = 8
"""Half of a core's work; see docs/performance.md."""
MOST_JOBS = 64


def discover(
    ctx: typer.Context,
    printing: OutputOptions,
    regions: Annotated[
        list[str] | None,
        typer.Option("--region", metavar="REGION", help="A Region to read. Repeatable."),
    ] = None,
    all_regions: Annotated[
        bool, typer.Option("--all-regions", help="Read every Region that an account has enabled.")
    ] = False,
    role_arn: Annotated[
        list[str] | None,
        typer.Option(
            "--role-arn", metavar="ARN", help="Read the account of this role. Repeatable."
        ),
    ] = None,
    organization: Annotated[
        str | None,
        typer.Option(
            "--organization",
            metavar="ROLE",
            help="Read every account of the organization, through its role of this name.",
        ),
    ] = None,
    accounts: Annotated[
        Path | None,
        typer.Option(
            "--accounts",
            metavar="FILE",
            help="Read the accounts of a file: on each line a role ARN or profile:NAME, and "
            "Regions if they differ from those of the command line.",
        ),
    ] = None,
    playbook: Annotated[
        str,
        typer.Option(
            "--playbook", metavar="NAME|FILE", help="The decisions that the verdicts depend on."
        ),
    ] = DEFAULT_PLAYBOOK,
    jobs: Annotated[
        int,
        typer.Option("--jobs", min=1, max=MOST_JOBS, help="Regions that are read at a time."),
    ] = JOBS,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a table for a spreadsheet: a connection a row.")
    ] = False,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Also write this file: .html for a page to hand around, .csv or .json. "
            "Repeatable.",
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="AWS credentials profile.")
    ] = None,
    endpoint_url: Annotated[
        str | None,
        typer.Option("--endpoint-url", metavar="URL", help="EC2-compatible server to use."),
    ] = None,
) -> None:
    """Find the VPN connections of accounts and Regions, and what can be migrated.

    Shows each connection with its gateway, VPC, tables, device and who else uses it, by what can
    be migrated, what cannot and why.  What cannot be read is listed, and the exit code is 1.
    Changes nothing in AWS.
    """
    if regions and all_regions:
        raise UsageError(
            "--region and --all-regions exclude each other",
            advice="with --all-regions, AWS_DEFAULT_REGION is the Region to ask first",
        )
    if as_csv and printing.json:
        raise UsageError("--csv and --json exclude each other", advice="run it once for each")
    for file in output or ():
        _require_form(file)
    context = command_context(ctx, RunDirectoryOptions(), printing)
    decisions = load_playbook(playbook).decisions
    given = [*map(role_target, role_arn or ())]
    if accounts is not None:
        given += targets_from_file(text_file(accounts), str(accounts))
    aws = AwsOptions(endpoint_url, profile, regions[0] if regions else None)
    source = context.parts.accounts(aws, jobs)
    closed: tuple[ClosedAccount, ...] = ()
    if organization is not None:
        members, closed = _organization(source, context, organization)
        given += members
    choice = RegionChoice(tuple(regions or (source.home.region,)), every=all_regions)
    targets = given or [AccountTarget()]
    found = read_accounts(context, source, targets, choice, jobs)
    result = discovered(replace(found, closed=closed), decisions)
    document = view.as_json(result, context.invocation)
    for file in output or ():
        save_text(_FORMS[file.suffix](result, document, context), file)
    context.results.print(
        csv_text(result) if as_csv else view.text(result, context.invocation), document
    )
    if result.unread:
        raise typer.Exit(Exit.FAILED)


Form = Callable[[DiscoveryResult, Mapping[str, Any], CommandContext], str]


def _html(result: DiscoveryResult, _document: Mapping[str, Any], context: CommandContext) -> str:
    return context.redaction.text(html(result, context.parts.clock.wall()))


def _csv(result: DiscoveryResult, _document: Mapping[str, Any], context: CommandContext) -> str:
    return context.redaction.text(f"{csv_text(result)}\n")


def _json(_result: DiscoveryResult, document: Mapping[str, Any], context: CommandContext) -> str:
    return f"{json.dumps(context.redaction.value(document), indent=2)}\n"


_FORMS: dict[str, Form] = {".html": _html, ".csv": _csv, ".json": _json}


def _require_form(file: Path) -> None:
    """Check that there is a form for the suffix of *file*.

    Raises:
        UsageError: There is none.
    """
    if file.suffix not in _FORMS:
        raise UsageError(
            f"{file}: a discovery is written as HTML, CSV or JSON",
            advice="give -o a file that ends in .html, .csv or .json",
        )


def _organization(
    source: AccountSource, context: CommandContext, role: str
) -> tuple[tuple[AccountTarget, ...], tuple[ClosedAccount, ...]]:
    """Return the accounts of the organization, and those that AWS has closed."""
    calls = context.parts.calls(source.home)

    def read() -> tuple[Sequence[OrganizationMember], str]:
        who = identity_of(source.home, context.parts.clock)
        return organization_accounts(source.home), who.account

    members, own = calls.read("organizations:ListAccounts", SURVEY_LIMIT, read, unattended)
    return organization_targets(members, own, role, source.home.region)
