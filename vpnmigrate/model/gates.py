"""Gates: their names, milestones, results and verdicts."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from vpnmigrate.commands import Advice


class Milestone(StrEnum):
    """What a round of gates stands before."""

    CUTOVER = "cutover"
    FINALIZE = "finalize"


class Gate(StrEnum):
    """Every gate, in the order in which a reader wants to know."""

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
    """What a gate says.  Only PASS lets anybody through."""

    PASS = "PASS"  # noqa: S105  no password
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


class Force(Struct, frozen=True):
    """An operator's decision to go on although one gate does not pass, with the reason."""

    gate: Gate
    reason: str


class GateResult(Struct, frozen=True):
    """One gate as it was seen: what it found, and what it asks for."""

    gate: Gate
    call: GateVerdict
    observed: str
    required: str
    advice: Advice = ""
    """What to do if it does not pass."""
    forced: str = ""
    """The reason for which the operator went on all the same."""

    @property
    def lets_through(self) -> bool:
        """Whether the run may go on as far as this gate is concerned."""
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
"""Gates that nobody can force, with the reason."""
