"""Commands ``device files``, ``sheet``, ``config`` and ``types``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import AwsOptions, OutputOptions, PlanOrRun, RunDirectoryOptions, RunId
from vpnmigrate.cli.run_selection import find_plan
from vpnmigrate.cli.sites import NamedSite, site_named, sites_of
from vpnmigrate.devices import SHEET
from vpnmigrate.devices.blocks import DeviceBlocks, device_blocks, revealed
from vpnmigrate.devices.device_task import DeviceTask
from vpnmigrate.devices.page import page
from vpnmigrate.devices.platforms import Platform, platform_for, platform_named
from vpnmigrate.devices.sheet import without_keys
from vpnmigrate.local.device_tasks import LARGEST_FILE, DeviceTaskReader, text_of
from vpnmigrate.local.documents import read_plan, save_bytes, save_text
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.sealing import sealed
from vpnmigrate.local.text_files import file_bytes
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.report.text import columns, folded_line, wrapped

FILES_SCHEMA = "vpnmigrate/device-files/1"
SHEET_SCHEMA = "vpnmigrate/device-sheet/1"
CONFIG_SCHEMA = "vpnmigrate/device-config/1"
TYPES_SCHEMA = "vpnmigrate/device-types/1"

SiteArgument = Annotated[
    str,
    typer.Argument(metavar="SITE", show_default=False, help="A site, or the id of its connection."),
]


def files(
    ctx: typer.Context, run: RunId, home: RunDirectoryOptions, printing: OutputOptions
) -> None:
    """Print the folder of each device: its configurations, AWS's sample and the sheet.

    The files contain pre-shared keys; only you can read them.
    """
    context = command_context(ctx, home, printing)
    rows = [(site, folder) for site, folder in _folders(context, run) if folder.is_dir()]
    if not rows:
        raise not_archived(run)
    named = [(f"{site.name}, {site.connection}", str(folder)) for site, folder in rows]
    intro = wrapped("The files contain pre-shared keys; only you can read them.")
    context.results.print(f"{intro}\n{columns(named)}", _files_json(run, rows))


def sheet(
    ctx: typer.Context,
    run: RunId,
    site: SiteArgument,
    home: RunDirectoryOptions,
    printing: OutputOptions,
) -> None:
    """Print the sheet of one device, with every value but the keys.

    The pre-shared keys are in the file that it names, which only you can read.
    """
    context = command_context(ctx, home, printing)
    found, folder = folder_of(context, run, site)
    path = folder / SHEET
    if not path.is_file():
        raise not_archived(run)
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
    folded = "\n".join(map(folded_line, text.rstrip().split("\n")))
    context.results.print(f"{head}\n\n{folded}", document)


def types(
    ctx: typer.Context, aws: AwsOptions, home: RunDirectoryOptions, printing: OutputOptions
) -> None:
    """List the kinds of devices for which AWS has a sample configuration.

    With the name for a playbook's device_types, and the platform that device config uses for it.
    """
    from vpnmigrate.aws.archive import device_types

    context = command_context(ctx, home, printing)
    found = device_types(context.dependencies.clients(aws).reader())
    rows = [(each.name, platform_for(each.name).name) for each in found]
    document = [
        {"id": each.id, "name": each.name, "platform": name}
        for each, (_, name) in zip(found, rows, strict=True)
    ]
    context.results.print(columns(rows), {"schema": TYPES_SCHEMA, "types": document})


def config(
    ctx: typer.Context,
    plan_or_run: PlanOrRun,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    site: Annotated[
        str | None,
        typer.Option("--site", metavar="SITE", help="Only this site, or the id of its connection."),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            "--platform",
            metavar="NAME",
            help="Kind of device, such as strongswan-bird or generic. Default: as the playbook's "
            "device_types say.",
        ),
    ] = None,
    existing: Annotated[
        Path | None,
        typer.Option(
            "--existing",
            metavar="FILE",
            help="The running configuration of the device: its names, numbers and addresses are "
            "avoided, and its old tunnels found. Needs --site.",
        ),
    ] = None,
    templates: Annotated[
        Path | None,
        typer.Option(
            "--templates",
            metavar="DIR",
            help="Folder with your own templates, NAME/commands.j2; they take precedence.",
        ),
    ] = None,
    with_keys: Annotated[
        Path | None,
        typer.Option(
            "--with-keys",
            metavar="FILE",
            help="Write the commands with their pre-shared keys to this file, which only you can "
            "read, instead of printing them. Needs --site.",
        ),
    ] = None,
    seal_to: Annotated[
        Path | None,
        typer.Option(
            "--seal-to",
            metavar="KEYFILE",
            help="Encrypt the device's folder and its commands, with keys, to this age or SSH "
            "public key. Needs --site; writes --output.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The sealed archive. Default: CONNECTION.tar.age.",
        ),
    ] = None,
) -> None:
    """Print the commands for each device: load, enable, back out, remove.

    Five blocks with the signal to begin, what the device shows then, and the time.  Pre-shared
    keys are not printed.  The commands of a plan that has no run yet have placeholders.
    """
    context = command_context(ctx, home, printing)
    about_one = {"--existing": existing, "--with-keys": with_keys, "--seal-to": seal_to}
    if site is None and (given := [name for name, value in about_one.items() if value]):
        raise UsageError(f"{given[0]} is about one device", advice="give its --site too")
    if (with_keys and seal_to) or (output and not seal_to):
        raise UsageError(
            "--with-keys writes a private file, --seal-to an encrypted one, which -o names",
            advice="give one of --with-keys FILE, and --seal-to KEYFILE -o FILE",
        )
    tasks = device_tasks(context, plan_or_run, site, existing)
    more = _UserTemplates(templates)
    chosen = [(task, _platform_of(platform, kind, more)) for task, kind in tasks]
    if with_keys is not None or seal_to is not None:
        _require_configuration(chosen[0][0], plan_or_run)
    if with_keys is not None:
        (task, kind) = chosen[0]
        _save_private(page(device_blocks(task, kind, more, revealed), more), with_keys)
        has_keys = task.new.configuration is not None and task.new.configuration.keys
        keys = "pre-shared keys" if has_keys else "no pre-shared key: EC2 shows none"
        text = wrapped(f"Wrote {with_keys}. It contains {keys}; only you can read it.")
        context.results.print(text, {"schema": CONFIG_SCHEMA, "file": str(with_keys)})
        return
    if seal_to is not None:
        (task, kind) = chosen[0]
        folder = task.new.connection or "device"
        path = output or Path(f"{folder}.tar.age")
        files = _sealed_files(device_blocks(task, kind, more, revealed), more)
        save_bytes(sealed({f"{folder}/{name}": files[name] for name in files}, seal_to), path)
        text = wrapped(
            f"Wrote {path}, encrypted to the keys in {seal_to}. Its owner opens it with: "
            f"age -d -i PRIVATE-KEY {path} | tar x; the commands are then in {folder}/commands.txt"
        )
        context.results.print(text, {"schema": CONFIG_SCHEMA, "sealed": str(path)})
        return
    rendered = [device_blocks(task, kind, more) for task, kind in chosen]
    document = {"schema": CONFIG_SCHEMA, "devices": [_blocks_json(each) for each in rendered]}
    context.results.print("\n".join(page(each, more) for each in rendered).rstrip(), document)


def _require_configuration(task: DeviceTask, plan_or_run: str) -> None:
    """Check that step 4 has written the configuration of the new connection.

    Raises:
        UsageError: It has not, so a file for the engineer would have neither values nor keys.
    """
    if task.new.configuration is None:
        raise UsageError(
            f"{task.site}: step 4 has not written the new connection's configuration yet, so there "
            "are no keys",
            advice=cli("apply", plan_or_run, "--until", "cutover"),
        )


def _save_private(text: str, path: Path) -> None:
    # A link may lead to this process's output, as /dev/stdout does.
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise UsageError(
            f"{path} is not a regular file; keys are not printed", advice="give another file"
        )
    save_text(text, path)


def _sealed_files(blocks: DeviceBlocks, more: _UserTemplates) -> dict[str, bytes]:
    """Return what the engineer needs: the commands, the files that they write, and the folder."""
    found = {"commands.txt": page(blocks, more).encode()}
    found |= {f"files{file.path}": file.text.encode() for file in blocks.files}
    place = Path(blocks.task.new.key_place)
    if place.is_file():
        for path in sorted(place.parent.iterdir()):
            found[path.name] = file_bytes(path, LARGEST_FILE)
    return found


class _UserTemplates:
    """Templates below a folder of the user; none without one."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def __call__(self, path: str) -> str | None:
        """Return the text of the template *path*, or None."""
        if self._folder is None:
            return None
        file = self._folder / path
        return text_of(file) if file.is_file() else None


def _platform_of(given: str | None, device_type: str | None, more: _UserTemplates) -> Platform:
    return platform_for(device_type) if given is None else platform_named(given, more)


def device_tasks(
    context: CommandContext, plan_or_run: str, site: str | None, existing: Path | None
) -> list[tuple[DeviceTask, str | None]]:
    """Return what has to be done at each device, with the device type that the plan names."""
    _, plan, started = find_plan(context, plan_or_run)
    run = context.runs.find(started) if started else None
    reader = DeviceTaskReader(plan, run.vault if run else None, context.redaction.learn)
    sites = sites_of(plan, read_journal(run).entries if run else ())
    chosen = sites if site is None else (site_named(site, sites),)
    text = text_of(existing) if existing else ""
    gateways = {c.id: c.customer_gateway for c in plan.before.living}
    return [
        (
            reader.task_of(plan.migration, each.name, each.connection, each.successor, text),
            plan.decisions.device_type_of(gateways[each.connection]),
        )
        for each in chosen
    ]


def _blocks_json(blocks: DeviceBlocks) -> dict[str, Any]:
    return {
        "site": blocks.task.site,
        "connection": blocks.task.old.connection if blocks.task.old else "",
        "successor": blocks.task.new.connection,
        "platform": blocks.platform.name,
        "notes": list(blocks.notes),
        "placeholders": list(blocks.placeholders),
        "unused": list(blocks.unused),
        "blocks": [
            {
                "name": block.name,
                "title": block.title,
                "begin": block.signal,
                "time": block.duration,
                "commands": block.commands,
                "checks": [{"show": c.command, "expected": c.expected} for c in block.checks],
                "after": block.after,
                "say": block.message,
            }
            for block in blocks.blocks
        ],
    }


def _folders(context: CommandContext, run_id: str) -> list[tuple[NamedSite, Path]]:
    """Return each site with the folder of its new connection."""
    run = context.runs.find(run_id)
    return [
        (site, run.vault / (site.successor or site.connection))
        for site in sites_of(read_plan(run.plan), read_journal(run).entries)
    ]


def folder_of(context: CommandContext, run_id: str, site: str) -> tuple[NamedSite, Path]:
    """Return the site that *site* names, with the folder of its new connection."""
    folders = dict(_folders(context, run_id))
    found = site_named(site, tuple(folders))
    return found, folders[found]


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


def not_archived(run: str) -> UsageError:
    """Return the error of a run that has no device files."""
    return UsageError(
        f"run {run} has no device files yet: step 4 writes them", advice=cli("status", run)
    )
