"""Carry-over: the options that each tunnel of a successor gets, and where each comes from.

A successor's tunnel takes the place of the old tunnel with the same rank by outside address.  Its
options are, in this order: those of the playbook for that tunnel, for its connection and for all;
those of the old tunnel; for a Classic connection, which has none, the strong defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.decisions import Decisions, KeyMode, KeyStorage, UnsetOptions
from vpnmigrate.model.derived import ByIdentity, derived
from vpnmigrate.model.ec2 import (
    CLASSIC,
    TUNNELS,
    ConnectionRecord,
    GatewayRecord,
    TunnelOptions,
    TunnelRecord,
)
from vpnmigrate.model.tunnel_options import (
    ANY_NETWORK,
    BY_FIELD,
    NOT_CHOSEN,
    OPTIONS,
    TunnelOption,
    default_text,
    is_chosen,
    option_text,
    same_option,
)

_STRONG_ENCRYPTION: Final = ("AES256", "AES256-GCM-16")
_STRONG_INTEGRITY: Final = ("SHA2-256", "SHA2-384", "SHA2-512")
_STRONG_GROUPS: Final = tuple(range(14, 22))
"""DH 14 or better, without 22 to 24, which RFC 8247 advises against."""

STRONG_OPTIONS: Final = TunnelOptions(
    ike_versions=("ikev2",),
    phase1_encryption=_STRONG_ENCRYPTION,
    phase1_integrity=_STRONG_INTEGRITY,
    phase1_dh_groups=_STRONG_GROUPS,
    phase2_encryption=_STRONG_ENCRYPTION,
    phase2_integrity=_STRONG_INTEGRITY,
    phase2_dh_groups=_STRONG_GROUPS,
)
"""Options of the successor of a Classic connection, where the playbook does not set them."""

WEAK: Final[Mapping[str, frozenset[Any]]] = {
    "ike_versions": frozenset({"ikev1"}),
    "phase1_integrity": frozenset({"SHA1"}),
    "phase1_dh_groups": frozenset({2, 22, 23, 24}),
    "phase2_integrity": frozenset({"SHA1"}),
    "phase2_dh_groups": frozenset({2, 5, 22, 23, 24}),
}
"""Values that RFC 8247 and RFC 9395 advise against, by option."""

_IKEV2_SAMPLES: Final = (
    *("gaia", "meraki", "asa 9.7", "csrv", "fortios 6.4", "fortios 7", "j-series", "srx"),
    *("routeros", "panos 7", "pan-os 7", "os 6.5", "sophos", "strongswan", "yamaha", "generic"),
)
"""Parts of the names of device types with an IKEv2 sample of AWS (domain.md 9.2)."""

PRIVATE_ASNS: Final = range(64512, 65534 + 1)
_PRIVATE_LONG_ASNS: Final = range(4_200_000_000, 4_294_967_294 + 1)
"""ASNs that EC2 accepts for a new gateway (domain.md 6.1)."""


class OptionSource(StrEnum):
    """Where the value of a successor's option comes from."""

    KEPT = "kept"
    """The old tunnel's value, AWS's default included."""
    CHOSEN = "chosen"
    """The playbook's value, or a strong default; it replaces another one."""
    DEFAULT = "AWS's default"
    """AWS's default, where the old value is unknown or a default too."""
    LOST = "lost"
    """AWS's default in place of the old value."""


class CarriedOption(Struct, frozen=True):
    """One option of one tunnel, old and new."""

    tunnel: str
    """The old tunnel's outside address; empty if it is unknown."""
    option: TunnelOption
    old: Any
    """The old value; None or empty if EC2 does not show one."""
    new: Any
    source: OptionSource

    @property
    def old_text(self) -> str:
        """The old value for an operator."""
        return option_text(self.option, self.old)

    @property
    def new_text(self) -> str:
        """The new value for an operator, AWS's default written out."""
        return option_text(self.option, self.new) or f"{default_text(self.option)} (default)"

    @property
    def weak(self) -> tuple[Any, ...]:
        """Weak values that the new tunnel accepts, in AWS's order."""
        weak = WEAK.get(self.option.field)
        return tuple(v for v in self.option.effective(self.new) if v in weak) if weak else ()


def successor_asn(decisions: Decisions, old: GatewayRecord) -> int | None:
    """Return the Amazon-side ASN to ask for; None means AWS's default.

    The old gateway's is kept if EC2 accepts it for a new one: Classic gateways have public ones.
    """
    if decisions.asn is not None:
        return decisions.asn
    keep = decisions.unset_options is UnsetOptions.KEEP and can_be_requested(old.asn)
    return old.asn if keep else None


def can_be_requested(asn: int | None) -> bool:
    """Return whether EC2 accepts *asn* for a new gateway (domain.md 6.1)."""
    return asn is not None and (asn in PRIVATE_ASNS or asn in _PRIVATE_LONG_ASNS)


def old_tunnels(old: ConnectionRecord) -> tuple[TunnelRecord, ...]:
    """Return the two tunnels of *old*, sorted by outside address; an unknown one is empty."""
    known = sorted(old.tunnels, key=lambda tunnel: tunnel.outside_ip)[:TUNNELS]
    return (*known, *(TunnelRecord() for _ in range(TUNNELS - len(known))))


def successor_options(decisions: Decisions, old: ConnectionRecord) -> tuple[TunnelOptions, ...]:
    """Return the options of each tunnel of the successor of *old*, in the order of the request.

    A start-up action is what holds after the cutover (``requested_options`` leaves it out).
    """
    return _successor_options(old, ByIdentity(decisions))


@derived
def _successor_options(
    old: ConnectionRecord, decisions: ByIdentity[Decisions]
) -> tuple[TunnelOptions, ...]:
    return tuple(_resolved(decisions.of, old, tunnel) for tunnel in old_tunnels(old))


def requested_options(decisions: Decisions, old: ConnectionRecord) -> tuple[TunnelOptions, ...]:
    """Return the options to create the successor of *old* with: AWS must not initiate yet."""
    return tuple(
        replace(options, startup_action=None) for options in successor_options(decisions, old)
    )


def playbook_options(
    decisions: Decisions, old: ConnectionRecord, tunnel: TunnelRecord
) -> TunnelOptions:
    """Return the options that the playbook itself sets for the successor of *tunnel*."""
    return _merged(
        decisions.tunnel_options,
        decisions.tunnel_options_of.get(old.id, NOT_CHOSEN),
        decisions.tunnel_options_of.get(tunnel.outside_ip, NOT_CHOSEN),
    )


def _resolved(decisions: Decisions, old: ConnectionRecord, tunnel: TunnelRecord) -> TunnelOptions:
    return _merged(
        _unset(decisions, old, tunnel),
        playbook_options(decisions, old, tunnel),
    )


def _merged(*layers: TunnelOptions) -> TunnelOptions:
    """Return the options of *layers*; a later layer decides over an earlier one."""
    chosen: dict[str, Any] = {}
    for layer in layers:
        for field in BY_FIELD:
            if is_chosen(value := getattr(layer, field)):
                chosen[field] = value
    return TunnelOptions(**chosen)


def _unset(decisions: Decisions, old: ConnectionRecord, tunnel: TunnelRecord) -> TunnelOptions:
    """Return the options that hold where the playbook sets none."""
    if decisions.unset_options is UnsetOptions.AWS:
        return NOT_CHOSEN
    if tunnel.options is not None or old.category != CLASSIC:
        return tunnel.options or NOT_CHOSEN
    if device_has_ikev2(decisions, old):
        return STRONG_OPTIONS
    return replace(STRONG_OPTIONS, ike_versions=())


def device_has_ikev2(decisions: Decisions, old: ConnectionRecord) -> bool:
    """Return whether AWS has an IKEv2 sample for the device type of *old*, or none is named."""
    kind = (decisions.device_type_of(old.customer_gateway) or "").casefold()
    return not kind or any(part in kind for part in _IKEV2_SAMPLES)


def carried_options(decisions: Decisions, old: ConnectionRecord) -> Iterator[CarriedOption]:
    """Yield every option of each tunnel of *old* with the value of its successor."""
    for tunnel, options in zip(old_tunnels(old), successor_options(decisions, old), strict=True):
        before = tunnel.options or NOT_CHOSEN
        unknown = tunnel.options is None and old.category == CLASSIC
        for option in OPTIONS:
            was, now = getattr(before, option.field), getattr(options, option.field)
            yield CarriedOption(
                tunnel.outside_ip, option, was, now, _source(option, was, now, unknown=unknown)
            )


def _source(option: TunnelOption, was: Any, now: Any, *, unknown: bool) -> OptionSource:
    if is_chosen(now):
        same = not unknown and same_option(option, was, now)
        return OptionSource.KEPT if same else OptionSource.CHOSEN
    if not is_chosen(was):
        return OptionSource.DEFAULT if unknown else OptionSource.KEPT
    return OptionSource.KEPT if same_option(option, was, now) else OptionSource.LOST


class Selectors(Struct, frozen=True):
    """The IPv4 networks that a connection's tunnels allow; empty is AWS's default, any."""

    local: str = ""
    remote: str = ""


def successor_selectors(decisions: Decisions, old: ConnectionRecord) -> Selectors:
    """Return the networks to ask for; AWS's default is left out of the request."""
    chosen = decisions.networks.get(old.id)
    keep = decisions.unset_options is UnsetOptions.KEEP
    local = (chosen.local if chosen else "") or (old.local_network if keep else "")
    remote = (chosen.remote if chosen else "") or (old.remote_network if keep else "")
    return Selectors(*("" if network == ANY_NETWORK else network for network in (local, remote)))


def uses_secrets_manager(decisions: Decisions, old: ConnectionRecord) -> bool:
    """Return whether Secrets Manager stores the keys of the successor of *old*."""
    if decisions.keys is KeyMode.SECRETS_MANAGER:
        return True
    match decisions.key_storage:
        case KeyStorage.KEEP:
            return old.keys_in_secrets_manager
        case KeyStorage.STANDARD:
            return False
        case KeyStorage.SECRETS_MANAGER:
            return True
