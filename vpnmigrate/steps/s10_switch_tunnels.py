"""Step 10: switch the tunnels on the devices."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.clock import span
from vpnmigrate.model.decisions import OldTunnels
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import Phase, Plan, connection_role
from vpnmigrate.model.snapshot import Confirmation, GatewaySwap, ReadingPart, Snapshot
from vpnmigrate.steps.base import (
    DesiredFact,
    Lost,
    Met,
    MissingChanges,
    NotYet,
    Residual,
    Step,
    StepInput,
    Verdict,
    missing,
)
from vpnmigrate.steps.residue import once_left_out, optional_parts, residue
from vpnmigrate.steps.s08_swap_gateways import detached_externally
from vpnmigrate.steps.traffic import (
    destinations,
    first_missing,
    is_soaked,
    is_stable,
    lacks_tunnels,
    missing_connections,
    missing_in_brief,
)

AT_DEVICES = timedelta(minutes=15)
"""An estimate, as in ``planning.windows.BY_DEFAULT``; a rehearsal does not measure people."""

HOLD = "traffic flows; waiting until it is stable"


class SwitchTunnels(Step):
    """Switch to the joining side's tunnels on the devices, and verify traffic.

    In AWS: changes nothing; the tunnels are switched on the devices.  Telemetry and routes decide,
    not the operator's confirmation: an old tunnel that is UP proves nothing (domain.md 10).  The
    outage ends when traffic has been complete for as long as the plan requires; only then is the
    operator asked to disable the old tunnels (make before break).  Isolated changes of earlier
    steps are tried again; while one is missing or has no effect, the old tunnels stay as they are.
    The step does not end while a device may still undo what its driver has changed.

    Rollback: this step runs again with the gateways exchanged: the operator enables the old tunnels
    and disables the new ones, and traffic is verified on the old gateway.  Devices whose new
    tunnels were enabled are asked for even if AWS shows complete traffic: a device may still send
    into a new tunnel, which AWS's side of the old ones does not show.
    """

    number = 10
    title = "Switch the tunnels"
    phase = Phase.CUTOVER
    precondition = "the routing leads to the joining gateway"
    postcondition = (
        "traffic is verified: the tunnels are UP and each destination has a path, stable for "
        "as long as the plan requires"
    )
    limit = timedelta(minutes=60)  # the playbook's waits.tunnels, and waits.soak

    def expected_for(self, plan: Plan) -> timedelta | None:
        """Return IKE and BGP, then the routes (domain.md 12.3), and the work at the devices."""
        return timedelta(seconds=60 + 60) + AT_DEVICES

    def limit_for(self, plan: Plan) -> timedelta:
        return plan.decisions.waits.tunnels + plan.decisions.waits.soak

    def optional_parts(self, view: StepInput) -> Iterable[DesiredFact]:
        """Yield changes that earlier steps left out, or whose effect this step awaits."""
        return optional_parts(view)

    def awaits(self, view: StepInput) -> ReadingPart | None:
        waits = lacks_tunnels(view) and not any(True for _ in once_left_out(view))
        return ReadingPart.CONNECTIONS if waits else None

    def missing_changes(self, view: StepInput) -> MissingChanges:
        yield from missing(once_left_out(view), view.now)
        facts, devices = view.journal_facts, open_devices(view)
        task = enabling_task(view.plan, view.swap, view.now)
        asks = facts.verified is None and task.confirmation not in facts.confirmations
        if self._disabling_is_due(view):
            old = ", ".join(view.plan.old_connections)
            yield AskOperator(
                self.number,
                Confirmation.OLD_TUNNELS_DISABLED,
                f"traffic flows through {view.swap.joining}: now disable the tunnels of {old}",
            )
        elif asks and (_may_use_new_tunnels(view) or first_missing(view)):
            yield task
        elif devices:
            yield settling_task(view, devices)

    def _disabling_is_due(self, view: StepInput) -> bool:
        return (
            view.journal_facts.verified is not None
            and _must_disable(view.plan, view.swap)
            and not _has_residue(view)
            and is_soaked(view.plan, view.journal_facts)
            and Confirmation.OLD_TUNNELS_DISABLED not in view.journal_facts.confirmations
        )

    def verify(self, view: StepInput) -> Verdict:
        if blocked := detached_externally(view.plan, view.swap, view.now):
            return blocked
        lacking = missing_in_brief(view)
        if view.journal_facts.verified is None:
            return NotYet(lacking or HOLD)
        if lacking:
            return NotYet(f"traffic flowed, but something is missing again: {lacking}")
        if not is_soaked(view.plan, view.journal_facts):
            return NotYet(f"{HOLD}: the soak time is {span(view.plan.decisions.waits.soak)}")
        left_out = view.journal_facts.left_out
        for want in once_left_out(view):
            if not want.is_left_out(left_out):
                return NotYet(f"{want.name} is missing")
        if devices := open_devices(view):
            return NotYet(f"traffic flows; a driver's change may not last: {', '.join(devices)}")
        left = _has_residue(view)
        if (
            _must_disable(view.plan, view.swap)
            and not left
            and Confirmation.OLD_TUNNELS_DISABLED not in view.journal_facts.confirmations
        ):
            return NotYet("the old tunnels are not disabled yet")
        if not is_stable(view):
            return NotYet(HOLD)
        lost = (
            *(
                f"{old}: deleted outside this run"
                for old in missing_connections(view.plan, view.swap, view.now)
            ),
            *map(str, destinations(view).external),
        )
        if left:
            return Residual(lost)
        return Lost(lost) if lost else Met()


def enabling_task(plan: Plan, swap: GatewaySwap, now: Snapshot) -> AskOperator:
    """Return the operator task that ends the outage, in either direction."""
    if swap.joining == plan.old_gateway:
        return AskOperator(
            SwitchTunnels.number,
            Confirmation.TUNNELS_RETURNED,
            f"enable the tunnels of {', '.join(plan.old_connections)} again, "
            "disable those of the new connections",
        )
    new = sorted(id_ for role, id_ in now.ours.items() if role.startswith("connection/"))
    return AskOperator(
        SwitchTunnels.number,
        Confirmation.NEW_TUNNELS_ENABLED,
        f"enable the tunnels of {', '.join(new)} and send traffic through them",
    )


def settling_task(view: StepInput, devices: tuple[VpnConnectionId, ...]) -> AskOperator:
    """Return the task that makes the drivers' changes at *devices* last, in either direction."""
    task = enabling_task(view.plan, view.swap, view.now)
    back = task.confirmation is Confirmation.TUNNELS_RETURNED
    used = devices if back else [view.now.ours.get(connection_role(old), old) for old in devices]
    return AskOperator(
        task.step,
        task.confirmation,
        f"a driver's change may not last: see that the tunnels of {', '.join(used)} are enabled, "
        "and that no commit waits for its confirmation there",
        devices,
    )


def open_devices(view: StepInput) -> tuple[VpnConnectionId, ...]:
    """Return the old connections at whose devices a driver's change may end traffic later.

    A change that is not confirmed is undone by its device, and one of unknown effect may be such a
    change, or still be under way.  In a rollback a call may disable the old tunnels.
    """
    if not view.journal_facts.unsettled:
        return ()
    spared = view.plan.decisions.exceptions.connections
    gone = missing_connections(view.plan, view.swap, view.now)
    unsettled = view.journal_facts.unsettled - {*spared, *gone}
    return tuple(old for old in view.plan.old_connections if old in unsettled)


def _may_use_new_tunnels(view: StepInput) -> bool:
    """Return whether this is a rollback of a cutover that may have enabled new tunnels."""
    facts = view.journal_facts
    may_be_enabled = facts.tunnels_switched or facts.touched is None
    return may_be_enabled and view.swap.joining == view.plan.old_gateway


def _has_residue(view: StepInput) -> bool:
    """Return whether a change left out is missing, or made without a path for its destinations."""
    return bool(residue(view) or destinations(view).residual)


def _must_disable(plan: Plan, swap: GatewaySwap) -> bool:
    forward = swap.leaving == plan.old_gateway
    return forward and plan.decisions.old_tunnels is OldTunnels.DISABLE
