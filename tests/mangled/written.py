"""All output and files of a run, to be searched for keys."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.mangled.proxy import CANARY

MOMENTS = (
    "outage-began",
    "needs-person",
    "held",
    "failed",
    "rollback-started",
    "finished",
    "finalized",
)


def everything_written(place: Path) -> Iterator[tuple[str, bytes]]:
    """Return each file outside the vault and in a bundle, with its name."""
    for path in place.rglob("*"):
        if not path.is_file() or "vault" in path.parts:
            continue
        yield str(path.relative_to(place)), path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as bundle:
                yield from ((f"{path.name}/{n}", bundle.read(n)) for n in bundle.namelist())


def leaks(place: Path, shown: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of files that contain any part of a key."""
    texts = ((name, text.encode()) for name, text in shown)
    return [name for name, content in (*everything_written(place), *texts) if CANARY in content]


def hooks_in(place: Path) -> str:
    """Write a hook that records its input and environment, and return its lines of the playbook."""
    folder = place / "told"
    folder.mkdir()
    program = place / "hook"
    program.write_text(f'#!/bin/sh\n(cat; env) > "{folder}/$$"\n')
    program.chmod(0o700)
    return "\n".join(f'    {moment}: ["{program}"]' for moment in MOMENTS)
