"""Gates: their names, what each requires before which milestone, results and verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct, field

from vpnmigrate.model.errors.commands import Advice, Command, commands_in


class Milestone(StrEnum):
    """What a set of gates precedes."""

    CUTOVER = "cutover"
    FINALIZE = "finalize"


class Gate(StrEnum):
    """Every gate, in the order of display."""

    WORLD = "world-equals-plan"
    WINDOW = "window"
    APPROVALS = "approvals"
    REHEARSAL = "rehearsal"
    WAY_BACK = "way-back"
    DEVICES = "devices-confirmed"
    NEW_CONNECTIONS = "new-connections"
    NEW_GATEWAY = "new-gateway-unattached"
    OLD_TUNNELS = "old-tunnels"
    MAINTENANCE = "tunnel-maintenance"
    ENCRYPTION = "encryption-control"
    CREDENTIALS = "credentials"
    CLOCK = "clock"
    OWN_PATH = "own-path"
    PERMISSIONS = "permissions"
    DRIVERS = "device-drivers"
    TRAFFIC = "traffic-verified"
    SOAK = "soak"
    ARCHIVED = "configuration-archived"
    HOOK = "hook"


class GateVerdict(StrEnum):
    """Verdict of a gate; without force, the run continues only on PASS."""

    PASS = "PASS"  # noqa: S105  no password
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


class Force(Struct, frozen=True):
    """An operator's decision to continue although a gate does not pass, with the reason."""

    gate: Gate
    reason: str


class GateResult(Struct, frozen=True):
    """Result of one gate: what was observed, and what is required."""

    gate: Gate
    verdict: GateVerdict = field(name="call")
    """``call`` in JSON, which programs read."""
    observed: str
    required: str
    advice: Advice = ""
    """What to do if it does not pass."""
    forced: str = ""
    """The operator's reason for forcing the gate; empty if it was not forced."""
    unforceable: str = ""
    """Why this result cannot be forced, although the gate can; empty if it can."""

    @property
    def lets_through(self) -> bool:
        """Whether this gate lets the run continue."""
        return self.verdict is GateVerdict.PASS or bool(self.forced)

    def __str__(self) -> str:
        return f"{self.gate}: {self.observed}"


UNFORCEABLE: dict[Gate, str] = {
    Gate.WORLD: "the rollback is computed from the plan's survey: plan again instead",
    Gate.WAY_BACK: "without the state before the migration a rollback is impossible",
    Gate.DEVICES: "confirm the device task with the command done",
    Gate.NEW_CONNECTIONS: (
        "the outage could not end; to leave one out, list it in the playbook's exceptions"
    ),
    Gate.NEW_GATEWAY: (
        "a gateway can be attached to one VPC, so EC2 would refuse the attach during the outage"
    ),
    Gate.TRAFFIC: "finalize would delete connections that may be the only path",
}
"""Gates that cannot be forced, with the reason."""


class GateRule(Struct, frozen=True):
    """What a gate requires before a milestone, for the runbook and the page of the gates."""

    gate: Gate
    required: str
    otherwise: str
    """What to do until it passes."""


GATES: Mapping[Milestone, tuple[GateRule, ...]] = {
    Milestone.CUTOVER: (
        GateRule(Gate.WORLD, "AWS is as the plan's survey found it", "plan again"),
        GateRule(
            Gate.WINDOW, "now is in the window, with time for cutover and rollback", "next window"
        ),
        GateRule(
            Gate.APPROVALS,
            "each approval the plan needs, for this fingerprint and attempt, signed if required",
            "get them",
        ),
        GateRule(Gate.REHEARSAL, "this plan was rehearsed recently, with rollback", "rehearse it"),
        GateRule(
            Gate.WAY_BACK, "the old gateway is attached, its connections available", "no cutover"
        ),
        GateRule(
            Gate.DEVICES, "the new tunnels are configured on every device, and disabled", "step 5"
        ),
        GateRule(
            Gate.NEW_CONNECTIONS, "each available, with all its static prefixes", "wait, or step 3"
        ),
        GateRule(Gate.NEW_GATEWAY, "available, and attached to no VPC", "detach it there first"),
        GateRule(Gate.OLD_TUNNELS, "as many UP as when the plan was made", "fix them first"),
        GateRule(
            Gate.MAINTENANCE,
            "AWS replaces no tunnel endpoint, old or new, before window and soak have ended",
            "accept it first, or another window",
        ),
        GateRule(
            Gate.ENCRYPTION,
            "no VPC encryption control keeps AWS from attaching a gateway",
            "exclude virtual private gateways",
        ),
        GateRule(
            Gate.CREDENTIALS,
            "valid until after the window, and for a cutover with its rollback",
            "renew them",
        ),
        GateRule(Gate.CLOCK, "this host's clock is within 5 minutes of AWS's", "set the clock"),
        GateRule(Gate.OWN_PATH, "EC2 and STS are reached without this VPN", "use another host"),
        GateRule(
            Gate.PERMISSIONS, "every call that can follow was tried and is allowed", "grant them"
        ),
        GateRule(
            Gate.DRIVERS,
            "each driver answers: new tunnels disabled, old ones enabled",
            "repair it, or have an engineer ready",
        ),
        GateRule(Gate.HOOK, "the plan's own program agrees, if it names one", "follow its answer"),
    ),
    Milestone.FINALIZE: (
        GateRule(
            Gate.TRAFFIC, "the new side has carried traffic, and still does", "do not finalize"
        ),
        GateRule(
            Gate.SOAK, "traffic was verified at least finalize.soak ago", "observe until then"
        ),
        GateRule(Gate.ARCHIVED, "every configuration, old and new, is in the vault", "step 4"),
        GateRule(Gate.WINDOW, "finalize.window, if the plan has one", "next window"),
        GateRule(Gate.APPROVALS, "as before the cutover, with finalize.approved", "get them"),
        GateRule(Gate.HOOK, "the plan's own program agrees, if it names one", "follow its answer"),
    ),
}
"""The gates before each milestone, in the order in which they are evaluated."""


def gates_before(milestone: Milestone) -> tuple[Gate, ...]:
    """Return the gates that are evaluated before *milestone*, in order."""
    return tuple(rule.gate for rule in GATES[milestone])


def closed_results(results: Iterable[GateResult]) -> tuple[GateResult, ...]:
    """Return those of *results* that do not let the run continue."""
    return tuple(each for each in results if not each.lets_through)


def to_open(closed: Iterable[GateResult], refused: Command) -> Advice:
    """Return what opens the *closed* gates, and then the command that they have *refused*.

    Where a gate needs another plan, its advice is the whole answer: the refused command would load
    the plan in force again, and applying the new plan evaluates every other gate for that plan.
    """
    advised = [each.advice for each in closed]
    if replans := [each for each in advised if _replans(each)]:
        # The one with the most options: those of a closed window name another one.
        return max(replans, key=lambda each: max(len(c.words) for c in commands_in(each)))
    parts: list[str | Command] = []
    for each in advised:
        parts += each if isinstance(each, tuple) else (each,)
    opens = tuple(dict.fromkeys(part for part in parts if part))
    commands = [part for part in opens if isinstance(part, Command)]
    goes_on = any(each.words[: len(refused.words)] == refused.words for each in commands)
    if not opens or goes_on:
        return opens
    then = ("then:",) if commands else ()
    return (*opens, *then, refused)


def _replans(advice: Advice) -> bool:
    return any(each.words[1:3] == ("plan", "--from") for each in commands_in(advice))
