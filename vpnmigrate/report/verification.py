"""Verification of an evidence bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vpnmigrate.local.bundle import BundleSubject
from vpnmigrate.report.text import columns, heading, item, wrapped

SCHEMA = "vpnmigrate/verified/1"

CANNOT_PROVE = (
    (
        "who wrote it.  Nothing is signed: whoever could write the run's directory could have "
        "written all of it anew, hashes included.  Compare the sha256 above with one that was "
        "noted elsewhere when the bundle was made."
    ),
    (
        "that the journal went no further.  Lines that were cut off at its end before the bundle "
        "was made, and from the mark beside it, leave no trace; CloudTrail lists the same calls, "
        "by request id."
    ),
    "that the clock was right.  Times are those of the host that ran the run.",
    "what was said and done beside the program: devices, telephones, the console.",
)
"""The same for every bundle, and told each time."""


@dataclass(frozen=True)
class VerifiedBundle:
    """A bundle that is as it was packed."""

    file: str
    sha256: str
    about: BundleSubject
    files: tuple[str, ...]
    torn: bool
    """Whether the journal's last line was never finished; nothing was sent on its strength."""
    reports_compared: bool
    """Whether its reports were made anew and found the same: by this version only."""


def text(verified: VerifiedBundle) -> str:
    """Return what was verified, then what that does not prove."""
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
            wrapped("The bundle is as it was packed."),
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
    """Return what was found to hold, a sentence each."""
    about = verified.about
    torn = ", and the beginning of one that was never finished" if verified.torn else ""
    compared = (
        "the reports say what plan and journal say"
        if verified.reports_compared
        else f"the reports were not compared: only vpnmigrate {about.tool} can make them again"
    )
    return (
        f"all {len(verified.files)} files are there, each with its hash, and nothing else",
        f"the journal's {about.entries} lines follow each other, none altered, lost or moved{torn}",
        "every plan that the run went by is there, and matches its fingerprint",
        compared,
    )
