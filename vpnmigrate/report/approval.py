"""An approval that was given: what it says, and what to do with the file."""

from __future__ import annotations

from typing import Any

import msgspec

from vpnmigrate.commands import Command
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.clock import moment
from vpnmigrate.report.words import columns, command, wrapped

SCHEMA = "vpnmigrate/approval/1"


def text(approval: Approval, *, file: str, on: Command) -> str:
    """Return the approval for its receiver to check; *on* is the command that hands it in."""
    rows = columns(
        [
            ("plan", approval.fingerprint),
            ("migration", approval.migration),
            ("approved by", approval.approver),
            ("user", f"{approval.user} on {approval.host}"),
            ("at", moment(approval.at)),
            ("counts until", moment(approval.expires)),
            ("file", file),
        ]
    )
    said = wrapped(
        "Give the file to whoever carries the plan out; it holds no secret. It is not signed: it "
        "shows slips, and stops nobody who forges."
    )
    return f"{rows}\n\n{said}\n{command(on, first='  ')}"


def as_json(approval: Approval, *, file: str, on: Command) -> dict[str, Any]:
    """Give the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "file": file,
        "approval": msgspec.to_builtins(approval),
        "next": str(on),
    }
