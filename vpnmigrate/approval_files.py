"""Approvals as files: small, plain, and refused if anything in them was altered."""

from __future__ import annotations

from pathlib import Path

import msgspec

from vpnmigrate.commands import cli
from vpnmigrate.errors import MalformedFileError, RefusedError
from vpnmigrate.files import MEGABYTE, read_bytes, save_text
from vpnmigrate.model.approval import APPROVAL_FORMAT, Approval
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.planning.approvals import digest_of

_AGAIN = ("ask for a new one:", cli("approve", "PLAN"))


def load_approval(path: Path) -> Approval:
    """Read an approval and see that it is the one that was given.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        MalformedFileError: It is no approval, or one of a later version of this program.
        RefusedError: Its text no longer matches its digest.
    """
    try:
        document = msgspec.json.decode(read_bytes(path, MEGABYTE))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedFileError(f"{path}: not JSON text", advice=_AGAIN) from None
    if not isinstance(document, dict) or not isinstance(document.get("digest"), str):
        raise MalformedFileError(f"{path}: not an approval", advice=_AGAIN)
    if digest_of(document) != document["digest"]:
        raise RefusedError(
            f"{path} was altered after it was given: its text does not match its digest",
            advice=_AGAIN,
        )
    try:
        found = msgspec.convert(document, Approval, strict=True)
    except msgspec.ValidationError as error:
        raise MalformedFileError(f"{path}: {fault_of(error)}", advice=_AGAIN) from None
    if found.format > APPROVAL_FORMAT or not (found.at.tzinfo and found.expires.tzinfo):
        raise MalformedFileError(f"{path}: not an approval of this version", advice=_AGAIN)
    return found


def save_approval(approval: Approval, path: Path) -> None:
    """Write *approval* whole.

    Raises:
        UsageError: The place cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode(approval, order="sorted"), indent=2)
    save_text(text.decode() + "\n", path)
