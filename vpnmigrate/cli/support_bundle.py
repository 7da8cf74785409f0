"""Support bundle: an archive of a run directory without secrets, for a bug report."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.run_status import status_views
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.redaction import Redaction
from vpnmigrate.report import runs_table

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of one file; of a longer one the end is packed, where a failure is."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def support_bundle(context: CommandContext, found: Mapping[str, Any]) -> bytes:
    """Return the archive: the checks *found*, and the records of each run of this directory.

    The vault, the inbox and the working directory are left out.  Every file goes through the
    redaction, which has the keys of each vault; a run whose vault cannot be read is left out.
    """
    redaction = context.redaction
    runs: list[Run] = []
    for run in context.runs.list():
        vault = Vault(run.vault, redaction.learn)
        redaction.learn(vault.every_key())
        if vault.is_readable():
            runs.append(run)
        else:
            note = (
                f"run {run.id} is left out of the archive: its keys in {run.vault} are unreadable"
            )
            context.console.print_line(note)
    status = runs_table.as_json(status_views(context), context.invocation)
    files = {
        f"{name}.json": json.dumps(redaction.value(document), indent=2).encode()
        for name, document in (("doctor", found), ("status", status))
    }
    for name, path in _files(context.settings.home, runs):
        if (text := _redacted(path, redaction)) is not None:
            files[name] = text
    return _zip(files)


def _files(home: Path, runs: Sequence[Run]) -> Iterator[tuple[str, Path]]:
    yield "crash.log", home / "crash.log"
    for run in runs:
        for path in (run.journal, run.head, run.owner, run.log, run.live, run.after):
            yield f"{run.id}/{path.name}", path
        for path in sorted(run.path.glob("plan*.json")):
            yield f"{run.id}/{path.name}", path
        for path in sorted(run.path.glob("watchdog.*")):
            yield f"{run.id}/{path.name}", path


def _redacted(path: Path, redaction: Redaction) -> bytes | None:
    """Return the file's text without keys, line by line; None if it cannot be read."""
    try:
        if path.is_symlink() or not path.is_file():
            return None
        raw = path.read_bytes()[-LARGEST:]
    except OSError:
        return None
    lines = raw.decode("utf-8", "replace").split("\n")
    return "\n".join(redaction.text(line) for line in lines).encode()


def _zip(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name], zipfile.ZIP_DEFLATED)
    return packed.getvalue()
