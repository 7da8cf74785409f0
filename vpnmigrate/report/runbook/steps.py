"""Runbook steps: timed rows with signs, limits and alternatives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from vpnmigrate.commands import options
from vpnmigrate.journal.timing import StepTiming
from vpnmigrate.model.clock import span
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, Phase, Plan, PlannedStep
from vpnmigrate.rehearsal.rehearse import Rehearsal, RehearsalRun
from vpnmigrate.report.plan import change_text
from vpnmigrate.report.progress import LAST_STEP
from vpnmigrate.report.runbook.aws_cli import back, blocks
from vpnmigrate.report.runbook.content import PlanCommands, RunbookRow
from vpnmigrate.steps.sequences import CLEAN_UP, FINALIZE, FORWARD


@dataclass(frozen=True)
class StepConstants:
    """A step's constants in the document.  *source* is where its limit comes from."""

    source: str
    otherwise: str
    seen: tuple[str, ...] = ()


KNOWN: dict[tuple[int, bool], StepConstants] = {
    (1, False): StepConstants(
        "two consistency delays and a retry, domain.md 3.1",
        "Claimed by somebody else: talk to them, then --take-over. Another account: stop.",
    ),
    (2, False): StepConstants(
        "creation 10 min, domain.md 3.1, and twice the consistency delay",
        "A quota: raise it, run the same command again. Nothing is interrupted.",
    ),
    (3, False): StepConstants(
        "creation 40 min each, two at a time, ten at most, domain.md 3.1",
        "Run the same command again: what is there is found by its tags. A category other than "
        "VPN: go back and ask AWS Support.",
    ),
    (4, False): StepConstants(
        "plain reads, retried; generous for ten connections",
        "Run the same command again. A sample that AWS denies stops nothing.",
    ),
    (5, False): StepConstants(
        "a person's work, ahead of the window: 30 days",
        "Not ready when the window opens: do not cut over. Tunnels were enabled by mistake: "
        "disable them, watch the old ones.",
        ("TO DO: load the candidate configuration ...",),
    ),
    (6, False): StepConstants(
        "a person's test: 7 days; its calls are bounded by EC2",
        "The test fails: do not cut over. Mend the candidate, or go back; nothing is interrupted.",
    ),
    (7, False): StepConstants(
        "2 min a call, domain.md 3.1, many tables and throttling",
        "Run the same command again, or go back. Part of the traffic is down already.",
        ("OUTAGE BEGINS",),
    ),
    (8, False): StepConstants(
        "on slow days 30 min to detach and 15 to attach, domain.md 3.1",
        "Still changing after the limit, or a third gateway on the VPC: branch STUCK.",
    ),
    (9, False): StepConstants(
        "2 to 5 min a call, domain.md 3.1, many tables and throttling",
        "Run the same command again. A route that another hand moved is named and left alone.",
    ),
    (10, False): StepConstants(
        "the playbook's waits.tunnels, for a person at each device",
        "Not green by the decision deadline: go back. Until then see Known failures: most of it "
        "is at the device.",
        (
            "TO DO: enable the tunnels of ...",
            "OUTAGE ENDED after ...",
            "TO DO: traffic flows ...: now disable the tunnels of ... (unless they are left)",
        ),
    ),
    (6, True): StepConstants(
        "detach 30 min, then deletions that wait for leftovers, domain.md 3.1",
        "Something else is in the test VPC: remove it, run the same command again.",
    ),
    (3, True): StepConstants(
        "deletion 30 min, domain.md 3.1, and the consistency delay",
        "Traffic flows already. Run the same command again in daylight.",
    ),
    (2, True): StepConstants(
        "deletion 10 min, domain.md 3.1, and the consistency delay",
        "In use: its connections are not gone yet. Traffic flows already; run it again.",
    ),
    (1, True): StepConstants(
        "two consistency delays and a retry, domain.md 3.1",
        "A claim that is not ours stays. Harmless.",
    ),
    (11, False): StepConstants(
        "deletion 30 min, domain.md 3.1, and the consistency delay",
        "Refused while the new side does not carry traffic: leave the old connections alone.",
    ),
}
"""By step, and whether it is a clean-up."""

SEEN_BACK: dict[int, tuple[str, ...]] = {
    7: ("OUTAGE BEGINS (unless traffic is down already)",),
    10: ("TO DO: enable the tunnels of ... again, ...", "OUTAGE ENDED after ..."),
}
"""What steps of the cutover show on the way back, where that is something else."""

_LIMITS = {(step.number, step.phase): step for step in (*FINALIZE, *CLEAN_UP, *FORWARD)}


def staging(plan: Plan, rehearsal: Rehearsal, on: PlanCommands) -> tuple[RunbookRow, ...]:
    """Return steps 1 to 6, which interrupt nothing."""
    timings = _legs(rehearsal.forward)
    return tuple(
        _row(
            plan,
            step,
            key=f"F{step.number}",
            at=_clock("S", timings.get((step.number, False))),
            command=on.file("apply", "--until", "cutover"),
            inverse=on.run("rollback"),
        )
        for step in plan.forward
        if step.phase is Phase.PREPARE
    )


def cutover(plan: Plan, rehearsal: Rehearsal, on: PlanCommands) -> tuple[RunbookRow, ...]:
    """Return steps 7 to 10, counted from the beginning of step 7."""
    timings = _legs(rehearsal.forward)
    first = timings.get((FIRST_OF_CUTOVER, False))
    approvals = options("--approval", ["FILE"] * plan.decisions.approvals.needed)
    return tuple(
        _row(
            plan,
            step,
            key=f"F{step.number}",
            at=_clock("T", timings.get((step.number, False)), first.begun if first else None),
            command=on.run("apply", *approvals),
            inverse=on.run("rollback"),
        )
        for step in plan.forward
        if step.phase is Phase.CUTOVER
    )


def way_back(plan: Plan, rehearsal: Rehearsal, on: PlanCommands) -> tuple[RunbookRow, ...]:
    """Return the way back, counted from turning round after step 10."""
    timings = _legs(rehearsal.back[-1])
    return tuple(
        _row(
            plan,
            step,
            key=f"B{step.number}",
            at=_clock("B", timings.get((step.number, step.phase is Phase.CLEAN_UP))),
            command=on.run("rollback"),
            inverse=_back_again(on, step),
        )
        for step in back(plan)
    )


def finalize(plan: Plan, on: PlanCommands) -> tuple[RunbookRow, ...]:
    """Return step 11."""
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
        for step in plan.finalize
        if step.changes
    )


def _back_again(on: PlanCommands, step: PlannedStep) -> str:
    does = "go forward again" if step.phase is Phase.CUTOVER else "make it anew"
    return f"to {does}: {on.run('apply')}"


def _row(
    plan: Plan, step: PlannedStep, *, key: str, at: str, command: str, inverse: str
) -> RunbookRow:
    known = KNOWN[step.number, step.phase is Phase.CLEAN_UP]
    cleaning = " (clean-up)" if step.phase is Phase.CLEAN_UP else ""
    return RunbookRow(
        key,
        step.title,
        at,
        command,
        tuple(map(change_text, step.changes)),
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


def _legs(rehearsal_run: RehearsalRun) -> dict[tuple[int, bool], StepTiming]:
    return {(leg.step, leg.cleaning): leg for leg in rehearsal_run.timings}


def _clock(letter: str, leg: StepTiming | None, start: timedelta | None = None) -> str:
    """Return minutes and seconds since *start*, rounded; the rehearsal is no stop-watch."""
    if leg is None:
        return f"{letter}+?"
    return f"{letter}+{minutes(leg.begun - (start or timedelta(0)))}"


def minutes(length: timedelta) -> str:
    """Return a length as minutes and seconds, ``07:05``."""
    whole, seconds = divmod(round(length.total_seconds()), 60)
    return f"{whole:02}:{seconds:02}"
