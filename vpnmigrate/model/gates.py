"""Gates: their names, milestones, results and verdicts."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from vpnmigrate.errors.commands import Advice


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
    CREDENTIALS = "credentials"
    CLOCK = "clock"
    OWN_PATH = "own-path"
    TRAFFIC = "traffic-verified"
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
