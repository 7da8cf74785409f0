"""The timed steps of the change: forward, back and to retire."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.byhand.blocks import back, blocks
from vpnmigrate.commands import options
from vpnmigrate.journal.timing import Leg
from vpnmigrate.model.clock import span
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, Phase, Plan, PlannedStep
from vpnmigrate.rehearsal.rehearse import Passage, Rehearsal
from vpnmigrate.report.imagined import told
from vpnmigrate.report.progress import LAST_STEP
from vpnmigrate.report.runbook.book import PlanCommands, Row
from vpnmigrate.report.runbook.steps import KNOWN, SEEN_BACK
from vpnmigrate.steps.sequences import CLEAN_UP, FORWARD, RETIRE

_LIMITS = {(step.number, step.phase): step for step in (*RETIRE, *CLEAN_UP, *FORWARD)}


def staging(plan: Plan, rehearsal: Rehearsal, on: PlanCommands) -> tuple[Row, ...]:
    """Give steps 1 to 6, which interrupt nothing."""
    legs = _legs(rehearsal.forward)
    return tuple(
        _row(
            plan,
            step,
            key=f"F{step.number}",
            at=_clock("S", legs.get((step.number, False))),
            command=on.file("apply", "--until", "cutover"),
            inverse=on.run("rollback"),
        )
        for step in plan.forward
        if step.phase is Phase.PREPARE
    )


def cutover(plan: Plan, rehearsal: Rehearsal, on: PlanCommands) -> tuple[Row, ...]:
    """Give steps 7 to 10, counted from the beginning of step 7."""
    legs = _legs(rehearsal.forward)
    first = legs.get((FIRST_OF_CUTOVER, False))
    approvals = options("--approval", ["FILE"] * plan.decisions.approvals.needed)
    return tuple(
        _row(
            plan,
            step,
            key=f"F{step.number}",
            at=_clock("T", legs.get((step.number, False)), first.begun if first else None),
            command=on.run("apply", *approvals),
            inverse=on.run("rollback"),
        )
        for step in plan.forward
        if step.phase is Phase.CUTOVER
    )


def way_back(plan: Plan, rehearsal: Rehearsal, on: PlanCommands) -> tuple[Row, ...]:
    """Give the way back, counted from turning round after step 10."""
    legs = _legs(rehearsal.back[-1])
    return tuple(
        _row(
            plan,
            step,
            key=f"B{step.number}",
            at=_clock("B", legs.get((step.number, step.phase is Phase.CLEAN_UP))),
            command=on.run("rollback"),
            inverse=_back_again(on, step),
        )
        for step in back(plan)
    )


def retirement(plan: Plan, on: PlanCommands) -> tuple[Row, ...]:
    """Give step 11."""
    named = options("--confirm", plan.old_connections)
    return tuple(
        _row(
            plan,
            step,
            key=f"R{step.number}",
            at="days later",
            command=on.run("finalize", *named),
            inverse="none: a Classic connection cannot be made again",
        )
        for step in plan.retire
        if step.changes
    )


def _back_again(on: PlanCommands, step: PlannedStep) -> str:
    does = "go forward again" if step.phase is Phase.CUTOVER else "make it anew"
    return f"to {does}: {on.run('apply')}"


def _row(plan: Plan, step: PlannedStep, *, key: str, at: str, command: str, inverse: str) -> Row:
    known = KNOWN[step.number, step.phase is Phase.CLEAN_UP]
    cleaning = " (clean-up)" if step.phase is Phase.CLEAN_UP else ""
    return Row(
        key,
        step.title,
        at,
        command,
        tuple(map(told, step.changes)),
        (
            f"step {step.number} of {LAST_STEP}: {step.title}{cleaning}",
            *(SEEN_BACK.get(step.number, ()) if key.startswith("B") else known.seen),
            f"step {step.number} settled",
        ),
        span(_LIMITS[step.number, step.phase].limit_for(plan)),
        known.source,
        known.otherwise,
        inverse,
        blocks(plan, step),
    )


def _legs(passage: Passage) -> dict[tuple[int, bool], Leg]:
    return {(leg.step, leg.cleaning): leg for leg in passage.legs}


def _clock(letter: str, leg: Leg | None, start: timedelta | None = None) -> str:
    """Give minutes and seconds since *start*, rounded; the rehearsal is no stop-watch."""
    if leg is None:
        return f"{letter}+?"
    return f"{letter}+{minutes(leg.begun - (start or timedelta(0)))}"


def minutes(length: timedelta) -> str:
    """Give a length as minutes and seconds, ``07:05``."""
    whole, seconds = divmod(round(length.total_seconds()), 60)
    return f"{whole:02}:{seconds:02}"
