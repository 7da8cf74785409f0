"""Command context: output, settings and dependencies."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import typer

import vpnmigrate
from vpnmigrate.cli.dependencies import Dependencies, RealDependencies, redaction_in
from vpnmigrate.cli.invocation import again_in, remember
from vpnmigrate.cli.options import OutputOptions, PromptOptions, RunDirectoryOptions
from vpnmigrate.journal.records import Opened
from vpnmigrate.local.rehearsals import Rehearsals
from vpnmigrate.local.run_directory import Runs
from vpnmigrate.local.settings import Settings, settings_of
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.errors import MalformedFileError
from vpnmigrate.model.errors.commands import Command, Invocation
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.redaction import Redaction
from vpnmigrate.model.signatures import SignedKind
from vpnmigrate.report.console import Console, JsonResults, Results, TextResults

COLOUR = "vpnmigrate.colour"
"""Key of the operator's choice of colour, which an error message follows as well."""


@dataclass(frozen=True)
class CommandContext:
    """What a command works with: dependencies, output and settings."""

    dependencies: Dependencies
    console: Console
    results: Results
    settings: Settings
    invocation: Invocation
    """Options and variables that a printed command has to repeat in a new terminal."""
    folder: str
    """The directory that relative file names refer to; empty if no other terminal can be used."""

    line: Command | None = None
    """This command line, without the options in *invocation*, to be repeated in a message."""

    redaction: Redaction = field(default_factory=Redaction)
    """Removes keys from everything this process writes; it learns those of the run's vault."""

    def file(self, path: Path) -> str:
        """Return the name of *path* that is valid in another directory."""
        return str(Path(self.folder, path))

    def sign(
        self,
        text: bytes,
        key: Path,
        kind: SignedKind,
        prompt_options: PromptOptions = PromptOptions(),
    ) -> str:
        """Return the signature of *text* with *key*; a passphrase is asked for at a terminal.

        Raises:
            VpnMigrateError: ``ssh-keygen`` did not sign it.
        """
        return self.dependencies.keygen.sign(
            text, key, kind, attended=self.dependencies.operator_present(prompt_options)
        )

    def opened(self, plan: Plan, *, step: bool = False) -> Opened:
        """Return the record that this process opens a run of *plan*; *step* is ``apply --step``."""
        who = self.dependencies.me
        return Opened(
            plan.migration,
            plan.fingerprint,
            who.host,
            who.user,
            who.process,
            vpnmigrate.__version__,
            plan.decisions.change,
            self.invocation.elsewhere,
            step,
        )

    def rehearsal_of(self, plan: Plan) -> RehearsalResult | None:
        """Return the kept result of the last rehearsal of *plan*; None also if it is unreadable.

        The gate reports that; a view only lacks the measured time.
        """
        try:
            return Rehearsals(self.settings.home).of(plan)
        except MalformedFileError:
            return None

    @property
    def runs(self) -> Runs:
        """The runs in this process's run directory."""
        return Runs(self.settings.home)


def command_context(
    ctx: typer.Context, home: RunDirectoryOptions, printing: OutputOptions
) -> CommandContext:
    """Return the context of a command; in a demo or a test, *ctx* carries other dependencies."""
    invocation, folder = remember(ctx, reachable=ctx.obj is None or ctx.obj.reachable)
    settings = settings_of(os.environ, home.run_dir)
    redaction = redaction_in(ctx.meta)
    ctx.meta[COLOUR] = printing.color
    return CommandContext(
        dependencies=ctx.obj or real_dependencies(settings),
        console=Console(redaction=redaction, colour=printing.color),
        results=results_output(printing, redaction),
        settings=settings,
        redaction=redaction,
        invocation=invocation,
        folder=folder,
        line=again_in(ctx.meta).line,
    )


def real_dependencies(settings: Settings) -> Dependencies:
    """Return the dependencies of an ordinary process, on the machine's clock by default."""
    if not settings.clock:
        return RealDependencies()
    from vpnmigrate.cli.sandbox_dependencies import SandboxTimeDependencies

    return SandboxTimeDependencies(settings.clock)


def results_output(printing: OutputOptions, redaction: Redaction | None = None) -> Results:
    """Return the output of results, for a command that needs no run."""
    if printing.json:
        return JsonResults(redaction=redaction)
    return TextResults(redaction=redaction, colour=printing.color)
