"""Extras: the libraries that drivers need, and whether this program's environment has them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from vpnmigrate.model.decisions import Decisions, DriverKind
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.errors.extras import install_command

_LIBRARIES: Final = {
    DriverKind.STRONGSWAN: "vici",
    DriverKind.NETMIKO: "netmiko",
    DriverKind.NAPALM: "napalm",
}
"""The library of each kind, whose extra has the name of the kind."""


def missing_driver_library(kind: DriverKind) -> str:
    """Return the message of a driver of *kind* whose library is not installed."""
    return f"{_LIBRARIES[kind]} is missing: {install_command(kind)}"


def require_extras(decisions: Decisions) -> None:
    """Check that the library of each driver in *decisions* is installed.

    Raises:
        UsageError: One is missing.
    """
    for gateway, driver in decisions.drivers.items():
        library = _LIBRARIES.get(driver.kind)
        if library is not None and find_spec(library) is None:
            raise UsageError(
                f"decisions.drivers.{gateway}: {library} is not installed, so this driver would "
                "fail",
                advice=install_command(driver.kind),
            )
