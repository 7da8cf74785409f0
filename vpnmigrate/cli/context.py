"""Command context: output, settings and dependencies."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import typer

from vpnmigrate.cli.dependencies import OwnParts, Parts, redaction_in
from vpnmigrate.cli.invocation import remember
from vpnmigrate.cli.options import Home, Printing
from vpnmigrate.commands import Invocation
from vpnmigrate.local.run_directory import Runs
from vpnmigrate.local.settings import Settings, settings_of
from vpnmigrate.model.redaction import Redaction
from vpnmigrate.report.console import Console, JsonResults, Results, TextResults


@dataclass(frozen=True)
class Desk:
    """A verb's place in the world."""

    parts: Parts
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


def desk_of(context: typer.Context, home: Home, printing: Printing) -> Desk:
    """Set up a verb's place; the context carries other parts in a demo or a test."""
    invocation, folder = remember(context, reachable=context.obj is None or context.obj.reachable)
    settings = settings_of(os.environ, home.run_dir)
    redaction = redaction_in(context.meta)
    return Desk(
        parts=context.obj or own_parts(settings),
        console=Console(redaction=redaction),
        results=results_of(printing, redaction),
        settings=settings,
        redaction=redaction,
        invocation=invocation,
        folder=folder,
    )


def own_parts(settings: Settings) -> Parts:
    """Give an ordinary process's parts, in the machine's time if no other was asked for."""
    if not settings.clock:
        return OwnParts()
    from vpnmigrate.cli.sandbox_dependencies import InSandboxTime

    return InSandboxTime(settings.clock)


def results_of(printing: Printing, redaction: Redaction | None = None) -> Results:
    """Give how results leave, for a verb that needs no run."""
    return (JsonResults if printing.json else TextResults)(redaction=redaction)
