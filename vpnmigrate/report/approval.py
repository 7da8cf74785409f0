"""An approval that was given: what it says, and what to do with the file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import msgspec

from vpnmigrate.approval import Approval
from vpnmigrate.report.words import columns, wrapped
from vpnmigrate.times import moment

SCHEMA = "vpnmigrate/approval/1"


def text(approval: Approval, *, file: Path, plan: Path) -> str:
    """Give the approval as whoever receives it may check it."""
    rows = columns(
        [
            ("plan", approval.fingerprint),
            ("migration", approval.migration),
            ("approved by", approval.approver),
            ("user", f"{approval.user} on {approval.host}"),
            ("at", moment(approval.at)),
            ("counts until", moment(approval.expires)),
            ("file", str(file)),
        ]
    )
    said = wrapped(
        "Give the file to whoever carries the plan out; it holds no secret. It is not signed: it "
        "shows slips, and stops nobody who forges."
    )
    return f"{rows}\n\n{said}\n  {_next(file, plan)}"


def as_json(approval: Approval, *, file: Path, plan: Path) -> dict[str, Any]:
    """Give the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "file": str(file),
        "approval": msgspec.to_builtins(approval),
        "next": _next(file, plan),
    }


def _next(file: Path, plan: Path) -> str:
    return f"vpnmigrate apply {shlex.quote(str(plan))} --approval {shlex.quote(str(file))}"
