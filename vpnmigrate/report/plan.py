"""A plan for a change board: what moves, every change in order, the outage, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from vpnmigrate.commands import Invocation, cli
from vpnmigrate.model.changes import AskOperator, Change
from vpnmigrate.model.clock import moment
from vpnmigrate.model.plan import Phase, Plan, PlannedStep
from vpnmigrate.model.snapshot import Word
from vpnmigrate.planning.rollback_proof import Proof
from vpnmigrate.report import decisions, findings, inventory
from vpnmigrate.report import proof as proofs
from vpnmigrate.report.imagined import told
from vpnmigrate.report.words import columns, count, heading, item, wrapped

SCHEMA = "vpnmigrate/plan/1"

_FLOWS_AGAIN = "tunnels are up and routes are back"
_TRAFFIC_RETURNS = frozenset({Word.NEW_TUNNELS_ENABLED, Word.TUNNELS_RETURNED})


def text(plan: Plan, proof: Proof, *, file: str, invocation: Invocation) -> str:
    """Return the whole plan with its *proof* of return; *file* is where it lies."""
    parts = [
        _title(plan),
        heading("What is there now") + inventory.text(plan.before),
        heading("Findings") + (findings.text(plan.findings) or item("none")),
        heading("Decisions") + decisions.text(plan.decisions),
        heading("Steps 1 to 10: apply") + "\n".join(_forward(plan)),
        heading("The way back: rollback") + _way_back(plan),
        heading("Proof of return") + proofs.text(proof),
        heading("Step 11: finalize") + _retire(plan),
        heading("Next") + _next(plan, file, invocation),
    ]
    return "\n\n".join(parts)


def as_json(plan: Plan, proof: Proof, *, file: str, invocation: Invocation) -> dict[str, Any]:
    """Give the plan as a JSON document: the file's own fields, and where it lies."""
    return {
        "schema": SCHEMA,
        "file": file,
        "findings": findings.as_json(plan.findings),
        "plan": msgspec.to_builtins(plan),
        "proof": proofs.as_json(proof),
        "next": [str(invocation.complete(cli(verb, file))) for verb in ("rehearse", "apply")],
    }


def _title(plan: Plan) -> str:
    sentence = (
        f"Plan to replace {plan.old_gateway} on {plan.vpc} "
        f"and its {count(len(plan.old_connections), 'connection')}"
    )
    facts = columns(
        [
            ("migration", plan.migration),
            ("playbook", plan.playbook),
            ("surveyed", moment(plan.before.taken)),
            ("made", f"{moment(plan.made)} by vpnmigrate {plan.tool}"),
            ("fingerprint", plan.fingerprint),
        ]
    )
    return f"{wrapped(sentence)}\n\n{facts}"


def _forward(plan: Plan) -> Iterator[str]:
    outage = plan.outage
    return _steps(plan.forward, _FLOWS_AGAIN if outage is None else outage.ends_when)


def _steps(steps: Iterable[PlannedStep], ends_when: str = _FLOWS_AGAIN) -> Iterator[str]:
    down, up = False, False
    for step in steps:
        if down and not up and step.phase is not Phase.CUTOVER:
            up = True  # nobody is asked to bring traffic back: it returns by itself
            yield _mark(f"THE OUTAGE ENDS when {ends_when}")
        interrupts = step.phase is Phase.CUTOVER and bool(step.changes)
        if interrupts and not down:
            down = True
            yield _mark("THE OUTAGE BEGINS with the next change")
        yield f"  {step.number:>2}  {step.title} ({step.phase.value})"
        if not step.changes:
            yield item("changes nothing in AWS", indent=6)
        for change in step.changes:
            yield item(told(change), indent=6)
            if down and not up and _brings_traffic_back(change):
                up = True
                yield _mark(f"THE OUTAGE ENDS when {ends_when}")
    if down and not up:
        yield _mark(f"THE OUTAGE ENDS when {ends_when}")


def _brings_traffic_back(change: Change) -> bool:
    return isinstance(change, AskOperator) and change.word in _TRAFFIC_RETURNS


def _mark(what: str) -> str:
    return wrapped(what, first="  ----  ")


def _way_back(plan: Plan) -> str:
    said = wrapped(
        "Until finalize, one command brings back what was there before, from any step: the same "
        "cutover with the gateways exchanged, then the removal of what steps 2 to 6 made. "
        "Before step 7 it interrupts nothing.",
        first="  ",
    )
    return "\n".join([said, *_steps(plan.back)])


def _retire(plan: Plan) -> str:
    said = wrapped(
        "Never a part of apply.  Its first change is the point of no return: what it deletes "
        "cannot be made again.",
        first="  ",
    )
    return "\n".join([said, *_steps(plan.retire)])


def _next(plan: Plan, file: str, invocation: Invocation) -> str:
    agree = cli("approve", file) if plan.decisions.approvals.needed else None
    rows = [
        ("try it here first:", cli("rehearse", file)),
        ("have it approved:", agree),
        ("stage it, no outage:", cli("apply", file, "--until", "cutover")),
        ("carry it out:", cli("apply", file)),
    ]
    return columns([(name, invocation.complete(command)) for name, command in rows if command])
