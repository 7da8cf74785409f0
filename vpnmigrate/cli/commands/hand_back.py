"""Command ``hand-back``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.closure import resources_of_state
from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions, RunId
from vpnmigrate.journal import replay
from vpnmigrate.journal.history import made_by
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.documents import load_plan, require_no_input, save_text
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.planning.hand_back import hand_back as handed_back
from vpnmigrate.report import hand_back as view

_MIGRATED = frozenset({RunStatus.CUT_OVER, RunStatus.FINALIZING, RunStatus.FINALIZED})


def hand_back(
    ctx: typer.Context,
    run: RunId,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    terraform_state: Annotated[
        list[Path] | None,
        typer.Option(
            "--terraform-state",
            metavar="FILE",
            help="A Terraform state that owns old resources (terraform state pull). Repeatable.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File to write, such as vpn.tf."),
    ] = None,
) -> None:
    """Print the changes that Terraform and CloudFormation code needs after a migration.

    A Terraform file of import, removed and moved blocks, with the check list in its comments, so
    that the next apply does not undo the migration.  Reads files only, and changes nothing.
    """
    context = command_context(ctx, home, printing)
    if output is not None:
        require_no_input(output, terraform_state or ())
    resources = [each for file in terraform_state or () for each in resources_of_state(file)]
    found = context.runs.find(run)
    entries = read_journal(found).entries
    status = replay(entries).status
    if status not in _MIGRATED:
        raise RefusedError(
            f"{run} is {status.value}: the new connections do not carry the traffic",
            advice=("its state:", cli("status", run)),
        )
    result = handed_back(load_plan(found.plan), made_by(entries), resources)
    text = view.text(result, run)
    if output is not None:
        save_text(text, output)
    context.results.print(text.rstrip("\n"), view.as_json(result, run))
