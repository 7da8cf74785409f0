"""Gates: their names, milestones, results and verdicts."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from vpnmigrate.commands import Advice


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
    call: GateVerdict
    observed: str
    required: str
    advice: Advice = ""
    """What to do if it does not pass."""
    forced: str = ""
    """The operator's reason for forcing the gate; empty if it was not forced."""

    @property
    def lets_through(self) -> bool:
        """Whether this gate lets the run continue."""
        return self.call is GateVerdict.PASS or bool(self.forced)

    def __str__(self) -> str:
        return f"{self.gate}: {self.observed}"


UNFORCEABLE: dict[Gate, str] = {
    Gate.WORLD: "the way back is worked out from the plan's survey: plan again instead",
    Gate.WAY_BACK: "without what was there before nothing leads back",
    Gate.DEVICES: "the confirmation is given with the command done",
    Gate.NEW_CONNECTIONS: "the outage could not end; a playbook's exceptions leave one out",
    Gate.NEW_GATEWAY: "a gateway can be on one VPC, so EC2 would refuse it in the outage",
    Gate.TRAFFIC: "finalize would delete what may be the only path",
}
"""Gates that cannot be forced, with the reason."""
