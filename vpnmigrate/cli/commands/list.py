"""Command ``list``."""

from __future__ import annotations

from typing import Annotated

import typer

from vpnmigrate.cli.account_reader import account_reader
from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.options import AwsOptions, OutputOptions, RunDirectoryOptions
from vpnmigrate.local.documents import DEFAULT_PLAYBOOK, load_playbook
from vpnmigrate.planning.candidates import candidates
from vpnmigrate.report import candidates as view


def list_(
    ctx: typer.Context,
    aws: AwsOptions,
    printing: OutputOptions,
    playbook: Annotated[
        str,
        typer.Option(
            "--playbook", metavar="NAME|FILE", help="The decisions that the verdicts depend on."
        ),
    ] = DEFAULT_PLAYBOOK,
) -> None:
    """List virtual private gateways, and whether each can be migrated.

    Shows each gateway of the Region with its connections, their category and tunnels, and why it
    cannot be migrated.  Changes nothing in AWS.
    """
    context = command_context(ctx, RunDirectoryOptions(), printing)
    decisions = load_playbook(playbook).decisions
    reader = account_reader(context, aws)
    who = reader.identity()
    found = candidates(reader.surveys(), decisions)
    region = context.dependencies.clients(aws).region
    about = (found, who.account, region, context.invocation)
    context.results.print(view.text(*about), view.as_json(*about))
