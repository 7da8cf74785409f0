"""What an operator reads at each gate: the observation, the requirement and the advice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import msgspec
import pytest

from tests.support.builders import (
    BOTH,
    FORWARD,
    MAIN,
    MIGRATION,
    NEW,
    NEW_VPN,
    NOON,
    OLD,
    OLD_VPN,
    VPC,
    a_connection,
    a_plan,
    a_snapshot,
    a_survey,
    a_table,
    an_approval,
    journal_facts,
    minutes,
    no_maintenance,
    ordinary_tables,
    role_of,
)
from vpnmigrate.engine.gates import (
    GateContext,
    RollbackProofResult,
    before_cutover,
    before_finalize,
    device_drivers,
    hook,
    ready_to_paste,
)
from vpnmigrate.engine.ports import Credentials, HookResult, Identity, Renewal
from vpnmigrate.engine.ports import NetworkPath as WayOut
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.decisions import Approvals, Decisions, Finalize, HookMoment, Window
from vpnmigrate.model.device_drivers import (
    DeviceState,
    DriverOutcome,
    DriverResult,
    TunnelsState,
)
from vpnmigrate.model.ec2 import Attachment, ResourceState
from vpnmigrate.model.encryption_control import EncryptionControl, EncryptionControls
from vpnmigrate.model.errors.commands import Command, commands_in, one_line
from vpnmigrate.model.facts import UNKNOWN, AttachmentOf, Existence
from vpnmigrate.model.gates import UNFORCEABLE, Gate, GateResult, GateVerdict, to_open
from vpnmigrate.model.permissions import MissingPermission, PermissionVerdict
from vpnmigrate.model.plan import GATEWAY_ROLE
from vpnmigrate.model.snapshot import Confirmation, JournalFacts
from vpnmigrate.model.survey import Survey
from vpnmigrate.model.tunnel_maintenance import MaintenanceStatus
from vpnmigrate.planning.drift import Drift
from vpnmigrate.steps.base import StepInput

OPERATOR = "arn:aws:iam::123456789012:user/ann"
NIGHT = Window(NOON, NOON + timedelta(hours=3), "noon to three, UTC")
STRICT = Decisions(
    window=NIGHT,
    approvals=Approvals(required=1, four_eyes=True),
    rehearsed_within=timedelta(days=7),
    finalize=Finalize(approved=True, window=NIGHT),
)
SOAKING = Decisions(finalize=Finalize(soak=timedelta(days=7)))
REHEARSED = RehearsalResult(
    fingerprint="f" * 64,
    at=NOON - timedelta(days=2),
    tool="test",
    passed=True,
    cutover=minutes(2),
    back={7: minutes(1), 9: minutes(4)},
)
APPROVED = an_approval(at=NOON - timedelta(days=1), expires=NOON + timedelta(days=6))
READY = journal_facts(Confirmation.DEVICES_CONFIGURED, files=[OLD_VPN, NEW_VPN])
CARRIES = a_snapshot(old="detached", new="attached", up=2, tables=ordinary_tables(NEW))


def identity(credentials: Credentials, ahead: timedelta | None) -> Identity:
    return Identity("123456789012", OPERATOR, credentials, ahead)


def ports(**changes: object) -> GateContext:
    plain = GateContext(
        now=NOON,
        identity=identity(Credentials(Renewal.NEVER_EXPIRES), timedelta(seconds=2)),
        user="ann",
        paths=(WayOut("EC2", ("198.51.100.7",), ""), WayOut("STS", ("198.51.100.8",), "")),
        maintenance=no_maintenance(),
        encryption=EncryptionControls(),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def plan_for(decisions: Decisions | None = None, before: Survey | None = None):
    plan = a_plan(before=before, decisions=decisions)
    return msgspec.structs.replace(plan, fingerprint="f" * 64)


def with_facts(facts):
    now = a_snapshot()
    return msgspec.structs.replace(now, facts={**now.facts, **facts})


def cutover(
    decisions=None, observation=None, said: JournalFacts = READY, *, before=None, **circumstances
):
    plan = plan_for(decisions, before)
    return before_cutover(
        StepInput(plan, FORWARD, observation or a_snapshot(), said), ports(**circumstances)
    )


def finalize(decisions=None, observation=CARRIES, said: JournalFacts = READY, **circumstances):
    return before_finalize(
        StepInput(plan_for(decisions), FORWARD, observation, said), ports(**circumstances)
    )


def hooked(judged):
    return (hook(HookMoment.BEFORE_CUTOVER, judged),)


def driven(result):
    return (device_drivers({OLD_VPN: result}),)


def by_a_person(until, ahead=None):
    return identity(Credentials(Renewal.MANUAL, until), ahead)


def missing(action, verdict=PermissionVerdict.DENIED, *, only_removes=False):
    return MissingPermission(
        action, verdict, "why", ("vgw-1",), only_removes=only_removes, phases=("rollback",)
    )


def announced(status, **changes):
    return tuple(
        msgspec.structs.replace(each, status=status, **changes) for each in no_maintenance()
    )


def controlled(state, exclusion="disabled"):
    return EncryptionControls(EncryptionControl("enforce", state, exclusion))


BAD = with_facts(
    {
        Existence(OLD_VPN): ResourceState.DELETING,
        Existence(MAIN): ResourceState.ABSENT,
        Existence(BOTH): ResourceState.ABSENT,
        AttachmentOf(OLD, VPC): Attachment.DETACHED,
        Existence(role_of(OLD_VPN)): ResourceState.PENDING,
        Existence(GATEWAY_ROLE): ResourceState.PENDING,
    }
)
UNSEEN = msgspec.structs.replace(with_facts({Existence(GATEWAY_ROLE): UNKNOWN}), connections={})
WORSE = a_snapshot()
WORSE = msgspec.structs.replace(
    WORSE, connections={**WORSE.connections, OLD_VPN: a_connection(up=1)}
)
HELD = with_facts({AttachmentOf(NEW, VPC): Attachment.DETACHING})
INSIDE = (WayOut("EC2", ("10.0.3.4",), ""), WayOut("STS", ("10.0.3.5",), ""))

LOADED = DeviceState(TunnelsState.DISABLED, TunnelsState.ENABLED)
ROUNDS: dict[str, Callable[[], Iterable[GateResult]]] = {
    "all is well": cutover,
    "all that a plan can ask for": partial(
        cutover,
        STRICT,
        rehearsed=REHEARSED,
        proof=RollbackProofResult(holds=True, text="may attach vgw-old"),
        identity=identity(Credentials(Renewal.AUTOMATIC, NOON), timedelta(seconds=-3)),
        paths=(),
    ),
    "nothing is": partial(
        cutover,
        STRICT,
        BAD,
        journal_facts(),
        now=NOON - minutes(90),
        drift=Drift(("rtb-1: route is gone", "vgw-1: tag is new")),
        proof=RollbackProofResult(holds=False, text="may not attach vgw-old"),
        identity=by_a_person(NIGHT.end, minutes(-6)),
        paths=INSIDE,
        rehearsed=msgspec.structs.replace(REHEARSED, passed=False),
    ),
    "little is known": partial(
        cutover,
        STRICT,
        UNSEEN,
        now=NOON + minutes(111),
        identity=by_a_person(None),
        paths=(WayOut("EC2", (), ""), WayOut("STS", (), "")),
    ),
    "late": partial(cutover, STRICT, WORSE, now=NOON + minutes(180)),
    "short": partial(
        cutover,
        Decisions(window=Window(NOON, NOON + minutes(45), "not long")),
        HELD,
        identity=by_a_person(NIGHT.end),
    ),
    "from within, and agreed to": partial(
        cutover,
        STRICT,
        approvals=(APPROVED,),
        paths=(WayOut("EC2", ("198.51.100.7",), "10.0.3.4"),),
        before=a_survey(route_tables=(a_table(BOTH, static={"0.0.0.0/0": OLD}),)),
    ),
    "finalize": finalize,
    "finalize, all asked": partial(finalize, STRICT),
    "finalize, nothing is": partial(
        finalize, STRICT, a_snapshot(), journal_facts(), now=NOON - minutes(1)
    ),
    "finalize, late": partial(finalize, STRICT, now=NIGHT.end),
    "finalize, after its soak": partial(finalize, SOAKING, flowed=timedelta(days=8)),
    "finalize, during its soak": partial(finalize, SOAKING, flowed=timedelta(days=6)),
    "finalize, soak unknown": partial(finalize, SOAKING),
    "every call is allowed": partial(cutover, missing_permissions=()),
    "a call is denied": partial(cutover, missing_permissions=(missing("ec2:AttachVpnGateway"),)),
    "a removal is denied": partial(
        cutover, missing_permissions=(missing("ec2:DeleteTags", only_removes=True),)
    ),
    "nothing could be tried": partial(
        cutover,
        missing_permissions=(missing("ec2:CreateTags", PermissionVerdict.UNPROVEN),),
    ),
    "a call is simulated": partial(
        cutover,
        missing_permissions=(missing("ec2:CreateTags", PermissionVerdict.SIMULATED),),
    ),
    "a call is simulated for the role": partial(
        cutover,
        missing_permissions=(missing("ec2:CreateTags", PermissionVerdict.SIMULATED_ROLE),),
    ),
    "maintenance is pending": partial(cutover, maintenance=announced(MaintenanceStatus.PENDING)),
    "maintenance is unknown": partial(
        cutover, maintenance=announced(MaintenanceStatus.UNKNOWN, why="denied")
    ),
    "no tunnel was read": partial(cutover, maintenance=(), encryption=None),
    "encryption is enforced": partial(cutover, encryption=controlled("available")),
    "encryption control changes": partial(cutover, encryption=controlled("enforce-in-progress")),
    "encryption control is unknown": partial(
        cutover, encryption=EncryptionControls(vpc_unread="denied")
    ),
    "a hook agrees": partial(hooked, HookResult("ask", 0)),
    "a hook does not": partial(hooked, HookResult("ask", 3, "exited 3")),
    "a hook says nothing": partial(hooked, HookResult("ask", None, "was killed")),
    "a driver answers": partial(driven, DriverResult(DriverOutcome.DONE, LOADED)),
    "a driver says nothing": partial(driven, None),
    "a driver fails": partial(driven, DriverResult(DriverOutcome.FAILED, message="no route")),
    "a driver has not loaded": partial(driven, DriverResult(DriverOutcome.DONE, DeviceState())),
}
"""Situations of the gates, by name."""

ACTIONS = (
    "apply",
    "check",
    "finalize",
    "force",
    "have",
    "let AWS",
    "plan",
    "rehearse",
    "renew",
    "restore",
    "roll back",
    "run",
    "save",
    "see",
    "set",
    "use",
)
"""How an advice without a command begins."""


def results_of(name: str) -> list[GateResult]:
    return [*ROUNDS[name]()]


@pytest.mark.parametrize("name", ROUNDS)
def test_a_gate_says_what_it_observed_and_requires(name):
    """Each gate has what it observed and what it requires, each as one line."""
    for result in results_of(name):
        for text in (result.observed, result.required):
            assert text.strip() == text != ""
            assert text.isprintable()


@pytest.mark.parametrize("name", ROUNDS)
def test_a_gate_that_does_not_pass_says_what_to_do(name):
    """Its advice has a command to paste, or begins with what to do; a passing gate has none."""
    for result in results_of(name):
        if result.verdict is GateVerdict.PASS:
            assert result.advice == ""
        else:
            advice = one_line(result.advice)
            assert commands_in(result.advice) or advice.startswith(ACTIONS), result


@pytest.mark.parametrize("name", ROUNDS)
def test_a_command_in_an_advice_can_be_pasted(name):
    """It names a program, and after RUN and PLAN are filled in, no word stands for a name."""
    for result in ready_to_paste(
        results_of(name), run=MIGRATION, plan_file="plan.json", new_plan="again.json"
    ):
        for command in commands_in(result.advice):
            assert command.words[0] in {"vpnmigrate", "aws", "ssh-keygen"}
            assert not {"RUN", "PLAN", "NEW_PLAN"} & {*command.words}


def test_every_gate_is_seen_to_pass_and_not_to_pass():
    """The situations above have each gate with PASS, and with FAIL or UNKNOWN."""
    results = [result for name in ROUNDS for result in results_of(name)]

    assert {r.gate for r in results if r.verdict is GateVerdict.PASS} == {*Gate}
    assert {r.gate for r in results if r.verdict is not GateVerdict.PASS} == {*Gate}


@pytest.mark.parametrize("name", ROUNDS)
def test_no_advice_begins_with_a_force_or_prints_keys(name):
    """A gate is opened first, and forced last; no command of an advice prints pre-shared keys."""
    for result in results_of(name):
        advice = one_line(result.advice)
        assert not advice.startswith("force")
        assert "describe-vpn-connections" not in advice
        assert "--force" not in [word for c in commands_in(result.advice)[:1] for word in c.words]


PLACEHOLDERS = ("TEXT", "START/END")


@pytest.mark.parametrize("name", ROUNDS)
def test_a_placeholder_is_offered_with_what_to_fill_in(name):
    """The text before a command with TEXT or START/END tells the operator to replace it."""
    for result in results_of(name):
        advice = one_line(result.advice)
        for placeholder in PLACEHOLDERS:
            assert (placeholder in advice) == (f"in place of {placeholder}" in advice), result


REFUSED = Command(("vpnmigrate", "apply", MIGRATION))


@pytest.mark.parametrize("name", ROUNDS)
def test_after_a_new_plan_the_run_is_not_resumed_with_the_old_one(name):
    """An advice that plans again ends with the application of the file that it has written."""
    closed = [each for each in results_of(name) if each.verdict is not GateVerdict.PASS]
    ready = ready_to_paste(closed, run=MIGRATION, plan_file="plan.json", new_plan="again.json")

    commands = commands_in(to_open(ready, REFUSED))

    if any("--from" in command.words for command in commands):
        planned, applied = commands
        assert planned.words[-2:] == ("-o", "again.json")
        assert applied.words == ("vpnmigrate", "apply", "again.json")


def test_names_are_filled_in_only_in_commands():
    """RUN and PLAN are replaced where they are words of a command, and nowhere else."""
    advice = ("of RUN:", Command(("RUN", "PLAN", "PLANS")), Command(("RUN",)))
    result = GateResult(Gate.WINDOW, GateVerdict.FAIL, "RUN", "PLAN", advice)

    (ready,) = ready_to_paste([result], run="mig-1", plan_file="p.json", new_plan="q.json")

    assert ready == GateResult(
        Gate.WINDOW,
        GateVerdict.FAIL,
        "RUN",
        "PLAN",
        ("of RUN:", Command(("mig-1", "p.json", "PLANS")), Command(("mig-1",))),
    )


@pytest.mark.parametrize("gate", UNFORCEABLE)
def test_a_gate_that_cannot_be_forced_has_a_reason(gate):
    """An operator who tries to force one of these reads the reason."""
    assert UNFORCEABLE[gate].strip() != ""
