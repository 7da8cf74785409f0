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

from vpnmigrate.commands import cli
from vpnmigrate.errors import MalformedFileError, VpnMigrateError
from vpnmigrate.local.private_files import make_folder, write_whole
from vpnmigrate.model.approval import REHEARSED_FORMAT, RehearsalResult
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.model.plan import Plan

LARGEST = 64 * 1024
"""A record has ten spans of time in it."""

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_AGAIN = ("rehearse the plan again:", cli("rehearse", "PLAN"))


class Rehearsals:
    """The rehearsals kept below *home*."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "rehearsals"

    def keep(self, rehearsed: RehearsalResult) -> Path:
        """Keep the result in place of an earlier one of the same plan, and give its file.

        Raises:
            VpnMigrateError: The disk refuses.
        """
        path = self._path(rehearsed.fingerprint)
        text = msgspec.json.format(msgspec.json.encode(rehearsed), indent=2)
        try:
            make_folder(self._folder)
            write_whole(path, text + b"\n")
        except OSError as error:
            raise VpnMigrateError(
                f"{path}: the rehearsal cannot be kept: {error.strerror}",
                advice="see to the disk and its permissions, or give another --run-dir",
            ) from error
        return path

    def of(self, plan: Plan) -> RehearsalResult | None:
        """Return what is kept of the last rehearsal of this very plan.

        Raises:
            MalformedFileError: The file says what no rehearsal can have said, or is not private.
        """
        path = self._path(plan.fingerprint)
        try:
            raw = _private(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MalformedFileError(f"{path}: {error.strerror}", advice=_AGAIN) from None
        try:
            found = msgspec.json.decode(raw, type=RehearsalResult)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedFileError(f"{path}: {fault_of(error)}", advice=_AGAIN) from None
        if why := _fault(found, plan):
            raise MalformedFileError(f"{path}: {why}", advice=_AGAIN)
        return found

    def _path(self, fingerprint: str) -> Path:
        # A plan that was not made by this program could name a file anywhere.
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise MalformedFileError(f"{fingerprint[:80]!r} is no fingerprint", advice=_AGAIN)
        return self._folder / f"{fingerprint}.json"


def _private(path: Path) -> bytes:
    """Read a file that nobody else can have written."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise MalformedFileError(f"{path}: somebody else can write it", advice=_AGAIN)
        return file.read(LARGEST)


def _fault(found: RehearsalResult, plan: Plan) -> str:
    if found.format > REHEARSED_FORMAT:
        return f"field format: {found.format} was written by a later vpnmigrate"
    if found.fingerprint != plan.fingerprint:
        return "field fingerprint: it is of another plan"
    if found.at.tzinfo is None:
        return "field at: without a time zone"
    if min(found.cutover, *found.back.values()).total_seconds() < 0:
        return "a span of time below nothing"
    return ""
