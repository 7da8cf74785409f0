"""Command line of a FortiGate: tables of entries, each of which is saved when it is left."""

from __future__ import annotations

import re
import shlex
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tests.support.fake_routers import Router, Session

Entry = dict[str, Any]
"""Its settings, and the tables in it, by their names."""
PHASE_1 = "vpn ipsec phase1-interface"


class FortiGate(Router):
    """FortiOS 7.2 without virtual domains and without a timer."""

    refusal = "command parse error before 'x'\nCommand fail. Return code -61"

    def __init__(self) -> None:
        super().__init__()
        self.running: Entry = {}

    def load(self, text: str) -> None:
        session = FortiSession(self)
        for line in text.splitlines():
            session.answer(line)

    def session(self) -> FortiSession:
        return FortiSession(self)

    def text(self) -> str:
        return "\n".join(_shown(self.running))


def _shown(entry: Entry, depth: int = 0) -> list[str]:
    indent, lines = "    " * depth, []
    for name, value in entry.items():
        if isinstance(value, str):
            lines.append(f"{indent}set {name} {'ENC c2VjcmV0' if name == 'psksecret' else value}")
            continue
        lines.append(f"{indent}config {name}")
        for key, below in value.items():
            edit = [f'{indent}    edit "{key}"', f"{indent}    next"] if key else []
            lines += [*edit[:1], *_shown(below, depth + 1 + bool(key)), *edit[1:]]
        lines.append(f"{indent}end")
    return lines


@dataclass
class _OpenTable:
    """A table that is configured, and the copy of the entry that is edited; "" is its own."""

    name: str
    entries: dict[str, Entry]
    key: str = ""
    entry: Entry = field(default_factory=dict)

    def edit(self, key: str) -> None:
        self.key, self.entry = key, deepcopy(self.entries.get(key, {}))

    def save(self) -> None:
        if self.entry:
            self.entries[self.key] = self.entry
        self.edit("")


class FortiSession(Session):
    """A terminal of an administrator."""

    def __init__(self, router: FortiGate) -> None:
        self._router = router
        self._open: list[_OpenTable] = []

    @property
    def prompt(self) -> str:
        table = f" ({self._open[-1].name.split()[-1]})" if self._open else ""
        return f"munich{table} # "

    def answer(self, line: str) -> str:
        router = self._router
        with router.lock:
            if router.rejects and re.search(router.rejects, line):
                return router.refusal
            match shlex.split(line):
                case ["get", "system", "status", "|", "grep", word]:
                    return {"Version": "Version: FortiGate-60F v7.2.5,build1517,230606"}.get(
                        word, "Virtual domain configuration: disable"
                    )
                case ["get", "system", "console"]:
                    return "output              : standard"
                case ["show", *path]:
                    name = " ".join(path)
                    return "\n".join(_shown({name: router.running.get(name, {})}))
                case ["config", *path]:
                    above = self._open[-1].entry if self._open else router.running
                    table = _OpenTable(" ".join(path), above.setdefault(" ".join(path), {}))
                    table.edit("")
                    self._open.append(table)
                case [verb, *rest] if self._open:
                    self._change(self._open[-1], verb, rest)
                case _:
                    pass
            return ""

    def _change(self, table: _OpenTable, verb: str, rest: list[str]) -> None:
        match verb, rest:
            case "edit", [key]:
                table.edit(key)
            case "set", [name, *values]:
                table.entry[name] = " ".join(values)
            case "delete", [key]:
                table.entries.pop(key, None)
                if table.name == PHASE_1:
                    self._router.running.get("system interface", {}).pop(key, None)
            case "next" | "end", _:
                table.save()
                if verb == "end":
                    self._open.pop()
            case _:
                pass
