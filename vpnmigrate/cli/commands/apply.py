"""Command ``apply``: its options become ``RunOptions`` for ``run_actions.apply``."""

from enum import StrEnum
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.gate_options import gate_options
from vpnmigrate.cli.options import (
    Adopt,
    AwsOptions,
    ConfirmWithin,
    ExtraProbes,
    GateOptions,
    NoProbesOption,
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
    """Points at which apply can stop."""

    CUTOVER = "cutover"


def apply(
    ctx: typer.Context,
    plan_or_run: PlanOrRun,
    aws: AwsOptions,
    home: RunDirectoryOptions,
    prompt_options: PromptOptions,
    gates: GateOptions,
    printing: OutputOptions,
    until: Annotated[
        ApplyUntil | None,
        typer.Option(
            "--until", help="Do all preparation and end before the outage, with exit code 0."
        ),
    ] = None,
    step: Annotated[
        bool,
        typer.Option(
            "--step",
            help="Ask before each change of steps 7 to 10: run it, wait, or roll back. Shows the "
            "call, its inverse and its effect on traffic. Needs a terminal.",
        ),
    ] = False,
    probe: ExtraProbes = None,
    no_probes: NoProbesOption = False,
    confirm_within: ConfirmWithin = None,
    take_over: TakeOver = None,
    adopt: Adopt = None,
) -> None:
    """Apply a plan, or resume a run.

    Does steps 1 to 10, from where the run stopped.  The old connections are not deleted; finalize
    does that.
    """
    from vpnmigrate.cli import run_actions
    from vpnmigrate.cli.run_session import RunOptions, named, probes_of

    context = command_context(ctx, home, printing)
    probes = probes_of(probe or (), none=no_probes)
    approvals_and_forces = gate_options(Milestone.CUTOVER, gates)
    if step:
        run_actions.require_step_prompt(context, prompt_options, staging=until is not None)
    options = RunOptions(
        aws,
        prompt_options,
        take_over,
        approvals_and_forces,
        probes,
        parse_duration(confirm_within),
        step=step,
        adopt=named(adopt),
    )
    go = run_actions.stage if until is ApplyUntil.CUTOVER else run_actions.apply
    view = go(context, plan_or_run, options)
    context.results.print(results.outcome_text(view), results.outcome_json(view))
