"""Text files: read with a limit, in the encoding that a byte order mark names."""

from __future__ import annotations

import codecs
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from vpnmigrate.model.errors import MalformedFileError, UsageError

MEGABYTE = 1024 * 1024


def decoded_json(raw: bytes, name: str) -> Any:
    """Return JSON decoded; an error names the line and quotes no content.

    Raises:
        MalformedFileError: It is not JSON text.
    """
    raw = _as_utf8(raw, name)
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        message, _, where = str(error).removesuffix(")").partition(" (byte ")
        line = raw[: int(where)].count(b"\n") + 1 if where.isdigit() else 1
        raise MalformedFileError(f"{name}, line {line}: {message}") from None
    except (UnicodeDecodeError, RecursionError):
        raise MalformedFileError(f"{name}: not JSON text") from None


def file_text(path: Path, limit: int) -> str:
    """Return the text of a file of at most *limit* bytes.

    Raises:
        UsageError: It cannot be read.
        MalformedFileError: It is larger, or not text.
    """
    try:
        return _as_utf8(file_bytes(path, limit), str(path)).decode()
    except UnicodeDecodeError:
        raise MalformedFileError(f"{path}: not text in UTF-8") from None


_MARKS: Final = (
    # The mark of UTF-32 begins as that of UTF-16.
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks: PowerShell's ``>`` writes UTF-16 or UTF-8 with one."""


def _as_utf8(raw: bytes, name: str) -> bytes:
    """Return text in UTF-8 without a byte order mark, from the encoding that its mark names."""
    encoding = next((encoding for mark, encoding in _MARKS if raw.startswith(mark)), "")
    if not encoding:
        return raw
    try:
        return raw.decode(encoding).encode()
    except UnicodeDecodeError:
        kind = encoding.removesuffix("-sig").upper()
        raise MalformedFileError(
            f"{name}: begins as {kind} text, but is not valid {kind}",
            advice="save it again as UTF-8",
        ) from None


def file_bytes(path: Path, limit: int) -> bytes:
    """Return the content of a file of at most *limit* bytes.

    Raises:
        UsageError: It cannot be read.
        MalformedFileError: It is larger.
    """
    try:
        with path.open("rb") as file:
            # Read in pieces: one read up to the limit would allocate that much memory.
            pieces = iter(lambda: file.read(MEGABYTE), b"")
            raw = b"".join(islice(pieces, limit // MEGABYTE + 1))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a path"
        raise UsageError(f"{path}: cannot be read: {why}", advice="check the path") from None
    if len(raw) > limit:
        raise MalformedFileError(
            f"{path}: larger than {limit // MEGABYTE} MB, the most that is read",
            advice="check that it is the right file",
        )
    return raw
