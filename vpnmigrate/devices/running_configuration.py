"""Running configuration of a device: the names, numbers and addresses that it uses.

New objects get names that it lacks, old ones the names that it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, count
from typing import Final, Protocol

from vpnmigrate.devices.configuration import DeviceConfiguration


class NameOwner(Protocol):
    """What an object on the device is for: a connection (number 0) or one of its tunnels."""

    @property
    def side(self) -> str:
        """``old`` or ``new``."""
        ...

    @property
    def connection(self) -> str:
        """The id of the connection."""
        ...

    @property
    def number(self) -> int:
        """The tunnel's number."""
        ...

    @property
    def addresses(self) -> dict[str, str]:
        """Addresses of the tunnel, or of the connection's first one, by name."""
        ...


class DeviceNames:
    """Names on the device: new ones that nothing uses, and old ones as the device has them."""

    def __init__(self, existing: str) -> None:
        self._existing = existing
        self._given: dict[tuple[str | int, ...], str] = {}

    def numbered(
        self, owner: NameOwner, stem: str, first: int, find: str = "", used: str = ""
    ) -> str:
        """Return *stem* with a number that neither the device nor another object here has.

        An owner has one object for each *stem* and *first*, the number to try first.  *find* is
        a pattern whose first group is the name of an old object.
        """
        if owner.side == "old":
            return self._old(owner, stem.strip(" -._"), find)
        key = (stem, owner.connection, owner.number, first)
        if key not in self._given:
            number = next(n for n in count(first) if not self._is_taken(stem, n, used))
            self._given[key] = f"{stem}{number}"
        return self._given[key]

    def number(
        self, owner: NameOwner, stem: str, first: int, find: str = "", used: str = ""
    ) -> str:
        """Return only the number of ``numbered``."""
        name = self.numbered(owner, stem, first, find, used)
        return name if name.startswith("<") else name.removeprefix(stem)

    def named(
        self, owner: NameOwner, form: str = "aws-{}", find: str = "", what: str = "name"
    ) -> str:
        """Return *form* with the connection's short id and the tunnel's number in it.

        *what* describes an old object that *find* does not find.
        """
        short = owner.connection[-8:] or "new"
        part = f"{short}-{owner.number}" if owner.number else short
        name = form.replace("{}", part)
        if owner.side == "old":
            return name if self._mentions(name) else self._old(owner, what, find)
        key = (form, owner.connection, owner.number)
        if key not in self._given:
            names = chain([name], (f"{name}x{number}" for number in count(2)))
            self._given[key] = next(each for each in names if not self._mentions(each))
        return self._given[key]

    def _is_taken(self, stem: str, number: int, used: str) -> bool:
        pattern = used.replace("@N@", str(number)) if used else rf"{re.escape(stem)}\s*{number}\b"
        return f"{stem}{number}" in self._given.values() or bool(
            re.search(pattern, self._existing, re.IGNORECASE | re.MULTILINE)
        )

    def _mentions(self, name: str) -> bool:
        return bool(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", self._existing))

    def _old(self, owner: NameOwner, what: str, find: str) -> str:
        for name, address in owner.addresses.items():
            find = find.replace(f"@{name}@", re.escape(address))
        if find and (match := re.search(find, self._existing, re.MULTILINE)):
            return match.group(1)
        return f"<{what} of the old tunnel to {owner.addresses['OUTSIDE']}>"


def mentions(
    existing: str, old: DeviceConfiguration | None, new: DeviceConfiguration
) -> Iterator[str]:
    """Yield where *existing* has a value that matters, by line number alone.

    A line may have a key.
    """
    if not existing:
        yield (
            "Without --existing, names and numbers that the device uses are unknown: compare "
            "them, and replace the names of the old tunnels."
        )
        return
    lines = existing.splitlines()
    kept = _addresses(old) if old else set()
    for address in sorted(_addresses(new) - kept):
        if at := _lines_with(address, lines):
            yield f"The device already has {address}, {at}: two tunnels cannot share an address."
    if old is None:
        return
    for tunnel in old.tunnels:
        if at := _lines_with(tunnel.outside_ip, lines):
            yield f"Rules for {tunnel.outside_ip}, {at}: the new addresses need the same."
    yield from of_another_device(existing, old)
    asn = old.tunnels[0].amazon.asn
    if asn not in (None, new.tunnels[0].amazon.asn) and (at := _lines_with(str(asn), lines)):
        yield f"The old ASN {asn} is named, {at}: check each filter."


def of_another_device(existing: str, old: DeviceConfiguration | None) -> Iterator[str]:
    """Yield the old tunnels of which *existing* mentions none: it may be another device's."""
    lines = existing.splitlines()
    outside = [tunnel.outside_ip for tunnel in old.tunnels] if old and lines else []
    if not any(_lines_with(each, lines) for each in outside):
        for each in outside:
            yield (
                f"The running configuration does not mention {each}, an old tunnel: "
                "it may be that of another device."
            )


def _addresses(configuration: DeviceConfiguration) -> set[str]:
    return {
        address
        for tunnel in configuration.tunnels
        for address in (tunnel.outside_ip, tunnel.amazon.inside_ip, tunnel.customer.inside_ip)
        if address
    }


def _lines_with(word: str, lines: Sequence[str]) -> str:
    pattern = re.compile(rf"(?<![\d.]){re.escape(word)}(?!\.?\d)")
    found = [str(number) for number, line in enumerate(lines, 1) if pattern.search(line)]
    more = " and more" if len(found) > _MOST_LINES else ""
    return f"in line {', '.join(found[:_MOST_LINES])}{more}" if found else ""


_MOST_LINES: Final = 9
"""Lines that a note names."""
