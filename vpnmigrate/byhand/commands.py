"""A call of EC2 as a command of the AWS CLI."""

from __future__ import annotations

import json
import re
from typing import Any

from vpnmigrate.byhand.names import Names
from vpnmigrate.commands import quoted
from vpnmigrate.model.changes.requests import Request

WIDTH = 100
"""A command that is longer goes on in the next lines, a parameter each."""

ONCE = "AWS_MAX_ATTEMPTS=1 "
"""A creation is sent once: EC2 takes no token that would make a second one harmless."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def command(request: Request, names: Names, *, query: str = "", **instead: str) -> str:
    """Give *request* as a command; *query* selects what it prints.

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


def _word(value: Any, names: Names) -> str:
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
    """Give *body* under a condition."""
    indented = "\n".join(body).replace("\n", "\n  ")
    return f"if {condition}; then\n  {indented}\nfi"
