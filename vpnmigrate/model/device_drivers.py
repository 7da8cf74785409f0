"""Device drivers: calls of drivers, and their results.

A driver does the work at the device of one connection: an executable, or a driver of this program.
The playbook chooses it per customer gateway (``decisions.DeviceDriver``); a device without one has
an engineer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.decisions import DeviceDriver, DriverKind
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.snapshot import Confirmation


class DriverVerb(StrEnum):
    """What a driver does at a device."""

    LOAD = "load"
    """Load the new tunnels, administratively down; the old ones are not touched."""
    ENABLE = "enable"
    """Enable the new tunnels, and disable the old ones if that is asked too."""
    BACK_OUT = "back-out"
    """Disable the new tunnels, and enable and initiate the old ones."""
    REMOVE = "remove"
    """Remove the tunnels of the connection that is not used any more."""
    STATUS = "status"
    """Report the state; change nothing."""


class ConnectionSide(StrEnum):
    """One of the two connections of a device."""

    NEW = "new"
    OLD = "old"


class TunnelsState(StrEnum):
    """The configuration of one connection's tunnels at a device; not whether they are up."""

    ABSENT = "absent"
    DISABLED = "disabled"
    """Loaded, and administratively down."""
    ENABLED = "enabled"
    UNKNOWN = "unknown"
    """Not reported, or different from tunnel to tunnel."""


class DeviceState(Struct, frozen=True):
    """The configuration of a device: the tunnels of its new and of its old connection."""

    new: TunnelsState = TunnelsState.UNKNOWN
    old: TunnelsState = TunnelsState.UNKNOWN

    def __str__(self) -> str:
        return f"new tunnels {self.new}, old tunnels {self.old}"


class DriverCall(Struct, frozen=True):
    """A call of the driver of one device."""

    driver: DeviceDriver
    verb: DriverVerb
    gateway: str
    """The customer gateway: the device."""
    connection: VpnConnectionId
    """The old connection to the device."""
    successor: str
    """Its new connection; empty if it is not known."""
    disable_old: bool = False
    """Of ``enable``: whether the old tunnels are disabled too."""
    remove: ConnectionSide | None = None
    """Of ``remove``: whose tunnels."""


class DriverOutcome(StrEnum):
    """How a call of a driver ended."""

    DONE = "done"
    """The driver did it, as far as it knows."""
    FAILED = "failed"
    """The driver reports that it did not."""
    UNCERTAIN = "uncertain"
    """Contact was lost, the time limit passed, or the result cannot be read: it may be done."""


class DriverResult(Struct, frozen=True):
    """The result of one call."""

    outcome: DriverOutcome
    state: DeviceState = DeviceState()
    message: str = ""
    took: timedelta = timedelta(0)
    changes: str = ""
    """The lines of the device's configuration that the call changed, without secrets."""
    pending_until: datetime | None = None
    """Until when the device waits for the confirmation of a change; it then undoes it."""


class DeviceDoubts(Struct, frozen=True):
    """Reasons why a device may lack, or may not keep, the tunnels that its driver configures."""

    pending: bool = False
    """Whether the device may still undo a change, because it is not confirmed."""
    old_may_be_off: bool = False
    """Whether a driver may have disabled the old tunnels, or may do so yet."""
    new_is_off: bool = False
    """Whether the last answer shows that the new tunnels are not enabled."""
    settled_by_hand: bool = False
    """Whether a person has confirmed the task at the device after the call."""


class DriverCallState(Struct, frozen=True):
    """The last call of a device's driver in a journal."""

    confirmation: Confirmation | None
    """The task that it was for; None for a check before the cutover."""
    verb: DriverVerb
    outcome: DriverOutcome | None = None
    """None if the process that called died before the answer."""
    follows_uncertain: bool = False
    """Whether the effect of the call before was uncertain, and no state has shown it since."""
    doubts: DeviceDoubts = DeviceDoubts()
    before: DeviceDoubts = DeviceDoubts()
    """The doubts before the call, which last if it changed nothing."""

    def next(self, verb: DriverVerb, confirmation: Confirmation | None) -> DriverCallState:
        """Return the state once *verb* is called for *confirmation*, before its answer."""
        doubts = self.doubts
        if verb is not DriverVerb.STATUS:
            off = doubts.old_may_be_off or verb is DriverVerb.ENABLE
            doubts = DeviceDoubts(old_may_be_off=off)
        return DriverCallState(confirmation, verb, None, self.uncertain, doubts, self.doubts)

    def answered(self, result: DriverResult) -> DriverCallState:
        """Return the state after the *result* of the call."""
        done, until = result.outcome is DriverOutcome.DONE, result.pending_until
        failed = result.outcome is DriverOutcome.FAILED and self.verb is not DriverVerb.STATUS
        # A change that failed was not made; what a person has seen during the call counts more.
        earlier = self.before if failed and not self.doubts.settled_by_hand else self.doubts
        returned = self.verb is DriverVerb.BACK_OUT and result.state.old is TunnelsState.UNKNOWN
        is_on = result.state.old is TunnelsState.ENABLED or returned
        lasts = done and until is None
        doubts = DeviceDoubts(
            pending=until is not None or (earlier.pending and not done),
            old_may_be_off=earlier.old_may_be_off and not (lasts and is_on),
            new_is_off=result.state.new in _OFF if done else earlier.new_is_off,
            settled_by_hand=earlier.settled_by_hand and until is None,
        )
        unclear = not done or result.state.new is TunnelsState.UNKNOWN
        return replace(
            self,
            outcome=result.outcome,
            follows_uncertain=self.follows_uncertain and unclear,
            doubts=doubts,
        )

    def confirmed(self, confirmation: Confirmation) -> DriverCallState:
        """Return the state after a person has done the task of *confirmation* at the device."""
        doubts = self.doubts
        match confirmation:
            case Confirmation.OLD_TUNNELS_DISABLED:
                doubts = replace(doubts, settled_by_hand=True, old_may_be_off=True)
            case Confirmation.TUNNELS_RETURNED:
                doubts = replace(doubts, settled_by_hand=True, old_may_be_off=False)
            case Confirmation.DEVICES_CONFIGURED | Confirmation.NEW_TUNNELS_ENABLED:
                doubts = replace(doubts, settled_by_hand=True)
            case Confirmation.TEST_PASSED:
                pass
        return replace(self, doubts=doubts)

    @property
    def old_may_be_off(self) -> bool:
        """Whether a driver may have disabled the old tunnels, or may do so yet."""
        return self.doubts.old_may_be_off

    @property
    def undone(self) -> bool:
        """Whether tunnels that step 10 needs are known to be off, for example after a timer."""
        doubts = self.doubts
        return doubts.new_is_off and self.confirmation in _SWITCHED and not doubts.settled_by_hand

    @property
    def open(self) -> bool:
        """Whether the device's configuration may not last, or is unknown."""
        doubts = self.doubts
        return (self.uncertain or doubts.pending) and not doubts.settled_by_hand

    @property
    def uncertain(self) -> bool:
        """Whether the last change has an unknown effect, or may still be under way."""
        if self.verb is DriverVerb.STATUS:
            return self.follows_uncertain
        return self.outcome in (None, DriverOutcome.UNCERTAIN)


_SWITCHED: Final = frozenset({Confirmation.NEW_TUNNELS_ENABLED, Confirmation.OLD_TUNNELS_DISABLED})
"""The tasks after which the new tunnels are enabled."""


class DeviceGoal(Struct, frozen=True):
    """The state that a task or a call requires of a device, and the verb that leads to it."""

    verb: DriverVerb
    new: frozenset[TunnelsState]
    old: frozenset[TunnelsState]

    def reached(self, state: DeviceState) -> bool:
        """Return whether *state* is the required one."""
        return state.new in self.new and state.old in self.old

    def is_decided_by(self, state: DeviceState) -> bool:
        """Return whether *state* shows if the goal is reached."""
        pairs = ((state.new, self.new), (state.old, self.old))
        return all(seen is not TunnelsState.UNKNOWN or seen in asked for seen, asked in pairs)


_ENABLED: Final = frozenset({TunnelsState.ENABLED})
_ABSENT: Final = frozenset({TunnelsState.ABSENT})
_OFF: Final = frozenset({TunnelsState.DISABLED, TunnelsState.ABSENT})
_ANY: Final = frozenset(TunnelsState)


def goal_of(
    verb: DriverVerb, *, disable_old: bool = False, remove: ConnectionSide | None = None
) -> DeviceGoal:
    """Return the state that *verb* leads to, with the options of its call."""
    new, old = _ANY, _ANY
    match verb:
        case DriverVerb.LOAD:
            new = frozenset({TunnelsState.DISABLED})
        case DriverVerb.ENABLE:
            new, old = _ENABLED, _OFF if disable_old else _ANY
        case DriverVerb.BACK_OUT:
            new, old = _OFF, _ENABLED
        case DriverVerb.REMOVE if remove is ConnectionSide.NEW:
            new = _ABSENT
        case DriverVerb.REMOVE:
            old = _ABSENT
        case DriverVerb.STATUS:
            pass
    return DeviceGoal(verb, new, old)


GOALS: Final[Mapping[Confirmation, DeviceGoal]] = {
    Confirmation.DEVICES_CONFIGURED: goal_of(DriverVerb.LOAD),
    Confirmation.NEW_TUNNELS_ENABLED: goal_of(DriverVerb.ENABLE),
    Confirmation.OLD_TUNNELS_DISABLED: goal_of(DriverVerb.ENABLE, disable_old=True),
    Confirmation.TUNNELS_RETURNED: goal_of(DriverVerb.BACK_OUT),
}
"""The tasks that a driver can do."""


COMMIT_TIMERS: Final[Mapping[str, str]] = {
    "cisco-ios": "configure terminal revert timer",
    "juniper-srx": "commit confirmed",
    "vyos": "commit-confirm",
    "cisco-asa": "",
    "fortios": "",
}
"""Platform to the command that starts its timer; empty if it has none.

A platform with a timer undoes a change by itself unless it is confirmed in time, so that a change
that cuts off the driver does not last.
"""

SERVED: Final[Mapping[DriverKind, tuple[str, ...]]] = {
    DriverKind.NETMIKO: tuple(COMMIT_TIMERS),
    DriverKind.NAPALM: ("cisco-ios",),
}
"""The drivers over SSH, each with its platforms."""


def lacks_timer(driver: DeviceDriver) -> bool:
    """Return whether a change by *driver* lasts even if it cuts off the device."""
    return driver.kind in SERVED and not COMMIT_TIMERS.get(driver.platform, "")
