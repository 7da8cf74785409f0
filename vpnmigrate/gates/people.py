"""Gates about people: who agreed to this plan."""

from __future__ import annotations

from vpnmigrate.approving import Person, counting
from vpnmigrate.gates.circumstances import Circumstances
from vpnmigrate.gates.saying import failed, passed
from vpnmigrate.go_no_go import Gate, Seen
from vpnmigrate.plan import Plan


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
    advice = "vpnmigrate approve PLAN; then go on with --approval FILE"
    return failed(Gate.APPROVALS, observed, required, advice=advice)


def finalize_approvals(plan: Plan, around: Circumstances) -> Seen:
    """Ask for the same before finalize, if the plan does."""
    if plan.decisions.finalize.approved:
        return approvals(plan, around)
    return passed(Gate.APPROVALS, "the plan asks for none before finalize", "nothing")
