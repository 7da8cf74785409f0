"""Negotiated algorithms: what new tunnels use after the cutover, compared with a floor.

A tunnel's options are what AWS accepts; the device chooses one.  The floor of an option is, in
this order: the playbook's ``crypto_floor``; what the playbook itself sets for the tunnel, because
that is a decision; what the new tunnel accepts, without values that RFC 8247 and RFC 9395 advise
against.  A tunnel below its floor is only reported, because traffic flows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from vpnmigrate.model.carry_over import (
    WEAK,
    device_has_ikev2,
    old_tunnels,
    playbook_options,
    successor_options,
)
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import ConnectionRecord, VpnConnectionId
from vpnmigrate.model.tunnel_options import BY_FIELD, is_chosen


class NegotiationStatus(StrEnum):
    """Whether EC2 shows what a tunnel has negotiated."""

    SHOWN = "shown"
    DOWN = "down"
    """The tunnel is not UP, so it was not asked about."""
    NOT_OFFERED = "not-offered"
    """The endpoint does not know the call."""
    UNKNOWN = "unknown"


class NegotiatedTunnel(Struct, frozen=True):
    """What one tunnel has negotiated, in EC2's words; an empty value is not shown."""

    connection: VpnConnectionId
    outside_ip: str
    status: NegotiationStatus
    ike_version: str = ""
    phase1_encryption: str = ""
    phase1_integrity: str = ""
    phase1_dh_group: int | None = None
    phase2_encryption: str = ""
    phase2_integrity: str = ""
    phase2_dh_group: int | None = None
    phase1_key_exchanges: tuple[tuple[int, int], ...] = ()
    """Round and method of each additional key exchange (RFC 9370)."""
    phase2_key_exchanges: tuple[tuple[int, int], ...] = ()
    why: str = ""
    """Why nothing is shown."""

    @property
    def is_down(self) -> bool:
        """Whether the tunnel is not UP."""
        return self.status is NegotiationStatus.DOWN

    def __str__(self) -> str:
        return f"{self.connection} {self.outside_ip}"


class CryptoVerdict(StrEnum):
    """How negotiated algorithms compare with the floor."""

    MET = "met"
    BELOW = "below the floor"
    UNKNOWN = "unknown"


class JudgedTunnel(Struct, frozen=True):
    """A negotiated tunnel, compared with its floor."""

    negotiated: NegotiatedTunnel
    below: tuple[str, ...] = ()
    """Each value that is below the floor, as text."""
    unclear: tuple[str, ...] = ()
    """Each option whose value is not shown or not understood, as text."""

    @property
    def verdict(self) -> CryptoVerdict:
        """The verdict on the tunnel; a value below the floor decides."""
        if self.below:
            return CryptoVerdict.BELOW
        shown = self.negotiated.status is NegotiationStatus.SHOWN
        return CryptoVerdict.MET if shown and not self.unclear else CryptoVerdict.UNKNOWN

    @property
    def text(self) -> str:
        """The verdict with its reasons, for an operator."""
        reasons = self.below or self.unclear or (self.negotiated.why,)
        told = "; ".join(filter(None, reasons))
        return f"{self.negotiated}: {self.verdict}{f' ({told})' if told else ''}"


Floor = Mapping[str, tuple[Any, ...]]
"""Option to the values that meet it; an option that is missing has no floor."""

_VALUES: Final = {
    "ike_versions": "ike_version",
    "phase1_encryption": "phase1_encryption",
    "phase1_integrity": "phase1_integrity",
    "phase1_dh_groups": "phase1_dh_group",
    "phase2_encryption": "phase2_encryption",
    "phase2_integrity": "phase2_integrity",
    "phase2_dh_groups": "phase2_dh_group",
}
"""Option to the field of what was negotiated for it."""


def floors_of(decisions: Decisions, old: ConnectionRecord) -> tuple[Floor, ...]:
    """Return the floors of the successor's tunnels, each once.

    EC2 lists the two tunnels in an order that is unrelated to the request, so a tunnel has to meet
    one of them.
    """
    floors: list[Floor] = []
    for tunnel, accepted in zip(old_tunnels(old), successor_options(decisions, old), strict=True):
        decided = playbook_options(decisions, old, tunnel)
        floor: dict[str, tuple[Any, ...]] = {}
        for field in _VALUES:
            if is_chosen(explicit := getattr(decisions.crypto_floor, field)):
                floor[field] = explicit
            elif is_chosen(chosen := getattr(decided, field)):
                floor[field] = chosen
            elif field != "ike_versions" or device_has_ikev2(decisions, old):
                every = BY_FIELD[field].effective(getattr(accepted, field))
                weak = WEAK.get(field, frozenset())
                floor[field] = tuple(value for value in every if value not in weak)
        if floor not in floors:
            floors.append(floor)
    return tuple(floors)


def judged(found: NegotiatedTunnel, floors: Sequence[Floor]) -> JudgedTunnel:
    """Return *found*, compared with the one of *floors* that it meets best."""
    if found.status is not NegotiationStatus.SHOWN:
        return JudgedTunnel(found)
    results = [_held_against(found, floor) for floor in floors]
    return min(results, key=lambda each: (len(each.below), len(each.unclear)))


def _held_against(found: NegotiatedTunnel, floor: Floor) -> JudgedTunnel:
    below: list[str] = []
    unclear: list[str] = []
    for field, allowed in floor.items():
        if _has_no_value(found, field):
            continue
        label, value = BY_FIELD[field].label, getattr(found, _VALUES[field])
        known = {_plain(each): each for each in BY_FIELD[field].allowed}
        understood = known.get(_plain(value))
        if understood is None:
            unclear.append(f"{label} {value}: not understood" if value else f"{label}: not shown")
        elif understood not in allowed:
            below.append(f"{label} {value}, floor {', '.join(map(str, allowed)) or 'none'}")
    return JudgedTunnel(found, tuple(below), tuple(unclear))


def _has_no_value(found: NegotiatedTunnel, field: str) -> bool:
    """Return whether the option has no negotiated value by design.

    AES-GCM has its own integrity.  The first keys of IPsec come from IKE's exchange, so a group of
    phase 2 is used only from the first rekeying on (RFC 7296, 1.2).
    """
    if field == "phase1_integrity":
        return "GCM" in found.phase1_encryption.upper()
    if field == "phase2_integrity":
        return "GCM" in found.phase2_encryption.upper()
    return field == "phase2_dh_groups" and not found.phase2_dh_group


def _plain(value: object) -> str:
    """Return *value* without case and separators, in which spellings may differ."""
    return "".join(letter for letter in str(value).casefold() if letter.isalnum())


def texts_of(found: NegotiatedTunnel) -> Iterator[tuple[str, str]]:
    """Yield the label and the value of each option that is shown, for an operator."""
    for field, name in _VALUES.items():
        if value := getattr(found, name):
            yield BY_FIELD[field].label, str(value)
    for field in ("phase1_key_exchanges", "phase2_key_exchanges"):
        if rounds := getattr(found, field):
            text = ", ".join(f"round {number}: {method}" for number, method in rounds)
            yield BY_FIELD[field].label, text
