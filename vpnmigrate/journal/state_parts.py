"""Parts of a run's state: values of one subject, which only a few records change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from vpnmigrate.journal.record_base import (
    DriverAnswered,
    DriverCalled,
    DriverGaveUp,
    DriverRecord,
)
from vpnmigrate.journal.records import Accepted, Armed, Forced, GatesSeen
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.device_drivers import DriverCallState, DriverVerb
from vpnmigrate.model.ec2 import Role, VpnConnectionId
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeStats
from vpnmigrate.model.residue import ResidualChange
from vpnmigrate.model.signatures import SignedText
from vpnmigrate.model.snapshot import Confirmation, Shortage


class OutageState(Struct, frozen=True):
    """The last outage; its other fields mean nothing while *since* is None."""

    since: datetime | None = None
    """When it began; it may be over."""
    shown: datetime | None = None
    """The same in wall-clock time."""
    earlier: bool = False
    """Whether it may have begun earlier, under a lost journal."""
    proven: bool = False
    """Whether readings showed it: then refusals of the calls that begin one do not cancel it."""
    lasted: timedelta | None = None
    """Its duration, once it is over."""

    @property
    def open(self) -> bool:
        """Whether traffic is down, as far as the journal shows."""
        return self.since is not None and self.lasted is None

    def duration(self, now: datetime) -> timedelta | None:
        """Return how long it lasted, up to *now* if it is not over."""
        if self.since is None or self.lasted is not None:
            return self.lasted
        return now - self.since


class ConfirmState(Struct, frozen=True):
    """The confirmation that an operator has requested for the cutover of this attempt."""

    within: timedelta | None = None
    """Time within which the cutover must be confirmed, if requested."""
    armed: Armed | None = None
    """The commit-confirm in force: armed, not confirmed and not rolled back."""
    since: datetime | None = None
    """Since when traffic is verified and the confirmation is pending."""

    @property
    def until(self) -> datetime | None:
        """When the watchdog rolls back without a confirmation; None if none is pending."""
        if self.armed is None or self.since is None:
            return None
        return self.since + self.armed.within


class GateState(Struct, frozen=True):
    """The last evaluation of the gates, and all that were forced."""

    seen: GatesSeen | None = None
    at: datetime | None = None
    """The wall-clock time of the evaluation."""
    forced: tuple[Forced, ...] = ()


class ApprovalState(Struct, frozen=True):
    """Approvals for any plan of the migration, their signatures and those of the plans."""

    added: tuple[Approval, ...] = ()
    signed: Mapping[str, SignedText] = field(default_factory=dict)
    """The signed texts of approvals, by the digest of the approval."""
    plan_signatures: Mapping[str, str] = field(default_factory=dict)
    """Signatures of plans, by the fingerprint of the plan."""
    rollbacks: Mapping[str, str] = field(default_factory=dict)
    """Fingerprint of a plan, to the place of the last rollback that began under it."""


class ProbeState(Struct, frozen=True):
    """Statistics of the probes."""

    latest: Mapping[str, ProbeStats] = field(default_factory=dict)
    """By probe, as journaled last."""
    forward: Mapping[str, ProbeStats] = field(default_factory=dict)
    """Those of the run forward, once it is rolling back."""
    proven: frozenset[str] = frozenset()
    """Probes that worked just before step 7."""


class TunnelShortages(Struct, frozen=True):
    """Connections with fewer tunnels than before."""

    degraded: tuple[str, ...] = ()
    """Connections that carry traffic with fewer tunnels than before."""
    acceptable: tuple[Shortage, ...] = ()
    """Shortages that an operator may accept because nothing else is missing."""
    accepted: tuple[Accepted, ...] = ()
    """All shortages accepted in this run."""


class Adoption(Struct, frozen=True):
    """A resource adopted by the run, and the number of intents written by then."""

    role: Role
    id: str
    after: int


class Adoptions(Struct, frozen=True):
    """Resources of which a person or EC2 has shown whether they are the run's own."""

    made: tuple[Adoption, ...] = ()
    """Resources found to be the run's own although the answer was lost."""
    refused: Sequence[str] = ()
    """Resources that, according to a person, the run did not create."""
    asked: bool = False
    """Whether a person has decided which resources of a lost journal are this run's."""


class Residue(Struct, frozen=True):
    """What a run lacks because AWS did not make some of its changes."""

    changes: tuple[ResidualChange, ...] = ()
    """The changes that AWS did not make; the run continued without them."""
    unreached: tuple[str, ...] = ()
    """Destinations that have no path because of them."""

    @property
    def is_left(self) -> bool:
        """Whether a change is missing, or a destination lacks the effect of one."""
        return bool(self.changes or self.unreached)

    @property
    def first(self) -> str:
        """What is missing first, as a sentence; empty if nothing is."""
        return next((str(each) for each in (*self.changes, *self.unreached)), "")

    @property
    def more(self) -> str:
        """How many of the same kind are missing besides the first, to be put behind it."""
        others = len(self.changes or self.unreached) - 1
        return f" (and {others} more)" if others > 0 else ""


class Deviations(Struct, frozen=True):
    """What others changed, and what a rollback could not restore."""

    lost: Sequence[str] = ()
    """Parts of goals removed outside this run in this attempt, each once."""
    external_changes: Sequence[str] = ()
    differs: tuple[str, ...] = ()
    """Differences from the before-survey when the last rollback finished."""


class DriverState(Struct, frozen=True):
    """The last call of each device's driver, and the devices that wait for an engineer."""

    calls: Mapping[VpnConnectionId, DriverCallState] = {}
    given_up: Mapping[VpnConnectionId, DriverGaveUp] = {}

    def after(self, record: DriverRecord) -> DriverState:
        """Return the state after *record*."""
        connection = record.connection
        match record:
            case DriverCalled(verb=verb, confirmation=confirmation):
                before = self.calls.get(connection, DriverCallState(None, DriverVerb.STATUS))
                return DriverState(
                    {**self.calls, connection: before.next(verb, confirmation)},
                    {old: each for old, each in self.given_up.items() if old != connection},
                )
            case DriverAnswered(result=result):
                if (asked := self.calls.get(connection)) is None:
                    return self
                return replace(self, calls={**self.calls, connection: asked.answered(result)})
            case DriverGaveUp():
                return replace(self, given_up={**self.given_up, connection: record})

    def confirmed(self, confirmation: Confirmation, at: Iterable[VpnConnectionId]) -> DriverState:
        """Return the state after a person has done the task of *confirmation* at the devices."""
        settled = {old: call.confirmed(confirmation) for old in at if (call := self.calls.get(old))}
        return replace(self, calls={**self.calls, **settled})

    @property
    def answered(self) -> frozenset[VpnConnectionId]:
        """The devices whose last call has ended, as far as the journal shows."""
        return frozenset(old for old, call in self.calls.items() if call.outcome is not None)

    def unsettled(self, direction: Direction | None) -> frozenset[VpnConnectionId]:
        """Return the devices that do not keep, or may not keep, what *direction* requires.

        The effect of the last call is unknown, or the device may undo it.  Forward, tunnels that a
        driver has enabled are off again; in a rollback, a driver may have disabled the old ones.
        """
        back = direction is Direction.ROLLBACK
        return frozenset(
            old
            for old, call in self.calls.items()
            if call.open or (call.old_may_be_off if back else call.undone)
        )
