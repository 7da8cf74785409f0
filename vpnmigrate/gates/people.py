"""Gates about people: who agreed to this plan, and what their own program says."""

from __future__ import annotations

from vpnmigrate.commands import Advice, cli
from vpnmigrate.gates.circumstances import Circumstances
from vpnmigrate.gates.saying import failed, passed, unknown
from vpnmigrate.model.decisions import HookMoment
from vpnmigrate.model.gates import Gate, Seen
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.approvals import Person, counting
from vpnmigrate.ports import Judged


def approvals(plan: Plan, around: Circumstances) -> Seen:
    """Ask for as many valid approvals of this very plan as it wants."""
    rule = plan.decisions.approvals
    operator = Person(around.identity.arn, around.user)
    judged = counting(plan, around.approvals, operator, around.now)
    observed = "; ".join([*(f"by {a.approver}" for a in judged.good), *judged.faults]) or "none"
    if rule.needed == 0:
        return passed(Gate.APPROVALS, observed, "nothing")
    required = f"{rule.needed} of this plan, valid now"
    if rule.four_eyes:
        required += f", by somebody else than {operator.arn}"
    if len(judged.good) >= rule.needed:
        return passed(Gate.APPROVALS, observed, required)
    advice = (
        "let another person approve the plan, then apply with --approval FILE:",
        cli("approve", "PLAN"),
    )
    return failed(Gate.APPROVALS, observed, required, advice=advice)


def finalize_approvals(plan: Plan, around: Circumstances) -> Seen:
    """Ask for the same before finalize, if the plan does."""
    if plan.decisions.finalize.approved:
        return approvals(plan, around)
    return passed(Gate.APPROVALS, "the plan asks for none before finalize", "nothing")


def hook(moment: HookMoment, judged: Judged) -> Seen:
    """Ask the plan's own program; one that was killed, or cannot be run, has said nothing."""
    required = f"{judged.program} exits 0 ({moment})"
    if not judged.fault:
        return passed(Gate.HOOK, "it agrees", required)
    advice = f"what {judged.program} printed is in the run's log"
    say = unknown if judged.exit is None else failed
    return say(Gate.HOOK, f"{judged.program} {judged.fault}", required, advice=advice)


def changed_program(plan: Plan, moment: HookMoment, changed: str) -> Seen:
    """Close where a program is not the one that the plan's fingerprint covers; it is not run."""
    advice: Advice = "put back the program that was planned, or force the gate"
    if moment is HookMoment.BEFORE_CUTOVER:
        advice = cli("plan", "--from", plan.migration)
    required = "every program contains what it did when the plan was made"
    return failed(Gate.HOOK, changed, required, advice=advice)
