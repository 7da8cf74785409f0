"""Verification of an evidence bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vpnmigrate.local.bundle import BundleSubject
from vpnmigrate.report.text import columns, heading, item, wrapped

SCHEMA = "vpnmigrate/verified/1"

CANNOT_PROVE = (
    (
        "who wrote it.  The bundle is not signed: a person with write access to the run's "
        "directory could have rewritten it, hashes included.  Compare the sha256 above with the "
        "one that was recorded elsewhere when the bundle was made."
    ),
    (
        "that the journal is complete at its end.  Lines that were removed there and from the "
        "head file beside it, before the bundle was made, leave no trace; CloudTrail lists the "
        "same calls, by request id."
    ),
    "that the clock was right.  Times are those of the host that executed the run.",
    "what was done outside the program: devices, telephone calls, the AWS console.",
)
"""The limits of every verification."""


@dataclass(frozen=True)
class VerifiedBundle:
    """A bundle that is unchanged since it was packed."""

    file: str
    sha256: str
    about: BundleSubject
    files: tuple[str, ...]
    torn: bool
    """Whether the last line of the journal is incomplete; no call was sent because of it."""
    reports_compared: bool
    """Whether its reports were recreated and matched; only the same version can do so."""


def text(verified: VerifiedBundle) -> str:
    """Return what was verified, then what the verification cannot prove."""
    about = verified.about
    rows = [
        ("bundle", verified.file),
        ("sha256", verified.sha256),
        ("run", about.run),
        ("plan", about.plan),
        ("packed by", f"vpnmigrate {about.tool}"),
    ]
    return "\n\n".join(
        [
            wrapped("The bundle is unchanged since it was packed."),
            columns(rows),
            heading("Verified") + "\n".join(map(item, proved(verified))),
            heading("What this cannot prove") + "\n".join(map(item, CANNOT_PROVE)),
        ]
    )


def as_json(verified: VerifiedBundle) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "file": verified.file,
        "sha256": verified.sha256,
        "run": verified.about.run,
        "plan": verified.about.plan,
        "tool": verified.about.tool,
        "entries": verified.about.entries,
        "files": list(verified.files),
        "torn": verified.torn,
        "reports_compared": verified.reports_compared,
        "proved": list(proved(verified)),
        "cannot_prove": list(CANNOT_PROVE),
    }


def proved(verified: VerifiedBundle) -> tuple[str, ...]:
    """Return the verified facts, a sentence each."""
    about = verified.about
    torn = ", followed by one incomplete line" if verified.torn else ""
    compared = (
        "the reports match the plan and the journal"
        if verified.reports_compared
        else f"the reports were not compared: only vpnmigrate {about.tool} can recreate them"
    )
    return (
        f"all {len(verified.files)} files are present and match their hashes, with no other files",
        f"the journal's {about.entries} lines are in sequence, none altered, lost or moved{torn}",
        "every plan that the run used is present and matches its fingerprint",
        compared,
    )
