"""How a cell of the fault matrix is tested, and what must be true at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tests.faults.branching import BEHAVIOUR, Leg, RunAction, finalize, is_as_asked
from tests.support.builders import MIGRATION, OLD, VPC, minutes
from tests.support.stage import Stage
from vpnmigrate.engine.call_limits import OBSERVATION_LIMIT
from vpnmigrate.engine.recorder import evidence_of
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.exit_code import exit_code
from vpnmigrate.model.changes.base import InDoubt
from vpnmigrate.model.ec2 import (
    ConnectionRecord,
    GatewayRecord,
    SubnetRecord,
    Tag,
    VpcRecord,
    VpnGatewayId,
)
from vpnmigrate.model.errors import (
    Exit,
    HeldError,
    IncompleteRemovalError,
    RefusedError,
    VpnMigrateError,
)
from vpnmigrate.model.plan import GATEWAY_ROLE
from vpnmigrate.model.snapshot import GatewaySwap, JournalFacts, snapshot_of
from vpnmigrate.planning.ownership import ownership_of
from vpnmigrate.report.status import RunStatusView
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.traffic import missing_traffic

A_WHILE: Final = 2
"""The number of calls with a fault before it passes."""
FOR_EVER: Final = 0
LATENCY: Final = timedelta(seconds=0.2)
WITH_A_PERSON: Final = ("DescribeSubnets",)
"""Reads of step 6 alone, which gives a person a week: there a call that fails for ever fails as
late as it may, so that the week has a tenth of the observations."""

NOT_KNOWN_YET: Final = {
    "AttachVpnGateway": "InvalidVpnGatewayID.NotFound",
    "DetachVpnGateway": "InvalidVpnGatewayID.NotFound",
    "CreateVpnConnection": "InvalidVpnGatewayID.NotFound",
    "CreateVpnConnectionRoute": "InvalidVpnConnectionID.NotFound",
    "CreateSubnet": "InvalidVpcID.NotFound",
    "DeleteSubnet": "InvalidSubnetID.NotFound",
    "DeleteVpc": "InvalidVpcID.NotFound",
    "DeleteVpnConnection": "InvalidVpnConnectionID.NotFound",
    "DeleteVpnGateway": "InvalidVpnGatewayID.NotFound",
    "EnableVgwRoutePropagation": "Gateway.NotAttached",
    "DisableVgwRoutePropagation": "Gateway.NotAttached",
    "ReplaceRoute": "InvalidGatewayID.NotFound",
    "CreateRoute": "InvalidGatewayID.NotFound",
    "AssociateRouteTable": "InvalidGatewayID.NotFound",
    "DisassociateRouteTable": "InvalidAssociationID.NotFound",
    "GetVpnConnectionDeviceSampleConfiguration": "InvalidVpnConnectionID.NotFound",
}
"""EC2's message for a resource that was created or attached a moment ago, by operation."""

INCORRECT_STATE: Final = {
    "AttachVpnGateway": "InvalidVpcState",
    "CreateVpnConnection": "InvalidVpnGatewayState",
    "CreateVpnConnectionRoute": "InvalidVpnConnection.InvalidState",
    "GetVpnConnectionDeviceSampleConfiguration": "InvalidVpnConnection.InvalidState",
}
"""EC2's own code for it, where it has one."""

QUOTA: Final = {
    "CreateVpnGateway": "VpnGatewayLimitExceeded",
    "CreateVpnConnection": "VpnConnectionLimitExceeded",
    "CreateVpnConnectionRoute": "RouteLimitExceeded",
    "CreateRoute": "RouteLimitExceeded",
    "CreateVpc": "VpcLimitExceeded",
    "CreateSubnet": "SubnetLimitExceeded",
    "CreateTags": "TagLimitExceeded",
}


def _code(codes: Mapping[str, str], default: str = "") -> Callable[[str], tuple[str, str]]:
    return lambda operation: (codes.get(operation, default), "not now")


def _none(operation: str) -> tuple[str, str]:
    return "", ""


def _mutating(operation: str) -> tuple[str, str]:
    kind = "VpnConnection" if "VpnConnection" in operation else "VpnGateway"
    return f"{kind}LimitExceeded", "The maximum number of mutating objects has been reached."


def _conflicting_workflow(operation: str) -> tuple[str, str]:
    return (
        "InvalidParameterValue",
        f"{operation} cannot be completed because there is a conflicting pending workflow for it",
    )


@dataclass(frozen=True)
class Trouble:
    """A column of the matrix: its fault in the sandbox, and what the run must report."""

    kind: FaultKind
    tells: str = ""
    """What the error message of a stopped run must contain, if it is not the code."""
    refusal: Callable[[str], tuple[str, str]] = _none
    late: timedelta = timedelta(0)


TROUBLES: Final[Mapping[str, Trouble]] = {
    "throttled": Trouble(FaultKind.THROTTLE, "RequestLimitExceeded"),
    "500": Trouble(FaultKind.SERVER_ERROR, "internal error"),
    "503": Trouble(FaultKind.UNAVAILABLE, "unavailable"),
    "time-out before": Trouble(FaultKind.TIMED_OUT, "timeout"),
    "time-out after": Trouble(FaultKind.LOST_ANSWER, "timeout"),
    "no connection": Trouble(FaultKind.UNREACHABLE, "connect"),
    "truncated": Trouble(FaultKind.TRUNCATED, "ResponseParserError"),
    "foreign answer": Trouble(FaultKind.FOREIGN, "unexpected response"),
    "ten times slower": Trouble(FaultKind.SLOW, late=9 * LATENCY),
    "stale": Trouble(FaultKind.SLOW),
    "not known yet": Trouble(FaultKind.REFUSED, refusal=_code(NOT_KNOWN_YET)),
    "incorrect state": Trouble(FaultKind.REFUSED, refusal=_code(INCORRECT_STATE, "IncorrectState")),
    "pending workflow": Trouble(
        FaultKind.REFUSED, "conflicting pending workflow", refusal=_conflicting_workflow
    ),
    "dependency": Trouble(FaultKind.REFUSED, refusal=_code({}, "DependencyViolation")),
    "quota": Trouble(FaultKind.REFUSED, refusal=_code(QUOTA)),
    "mutating objects": Trouble(FaultKind.REFUSED, "mutating objects", refusal=_mutating),
    "permission gone": Trouble(FaultKind.DENIED, "not authorized"),
    "expired": Trouble(FaultKind.EXPIRED_TOKEN, "expired"),
}


@dataclass(frozen=True)
class Ending:
    """How a faulted leg ended."""

    stage: Stage
    error: VpnMigrateError | None

    @property
    def verdict(self) -> str:
        """The letter of the matrix for it."""
        match self.error:
            case None if self.stage.state.residue.changes:
                return "leave"
            case None:
                return "continue"
            case IncompleteRemovalError():
                return "leave"
            case HeldError():
                return "hold"
            case RefusedError():
                return "refuse"
            case _:
                return "stop"

    @property
    def view(self) -> RunStatusView:
        """The state that the run reports."""
        stage = self.stage
        return RunStatusView(
            run=MIGRATION,
            fingerprint=stage.plan.fingerprint,
            state=stage.state,
            connections=stage.plan.old_connections,
            now=stage.clock.now(),
            folder="",
            alive=False,
        )

    @property
    def exit(self) -> Exit:
        """The exit code of the process."""
        if self.error is None:
            # As the command ``rollback``.
            return Exit.FAILED if self.stage.state.residue.changes else Exit.DONE
        return exit_code(self.error, self.view.state)


def run_with_fault(leg: Leg, operation: str, trouble: str, *, nth: int, times: int) -> Ending:
    """Run *leg* with *trouble* from the *nth* call of *operation* on, *times* times."""
    made = TROUBLES[trouble]
    lags = trouble == "stale"
    behaviour = Behaviour(
        edge_association_survives_detach=BEHAVIOUR.edge_association_survives_detach,
        read_lag=minutes(2) if lags else minutes(0),
        lagging=(operation,) if lags else (),
    )
    stage = leg.start.branch(behaviour=behaviour)
    code, message = made.refusal(operation)
    week = operation in WITH_A_PERSON and times == FOR_EVER
    late = OBSERVATION_LIMIT if week and not made.late else made.late
    fault = Fault(operation, made.kind, nth, times, code, message, late)
    stage.faults = Faults([fault], stage.clock.sleep)
    return Ending(stage, run_action(stage, leg.go))


def run_action(stage: Stage, go: RunAction) -> VpnMigrateError | None:
    """Run *action* in a process; return its error, except for a requested hold."""
    try:
        stage.run(go)
    except HeldError as held:
        return None if is_as_asked(held) else held
    except VpnMigrateError as error:
        return error
    return None


def run_next_command(ending: Ending, leg: Leg) -> VpnMigrateError | None:
    """Remove the fault, and run the command that the run advises."""
    stage = ending.stage
    stage.faults = None
    stage.clock.sleep(minutes(1))
    following = ending.view.next
    assert following is not None
    verb = following.words[1]
    return run_action(
        stage, {"apply": leg.go, "rollback": Runner.rollback, "finalize": finalize}[verb]
    )


def end_state(stage: Stage) -> list[str]:
    """Return the state of the world after all transitions, with roles for the created ids."""
    stage.clock.sleep(minutes(20))
    seen = stage.plain.observe(stage.plan)
    made: tuple[GatewayRecord | ConnectionRecord | VpcRecord | SubnetRecord, ...] = (
        *seen.gateways,
        *seen.connections,
        *seen.vpcs,
        *seen.subnets,
    )
    roles: dict[str, str] = {
        row.id: row.tags[Tag.ROLE]
        for row in made
        if Tag.ROLE in row.tags and row.state != "deleted"
    }

    def name(id_: object) -> str:
        return roles.get(str(id_), str(id_))

    lines = [f"claim {g.tags.get(Tag.CLAIM)}" for g in seen.gateways if g.id == OLD]
    for g in (g for g in seen.gateways if g.state != "deleted"):
        on = sorted(name(a.vpc) for a in g.attachments if a.state != "detached")
        lines.append(f"{name(g.id)} is {g.state} on {on}")
    for c in (c for c in seen.connections if c.state != "deleted"):
        prefixes = sorted((p.cidr, p.state) for p in c.prefixes)
        lines.append(f"{name(c.id)} is {c.state} from {name(c.vpn_gateway)} with {prefixes}")
    for t in (t for t in seen.tables if t.vpc == VPC):
        edges = sorted(name(a.gateway) for a in t.associations if a.gateway)
        routes = sorted((r.destination, name(r.target), r.state) for r in t.routes)
        lines.append(f"{t.id}: {sorted(map(name, t.propagating))} {edges} {routes}")
    lines += [f"{name(vpc.id)} lives" for vpc in seen.vpcs]
    lines += [f"{name(subnet.id)} lives" for subnet in seen.subnets]
    return sorted(lines)


def wrong_claim(stage: Stage) -> str:
    """Return the journal's wrong claim about traffic; empty if it is true or unknown."""
    claimed = stage.state.traffic
    evidence = evidence_of(stage.state, stage.plan.surveyed)
    reading = stage.plain.observe(stage.plan)
    now = snapshot_of(reading, ownership_of(reading, stage.plan, evidence))
    new = VpnGatewayId(now.ours.get(GATEWAY_ROLE, ""))
    flows = {
        Traffic.OLD: not missing_traffic(
            StepInput(stage.plan, GatewaySwap(new, OLD), now, JournalFacts())
        ),
        Traffic.NEW: bool(new)
        and not missing_traffic(StepInput(stage.plan, GatewaySwap(OLD, new), now, JournalFacts())),
    }
    doubtful = any(isinstance(i.outcome, InDoubt) for i in stage.state.intents)
    match claimed:
        case Traffic.OLD | Traffic.NEW if not (flows[claimed] or stage.state.residue.unreached):
            return f"{claimed} is claimed, and does not flow"
        case Traffic.NONE if any(flows.values()) and not doubtful:
            return f"traffic is said to be down, and flows: {flows}"
        case _:
            return ""
