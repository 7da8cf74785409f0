"""Runbook steps: timed rows with expected output, limits and alternatives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from vpnmigrate.journal.timing import StepTiming
from vpnmigrate.model.clock import span
from vpnmigrate.model.errors.commands import options
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, Phase, Plan, PlannedStep
from vpnmigrate.rehearsal.rehearse import Rehearsal, RehearsalRun
from vpnmigrate.report.names import names_of
from vpnmigrate.report.planned_changes import change_text
from vpnmigrate.report.progress import step_line
from vpnmigrate.report.runbook.aws_cli import back, blocks
from vpnmigrate.report.runbook.content import PlanCommands, RunbookRow
from vpnmigrate.steps.sequences import CLEAN_UP, FINALIZE, FORWARD


@dataclass(frozen=True)
class StepConstants:
    """A step's constants in the document.  *source* is the source of its limit."""

    source: str
    otherwise: str
    seen: tuple[str, ...] = ()


KNOWN: dict[tuple[int, bool], StepConstants] = {
    (1, False): StepConstants(
        "two consistency delays and a retry, as Terraform's AWS provider has",
        "Locked by another operator: ask them first, then --take-over. Another account: stop.",
    ),
    (2, False): StepConstants(
        "creation 10 min (limit of Terraform's AWS provider), and twice the consistency delay",
        "A quota: raise it, run the same command again. No traffic is interrupted.",
    ),
    (3, False): StepConstants(
        "creation 40 min each, two at a time, ten at most (limit of Terraform's AWS provider)",
        "Run the same command again: it finds existing resources by their tags. A category other "
        "than VPN: roll back and ask AWS Support.",
    ),
    (4, False): StepConstants(
        "reads with retries; enough for ten connections",
        "Run the same command again. A sample that AWS denies does not stop the run.",
    ),
    (5, False): StepConstants(
        "a person's work, ahead of the window: 30 days",
        "Not ready when the window opens: do not cut over. Tunnels enabled by mistake: disable "
        "them, check the old ones.",
        ("TO DO: load the candidate configuration ...",),
    ),
    (6, False): StepConstants(
        "a person's test: 7 days; its calls are bounded by EC2",
        "The test fails: do not cut over. Fix the candidate, or roll back without an outage.",
    ),
    (7, False): StepConstants(
        "2 min a call (limit of Terraform's AWS provider), many tables and throttling",
        "Run the same command again, or roll back. Part of the traffic is down already.",
        ("OUTAGE BEGINS",),
    ),
    (8, False): StepConstants(
        "on slow days 30 min to detach and 15 to attach (limits of Terraform's AWS provider)",
        "Still changing after the limit, or a third gateway on the VPC: see Stuck.",
    ),
    (9, False): StepConstants(
        "2 to 5 min a call (limits of Terraform's AWS provider), many tables and throttling",
        "Run the same command again. A route changed outside this run is reported and kept.",
    ),
    (10, False): StepConstants(
        "the playbook's waits.tunnels, for a person at each device",
        "Traffic not verified by the decision deadline: roll back. Until then see Known failures: "
        "most causes are at the device.",
        (
            "TO DO: enable the tunnels of ...",
            "OUTAGE ENDED after ...",
            "TO DO: traffic flows ...: now disable the tunnels of ... (with old_tunnels: disable)",
        ),
    ),
    (6, True): StepConstants(
        "detach 30 min, then deletions that wait for leftovers (limit of Terraform's AWS provider)",
        "Other resources in the test VPC: remove them, run the same command again.",
    ),
    (3, True): StepConstants(
        "deletion 30 min (limit of Terraform's AWS provider), and the consistency delay",
        "Traffic flows already. Run the same command again in working hours.",
    ),
    (2, True): StepConstants(
        "deletion 10 min (limit of Terraform's AWS provider), and the consistency delay",
        "In use: its connections are not deleted yet. Traffic flows already; run it again.",
    ),
    (1, True): StepConstants(
        "two consistency delays and a retry, as Terraform's AWS provider has",
        "A claim tag of another run is kept. This is harmless.",
    ),
    (11, False): StepConstants(
        "deletion 30 min (limit of Terraform's AWS provider), and the consistency delay",
        "Refused while the new side does not carry traffic: keep the old connections.",
    ),
}
"""By step number, and whether the step is a clean-up."""

SEEN_BACK: dict[int, tuple[str, ...]] = {
    7: ("OUTAGE BEGINS (unless traffic is down already)",),
    10: ("TO DO: enable the tunnels of ... again, ...", "OUTAGE ENDED after ..."),
}
"""Expected output of cutover steps in a rollback, where it differs."""

OTHERWISE_BACK: dict[int, str] = {
    7: "Run the same command again. Part of the traffic is down already.",
    8: "Still changing after the limit, or a third gateway on the VPC: see Stuck.",
    9: "Run the same command again. A route changed outside this run is reported and kept.",
    10: "Traffic not verified: see Known failures; most causes are at the device. Enable the "
    "tunnels of the old connections there.",
}
"""What to do in cutover steps of a rollback, where rolling back is no alternative."""

_LIMITS = {(step.number, step.phase): step for step in (*FINALIZE, *CLEAN_UP, *FORWARD)}


def staging(plan: Plan, rehearsal: Rehearsal, on: PlanCommands) -> tuple[RunbookRow, ...]:
    """Return steps 1 to 6, which interrupt no traffic."""
    timings = _timings(rehearsal.forward)
    return tuple(
        _row(
            plan,
            step,
            key=f"F{step.number}",
            at=_start("S", timings.get((step.number, False))),
            command=on.file("apply", "--until", "cutover"),
            inverse=on.run("rollback"),
        )
        for step in plan.forward
        if step.phase is Phase.PREPARE and step.changes
    )


def cutover(plan: Plan, rehearsal: Rehearsal, on: PlanCommands) -> tuple[RunbookRow, ...]:
    """Return steps 7 to 10, timed from the start of step 7."""
    timings = _timings(rehearsal.forward)
    first = timings.get((FIRST_OF_CUTOVER, False))
    approvals = options("--approval", ["FILE"] * plan.decisions.approvals.needed)
    return tuple(
        _row(
            plan,
            step,
            key=f"F{step.number}",
            at=_start("T", timings.get((step.number, False)), first.begun if first else None),
            command=on.run("apply", *approvals),
            inverse=on.run("rollback"),
        )
        for step in plan.forward
        if step.phase is Phase.CUTOVER and step.changes
    )


def rollback(plan: Plan, rehearsal: Rehearsal, on: PlanCommands) -> tuple[RunbookRow, ...]:
    """Return the steps of a rollback, timed from its start after step 10."""
    timings = _timings(rehearsal.back[-1])
    return tuple(
        _row(
            plan,
            step,
            key=f"B{step.number}",
            at=_start("B", timings.get((step.number, step.phase is Phase.CLEAN_UP))),
            command=on.run("rollback"),
            inverse=_inverse(on, step),
        )
        for step in back(plan)
        if step.changes
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
            inverse="none: a Classic connection cannot be recreated",
        )
        for step in plan.finalize
        if step.changes
    )


def _inverse(on: PlanCommands, step: PlannedStep) -> str:
    does = "cut over again" if step.phase is Phase.CUTOVER else "recreate it"
    return f"to {does}: {on.run('apply')}"


def _row(
    plan: Plan, step: PlannedStep, *, key: str, at: str, command: str, inverse: str
) -> RunbookRow:
    known = KNOWN[step.number, step.phase is Phase.CLEAN_UP]
    names = names_of(plan)
    back_again = key.startswith("B") and step.phase is Phase.CUTOVER
    return RunbookRow(
        key,
        step.title,
        at,
        command,
        tuple(change_text(change, names) for change in step.changes),
        (
            step_line(step.number, step.title, cleaning=step.phase is Phase.CLEAN_UP),
            *(SEEN_BACK.get(step.number, ()) if key.startswith("B") else known.seen),
            f"step {step.number} done",
        ),
        span(_LIMITS[step.number, step.phase].limit_for(plan)),
        known.source,
        OTHERWISE_BACK[step.number] if back_again else known.otherwise,
        inverse,
        blocks(plan, step),
    )


def _timings(rehearsal_run: RehearsalRun) -> dict[tuple[int, bool], StepTiming]:
    return {(timing.step, timing.cleaning): timing for timing in rehearsal_run.timings}


def _start(letter: str, timing: StepTiming | None, start: timedelta | None = None) -> str:
    """Return minutes and seconds since *start*, rounded to seconds."""
    if timing is None:
        return f"{letter}+?"
    return f"{letter}+{minutes(timing.begun - (start or timedelta(0)))}"


def minutes(length: timedelta) -> str:
    """Return a length as minutes and seconds, ``07:05``."""
    whole, seconds = divmod(round(length.total_seconds()), 60)
    return f"{whole:02}:{seconds:02}"
