"""AWS's sample configuration: its hazards, by vendor.

AWS's samples use the same names for every connection, enable the tunnels, and propose the weakest
algorithms: pasted on a device, they overwrite the old tunnels and enable the new ones immediately
(domain.md 9.2).  A sample of a vendor that no entry recognizes is unknown, not harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vpnmigrate.devices.sample_lines import Line, plain_lines, without_advice
from vpnmigrate.devices.sample_vendors import SHEET, VENDORS, Vendor


@dataclass(frozen=True)
class SampleHazards:
    """What has to be changed in a sample before any of it is pasted."""

    vendors: tuple[str, ...]
    """The vendors whose form the sample has; empty if it is unknown."""
    names: tuple[str, ...]
    """Names and numbers of objects that the old tunnels may also have."""
    openers: tuple[str, ...]
    """Lines that would enable a tunnel immediately."""
    disabled: tuple[str, ...]
    """What keeps the tunnels disabled: their vendors enable them without a line of their own."""
    weak: tuple[str, ...]
    """Weak algorithms, as the sample writes them."""


_WEAK: Final = re.compile(
    r"(?<!\w)("
    r"3des(?:-cbc)?|des(?:-cbc)?|md5|hmac-md5(?:-96)?"
    r"|(?:esp-)?aes(?:-|_| )?(?:cbc-)?128(?:-cbc)?"
    r"|(?:esp-|hmac-)?sha-?1(?:-96)?|esp-sha-hmac|sha-hmac"
    # Cisco's words without a number mean AES-128 and SHA-1.
    r"|encr(?:yption)?[ \t]+aes(?![\w-]|[ \t]+(?:\d|gcm))|(?:hash|integrity|prf)[ \t]+sha(?![\w-])"
    # Yamaha's, where the first number is that of a peer, and aes-cbc without a number AES-128.
    r"|ike[ \t]+hash[ \t]+\d+[ \t]+sha(?![\w-])|(?:encryption[ \t]+\d+|esp)[ \t]+aes-cbc(?![\w-])"
    r"|(?:dh|pfs) key group *: *(?:1|2|5)"
    r"|(?:dh-?)?(?<!ike )group ?'?(?:1|2|5)'?|modp(?:768|1024|1536)|dhgrp +(?:1|2|5)"
    r")(?!\w)",
    re.IGNORECASE,
)
"""AWS's weakest: see domain.md 6.5 for what an AWS VPN connection accepts beside them."""


def hazards_of(sample: str) -> SampleHazards:
    """Return the hazards of *sample*, each sorted and without repetitions."""
    sample = sample.replace("\r", "")
    found = _vendors_of(sample)
    return SampleHazards(
        tuple(vendor.title for vendor in found),
        tuple(sorted({each.text for vendor in found for each in _names(sample, vendor)})),
        tuple(sorted({line for vendor in found for line in _openers(sample, vendor)})),
        tuple(dict.fromkeys(vendor.disabled for vendor in found if vendor.disabled)),
        _weak(sample),
    )


def _weak(sample: str) -> tuple[str, ...]:
    matches = _WEAK.finditer(without_advice(sample))
    return tuple(sorted({" ".join(match.group(1).lower().split()) for match in matches}))


@dataclass(frozen=True)
class ComparedNames:
    """Names of a sample, compared with a running configuration."""

    on_device: tuple[tuple[str, int], ...]
    """Names that the running configuration has, each with its first line there."""
    absent: tuple[str, ...]
    unknown: tuple[str, ...]
    """Names that a running configuration does not show."""


def running_commands(sample: str) -> tuple[str, ...]:
    """Return what prints a running configuration with which names of *sample* are compared."""
    forms = (vendor.running for vendor in _vendors_of(sample))
    return tuple(dict.fromkeys(form.command for form in forms if form is not None))


def compared_names(sample: str, running: str) -> ComparedNames | None:
    """Return which names of *sample* are in *running*; None if it is not in a form to compare."""
    sample, running = sample.replace("\r", ""), running.replace("\r", "")
    there: dict[str, int] = {}
    wanted: dict[str, bool] = {}
    found = [each for each in _vendors_of(sample) if _is_running(running, each)]
    for vendor in found:
        here = {each.key: each.line for each in reversed([*_names(running, vendor)])}
        for name in _names(sample, vendor):
            if name.key in here:
                there.setdefault(name.text, here[name.key])
            wanted[name.text] = bool(vendor.elsewhere and re.match(vendor.elsewhere, name.text))
    if not found:
        return None
    absent = sorted(wanted.keys() - there.keys())
    return ComparedNames(
        tuple(sorted(there.items())),
        tuple(name for name in absent if not wanted[name]),
        tuple(name for name in absent if wanted[name]),
    )


@dataclass(frozen=True)
class _Name:
    text: str
    key: str
    """The same for each spelling of the name."""
    line: int


def _vendors_of(sample: str) -> list[Vendor]:
    found = [v for v in VENDORS if re.search(rf"^\s*(?:{v.form})", sample, _FLAGS)]
    return [v for v in found if v.title != SHEET] or found


def _is_running(running: str, vendor: Vendor) -> bool:
    form = vendor.running
    return form is not None and bool(re.search(rf"^\s*(?:{form.line})", running, _FLAGS))


_FLAGS: Final = re.IGNORECASE | re.MULTILINE


def _names(text: str, vendor: Vendor) -> Iterator[_Name]:
    for number, name in _first_groups(vendor.lines(text), vendor.names):
        yield _Name(name, _key(name, vendor), number)


def _key(name: str, vendor: Vendor) -> str:
    """Return what two spellings of one name have in common: keywords ignore case, names do not."""
    key = name.replace('"', "").replace("'", "")
    for pattern, replacement in vendor.equal:
        key = re.sub(pattern, replacement, key)
    kind, space, own = key.rpartition(" ")
    return f"{kind.lower()}{space}{own}"


def _openers(sample: str, vendor: Vendor) -> Iterator[str]:
    for _, line in _first_groups(plain_lines(sample), vendor.openers):
        yield line


def _first_groups(lines: Iterator[Line], patterns: Sequence[str]) -> Iterator[Line]:
    """Yield the first group of each pattern that matches the beginning of a line, without keys."""
    known = [re.compile(rf"\s*{pattern}", re.IGNORECASE) for pattern in patterns]
    for number, line in lines:
        for pattern in known:
            if match := pattern.match(line):
                yield number, " ".join(_SECRET.sub("", match.group(1)).split())


_SECRET: Final = re.compile(r"(?:secret|psk|key|SharedSecret)[= ]+\S+", re.IGNORECASE)
"""A line that opens a tunnel may have a key too."""
