"""Command ``device sample``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from vpnmigrate.cli.commands.device import SiteArgument, device_tasks, folder_of, not_archived
from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions, RunId
from vpnmigrate.cli.sites import NamedSite
from vpnmigrate.devices import SAMPLE, SHEET
from vpnmigrate.devices.running_configuration import of_another_device
from vpnmigrate.devices.sample import (
    ComparedNames,
    SampleHazards,
    compared_names,
    hazards_of,
    running_commands,
)
from vpnmigrate.devices.secret import keys_in
from vpnmigrate.local.device_tasks import LARGEST_FILE
from vpnmigrate.local.documents import read_plan
from vpnmigrate.local.text_files import file_bytes
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.report.text import columns, command, item, wrapped

SAMPLE_SCHEMA = "vpnmigrate/device-sample/1"


def sample(
    ctx: typer.Context,
    run: RunId,
    site: SiteArgument,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    existing: Annotated[
        Path | None,
        typer.Option(
            "--existing",
            metavar="FILE",
            help="The running configuration of the device: shows which names of the sample it has.",
        ),
    ] = None,
) -> None:
    """Show what is dangerous in AWS's sample configuration for one device.

    Lists names that would overwrite what the device has, lines that would enable a tunnel
    immediately, and weak algorithms. The sample itself has keys; it is in the file that is named.
    """
    context = command_context(ctx, home, printing)
    found, folder = folder_of(context, run, site)
    path = folder / SAMPLE
    if not path.is_file():
        if not (folder / SHEET).is_file():
            raise not_archived(run)
        raise UsageError(
            f"there is no sample for {found.name}: its sheet has the reason",
            advice=cli("device", "sheet", run, found.connection),
        )
    plan = read_plan(context.runs.find(run).plan)
    gateways = {each.id: each.customer_gateway for each in plan.before.living}
    kind = plan.decisions.device_type_of(gateways[found.connection])
    reading = ("--existing", str(existing)) if existing else ()
    following = cli("device", "config", run, "--site", found.connection, *reading)
    content = file_bytes(path, LARGEST_FILE)
    text, digest = content.decode(errors="replace"), sha256(content).hexdigest()
    context.redaction.learn(keys_in(text))
    hazards = hazards_of(text)
    running = _Running.of(context, run, found, existing, text) if existing else None
    unknown = "unknown: assume that it overwrites names and enables tunnels, and read each line"
    form = ", ".join(hazards.vendors) or unknown
    listed = [
        *_names_listed(hazards, running, text),
        ("would enable a tunnel immediately", hazards.openers or _no_openers(hazards)),
        ("a tunnel stays disabled only with", hazards.disabled),
        ("weak algorithms", hazards.weak),
    ]
    head = [
        ("site", f"{found.name}, {found.connection}, new connection {found.successor}"),
        ("device type", kind or "none"),
        ("file", f"{path}, which has the keys"),
        ("SHA-256", digest),
        ("form", form),
    ]
    intro = "AWS's sample configuration for this device, as step 4 has fetched it. Do not paste it."
    lines = [wrapped(intro), columns(head)]
    lines += [wrapped(note, first="  NOTE: ") for note in (running.notes if running else ())]
    for title, each in listed:
        if each or (hazards.vendors and each is not hazards.disabled):
            lines += [
                wrapped(title, first="  "),
                *(item(line, indent=4) for line in each or ("none found",)),
            ]
    lines += [
        "",
        wrapped("Next: the commands for this device, in blocks, with names that are free:"),
        command(context.invocation.complete(following), first="  "),
    ]
    context.results.print(
        "\n".join(lines),
        {
            "schema": SAMPLE_SCHEMA,
            "run": run,
            "site": found.name,
            "connection": found.connection,
            "successor": found.successor,
            "device_type": kind,
            "file": str(path),
            "sha256": digest,
            "vendors": list(hazards.vendors),
            "names": list(hazards.names),
            "existing": running.as_json() if running else None,
            "openers": list(hazards.openers),
            "disabled": list(hazards.disabled),
            "weak": list(hazards.weak),
        },
    )


def _no_openers(hazards: SampleHazards) -> tuple[str, ...]:
    """Return the text about a sample that enables what it creates without a separate line."""
    return ("no separate line: what the sample creates is enabled",) if hazards.disabled else ()


@dataclass(frozen=True)
class _Running:
    """A running configuration, and which names of the sample it has."""

    file: Path
    names: ComparedNames
    notes: tuple[str, ...]

    @staticmethod
    def of(context: CommandContext, run: str, site: NamedSite, file: Path, sample: str) -> _Running:
        """Return *file* compared with *sample*.

        Raises:
            UsageError: It is not in a form that can be compared.
        """
        commands = running_commands(sample)
        if not commands:
            raise UsageError(
                "the names of this sample cannot be compared with a running configuration",
                advice="leave --existing out",
            )
        ((task, _),) = device_tasks(context, run, site.connection, file)
        names = compared_names(sample, task.existing)
        if names is None:
            raise UsageError(
                f"{file} is not a running configuration of the sample's kind of device",
                advice=f"save what this prints on the device: {' or '.join(commands)}",
            )
        notes = of_another_device(task.existing, task.old.configuration if task.old else None)
        return _Running(file, names, tuple(notes))

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as members of a document."""
        return {
            "file": str(self.file),
            "on_device": [{"name": name, "line": line} for name, line in self.names.on_device],
            "absent": list(self.names.absent),
            "unknown": list(self.names.unknown),
            "notes": list(self.notes),
        }


def _names_listed(
    hazards: SampleHazards, running: _Running | None, sample: str
) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the names of a sample under what is known of them."""
    if running is None:
        possible = bool(hazards.names and running_commands(sample))
        how = " (--existing FILE shows which it has)" if possible else ""
        yield f"would overwrite, if the device has it{how}", hazards.names
        return
    names = running.names
    rows = tuple(f"{name}, line {line} of {running.file}" for name, line in names.on_device)
    yield "WOULD OVERWRITE: the device has it already", rows
    if names.unknown:
        title = "would overwrite, if the device has it; a running configuration does not show that"
        yield title, names.unknown
    yield f"not in {running.file}", names.absent
