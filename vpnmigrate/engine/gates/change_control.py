"""Gates on change control: window, rehearsal, approvals and the operator's hook."""

from __future__ import annotations

from datetime import datetime, timedelta

from vpnmigrate.engine.gates.base import GateContext, failed, passed, plan_again, unknown
from vpnmigrate.engine.ports import HookResult
from vpnmigrate.model.decisions import HookMoment, Window
from vpnmigrate.model.errors.commands import Advice, cli
from vpnmigrate.model.gates import Gate, GateResult
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.signatures import SignatureChecks, SignedKind, signing_command
from vpnmigrate.planning.approvals import ApprovalContext, Approver, approve_command, count_valid
from vpnmigrate.planning.windows import (
    WindowAhead,
    WindowOpen,
    WindowOver,
    WindowTooLate,
    WindowTooShort,
    expected,
    window_state,
    with_soak,
)

_REHEARSE = "a rehearsal may show that less time is needed; if not,"
ANOTHER = plan_again(
    "plan again with another window, its start and end in place of START/END",
    "--window",
    "START/END",
)
NOT_REQUIRED = "not required"


def window(plan: Plan, context: GateContext) -> GateResult:
    """Check whether the window is open and has room for a cutover and a full rollback."""
    given = plan.decisions.window
    if given is None:
        return passed(Gate.WINDOW, "the plan has no window", NOT_REQUIRED)
    waits = plan.decisions.waits
    durations = with_soak(expected(plan.fingerprint, context.rehearsed), waits)
    margin = waits.margin
    required = (
        f"{_window_text(given)}; {_span(durations.cutover)} for the cutover, "
        f"{_span(durations.rollback)} for a rollback ({durations.source}), and a margin of "
        f"{_span(margin)}"
    )
    match window_state(given, durations, margin, context.now):
        case WindowOpen(latest):
            return passed(Gate.WINDOW, f"open; latest start {_at(latest)}", required)
        case WindowAhead(opens):
            opening = f"opens {_at(opens)}, in {_span(opens - context.now)}"
            advice = ("apply again when it is open:", cli("apply", "RUN"))
            return failed(Gate.WINDOW, opening, required, advice=advice)
        case WindowTooLate(latest, ends):
            observed = (
                f"too late: the latest start was {_at(latest)}, for a rollback by {_at(ends)}"
            )
            return failed(Gate.WINDOW, observed, required, advice=ANOTHER)
        case WindowOver(ended):
            return failed(Gate.WINDOW, f"ended {_at(ended)}", required, advice=ANOTHER)
        case WindowTooShort(length, needs):
            observed = f"too short: {_span(length)} long, {_span(needs)} needed"
            return failed(
                Gate.WINDOW,
                observed,
                required,
                advice=(_REHEARSE, *ANOTHER),
            )


def finalize_window(plan: Plan, context: GateContext) -> GateResult:
    """Check whether the window of finalize is open; no rollback has to fit into it."""
    given = plan.decisions.finalize.window
    if given is None:
        return passed(Gate.WINDOW, "the plan has no window for finalize", NOT_REQUIRED)
    if given.start <= context.now < given.end:
        return passed(Gate.WINDOW, "open", _window_text(given))
    observed = "not open yet" if context.now < given.start else f"ended {_at(given.end)}"
    advice = "run finalize again in the window"
    return failed(Gate.WINDOW, observed, _window_text(given), advice=advice)


def rehearsal(plan: Plan, context: GateContext) -> GateResult:
    """Check whether this plan was rehearsed recently, if its playbook requires that."""
    within = plan.decisions.rehearsed_within
    known = context.rehearsed
    if known is not None and known.fingerprint != plan.fingerprint:
        known = None
    if known is None:
        observed = "not rehearsed"
    else:
        ended = "passed" if known.passed else "FAILED"
        observed = f"{ended} {_at(known.at)}"
    if within is None:
        return passed(Gate.REHEARSAL, observed, NOT_REQUIRED)
    required = f"a rehearsal of this plan, passed in the last {_span(within)}"
    recent = known is not None and timedelta(0) <= context.now - known.at <= within
    if known is not None and known.passed and recent:
        return passed(Gate.REHEARSAL, observed, required)
    return failed(Gate.REHEARSAL, observed, required, advice=cli("rehearse", "PLAN"))


def _window_text(window: Window) -> str:
    return f"{window.written}, which is {_at(window.start)} to {_at(window.end)}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"


def _span(length: timedelta) -> str:
    minutes = -(-length // timedelta(minutes=1))
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{amount} {unit}" for amount, unit in parts if amount) or "0 min"


def approvals(plan: Plan, context: GateContext) -> GateResult:
    """Check whether the plan has as many valid approvals as its playbook requires."""
    rule = plan.decisions.approvals
    operator = Approver(context.identity.arn, context.user)
    judged = ApprovalContext(
        operator,
        context.now,
        context.after,
        _signatures(plan, context.signatures),
        context.journal_lost,
    )
    counted = count_valid(plan, context.approvals, judged)
    observed = "; ".join([*(f"by {a.approver}" for a in counted.good), *counted.faults]) or "none"
    if rule.needed == 0:
        return passed(Gate.APPROVALS, observed, NOT_REQUIRED)
    required = f"{rule.needed} valid for this plan"
    if context.after:
        required += f" after the rollback {context.after}"
    if rule.four_eyes:
        required += f", not by {operator.arn}"
    if judged.signatures is None:
        return _enough(plan, len(counted.good), observed, required, judged)
    required += ", plan and approvals signed"
    author = judged.signatures.plan
    if author.fault:
        observed = f"the plan {author.fault}; {observed}"
        if author.undecided:
            return unknown(Gate.APPROVALS, observed, required, advice=CHECK_AGAIN)
        return failed(Gate.APPROVALS, observed, required, advice=SIGN_PLAN)
    if len(counted.good) < rule.needed and any(
        judged.signatures.of(each.digest).undecided for each, _ in counted.void
    ):
        return unknown(Gate.APPROVALS, observed, required, advice=CHECK_AGAIN)
    return _enough(plan, len(counted.good), observed, required, judged)


CHECK_AGAIN: Advice = (
    "check that ssh-keygen of OpenSSH 8.8 or later is here, with the planned list of signers:",
    cli("apply", "RUN"),
)
ROLL_BACK_FIRST: Advice = (
    "roll back first; status then prints the command that approves another attempt:",
    cli("rollback", "RUN"),
)
SIGN_PLAN: Advice = (
    "have its author sign the plan, then apply that file:",
    signing_command(SignedKind.PLAN, "PLAN"),
    cli("apply", "PLAN"),
)


def _signatures(plan: Plan, checks: SignatureChecks | None) -> SignatureChecks | None:
    """Return the checks that count: with none made, a plan that demands signatures has none."""
    if not plan.decisions.approvals.signed:
        return None
    return checks or SignatureChecks()


def _enough(
    plan: Plan, good: int, observed: str, required: str, judged: ApprovalContext
) -> GateResult:
    if good >= plan.decisions.approvals.needed:
        return passed(Gate.APPROVALS, observed, required)
    signed = judged.signatures is not None
    if signed and judged.journal_lost and not judged.after:
        return failed(Gate.APPROVALS, observed, required, advice=ROLL_BACK_FIRST)
    advice = (
        "have another person approve the plan, then apply with --approval FILE:",
        approve_command("PLAN", judged.after, signed=signed),
    )
    return failed(Gate.APPROVALS, observed, required, advice=advice)


def finalize_approvals(plan: Plan, context: GateContext) -> GateResult:
    """Check the same before finalize, if the playbook requires it."""
    if plan.decisions.finalize.approved:
        return approvals(plan, context)
    return passed(Gate.APPROVALS, "not checked before finalize", NOT_REQUIRED)


def hook(moment: HookMoment, result: HookResult) -> GateResult:
    """Check whether the plan's hook agrees; UNKNOWN if it was killed or could not be run."""
    required = f"{result.program} exits 0 ({moment})"
    if not result.fault:
        return passed(Gate.HOOK, f"{result.program} exited 0", required)
    advice = f"see the output of {result.program} in the run's log"
    verdict = unknown if result.exit is None else failed
    return verdict(Gate.HOOK, f"{result.program} {result.fault}", required, advice=advice)


def changed_program(moment: HookMoment, changed: str) -> GateResult:
    """Return FAIL for a program that differs from the planned one; it is not run."""
    advice: Advice = "restore the program that was planned, or force the gate"
    if moment is HookMoment.BEFORE_CUTOVER:
        advice = plan_again("restore the program that was planned, or plan again")
    required = "every hook program unchanged since planning"
    return failed(Gate.HOOK, changed, required, advice=advice)
