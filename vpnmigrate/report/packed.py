"""That a bundle was written, and the hash to note elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vpnmigrate.commands import Advice, cli
from vpnmigrate.report.words import columns, wrapped

SCHEMA = "vpnmigrate/bundle/1"


@dataclass(frozen=True)
class Packed:
    """A bundle that was written."""

    file: str
    sha256: str
    files: tuple[str, ...]


def text(packed: Packed) -> str:
    """Name the bundle and its hash."""
    note = "Note the hash where the run's host cannot reach it, in the change's record."
    rows: list[tuple[str, Advice]] = [
        ("bundle", packed.file),
        ("sha256", packed.sha256),
        ("verify", cli("report", "verify", packed.file)),
    ]
    return f"{columns(rows, indent=0)}\n{wrapped(note)}"


def as_json(packed: Packed) -> dict[str, Any]:
    """Give the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "file": packed.file,
        "sha256": packed.sha256,
        "files": list(packed.files),
    }
