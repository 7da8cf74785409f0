"""Programs of the lab: whether a test that needs them runs, is skipped, or fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

EVERY = os.environ.get("VPNMIGRATE_LAB") == "every-case"
"""Whether the cases that take too long for each change are played too."""
REQUIRED = EVERY or os.environ.get("VPNMIGRATE_LAB") == "required"
"""Set by continuous integration: there a missing program is a failure, not a test left out."""


def programs(*names: str) -> list[str]:
    """Return the paths of programs, or leave the test out with the reason."""
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/lib/frr"
    found = {name: shutil.which(name, path=search) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        leave_out(f"{', '.join(missing)} is missing: see docs/how-to/lab.md")
    return [path for path in found.values() if path]


def root_and_tun() -> None:
    """Leave the test out, with the reason, where no tunnel can be made."""
    if os.geteuid() != 0:
        leave_out("the lab needs root")
    if not Path("/dev/net/tun").exists():
        leave_out("the lab needs /dev/net/tun")


def leave_out(why: str) -> None:
    """Skip the test, or fail where the lab is required."""
    if REQUIRED:
        pytest.fail(f"{why} (VPNMIGRATE_LAB=required)")
    pytest.skip(why)
