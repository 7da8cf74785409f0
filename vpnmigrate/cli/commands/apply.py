"""Command ``apply``."""

from enum import StrEnum
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.gate_options import gate_options
from vpnmigrate.cli.options import (
    Adopt,
    AwsOptions,
    GateOptions,
    OutputOptions,
    PlanOrRun,
    PromptOptions,
    RunDirectoryOptions,
    TakeOver,
)
from vpnmigrate.local.watchdog_process import parse_duration
from vpnmigrate.model.gates import Milestone
from vpnmigrate.report import results


class ApplyUntil(StrEnum):
    """Where apply can be told to stop."""

    CUTOVER = "cutover"


def apply(
    ctx: typer.Context,
    subject: PlanOrRun,
    aws: AwsOptions,
    home: RunDirectoryOptions,
    asking: PromptOptions,
    gates: GateOptions,
    printing: OutputOptions,
    until: Annotated[
        ApplyUntil | None,
        typer.Option("--until", help="Stage everything and hold before the outage."),
    ] = None,
    probe: Annotated[
        list[str] | None,
        typer.Option(
            "--probe",
            metavar="PROBE",
            help="Sent each second through the cutover: host:port, or a command in quotes. "
            "What worked before has to work again. Repeatable; no secret belongs in it.",
        ),
    ] = None,
    no_probes: Annotated[
        bool, typer.Option("--no-probes", help="Send no probe, not even the plan's, and ask none.")
    ] = False,
    confirm_within: Annotated[
        str | None,
        typer.Option(
            "--confirm-within",
            metavar="TIME",
            help="Roll back by itself, unless confirmed so long after traffic flows: 15m. "
            "It holds for the cutover of this attempt; off takes it back.",
        ),
    ] = None,
    take_over: TakeOver = None,
    adopt: Adopt = None,
) -> None:
    """Carry a plan out, or go on with a run.

    Steps 1 to 10, from wherever the run stopped.  Deletes nothing that was there before: that is
    finalize.
    """
    from vpnmigrate.cli import run_actions
    from vpnmigrate.cli.run_session import RunOptions, named, probes_of

    context = command_context(ctx, home, printing)
    probes = probes_of(probe or (), none=no_probes)
    brought = gate_options(Milestone.CUTOVER, gates)
    terms = RunOptions(
        aws, asking, take_over, brought, probes, parse_duration(confirm_within), named(adopt)
    )
    go = run_actions.stage if until is ApplyUntil.CUTOVER else run_actions.apply
    view = go(context, subject, terms)
    context.results.print(results.outcome_text(view), results.outcome_json(view))
