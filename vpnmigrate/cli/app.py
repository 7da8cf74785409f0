"""The program as Typer sees it: every verb with its help, and nothing that is slow to import."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import vpnmigrate
from vpnmigrate.cli import (
    apply,
    approve,
    demo,
    done,
    finalize,
    orders,
    plan,
    playbook,
    rehearse,
    report,
    rollback,
    runbook,
    sandbox,
    status,
    watchdog,
)
from vpnmigrate.cli.flags import Verb, with_flags

NAME = "vpnmigrate"


def _give(text: str) -> None:
    """Print *text* as results are: a reader that leaves is no failure, and a full disk is one."""
    from vpnmigrate.report.console import TextResults

    TextResults().give(text, {})


def _help(context: typer.Context, _option: Any, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        _give(context.get_help())
        raise typer.Exit


class Command(TyperCommand):
    """A verb whose help is a result."""

    def get_help_option(self, ctx: Any) -> Any:
        """Give the option that prints the help."""
        return _ours(super().get_help_option(ctx))


class Group(TyperGroup):
    """Verbs under a common name, whose help is a result."""

    def get_help_option(self, ctx: Any) -> Any:
        """Give the option that prints the help."""
        return _ours(super().get_help_option(ctx))


def _ours(option: Any) -> Any:
    """Let the help *option* print as everything else here does."""
    option.callback = _help
    return option


app = typer.Typer(
    name=NAME,
    cls=Group,
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
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Move a VPC from AWS Classic VPN to AWS VPN in eleven steps, with a way back."""
    del version  # its callback has printed it
    if context.invoked_subcommand is None:
        _give(context.get_help())


_VERBS: tuple[Verb, ...] = (
    plan.plan,
    rehearse.rehearse,
    runbook.runbook,
    approve.approve,
    apply.apply,
    done.done,
    orders.pause,
    orders.continue_,
    orders.abort,
    orders.confirm,
    rollback.rollback,
    finalize.finalize,
    status.status,
    watchdog.watchdog,
    demo.demo,
)
for _verb in _VERBS:
    # A verb whose name Python already uses ends in an underscore.
    app.command(_verb.__name__.rstrip("_"), cls=Command)(with_flags(_verb))


class RunFirst(Group):
    """A group whose verb ``show`` may be left out: what names no other verb is its argument."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the verb in where it is missing."""
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


def _group(name: str, about: str, verbs: Iterable[Verb], kind: type[Group] = Group) -> None:
    group = typer.Typer(rich_markup_mode=None, help=about, cls=kind)
    for verb in verbs:
        group.command(verb.__name__.rstrip("_"), cls=Command)(with_flags(verb))
    app.add_typer(group, name=name)


_group(
    "report",
    "Tell what a run did, and verify what was told.",
    (report.show, report.verify),
    RunFirst,
)
_group(
    "playbook", "Show ready sets of decisions.", (playbook.list_, playbook.show, playbook.schema)
)
_group(
    "sandbox",
    "Run EC2's VPN behaviour on this machine.",
    (sandbox.serve, sandbox.scenarios, sandbox.device, sandbox.advance),
)
