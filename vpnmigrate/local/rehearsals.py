"""Rehearsal results: one private file per plan.

::

    <home>/rehearsals/<fingerprint>.json        the folder 0700, the file 0600
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import msgspec

from vpnmigrate.local.private_files import make_folder, reading, write_whole
from vpnmigrate.model.approval import REHEARSED_FORMAT, RehearsalResult
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.model.errors import MalformedFileError, VpnMigrateError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Plan

LARGEST = 64 * 1024
"""Bytes; a result contains about ten durations."""

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_AGAIN = ("rehearse the plan again:", cli("rehearse", "PLAN"))


class Rehearsals:
    """The rehearsal results kept below *home*."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "rehearsals"

    def keep(self, rehearsed: RehearsalResult) -> Path:
        """Write the result, replacing an earlier one of the same plan, and return its file.

        Raises:
            VpnMigrateError: The file cannot be written.
        """
        path = self._path(rehearsed.fingerprint)
        text = msgspec.json.format(msgspec.json.encode(rehearsed), indent=2)
        try:
            make_folder(self._folder)
            write_whole(path, text + b"\n")
        except OSError as error:
            raise VpnMigrateError(
                f"{path}: the rehearsal result cannot be written: {error.strerror}",
                advice="check free space and permissions, or give another --run-dir",
            ) from error
        return path

    def of(self, plan: Plan) -> RehearsalResult | None:
        """Return the result of the last rehearsal of *plan*, or None.

        Raises:
            MalformedFileError: The file is not a valid result, or is not private.
        """
        path = self._path(plan.fingerprint)
        try:
            raw = _private(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MalformedFileError(f"{path}: {error.strerror}", advice=_AGAIN) from None
        return rehearsal_from(raw, plan, str(path))

    def _path(self, fingerprint: str) -> Path:
        # The fingerprint of a forged plan could be a path to any file.
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise MalformedFileError(f"{fingerprint[:80]!r} is not a fingerprint", advice=_AGAIN)
        return self._folder / f"{fingerprint}.json"


def rehearsal_from(raw: bytes, plan: Plan, name: str) -> RehearsalResult:
    """Return the rehearsal result of *plan* in *raw*; messages call it *name*.

    Raises:
        MalformedFileError: It is not a valid result, or that of another plan.
    """
    try:
        found = msgspec.json.decode(raw, type=RehearsalResult)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedFileError(f"{name}: {fault_of(error)}", advice=_AGAIN) from None
    if why := _fault(found, plan):
        raise MalformedFileError(f"{name}: {why}", advice=_AGAIN)
    return found


def _private(path: Path) -> bytes:
    """Read a file that only this user can have written."""
    with reading(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise MalformedFileError(f"{path}: other users can write it", advice=_AGAIN)
        return file.read(LARGEST)


def _fault(found: RehearsalResult, plan: Plan) -> str:
    if found.format > REHEARSED_FORMAT:
        return f"field format: {found.format} was written by a later vpnmigrate"
    if found.fingerprint != plan.fingerprint:
        return "field fingerprint: it belongs to another plan"
    if found.at.tzinfo is None:
        return "field at: the time zone is missing"
    durations = (
        found.cutover,
        *found.back.values(),
        *found.back_outage.values(),
        *found.steps.values(),
    )
    if min(*durations, found.outage or found.cutover).total_seconds() < 0:
        return "a duration is negative"
    return ""
