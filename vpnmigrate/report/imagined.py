"""Changes of a plan in words: what does not exist yet has no id, only a role."""

from __future__ import annotations

import re

from msgspec.structs import asdict, replace

from vpnmigrate.model.changes import AskOperator, Change
from vpnmigrate.model.plan import GATEWAY_ROLE, TEST_SUBNET_ROLE, TEST_VPC_ROLE

_NAMES: dict[str, str] = {
    GATEWAY_ROLE: "<new gateway>",
    TEST_VPC_ROLE: "<test VPC>",
    TEST_SUBNET_ROLE: "<test subnet>",
}
_SUCCESSOR = re.compile(r"\bconnection/(vpn-\w+)")
_GATEWAY_IN_TASK = re.compile(r"\bthrough gateway\b")


def told(change: Change) -> str:
    """Give *change* with its roles put into words."""
    if isinstance(change, AskOperator):
        through = _GATEWAY_IN_TASK.sub(f"through {_NAMES[GATEWAY_ROLE]}", str(change))
        return _SUCCESSOR.sub(r"<successor of \1>", through)
    ids = {
        field: _NAMES.get(value, _SUCCESSOR.sub(r"<successor of \1>", value))
        for field, value in asdict(change).items()
        if isinstance(value, str) and field != "role"
    }
    return str(replace(change, **ids))
