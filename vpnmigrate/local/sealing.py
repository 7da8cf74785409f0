"""Sealed archives: files encrypted to an engineer's age or SSH public key.

The format is age's (https://age-encryption.org/v1), by the library ``pyrage``; the engineer opens
an archive with ``age -d -i KEY FILE | tar x``.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyrage
from pyrage import ssh, x25519

from vpnmigrate.local.text_files import file_bytes
from vpnmigrate.model.errors import UsageError

_MOST_BYTES: Final = 64 * 1024
"""Bytes of a file of recipients; a key has a hundred to a thousand."""


def sealed(files: Mapping[str, bytes], recipients: Path) -> bytes:
    """Return an archive of *files*, encrypted to the public keys in the file *recipients*.

    The file has one key a line, of age (``age1...``) or of SSH (ed25519 or RSA); lines that begin
    with # are comments.  Each of the keys opens the archive.

    Raises:
        UsageError: The file cannot be read, has no key, or has a line that is not a public key.
    """
    try:
        text = file_bytes(recipients, _MOST_BYTES).decode("ascii")
    except UnicodeDecodeError:
        raise UsageError(f"{recipients}: not a file of public keys") from None
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise UsageError(f"{recipients}: has no public key")
    try:
        to = [_recipient(key) for key in keys]
    except pyrage.RecipientError:
        # The line is not quoted: it may be a private key.
        raise UsageError(
            f"{recipients}: has a line that is not a public key of age or SSH (ed25519 or RSA)",
            advice="give the engineer's public key, such as id_ed25519.pub",
        ) from None
    encrypted: bytes = pyrage.encrypt(_packed(files), to)
    return encrypted


def _recipient(key: str) -> object:
    return (x25519 if key.startswith("age1") else ssh).Recipient.from_str(key)


def _packed(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive in which each file is private, and which has no names of people."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
