"""Commands ``device files`` and ``device sheet``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions, RunId
from vpnmigrate.cli.run_status import status_view_of
from vpnmigrate.cli.sites import NamedSite, site_named, sites_of
from vpnmigrate.devices.sheet import without_keys
from vpnmigrate.errors import UsageError
from vpnmigrate.errors.commands import cli
from vpnmigrate.local.documents import read_plan
from vpnmigrate.report.text import columns, wrapped

FILES_SCHEMA = "vpnmigrate/device-files/1"
SHEET_SCHEMA = "vpnmigrate/device-sheet/1"
SHEET = "sheet.md"


def files(
    ctx: typer.Context, run: RunId, home: RunDirectoryOptions, printing: OutputOptions
) -> None:
    """Print the folder of each device: its configurations, AWS's sample and the sheet.

    The files contain pre-shared keys; only you can read them.
    """
    context = command_context(ctx, home, printing)
    rows = [(site, folder) for site, folder in _folders(context, run) if folder.is_dir()]
    if not rows:
        raise _not_archived(run)
    named = [(f"{site.name}, {site.connection}", str(folder)) for site, folder in rows]
    intro = wrapped("The files contain pre-shared keys; only you can read them.")
    context.results.print(f"{intro}\n{columns(named)}", _files_json(run, rows))


def sheet(
    ctx: typer.Context,
    run: RunId,
    site: Annotated[
        str,
        typer.Argument(
            metavar="SITE", show_default=False, help="A site, or the id of its connection."
        ),
    ],
    home: RunDirectoryOptions,
    printing: OutputOptions,
) -> None:
    """Print the sheet of one device, with every value but the keys.

    The pre-shared keys are in the file that it names, which only you can read.
    """
    context = command_context(ctx, home, printing)
    folders = dict(_folders(context, run))
    found = site_named(site, tuple(folders))
    path = folders[found] / SHEET
    if not path.is_file():
        raise _not_archived(run)
    text = without_keys(path.read_text(encoding="utf-8"))
    head = wrapped(f"Without its pre-shared keys, which are in {path}")
    document = {
        "schema": SHEET_SCHEMA,
        "run": run,
        "connection": found.connection,
        "successor": found.successor,
        "file": str(path),
        "text": text,
    }
    context.results.print(f"{head}\n\n{text.rstrip()}", document)


def _folders(context: CommandContext, run_id: str) -> list[tuple[NamedSite, Path]]:
    """Return each site with the folder of its new connection."""
    run = context.runs.find(run_id)
    view = status_view_of(context, run)
    vault = Path(view.folder) / "vault"
    return [
        (site, vault / (site.successor or site.connection))
        for site in sites_of(read_plan(run.plan), view.entries)
    ]


def _files_json(run: str, rows: list[tuple[NamedSite, Path]]) -> dict[str, Any]:
    return {
        "schema": FILES_SCHEMA,
        "run": run,
        "devices": [
            {
                "site": site.name,
                "connection": site.connection,
                "successor": site.successor,
                "folder": str(folder),
                "files": sorted(path.name for path in folder.iterdir()),
            }
            for site, folder in rows
        ],
    }


def _not_archived(run: str) -> UsageError:
    return UsageError(
        f"run {run} has no device files yet: step 4 writes them", advice=cli("status", run)
    )
