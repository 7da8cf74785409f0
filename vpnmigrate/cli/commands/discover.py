"""Command ``discover``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import replace

from vpnmigrate.aws.accounts import AccountSource, identity_of, organization_accounts
from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.discovery import RegionChoice, read_accounts
from vpnmigrate.cli.options import AwsOptions, OutputOptions, RunDirectoryOptions
from vpnmigrate.engine.call_limits import SURVEY_LIMIT, no_wait_check
from vpnmigrate.local.documents import (
    DEFAULT_PLAYBOOK,
    load_playbook,
    require_no_input,
    save_text,
    text_file,
)
from vpnmigrate.model.discovery import AccountTarget, ClosedAccount, OrganizationMember
from vpnmigrate.model.errors import Exit, UsageError
from vpnmigrate.model.errors.commands import cli, option, options
from vpnmigrate.planning.discovery import DiscoveryGroup, discovered
from vpnmigrate.planning.discovery_targets import (
    organization_targets,
    role_target,
    targets_from_file,
)
from vpnmigrate.report import discovery as view
from vpnmigrate.report.discovery_page import html
from vpnmigrate.report.discovery_table import csv_text
from vpnmigrate.report.text import advised

JOBS = 8
"""Half of a core's work; see docs/performance.md."""
MOST_JOBS = 64
_FORMS = (".html", ".csv", ".json")
_CLOSURE_FORMS = (".html", ".md", ".json")


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
    gateway: Annotated[
        str | None,
        typer.Option(
            "--gateway",
            metavar="ID",
            help="Show all that a migration of this gateway changes, and all that it may disturb.",
        ),
    ] = None,
    terraform_state: Annotated[
        list[Path] | None,
        typer.Option(
            "--terraform-state",
            metavar="FILE",
            help="With --gateway: find its resources in this state file. Repeatable.",
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
        bool,
        typer.Option(
            "--csv", help="Print a table for a spreadsheet, with a row for each connection."
        ),
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

    Shows each connection with its gateway, VPC, tables, device and the other users of the device,
    grouped by whether it can be migrated, with the reason if it cannot.  With --gateway: all that a
    migration of one gateway changes and may disturb.  What cannot be read is listed, and the exit
    code is 1.  Changes nothing in AWS.
    """
    if gateway is None and terraform_state:
        raise UsageError("--terraform-state needs --gateway", advice="add the gateway's id")
    if regions and all_regions:
        raise UsageError(
            "--region and --all-regions exclude each other",
            advice="with --all-regions, AWS_DEFAULT_REGION is asked for the list of Regions",
        )
    if as_csv and printing.json:
        raise UsageError("--csv and --json exclude each other", advice="run it once for each")
    for file in output or ():
        _require_form(file, _FORMS if gateway is None else _CLOSURE_FORMS)
        require_no_input(file, (accounts, playbook, *(terraform_state or ())))
    context = command_context(ctx, RunDirectoryOptions(), printing)
    given = [*map(role_target, role_arn or ())]
    if accounts is not None:
        given += targets_from_file(text_file(accounts), str(accounts))
    aws = AwsOptions(endpoint_url, profile, regions[0] if regions else None)
    if gateway is not None:
        many = all_regions or as_csv or organization or len(regions or ()) > 1 or len(given) > 1
        if many:
            raise UsageError(
                "--gateway is one gateway: name one account and one Region, without --csv",
                advice="for example --gateway vgw-11aa22bb --region eu-west-1 --role-arn ARN",
            )
        target = given[0] if given else AccountTarget()
        _show_closure(context, aws, target, ClosureFiles(gateway, terraform_state, output))
        return
    decisions = load_playbook(playbook).decisions
    source = context.dependencies.accounts(aws, jobs)
    closed: tuple[ClosedAccount, ...] = ()
    if organization is not None:
        members, closed = _organization(source, context, organization)
        given += members
    choice = RegionChoice(tuple(regions or (source.home.region,)), every=all_regions)
    targets = given or [AccountTarget()]
    found = read_accounts(context, source, targets, choice, jobs)
    result = discovered(replace(found, closed=closed), decisions)
    document = view.as_json(result, context.invocation)
    forms = {
        ".html": lambda: html(result, context.dependencies.clock.wall()),
        ".csv": lambda: f"{csv_text(result)}\n",
    }
    _save(output, forms, document, context)
    text = csv_text(result) if as_csv else view.text(result, context.invocation)
    saved = next((file for file in output or () if file.suffix == ".json"), None)
    if saved is not None and not as_csv and result.of(DiscoveryGroup.CAN):
        roles = [
            *options("--role-arn", role_arn or ()),
            *(option("--organization", organization) if organization is not None else ()),
        ]
        chosen = () if playbook == DEFAULT_PLAYBOOK else option("--playbook", playbook)
        new = context.invocation.complete(cli("fleet", "new", context.file(saved), *roles, *chosen))
        text += "\n\n" + advised(("to migrate them in waves:", new))
    context.results.print(text, document)
    if result.unread:
        raise typer.Exit(Exit.FAILED)


@dataclass(frozen=True)
class ClosureFiles:
    """What the closure of a gateway is made from, and the files it is written to."""

    gateway: str
    states: Sequence[Path] | None
    output: Sequence[Path] | None


def _show_closure(
    context: CommandContext, aws: AwsOptions, target: AccountTarget, files: ClosureFiles
) -> None:
    from vpnmigrate.cli.closure import read_closure
    from vpnmigrate.report import closure as closure_view
    from vpnmigrate.report import document as document_forms

    source = context.dependencies.accounts(aws, 1)
    target = replace(target, regions=target.regions or (source.home.region,))
    found = read_closure(context, source, target, files.gateway, files.states or ())
    shown = closure_view.document(found)
    document = closure_view.as_json(found)
    forms = {
        ".html": lambda: document_forms.html(shown),
        ".md": lambda: document_forms.markdown(shown),
    }
    _save(files.output, forms, document, context)
    context.results.print(document_forms.text(shown), document)
    if found.unread:
        raise typer.Exit(Exit.FAILED)


def _save(
    files: Iterable[Path] | None,
    forms: Mapping[str, Callable[[], str]],
    document: Mapping[str, Any],
    context: CommandContext,
) -> None:
    """Write each of *files* in the form of its ending; ``.json`` has *document*."""
    for file in files or ():
        if file.suffix == ".json":
            # Value by value: in the whole text, a key's element could take the rest with it.
            text = f"{json.dumps(context.redaction.value(document), indent=2)}\n"
        else:
            text = context.redaction.text(forms[file.suffix]())
        save_text(text, file)


def _require_form(file: Path, forms: Sequence[str]) -> None:
    """Check that the ending of *file* is one of *forms*.

    Raises:
        UsageError: There is none.
    """
    if file.suffix not in forms:
        raise UsageError(
            f"{file}: the file type is unknown",
            advice=f"give -o a file that ends in {', '.join(forms)}",
        )


def _organization(
    source: AccountSource, context: CommandContext, role: str
) -> tuple[tuple[AccountTarget, ...], tuple[ClosedAccount, ...]]:
    """Return the accounts of the organization, and those that AWS has closed."""
    calls = context.dependencies.calls(source.home)

    def read() -> tuple[Sequence[OrganizationMember], str]:
        who = identity_of(source.home, context.dependencies.clock)
        return organization_accounts(source.home), who.account

    members, own = calls.read("organizations:ListAccounts", SURVEY_LIMIT, read, no_wait_check)
    return organization_targets(members, own, role, source.home.region)
