"""EC2 calls as AWS CLI commands, and shell variables of created resources."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vpnmigrate.commands import quoted
from vpnmigrate.model.changes.requests import Request
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import (
    GATEWAY_ROLE,
    TEST_SUBNET_ROLE,
    TEST_VPC_ROLE,
    Plan,
    connection_role,
)

WIDTH = 100
"""A command that is longer goes on in the next lines, a parameter each."""

ONCE = "AWS_MAX_ATTEMPTS=1 "
"""A creation is sent once: EC2 takes no token that would make a second one harmless."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def command(request: Request, names: ShellNames, *, query: str = "", **instead: str) -> str:
    """Return *request* as a command; *query* selects what it prints.

    *instead* has shell words that replace a parameter's own value, by the parameter's name.
    """
    words = [f"aws ec2 {_dashed(request.operation)}"]
    for name, value in request.parameters.items():
        words.append(f"--{_dashed(name)} {instead.get(name) or _word(value, names)}")
    if query:
        words.append(f"--query {query}")
    line = " ".join(words)
    return line if len(line) <= WIDTH else " \\\n    ".join(words)


def as_json(value: Any) -> str:
    """Return a structure as the CLI reads it, in ASCII: a reader sees what the shell gets."""
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


def _dashed(name: str) -> str:
    return _CAPITAL.sub("-", name).lower()


def when(condition: str, *body: str) -> str:
    """Return *body* under a condition."""
    indented = "\n".join(body).replace("\n", "\n  ")
    return f"if {condition}; then\n  {indented}\nfi"


_MAIN_TABLE = f"main table of {TEST_VPC_ROLE}"
"""What the imagined world calls the table that EC2 makes with the test VPC."""

_IN_PROSE = re.compile(rf"\b(?:connection/vpn-\w+|{TEST_VPC_ROLE}\b|(?<=through ){GATEWAY_ROLE}\b)")


@dataclass(frozen=True)
class ShellNames:
    """Shell words for ids: a variable for what will be made, the quoted id for what is there."""

    plan: Plan

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The variable of each role, in the order in which they are made."""
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
        """Return the shell word for the gateway that *gateway* takes over from."""
        return self.word(
            GATEWAY_ROLE if gateway == self.plan.old_gateway else self.plan.old_gateway
        )

    def successor(self, old: VpnConnectionId) -> str:
        """Return the shell word for the connection that succeeds *old*."""
        return self.word(connection_role(old))

    def prose(self, text: str) -> str:
        """Return the shell word for a sentence; the roles in it become the ids they stand for."""
        parts: list[str] = []
        end = 0
        for found in _IN_PROSE.finditer(text):
            if found.group() in self.variables:
                parts += [quoted(text[end : found.start()]), self.word(found.group())]
                end = found.end()
        return "".join([*parts, quoted(text[end:])])
