"""Command context: output, settings and dependencies."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import typer

from vpnmigrate.cli.dependencies import Dependencies, RealDependencies, redaction_in
from vpnmigrate.cli.invocation import remember
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions
from vpnmigrate.commands import Invocation
from vpnmigrate.local.run_directory import Runs
from vpnmigrate.local.settings import Settings, settings_of
from vpnmigrate.model.redaction import Redaction
from vpnmigrate.report.console import Console, JsonResults, Results, TextResults


@dataclass(frozen=True)
class CommandContext:
    """A verb's place in the world."""

    parts: Dependencies
    console: Console
    results: Results
    settings: Settings
    invocation: Invocation
    """What a command that is printed has to be given again, in a new terminal."""
    folder: str
    """What makes a file's name good for another directory; empty where none is to be reached."""

    redaction: Redaction = field(default_factory=Redaction)
    """Cuts keys out of whatever this process writes; it learns those of the run's vault."""

    def file(self, path: Path) -> str:
        """Return the name of *path* as a command in another directory needs it."""
        return str(Path(self.folder, path))

    @property
    def runs(self) -> Runs:
        """The runs that live here."""
        return Runs(self.settings.home)


def command_context(
    ctx: typer.Context, home: RunDirectoryOptions, printing: OutputOptions
) -> CommandContext:
    """Set up a verb's place; the context carries other parts in a demo or a test."""
    invocation, folder = remember(ctx, reachable=ctx.obj is None or ctx.obj.reachable)
    settings = settings_of(os.environ, home.run_dir)
    redaction = redaction_in(ctx.meta)
    return CommandContext(
        parts=ctx.obj or real_dependencies(settings),
        console=Console(redaction=redaction),
        results=results_output(printing, redaction),
        settings=settings,
        redaction=redaction,
        invocation=invocation,
        folder=folder,
    )


def real_dependencies(settings: Settings) -> Dependencies:
    """Return an ordinary process's parts, in the machine's time if no other was asked for."""
    if not settings.clock:
        return RealDependencies()
    from vpnmigrate.cli.sandbox_dependencies import SandboxTimeDependencies

    return SandboxTimeDependencies(settings.clock)


def results_output(printing: OutputOptions, redaction: Redaction | None = None) -> Results:
    """Return how results leave, for a verb that needs no run."""
    return (JsonResults if printing.json else TextResults)(redaction=redaction)
