"""Command ``apply``."""

from enum import StrEnum
from typing import Annotated

import typer

from vpnmigrate.cli.context import desk_of
from vpnmigrate.cli.gate_options import brought_to
from vpnmigrate.cli.options import Adopt, Asking, AtGates, Aws, Home, PlanOrRun, Printing, TakeOver
from vpnmigrate.local.watchdog_process import span_of
from vpnmigrate.model.gates import Milestone
from vpnmigrate.report import results


class Until(StrEnum):
    """Where apply can be told to stop."""

    CUTOVER = "cutover"


def apply(
    context: typer.Context,
    subject: PlanOrRun,
    aws: Aws,
    home: Home,
    asking: Asking,
    gates: AtGates,
    printing: Printing,
    until: Annotated[
        Until | None,
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
    from vpnmigrate.cli.run_session import Terms, named, probes_of

    desk = desk_of(context, home, printing)
    probes = probes_of(probe or (), none=no_probes)
    brought = brought_to(Milestone.CUTOVER, gates)
    terms = Terms(aws, asking, take_over, brought, probes, span_of(confirm_within), named(adopt))
    go = run_actions.stage if until is Until.CUTOVER else run_actions.forward
    stands = go(desk, subject, terms)
    desk.results.give(results.outcome_text(stands), results.outcome_json(stands))
