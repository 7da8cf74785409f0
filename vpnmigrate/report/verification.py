"""Verification of an evidence bundle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vpnmigrate.local.bundle import BundleSubject
from vpnmigrate.report.text import columns, heading, item, wrapped

SCHEMA = "vpnmigrate/verified/1"

UNSIGNED = (
    "who wrote it.  The bundle is not signed: a person with write access to the run's directory "
    "could have rewritten it, hashes included.  Compare the sha256 above with the one that was "
    "recorded elsewhere when the bundle was made."
)
UNCHECKED = (
    "who wrote it.  There is a signature beside the bundle, but it was not checked: name the "
    "signers that you trust with --allowed-signers."
)
CUT_BEFORE = (
    "that the journal was complete when the bundle was {made}.  Lines that were removed at its end "
    "and from the head file beside it, before that, leave no trace; CloudTrail lists the same "
    "calls, by request id."
)
ALWAYS = (
    "that the clock was right.  Times are those of the host that executed the run.",
    "what was done outside the program: devices, telephone calls, the AWS console.",
)
"""The limits of every verification."""


@dataclass(frozen=True)
class BundleSigner:
    """Who signed a bundle; *name* is empty if the signature was not checked."""

    signed: bool
    name: str = ""
    key: str = ""


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
    signer: BundleSigner = BundleSigner(signed=False)
    signed: tuple[str, ...] = ()
    """What the signatures inside prove, a sentence each."""
    planned_list: bool = False
    """Whether the signers that were trusted are those that the plan names."""


def text(verified: VerifiedBundle) -> str:
    """Return what was verified, then what the verification cannot prove."""
    about, signer = verified.about, verified.signer
    rows = [
        ("bundle", verified.file),
        ("sha256", verified.sha256),
        ("run", about.run),
        ("plan", about.plan),
        ("packed by", f"vpnmigrate {about.tool}"),
        ("journal", f"{about.entries} lines, head {about.head}"),
        *([("signed by", f"{signer.name} with {signer.key}")] if signer.name else []),
    ]
    return "\n\n".join(
        [
            wrapped("The bundle is unchanged since it was packed."),
            columns(rows),
            heading("Verified") + "\n".join(map(item, proved(verified))),
            heading("What this cannot prove") + "\n".join(map(item, unproved(verified))),
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
        "head": verified.about.head,
        "signed": verified.signer.signed,
        "signer": verified.signer.name or None,
        "key": verified.signer.key or None,
        "files": list(verified.files),
        "torn": verified.torn,
        "reports_compared": verified.reports_compared,
        "proved": list(proved(verified)),
        "cannot_prove": list(unproved(verified)),
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
    signer = verified.signer
    return (
        *_by(signer, verified),
        f"all {len(verified.files)} files are present and match their hashes, with no other files",
        f"the journal's {about.entries} lines are in sequence, none altered, lost or moved{torn}",
        "every plan that the run used is present and matches its fingerprint",
        compared,
    )


def _by(signer: BundleSigner, verified: VerifiedBundle) -> Iterator[str]:
    """Yield what the signatures prove."""
    if not signer.name:
        return
    yield (
        f"{signer.name} signed the whole bundle, and with it the journal's head: no line was "
        "removed from its end since"
    )
    yield from verified.signed
    if verified.planned_list:
        yield "the list of signers is the one that the plan names"


def unproved(verified: VerifiedBundle) -> tuple[str, ...]:
    """Return what the verification cannot prove, a sentence each."""
    signer = verified.signer
    if signer.name:
        return (CUT_BEFORE.format(made="signed"), *ALWAYS)
    author = UNCHECKED if signer.signed else UNSIGNED
    return (author, CUT_BEFORE.format(made="made"), *ALWAYS)
