"""Planned changes as text, with names in place of roles: nothing is created yet."""

from __future__ import annotations

import re

from msgspec.structs import asdict, replace

from vpnmigrate.model.changes import AskOperator, Change
from vpnmigrate.model.plan import GATEWAY_ROLE, TEST_SUBNET_ROLE, TEST_VPC_ROLE
from vpnmigrate.report.names import NO_NAMES, Names

_ROLES: dict[str, str] = {
    GATEWAY_ROLE: "<new gateway>",
    TEST_VPC_ROLE: "<test VPC>",
    TEST_SUBNET_ROLE: "<test subnet>",
}

_SUCCESSOR = re.compile(r"\bconnection/(vpn-\w+)")

_GATEWAY_IN_TASK = re.compile(r"\bthrough gateway\b")


def change_text(change: Change, names: Names = NO_NAMES) -> str:
    """Return *change* as text, with names in place of roles, and beside ids."""
    if isinstance(change, AskOperator):
        return names.text(without_roles(str(change)))
    ids = {
        field: _ROLES.get(value, _SUCCESSOR.sub(r"<successor of \1>", value))
        for field, value in asdict(change).items()
        if isinstance(value, str) and field != "role"
    }
    return names.text(str(replace(change, **ids)))


def without_roles(text: str) -> str:
    """Return a text about the tasks of a plan with names in place of roles."""
    through = _GATEWAY_IN_TASK.sub(f"through {_ROLES[GATEWAY_ROLE]}", text)
    return _SUCCESSOR.sub(r"<successor of \1>", through)
