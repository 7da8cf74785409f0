"""Data sheet for the device engineer, with the hazards of AWS's sample.

It contains keys: it goes into the vault and must not be shown or logged.

AWS's samples use the same fixed names for every connection and enable the tunnels: pasted on a
device, they overwrite the old tunnels and enable the new ones immediately (domain.md 9.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations, zip_longest

from jinja2 import Environment, PackageLoader, StrictUndefined

from vpnmigrate.devices.configuration import DeviceConfiguration, Proposal, TunnelConfiguration
from vpnmigrate.devices.sample import hazards_of
from vpnmigrate.model.ec2 import MigrationId, VpnConnectionId
from vpnmigrate.model.redaction import HIDDEN

Choices = Mapping[str, Sequence[tuple[str, str]]]
"""Outside address to the options chosen for that tunnel, as (name, value)."""


@dataclass(frozen=True)
class SheetSide:
    """One connection on the sheet; ``why_not`` is the reason if it has no configuration."""

    connection: VpnConnectionId
    configuration: DeviceConfiguration | None = None
    why_not: str = ""
    choices: Choices = field(default_factory=dict)
    key_store: str = ""
    """ARN of the secret that holds the keys, where AWS keeps them in Secrets Manager."""

    @property
    def tunnels(self) -> tuple[TunnelConfiguration, ...]:
        """The tunnels of the configuration; empty without one."""
        return self.configuration.tunnels if self.configuration else ()


@dataclass(frozen=True)
class SampleConfiguration:
    """AWS's own sample: its file in the folder, or the reason why there is none."""

    file: str = ""
    text: str = ""
    why_not: str = ""


@dataclass(frozen=True)
class SheetRow:
    """One value of the table."""

    name: str
    old: str
    new: str

    @property
    def changed(self) -> bool:
        """Whether the new value differs from the old one."""
        return bool(self.old) and self.old != self.new


def sheet(old: SheetSide, new: SheetSide, sample: SampleConfiguration, run: MigrationId) -> str:
    """Return the sheet of *run* for moving a device from *old* to *new*."""
    pairs = list(zip_longest(old.tunnels, paired_tunnels(old, new)))
    return (
        _environment()
        .get_template("sheet.md.j2")
        .render(
            old=old,
            new=new,
            sample=sample,
            hazards=hazards_of(sample.text),
            tables=[
                list(_rows(before, after, old.choices, new.choices)) for before, after in pairs
            ],
            static=bool(new.configuration and new.configuration.static),
            same_inside=sorted(
                {t.amazon.inside_cidr for t in old.tunnels if t.amazon.inside_cidr}
                & {t.amazon.inside_cidr for t in new.tunnels}
            ),
            new_asn=_new_asn(
                [t.amazon.asn for t in old.tunnels], [t.amazon.asn for t in new.tunnels]
            ),
            run=run,
        )
    )


@cache
def _environment() -> Environment:
    """Return the one environment, which keeps the template compiled."""
    # Markdown, not HTML: escaping would alter the keys.
    return Environment(  # noqa: S701
        loader=PackageLoader("vpnmigrate.devices"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def paired_tunnels(old: SheetSide, new: SheetSide) -> tuple[TunnelConfiguration, ...]:
    """Return the tunnels of *new* in the order of the tunnels of *old* that they replace.

    EC2 gives outside addresses in any order (domain.md 3.3).  A new tunnel has the inside network
    and the options of its old one, as far as they are kept; if these do not differ, the order by
    outside address is used.
    """

    def likeness(order: tuple[TunnelConfiguration, ...]) -> int:
        return sum(
            2 * (before.amazon.inside_cidr == after.amazon.inside_cidr)
            + _common(old.choices, before, new.choices, after)
            for before, after in zip(old.tunnels, order, strict=False)
        )

    return max(permutations(new.tunnels), key=likeness)


def _common(
    old: Choices, before: TunnelConfiguration, new: Choices, after: TunnelConfiguration
) -> int:
    """Return how many chosen options two tunnels have in common."""
    return len({*old.get(before.outside_ip, ())} & {*new.get(after.outside_ip, ())})


def _rows(
    old: TunnelConfiguration | None,
    new: TunnelConfiguration | None,
    old_choices: Choices,
    new_choices: Choices,
) -> Iterator[SheetRow]:
    before, after = dict(_values(old)), dict(_values(new))
    for name in {**after, **before}:
        yield SheetRow(name, before.get(name, ""), after.get(name, ""))
    was = dict(old_choices.get(old.outside_ip, ())) if old else {}
    now = dict(new_choices.get(new.outside_ip, ())) if new else {}
    for name in {**now, **was}:
        yield SheetRow(f"chosen: {name}", was.get(name, ""), now.get(name, ""))


def _values(tunnel: TunnelConfiguration | None) -> Iterator[tuple[str, str]]:
    if tunnel is None:
        return
    yield "AWS outside address", tunnel.amazon.outside_ip
    yield "device outside address", tunnel.customer.outside_ip
    yield "AWS inside address", tunnel.amazon.inside_ip
    yield "device inside address", tunnel.customer.inside_ip
    yield "inside network", tunnel.amazon.inside_cidr
    if tunnel.amazon.asn is not None:
        yield "AWS ASN (remote)", str(tunnel.amazon.asn)
        yield "device ASN (local)", _shown(tunnel.customer.asn)
        yield "BGP hold time, seconds", _shown(tunnel.amazon.hold_time)
    yield _KEY, tunnel.key.reveal() if tunnel.key else "not in the configuration"
    yield from _phase("IKE", tunnel.ike)
    yield from _phase("IPsec", tunnel.ipsec)
    packets = tunnel.packets
    yield "TCP MSS", _shown(packets.mss)
    yield "clear the DF bit", _yes_or_no(packets.clear_df_bit)
    yield "fragment before encryption", _yes_or_no(packets.fragment_before_encryption)
    yield "dead peer detection, seconds", _shown(packets.dead_peer_interval)
    yield "dead peer detection, retries", _shown(packets.dead_peer_retries)


def without_keys(text: str) -> str:
    """Return the sheet *text* with the values of its pre-shared keys replaced."""
    return _KEY_ROW.sub(lambda row: _CELL.sub(f"`{HIDDEN}`", row.group()), text)


_KEY = "pre-shared key"

_KEY_ROW = re.compile(rf"^\| {_KEY} \|.*$", re.MULTILINE)

_CELL = re.compile(r"`[^`]*`")


def _phase(name: str, proposal: Proposal) -> Iterator[tuple[str, str]]:
    yield f"{name} encryption, at least", proposal.encryption
    yield f"{name} authentication, at least", proposal.authentication
    yield f"{name} Diffie-Hellman group, at least", proposal.forward_secrecy
    yield f"{name} lifetime, seconds", _shown(proposal.lifetime)
    yield f"{name} mode", " ".join(filter(None, (proposal.protocol, proposal.mode)))


def _shown(value: int | None) -> str:
    return "" if value is None else str(value)


def _yes_or_no(value: object) -> str:
    return "" if value is None else "yes" if value else "no"


def _new_asn(old: Sequence[int | None], new: Sequence[int | None]) -> int | None:
    """Return the new AWS ASN if it differs from the old one."""
    return new[0] if new and old and new[0] != old[0] else None
