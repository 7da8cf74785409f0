"""Command tree: every command with its help."""

from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

import vpnmigrate
from vpnmigrate.cli.options import with_flags
from vpnmigrate.cli.plain_values import with_plain_values

NAME = "vpnmigrate"


def _print_result(text: str) -> None:
    """Print *text* as a result: a closed pipe is accepted, a full disk is an error."""
    from vpnmigrate.report.console import TextResults

    TextResults().print(text, {})


def _help(ctx: typer.Context, _option: Any, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        _print_result(ctx.get_help())
        raise typer.Exit


class ResultHelp:
    """A part of a command whose help is printed as a result, and whose values are plain.

    The methods that it calls are those of a Typer class beside it, whose base is private.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, which take plain values without pydantic."""
        return list(map(with_plain_values, super().get_params(ctx)))  # type: ignore[misc]

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option that prints the help."""
        return _printed_as_result(super().get_help_option(ctx))  # type: ignore[misc]


class ResultHelpCommand(ResultHelp, TyperCommand):
    """A command whose help is printed as a result."""


class ResultHelpGroup(ResultHelp, TyperGroup):
    """A group of commands whose help is printed as a result."""


def _printed_as_result(option: Any) -> Any:
    option.callback = _help
    return option


@dataclass(frozen=True)
class CommandEntry:
    """A command that is imported when it is needed."""

    place: str
    """Module and function, below the package ``commands``."""
    help: str
    """The first sentence of the command's own help."""

    def load(self, name: str) -> Any:
        """Import the command and return it as a Typer command called *name*."""
        module, _, function = self.place.partition(":")
        command = getattr(import_module(f"vpnmigrate.cli.commands.{module}"), function)
        single = typer.Typer(rich_markup_mode=None, add_completion=False)
        single.command(name, cls=ResultHelpCommand)(with_flags(command))
        return typer.main.get_command(single)


class LazyCommands(UserDict[str, Any]):
    """Commands by name; an entry is replaced by its command when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, CommandEntry):
            found = self.data[name] = found.load(name)
        return found


class LazyGroup(ResultHelpGroup):
    """A group that imports a command when it is needed; its help imports none."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = LazyCommands({**self.entries, **self.commands})

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands from the entries, without importing them."""
        limit = formatter.width - 6 - max(map(len, self.commands))
        rows = [
            (name, self.entries[name].help)
            if name in self.entries
            else (name, self.commands[name].get_short_help_str(limit))
            for name in self.commands
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class DefaultShowGroup(LazyGroup):
    """A group with the default command ``show``: any other first word is its argument."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert ``show`` if no command is named, not even a misspelt one."""
        first = args[0] if args else "--help"
        if first not in {"-h", "--help"} and not get_close_matches(first, self.commands):
            args = ["show", *args]
        return super().parse_args(ctx, args)


class Report(DefaultShowGroup):
    """The commands of ``report``."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {
        "show": CommandEntry("report:show", "Report what a run did, from its journal."),
        "verify": CommandEntry(
            "report:verify", "Check that a bundle is unchanged since it was packed."
        ),
    }


class PlaybookCommands(LazyGroup):
    """The commands of ``playbook``."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {
        "list": CommandEntry("playbook:list_", "List the playbooks that come with the program."),
        "show": CommandEntry("playbook:show", "Check a playbook and print it with its comments."),
        "schema": CommandEntry(
            "playbook:schema", "Print the JSON Schema of playbooks, for use in an editor."
        ),
    }


class SandboxCommands(LazyGroup):
    """The commands of ``sandbox``."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {
        "serve": CommandEntry(
            "sandbox:serve", "Serve a simulated EC2 API on loopback until interrupted."
        ),
        "scenarios": CommandEntry(
            "sandbox:scenarios", "List the scenarios that come with the program."
        ),
        "device": CommandEntry(
            "sandbox:device", "Enable or disable tunnels on the device of a served sandbox."
        ),
        "advance": CommandEntry("sandbox:advance", "Move the clock of a served sandbox forward."),
    }


class DeviceCommands(LazyGroup):
    """The commands of ``device``."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {
        "files": CommandEntry(
            "device:files",
            "Print the folder of each device: its configurations, AWS's sample and the sheet.",
        ),
        "sheet": CommandEntry(
            "device:sheet", "Print the sheet of one device, with every value but the keys."
        ),
        "sample": CommandEntry(
            "device_sample:sample",
            "Show what is dangerous in AWS's sample configuration for one device.",
        ),
        "types": CommandEntry(
            "device:types",
            "List the kinds of devices for which AWS has a sample configuration.",
        ),
        "config": CommandEntry(
            "device:config",
            "Print the commands for each device: load, enable, back out, remove.",
        ),
        "driver": CommandEntry(
            "device_driver:driver",
            "Show what the driver of one device reports, or let it remove tunnels.",
        ),
    }


class FleetCommands(LazyGroup):
    """The commands of ``fleet``."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {
        "new": CommandEntry(
            "fleet:new", "Write a campaign: the gateways that discover found, in waves."
        ),
        "plan": CommandEntry(
            "fleet:plan", "Survey the gateways of a campaign and write their plans."
        ),
        "rehearse": CommandEntry(
            "fleet:rehearse",
            "Rehearse every plan of a campaign in a sandbox made from its survey.",
        ),
        "status": CommandEntry(
            "fleet_views:status",
            "Show the waves of a campaign, what is under way, and what may be started now.",
        ),
        "serve": CommandEntry(
            "fleet_views:serve",
            "Serve a page with the status of a campaign on loopback until interrupted.",
        ),
        "schema": CommandEntry(
            "fleet:schema", "Print the JSON Schema of campaigns, for use in an editor."
        ),
        "start": CommandEntry(
            "fleet_control:start",
            "Start runs of plans on the workers, or continue runs that wait for an operator.",
        ),
        "rollback": CommandEntry(
            "fleet_control:rollback",
            "Order the rollback of a run or of a wave, also after its migration.",
        ),
        "finalize": CommandEntry(
            "fleet_control:finalize",
            "Order the deletion of the old connections of a verified migration or a wave.",
        ),
        "pause": CommandEntry(
            "fleet_control:pause",
            "Start no further run of the fleet, or pause one run at its next safe point.",
        ),
        "resume": CommandEntry(
            "fleet_control:resume", "End a pause or a stop of the fleet, or the pause of one run."
        ),
        "stop": CommandEntry(
            "fleet_control:stop",
            "Stop all runs of the fleet at their next safe point where traffic flows.",
        ),
        "done": CommandEntry(
            "fleet_control:done",
            "Report that the task of a step is done, at all devices or at one.",
        ),
        "confirm": CommandEntry(
            "fleet_control:confirm",
            "Confirm a migration, so that it is not rolled back automatically.",
        ),
        "abort": CommandEntry(
            "fleet_control:abort",
            "Abort a run: before the cutover it stops, during the cutover it is rolled back.",
        ),
        "approve": CommandEntry(
            "fleet_control:approve",
            "Add the approval in a file, with its signature, to a run; or approve a wave.",
        ),
        "worker": CommandEntry(
            "fleet_worker:worker", "Work on the runs of a fleet until interrupted."
        ),
        "database": CommandEntry(
            "fleet_worker:database", "Create, upgrade or check the schema of a fleet's database."
        ),
    }


class Program(LazyGroup):
    """The commands of the program."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {
        "list": CommandEntry(
            "list:list_", "List virtual private gateways, and whether each can be migrated."
        ),
        "discover": CommandEntry(
            "discover:discover",
            "Find the VPN connections of accounts and Regions, and what can be migrated.",
        ),
        "plan": CommandEntry("plan:plan", "Survey an account and write a plan."),
        "show": CommandEntry("show:show", "Show a plan, or how another plan differs from it."),
        "rehearse": CommandEntry(
            "rehearse:rehearse", "Test a plan and its rollback in a sandbox made from its survey."
        ),
        "runbook": CommandEntry("runbook:runbook", "Write the change document of a plan."),
        "iam-policy": CommandEntry(
            "iam_policy:iam_policy", "Print the least IAM policy that a role needs."
        ),
        "approve": CommandEntry(
            "approve:approve", "Approve a plan, so that its operator can apply it."
        ),
        "apply": CommandEntry("apply:apply", "Apply a plan, or resume a run."),
        "done": CommandEntry(
            "done:done", "Report that the task of a step is done, at all devices or at one."
        ),
        "pause": CommandEntry("orders:pause", "Pause a run at its next safe point."),
        "continue": CommandEntry("orders:continue_", "Continue a paused run."),
        "abort": CommandEntry("orders:abort", "Abort a migration while its process is running."),
        "confirm": CommandEntry(
            "orders:confirm", "Confirm a migration, so that it is not rolled back automatically."
        ),
        "rollback": CommandEntry(
            "rollback:rollback", "Roll back to the gateway and connections from before the run."
        ),
        "finalize": CommandEntry(
            "finalize:finalize", "Delete the old connections of a verified migration."
        ),
        "hand-back": CommandEntry(
            "hand_back:hand_back",
            "Print the changes that Terraform and CloudFormation code needs after a migration.",
        ),
        "status": CommandEntry(
            "status:status",
            "Show whether traffic is up, what is wrong or awaited, and what to type now.",
        ),
        "doctor": CommandEntry(
            "doctor:doctor", "Check this machine, its runs, and the access to AWS."
        ),
        "watchdog": CommandEntry(
            "watchdog:watchdog", "Roll a run back if it is not confirmed in time."
        ),
        "lab": CommandEntry(
            "lab:lab",
            "Migrate a sandbox's connection with real tunnels, routes and packets on this machine.",
        ),
        "demo": CommandEntry(
            "demo:demo", "Show a whole migration in a sandbox; no AWS account needed."
        ),
    }


app = typer.Typer(
    name=NAME,
    cls=Program,
    help="Migrate a VPC from AWS Classic VPN to AWS VPN in eleven steps, with rollback.",
    epilog=(
        "Exit codes: 0 done, 1 failed, 2 usage, 3 held or waiting for an operator, 4 refused, "
        "5 stuck, 6 nothing to migrate, 7 interrupted."
    ),
    # Plain help is the same on every terminal and starts faster, because Rich is not imported.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        _print_result(f"{NAME} {vpnmigrate.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Migrate a VPC from AWS Classic VPN to AWS VPN in eleven steps, with rollback."""
    del version  # Its callback has printed it.
    if ctx.invoked_subcommand is None:
        _print_result(ctx.get_help())


for _name, _kind, _about in (
    ("report", Report, "Report what a run did, and verify evidence bundles."),
    ("playbook", PlaybookCommands, "List and check playbooks: the decisions of a migration."),
    ("device", DeviceCommands, "Show the files and the sheet for the engineer of a device."),
    ("fleet", FleetCommands, "Migrate many gateways: a campaign in waves."),
    ("sandbox", SandboxCommands, "Run a simulated EC2 VPN API on this machine."),
):
    app.add_typer(typer.Typer(rich_markup_mode=None, help=_about, cls=_kind), name=_name)
