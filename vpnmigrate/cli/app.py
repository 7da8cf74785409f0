"""Command tree: every command with its help."""

from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

import vpnmigrate
from vpnmigrate.cli.options import with_flags

NAME = "vpnmigrate"


def _give(text: str) -> None:
    """Print *text* as results are: a reader that leaves is no failure, and a full disk is one."""
    from vpnmigrate.report.console import TextResults

    TextResults().print(text, {})


def _help(ctx: typer.Context, _option: Any, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        _give(ctx.get_help())
        raise typer.Exit


class ResultHelpCommand(TyperCommand):
    """A verb whose help is a result."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option that prints the help."""
        return _ours(super().get_help_option(ctx))


class ResultHelpGroup(TyperGroup):
    """Verbs under a common name, whose help is a result."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option that prints the help."""
        return _ours(super().get_help_option(ctx))


def _ours(option: Any) -> Any:
    """Let the help *option* print as everything else here does."""
    option.callback = _help
    return option


@dataclass(frozen=True)
class CommandEntry:
    """A command that is imported when it is called for."""

    place: str
    """Module and function, below the package of commands."""
    help: str
    """The first sentence of the command's own help."""

    def load(self, name: str) -> Any:
        """Import the command and return it as Typer has it, under *name*."""
        module, _, function = self.place.partition(":")
        verb = getattr(import_module(f"vpnmigrate.cli.commands.{module}"), function)
        single = typer.Typer(rich_markup_mode=None, add_completion=False)
        single.command(name, cls=ResultHelpCommand)(with_flags(verb))
        return typer.main.get_command(single)


class Loading(UserDict[str, Any]):
    """Commands by name; an entry becomes its command when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, CommandEntry):
            found = self.data[name] = found.load(name)
        return found


class LazyGroup(ResultHelpGroup):
    """A group that imports a command when it is called for; help lists them all without that."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = Loading({**self.entries, **self.commands})

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands from the entries, importing none."""
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
    """A group whose verb ``show`` may be left out: what names no other verb is its argument."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the verb in where it is missing."""
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


class Report(DefaultShowGroup):
    """The commands of ``report``."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {
        "show": CommandEntry("report:show", "Tell what a run did, for whoever was not there."),
        "verify": CommandEntry(
            "report:verify", "Say whether a bundle is as it was packed, and what it cannot prove."
        ),
    }


class PlaybookCommands(LazyGroup):
    """The commands of ``playbook``."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {
        "list": CommandEntry("playbook:list_", "List the playbooks that come with the program."),
        "show": CommandEntry("playbook:show", "Check a playbook and print it with its comments."),
        "schema": CommandEntry(
            "playbook:schema", "Print the JSON Schema of playbooks, for an editor."
        ),
    }


class SandboxCommands(LazyGroup):
    """The commands of ``sandbox``."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {
        "serve": CommandEntry("sandbox:serve", "Serve the EC2 API on loopback until interrupted."),
        "scenarios": CommandEntry(
            "sandbox:scenarios", "List the scenarios that come with the program."
        ),
        "device": CommandEntry(
            "sandbox:device", "Enable or disable tunnels on a served sandbox's device."
        ),
        "advance": CommandEntry("sandbox:advance", "Put a served sandbox's clock forward."),
    }


class Program(LazyGroup):
    """The commands of the program."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {
        "plan": CommandEntry("plan:plan", "Survey an account and write a plan."),
        "rehearse": CommandEntry(
            "rehearse:rehearse", "Try a plan on a sandbox of its own survey, both ways."
        ),
        "runbook": CommandEntry("runbook:runbook", "Write the change document of a plan."),
        "approve": CommandEntry(
            "approve:approve", "Approve a plan as it is, for whoever carries it out."
        ),
        "apply": CommandEntry("apply:apply", "Carry a plan out, or go on with a run."),
        "done": CommandEntry("done:done", "Say that the task of a step is done."),
        "pause": CommandEntry("orders:pause", "Let a run rest at its next safe point."),
        "continue": CommandEntry("orders:continue_", "Let a paused run go on."),
        "abort": CommandEntry("orders:abort", "Give a migration up while its process is at work."),
        "confirm": CommandEntry(
            "orders:confirm", "Confirm a migration that would go back by itself."
        ),
        "rollback": CommandEntry("rollback:rollback", "Bring back what was there before."),
        "finalize": CommandEntry(
            "finalize:finalize", "Delete the old connections of a verified migration."
        ),
        "status": CommandEntry("status:status", "Tell where runs stand."),
        "watchdog": CommandEntry(
            "watchdog:watchdog", "Roll a run back if nobody confirms it in time."
        ),
        "demo": CommandEntry("demo:demo", "Watch a whole migration; no AWS account needed."),
    }


app = typer.Typer(
    name=NAME,
    cls=Program,
    help="Move a VPC from AWS Classic VPN to AWS VPN in eleven steps, with a way back.",
    epilog=(
        "Exit codes: 0 done, 1 failed, 2 usage, 3 held or waiting for a person, 4 refused, "
        "5 stuck, 6 nothing to migrate, 7 interrupted."
    ),
    # Plain help needs no Rich, reads the same on every terminal, and is instant.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        _give(f"{NAME} {vpnmigrate.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Move a VPC from AWS Classic VPN to AWS VPN in eleven steps, with a way back."""
    del version  # its callback has printed it
    if ctx.invoked_subcommand is None:
        _give(ctx.get_help())


for _name, _kind, _about in (
    ("report", Report, "Tell what a run did, and verify what was told."),
    ("playbook", PlaybookCommands, "Show ready sets of decisions."),
    ("sandbox", SandboxCommands, "Run EC2's VPN behaviour on this machine."),
):
    app.add_typer(typer.Typer(rich_markup_mode=None, help=_about, cls=_kind), name=_name)
