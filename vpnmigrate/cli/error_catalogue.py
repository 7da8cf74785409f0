"""Error catalogue: every kind of error with its id, generated from the exception classes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module

from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.report.errors import BUG

_INTRODUCTION = (
    "What each `VPM-E…` means: the id below a message, and `error.id` in `--json`.\n"
    "Ids are stable.  Written from the program by `make docs`; do not edit."
)
_ABOUT_BUGS = (
    "Resume the run, or roll it back: each call was journalled before it was sent. Report the bug, "
    "with the archive that `vpnmigrate doctor --bundle FILE` writes."
)
ELSEWHERE = (
    "vpnmigrate.aws.read_errors",
    "vpnmigrate.devices.configuration",
    "vpnmigrate.rehearsal.lab.namespaces",
)
"""Modules with errors of their own; a test finds one that is missing here."""


def error_kinds() -> tuple[type[VpnMigrateError], ...]:
    """Return every class of errors, sorted by id."""
    for module in ELSEWHERE:
        import_module(module)
    return tuple(sorted(_below(VpnMigrateError), key=lambda kind: kind.id))


def _below(kind: type[VpnMigrateError]) -> Iterator[type[VpnMigrateError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith("vpnmigrate."):
            yield from _below(child)


def errors_page() -> str:
    """Return the page ``docs/reference/errors.md``."""
    kinds = error_kinds()
    rows = [
        f"| [`{kind.id}`](#{kind.id.lower()}) | `{_name(kind)}` | {_first(kind)} |"
        for kind in kinds
    ]
    bug = "An unexpected exception: a bug in the program."
    rows.append(f"| [`{BUG}`](#{BUG.lower()}) | `Bug` | {bug} |")
    parts = [
        "# Errors",
        _INTRODUCTION,
        "\n".join(["| id | kind | meaning |", "| --- | --- | --- |", *rows]),
    ]
    for kind in kinds:
        parts += [
            f"## {kind.id}",
            f"`{_name(kind)}`, exit code {kind.exit.value}"
            + ("; 5 while traffic is down" if kind.exit.value == 1 else "")
            + ".",
            _meaning(kind),
            f"**What to do:** {kind.remedy}",
        ]
    parts += [
        f"## {BUG}",
        "`Bug`, exit code 1.",
        bug,
        f"**What to do:** {_ABOUT_BUGS}",
    ]
    return "\n\n".join(parts) + "\n"


def _name(kind: type[VpnMigrateError]) -> str:
    return kind.__name__.removesuffix("Error")


def _first(kind: type[VpnMigrateError]) -> str:
    return re.split(r"[.;:]( |$)", _meaning(kind), maxsplit=1)[0] + "."


def _meaning(kind: type[VpnMigrateError]) -> str:
    text = inspect.getdoc(kind) or ""
    return " ".join(re.sub(r"``|\*(?=\w)|(?<=\w)\*", "`", text).split())
