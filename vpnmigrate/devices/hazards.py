"""What in AWS's sample configuration would harm a device that runs the old tunnels.

AWS's samples use the same fixed names for every connection and switch the tunnels on: pasted over
a device with the old ones, they overwrite those and open the new ones at once (domain.md 9.2).
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        r"^\s*(interface +tunnel ?\d+)\b",  # Cisco IOS and ASA
        r"^\s*(crypto +isakmp +policy +\d+)\b",
        r"^\s*(crypto +ikev[12] +policy +\d+)\b",
        r"^\s*(crypto +map +\S+ +\d+)\b",
        r"^\s*(?:set|edit) .*\b(st0(?: unit |\.)\d+)\b",  # Juniper
        r"^\s*(?:add +vpn +tunnel|set +interface) +(vpnt?\d+)\b",  # Check Point
        r"^\s*set .*\b(tunnel\.\d+)\b",  # Palo Alto
        r"^\s*set .*\b(vti ?\d+)\b",  # VyOS
    )
)
_OPENERS: Final = re.compile(
    r"^\s*(no +shutdown|set +interface +vpnt?\d+ state +on|set +status +up|auto ?= ?start)\s*$",
    re.IGNORECASE | re.MULTILINE,
)


def fixed_names(sample: str) -> tuple[str, ...]:
    """Give the object names in *sample* that the old tunnels may bear as well, sorted."""
    found = {match.group(1) for pattern in _NAMES for match in pattern.finditer(sample)}
    return tuple(sorted(" ".join(name.split()) for name in found))


def opening_lines(sample: str) -> tuple[str, ...]:
    """Give the lines of *sample* that would enable a tunnel at once, sorted."""
    return tuple(sorted({" ".join(m.group(1).split()) for m in _OPENERS.finditer(sample)}))
