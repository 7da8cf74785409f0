"""Command ``doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.health import every_check
from vpnmigrate.cli.options import AwsOptions, OutputOptions, RunDirectoryOptions
from vpnmigrate.cli.support_bundle import support_bundle
from vpnmigrate.local.documents import save_bytes
from vpnmigrate.model.errors import Exit
from vpnmigrate.report import health as view
from vpnmigrate.report.health import healthy


def doctor(
    ctx: typer.Context,
    aws: AwsOptions,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            metavar="FILE",
            help="Also write an archive for support: the checks, and status, plans, journals and "
            "logs of the runs, without pre-shared keys.",
        ),
    ] = None,
) -> None:
    """Check this machine, its runs, and the access to AWS.

    Checks versions, run directory, disk, runs and their locks, credentials, clock, permissions and
    the network path, in about two seconds.  Changes nothing.  Exit code 1 if a check failed.
    """
    context = command_context(ctx, home, printing)
    checks = every_check(context, aws)
    file = "" if bundle is None else context.file(bundle)
    document = view.as_json(checks, file, context.invocation)
    context.results.print(view.text(checks, file, context.invocation), document)
    if bundle is not None:
        save_bytes(support_bundle(context, document), bundle)
    if not healthy(checks):
        raise typer.Exit(Exit.FAILED)
