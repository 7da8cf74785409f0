"""Command ``runbook``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.options import OutputOptions, PlanFile, RunDirectoryOptions
from vpnmigrate.cli.sites import NamedSite, sites_of
from vpnmigrate.devices.blocks import DeviceCheck, device_blocks
from vpnmigrate.devices.device_task import DeviceSide, DeviceTask
from vpnmigrate.devices.platforms import platform_for
from vpnmigrate.local.documents import load_plan, save_text
from vpnmigrate.model.decisions import OldTunnels
from vpnmigrate.model.errors import RefusedError, UsageError
from vpnmigrate.model.errors.commands import Invocation, cli
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.rehearse import Rehearsal, rehearse
from vpnmigrate.report.runbook import runbook_of
from vpnmigrate.report.runbook.content import EngineerBlock, EngineerPage, FilledIn, Runbook
from vpnmigrate.report.runbook.render import html, markdown
from vpnmigrate.report.runbook.schedule import schedule_of


def runbook(
    ctx: typer.Context,
    plan: PlanFile,
    printing: OutputOptions,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write; the suffix selects the format: .md or .html.",
        ),
    ] = None,
    change: Annotated[
        str,
        typer.Option("--change", metavar="NUMBER", help="The change number, if the plan has none."),
    ] = "",
    person: Annotated[
        list[str] | None,
        typer.Option(
            "--person",
            metavar="ROLE=NAME",
            help="Fill in who has a role, such as 'operator=Ann Lee'. Repeatable.",
        ),
    ] = None,
) -> None:
    """Write the change document of a plan.

    Contains impact, checks, gates, timed steps, the rollback, and the AWS CLI commands of each
    step.  Writes Markdown to standard output, or a file.  To get the times, rehearses the plan in
    this process; reads no credentials and opens no connection.  Its commands contain the path of
    the plan and the settings of this environment.
    """
    from vpnmigrate.report.runbook.render import as_json

    context = command_context(ctx, RunDirectoryOptions(), printing)
    write = as_markdown if output is None else writer_for(output)
    planned = load_plan(plan)
    engineers = engineer_pages(planned, context.invocation)
    filled = FilledIn(change, tuple(map(_person, person or ())), engineers)
    rehearsal = rehearsed(planned, context.file(plan), context.console.print_line)
    book = runbook_of(planned, rehearsal, context.file(plan), context.invocation, filled)
    text = write(book, planned, rehearsal)
    if output is not None:
        save_text(text, output)
        text = f"wrote {output}"
    context.results.print(text.rstrip("\n"), as_json(book))


def engineer_pages(plan: Plan, invocation: Invocation) -> tuple[EngineerPage, ...]:
    """Return a page for the engineer of each device; the commands have no values yet."""
    return tuple(_engineer_page(plan, site, invocation) for site in sites_of(plan, ()))


def _engineer_page(plan: Plan, site: NamedSite, invocation: Invocation) -> EngineerPage:
    old = next(each for each in plan.before.living if each.id == site.connection)
    kind = plan.decisions.device_type_of(old.customer_gateway)
    after, before = (DeviceSide(each, planned_static=old.static_only) for each in ("", old.id))
    left = plan.decisions.old_tunnels is OldTunnels.LEAVE
    task = DeviceTask(plan.migration, site.name, after, before, leaves_old=left)
    blocks = device_blocks(task, platform_for(kind))
    words = ("config", plan.migration, "--site", site.connection)
    return EngineerPage(
        site.name,
        site.connection,
        kind or blocks.platform.title,
        str(invocation.complete(cli("device", *words))),
        str(invocation.complete(cli("device", *words, "--seal-to", "KEYFILE"))),
        tuple(
            EngineerBlock(
                block.title,
                block.signal.replace("`", ""),
                block.duration,
                tuple(dict.fromkeys(map(_of_any_tunnel, block.checks))),
                block.after.replace("`", ""),
                block.message,
            )
            for block in blocks.blocks
        ),
    )


def _of_any_tunnel(check: DeviceCheck) -> tuple[str, str]:
    """Return *check* for each tunnel alike: the placeholders of a plan differ in the number."""
    command, expected = (
        re.sub(r" tunnel \d+>", " tunnel>", text) for text in (check.command, check.expected)
    )
    return command, expected


Writer = Callable[[Runbook, Plan, Rehearsal], str]


def as_markdown(book: Runbook, plan: Plan, rehearsal: Rehearsal) -> str:
    """Return the runbook as Markdown, which has no pictures of *plan* and *rehearsal*."""
    del plan, rehearsal
    return markdown(book)


def as_html(book: Runbook, plan: Plan, rehearsal: Rehearsal) -> str:
    """Return the runbook as one page with pictures of *plan* and *rehearsal*."""
    return html(book, plan, schedule_of(plan, rehearsal))


_WRITERS: dict[str, Writer] = {".md": as_markdown, ".html": as_html}


def _person(given: str) -> tuple[str, str]:
    role, equals, name = given.partition("=")
    if not equals or not role.strip() or not name.strip():
        raise UsageError(
            f"--person {given!r} is not ROLE=NAME",
            advice="for example: --person 'operator=Ann Lee'",
        )
    return role, name.strip()


def writer_for(file: Path) -> Writer:
    """Return the writer of the format that the suffix of *file* selects.

    Raises:
        UsageError: No format has this suffix.
    """
    if file.suffix not in _WRITERS:
        raise UsageError(
            f"{file}: a runbook is Markdown or HTML",
            advice="give -o a file that ends in .md or .html",
        )
    return _WRITERS[file.suffix]


def rehearsed(plan: Plan, file: str, tell: Callable[[str], None]) -> Rehearsal:
    """Return the rehearsal of *plan*, whose name in a message is *file*.

    Raises:
        RefusedError: The rehearsal failed, so the plan should not be applied.
    """
    rehearsal = rehearse(plan, tell)
    if not rehearsal.good:
        raise RefusedError(
            f"the rehearsal of {file} failed, so there is no runbook for it",
            advice=cli("rehearse", file),
        )
    return rehearsal
