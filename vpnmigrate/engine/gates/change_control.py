"""Gates on change control: window, rehearsal, approvals and the operator's hook."""

from __future__ import annotations

from datetime import datetime, timedelta

from vpnmigrate.commands import Advice, cli
from vpnmigrate.engine.gates.base import GateContext, failed, passed, unknown
from vpnmigrate.engine.ports import HookResult
from vpnmigrate.model.decisions import HookMoment, Window
from vpnmigrate.model.gates import Gate, GateResult
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.approvals import Approver, count_valid
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

ANOTHER = ("plan again:", cli("plan", "--from", "RUN", "--window", "START/END"))


def window(plan: Plan, ports: GateContext) -> GateResult:
    """Ask for the window, and for room in it for a cutover and the whole way back."""
    given = plan.decisions.window
    if given is None:
        return passed(Gate.WINDOW, "the plan has none", "nothing")
    waits = plan.decisions.waits
    awaited = with_soak(expected(plan.fingerprint, ports.rehearsed), waits)
    margin = waits.margin
    required = (
        f"{_window_text(given)}; {_span(awaited.cutover)} for the cutover, "
        f"{_span(awaited.rollback)} for a rollback ({awaited.source}), and a margin of "
        f"{_span(margin)}"
    )
    match window_state(given, awaited, margin, ports.now):
        case WindowOpen(latest):
            return passed(Gate.WINDOW, f"open; may begin until {_at(latest)}", required)
        case WindowAhead(opens):
            opening = f"opens {_at(opens)}, in {_span(opens - ports.now)}"
            return failed(Gate.WINDOW, opening, required, advice="apply again then")
        case WindowTooLate(latest, ends):
            observed = f"begun after {_at(latest)} it could not be taken back by {_at(ends)}"
            return failed(Gate.WINDOW, observed, required, advice=ANOTHER)
        case WindowOver(ended):
            return failed(Gate.WINDOW, f"over since {_at(ended)}", required, advice=ANOTHER)
        case WindowTooShort(length, needs):
            observed = f"{_span(length)} long, and {_span(needs)} are needed"
            return failed(
                Gate.WINDOW,
                observed,
                required,
                advice=("rehearse the plan, or", *ANOTHER),
            )


def finalize_window(plan: Plan, ports: GateContext) -> GateResult:
    """Ask for the window of finalize; nothing has to fit into it, for nothing leads back."""
    given = plan.decisions.finalize.window
    if given is None:
        return passed(Gate.WINDOW, "the plan has none for finalize", "nothing")
    if given.start <= ports.now < given.end:
        return passed(Gate.WINDOW, "open", _window_text(given))
    observed = "not open yet" if ports.now < given.start else "over"
    return failed(Gate.WINDOW, observed, _window_text(given), advice="finalize in the window")


def rehearsal(plan: Plan, ports: GateContext) -> GateResult:
    """Ask for a recent rehearsal of this very plan, if the plan does."""
    within = plan.decisions.rehearsed_within
    known = ports.rehearsed
    if known is not None and known.fingerprint != plan.fingerprint:
        known = None
    if known is None:
        observed = "none of this plan"
    else:
        ended = "passed" if known.passed else "FAILED"
        observed = f"{ended} {_at(known.at)}"
    if within is None:
        return passed(Gate.REHEARSAL, observed, "nothing")
    required = f"passed in the last {_span(within)}"
    recent = known is not None and timedelta(0) <= ports.now - known.at <= within
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


def approvals(plan: Plan, ports: GateContext) -> GateResult:
    """Ask for as many valid approvals of this very plan as it wants."""
    rule = plan.decisions.approvals
    operator = Approver(ports.identity.arn, ports.user)
    judged = count_valid(plan, ports.approvals, operator, ports.now)
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


def finalize_approvals(plan: Plan, ports: GateContext) -> GateResult:
    """Ask for the same before finalize, if the plan does."""
    if plan.decisions.finalize.approved:
        return approvals(plan, ports)
    return passed(Gate.APPROVALS, "the plan asks for none before finalize", "nothing")


def hook(moment: HookMoment, judged: HookResult) -> GateResult:
    """Ask the plan's own program; one that was killed, or cannot be run, has said nothing."""
    required = f"{judged.program} exits 0 ({moment})"
    if not judged.fault:
        return passed(Gate.HOOK, "it agrees", required)
    advice = f"what {judged.program} printed is in the run's log"
    say = unknown if judged.exit is None else failed
    return say(Gate.HOOK, f"{judged.program} {judged.fault}", required, advice=advice)


def changed_program(plan: Plan, moment: HookMoment, changed: str) -> GateResult:
    """Close where a program is not the one that the plan's fingerprint covers; it is not run."""
    advice: Advice = "put back the program that was planned, or force the gate"
    if moment is HookMoment.BEFORE_CUTOVER:
        advice = cli("plan", "--from", plan.migration)
    required = "every program contains what it did when the plan was made"
    return failed(Gate.HOOK, changed, required, advice=advice)
