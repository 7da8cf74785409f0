"""EC2 calls as AWS CLI commands, and shell variables of created resources."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vpnmigrate.model.changes.base import Request
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors.commands import dashed, quoted
from vpnmigrate.model.plan import (
    GATEWAY_ROLE,
    TEST_SUBNET_ROLE,
    TEST_VPC_ROLE,
    Plan,
    connection_role,
)

WIDTH = 100
"""A longer command is folded, with one parameter per line."""

ONCE = "AWS_MAX_ATTEMPTS=1 "
"""A creation is sent once: EC2 has no token that would make a second call idempotent."""


def command(request: Request, names: ShellNames, *, query: str = "", **instead: str) -> str:
    """Return *request* as a command; *query* selects its output.

    *instead* maps a parameter's name to the shell word that replaces its value.
    """
    words = [f"aws ec2 {dashed(request.operation)}"]
    for name, value in request.parameters.items():
        words.append(f"--{dashed(name)} {instead.get(name) or _word(value, names)}")
    if query:
        words.append(f"--query {query}")
    line = " ".join(words)
    return line if len(line) <= WIDTH else " \\\n    ".join(words)


def as_json(value: Any) -> str:
    """Return a structure as JSON for the CLI, in ASCII, so that nothing in it is invisible."""
    return json.dumps(value)


def _word(value: Any, names: ShellNames) -> str:
    match value:
        case str():
            return names.word(value)
        case int():
            return str(value)
        case [str(), *_]:
            return " ".join(map(names.word, value))
        case _:
            return quoted(as_json(value))


def when(condition: str, *body: str) -> str:
    """Return *body* as the body of a shell ``if``."""
    indented = "\n".join(body).replace("\n", "\n  ")
    return f"if {condition}; then\n  {indented}\nfi"


_MAIN_TABLE = f"main table of {TEST_VPC_ROLE}"
"""The prediction's name of the table that EC2 creates with the test VPC."""

_IN_PROSE = re.compile(rf"\b(?:connection/vpn-\w+|{TEST_VPC_ROLE}\b|(?<=through ){GATEWAY_ROLE}\b)")


@dataclass(frozen=True)
class ShellNames:
    """Shell words for ids: a variable for a new resource, the quoted id for an existing one."""

    plan: Plan

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The variable of each role, in the order of creation."""
        numbered: dict[str, str] = {
            connection_role(old): f"NEW_VPN_{number}"
            for number, old in enumerate(self.plan.old_connections, 1)
        }
        test: dict[str, str] = {TEST_VPC_ROLE: "TEST_VPC", TEST_SUBNET_ROLE: "TEST_SUBNET"}
        return {
            GATEWAY_ROLE: "NEW_VGW",
            **numbered,
            **({} if self.plan.decisions.test_vpc is None else test),
        }

    def word(self, id_: str) -> str:
        """Return the shell word for an id or a role."""
        if id_ in self.variables:
            return f'"${self.variables[id_]}"'
        if id_ == _MAIN_TABLE:
            return f'"$(main_table {self.word(TEST_VPC_ROLE)})"'
        return quoted(id_)

    def other(self, gateway: str) -> str:
        """Return the shell word for the gateway that *gateway* replaces."""
        return self.word(
            GATEWAY_ROLE if gateway == self.plan.old_gateway else self.plan.old_gateway
        )

    def successor(self, old: VpnConnectionId) -> str:
        """Return the shell word for the successor of the connection *old*."""
        return self.word(connection_role(old))

    def prose(self, text: str) -> str:
        """Return the shell word for a sentence, with roles replaced by their ids."""
        parts: list[str] = []
        end = 0
        for found in _IN_PROSE.finditer(text):
            if found.group() in self.variables:
                parts += [quoted(text[end : found.start()]), self.word(found.group())]
                end = found.end()
        return "".join([*parts, quoted(text[end:])])
