"""Evidence bundle: a reproducible archive, and safe reading of archives from others.

A bundle is a zip file with sorted, uncompressed members, one time stamp for all, and a manifest of
their hashes.  Without compression, unpacking cannot produce more data than was read.  Given files
are always packed into the same bytes, so any archive with other bytes was altered.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from vpnmigrate.model.decoding import fault_of
from vpnmigrate.model.errors import BundleDamagedError, MalformedFileError
from vpnmigrate.model.errors.commands import cli

BUNDLE_FORMAT = 1
MANIFEST: Final = "manifest.json"
LARGEST = 256 * 1024 * 1024
"""Bytes.  One observation a second for a week makes a log of a tenth of this."""
MOST_FILES = 1000

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?")
"""A name, at most one folder deep, that cannot leave the directory where it is unpacked."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can store."""
_END = struct.Struct("<4s4H2LH")
"""The end record of a zip (APPNOTE.TXT 4.3.16)."""
_LOCATOR = b"PK\x06\x07"
"""Start of the zip64 end record locator (APPNOTE.TXT 4.3.15), 20 bytes before the end."""
_LOCATED = 20
_LOCAL = 30
"""Bytes of a member's header before its name (APPNOTE.TXT 4.3.7); a bundle has no extra field."""


class ListedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as the manifest lists it."""

    name: str
    size: int
    sha256: str


class BundleSubject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The run and plan of a bundle."""

    run: str
    plan: str
    """Fingerprint of the plan in force."""
    tool: str
    """The version of this program that packed it."""
    entries: int
    """Number of journal entries."""
    head: str
    """The hash of the last journal line, which the next line would have contained."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The list of a bundle's files, except the manifest itself."""

    format: int
    about: BundleSubject
    files: tuple[ListedFile, ...]


def pack(about: BundleSubject, files: Mapping[str, bytes]) -> bytes:
    """Return the archive of *files*; the same files give the same archive on any machine."""
    listed = tuple(ListedFile(n, len(files[n]), _hash(files[n])) for n in sorted(files))
    manifest = msgspec.json.encode(Manifest(BUNDLE_FORMAT, about, listed))
    return _zip({**files, MANIFEST: msgspec.json.format(manifest, indent=2) + b"\n"})


def unpack(raw: bytes) -> dict[str, bytes]:
    """Return the members of an archive from any source, without checking their hashes.

    Raises:
        MalformedFileError: It is not a bundle.
        BundleDamagedError: This program cannot have packed it.
    """
    _require_honest_end(raw)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return _members(archive, raw)
    except zipfile.BadZipFile as exc:
        raise BundleDamagedError("the archive", "it is not a zip archive, or damaged") from exc
    except (ValueError, EOFError, OSError, struct.error, NotImplementedError) as exc:
        raise BundleDamagedError("the archive", "it cannot be unpacked") from exc


def manifest_of(members: Mapping[str, bytes]) -> Manifest:
    """Read the manifest of *members*.

    Raises:
        BundleDamagedError: It is missing, or invalid.
        MalformedFileError: A later version of this program wrote it.
    """
    try:
        manifest = msgspec.json.decode(members[MANIFEST], type=Manifest)
    except KeyError:
        raise BundleDamagedError(MANIFEST, "it is missing") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BundleDamagedError(MANIFEST, fault_of(exc)) from None
    if manifest.format > BUNDLE_FORMAT:
        raise MalformedFileError(
            f"{MANIFEST}: format {manifest.format} was written by a later vpnmigrate",
            advice="verify it with that version, or a newer one",
        )
    return manifest


def require_listed(members: Mapping[str, bytes], manifest: Manifest) -> None:
    """Check that *members* are exactly those that *manifest* lists, byte for byte.

    Raises:
        BundleDamagedError: A member is missing, altered, or not in the list.
    """
    listed = {one.name: one for one in manifest.files}
    for name in sorted({*listed, *members} - {MANIFEST}):
        if name not in members:
            raise BundleDamagedError(name, "it was removed: the manifest lists it")
        if name not in listed:
            raise BundleDamagedError(name, "it was added: the manifest does not list it")
        if (len(members[name]), _hash(members[name])) != (listed[name].size, listed[name].sha256):
            raise BundleDamagedError(name, "it was altered: the manifest has another hash for it")


def require_packed_by_us(raw: bytes, members: Mapping[str, bytes]) -> None:
    """Check that *raw* is *members* as this program packs them: none moved, nothing in between.

    Raises:
        BundleDamagedError: They were packed in another way.
    """
    again = _zip(members)
    if again == raw:
        return
    place = next(
        (i for i, (a, b) in enumerate(zip(raw, again, strict=False)) if a != b), len(again)
    )
    raise BundleDamagedError(
        f"the archive, byte {place}",
        "it was repacked: files were moved, or data was added between them",
    )


def _zip(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system = 3  # Unix, independent of the machine.
            member.external_attr = 0o600 << 16
            archive.writestr(member, files[name])
    return target.getvalue()


def _require_honest_end(raw: bytes) -> None:
    """Check the end record before the library reads it: it decides how much is read.

    Raises:
        MalformedFileError: It is not a zip file.
        BundleDamagedError: This program did not write the record.
    """
    if len(raw) < _END.size or not raw.startswith(b"PK"):
        raise MalformedFileError(
            "this is not a bundle",
            advice=("make one with:", cli("report", "RUN", "--bundle", "FILE")),
        )
    begins = len(raw) - _END.size
    mark, disk, first_disk, here, entries, size, offset, comment = _END.unpack(raw[begins:])
    larger = raw[begins - _LOCATED :].startswith(_LOCATOR)
    ours = mark == b"PK\x05\x06" and not (disk or first_disk or comment or larger)
    if not ours or here != entries or offset + size != begins:
        raise BundleDamagedError("the archive's end", "it was cut off, or something was added")
    if entries > MOST_FILES:
        raise BundleDamagedError("the archive", f"it has {entries} files, more than {MOST_FILES}")


def _members(archive: zipfile.ZipFile, raw: bytes) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    room = len(raw)
    for info in archive.infolist():
        name = ascii(info.filename)[1:-1]
        if not _PLAIN.fullmatch(info.filename):
            raise BundleDamagedError(name[:100], "a bundle has no file with such a name")
        if info.filename in members:
            raise BundleDamagedError(name, "there are two files of that name")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits or info.extra:
            raise BundleDamagedError(name, "it is compressed, encrypted, or has an extra field")
        room -= info.file_size
        if room < 0 or info.compress_size != info.file_size:
            raise BundleDamagedError(name, "it claims to be larger than the archive")
        # The checksum is ignored: later checks find and name what was altered in the content.
        begins = info.header_offset + _LOCAL + len(info.filename)
        members[info.filename] = raw[begins : begins + info.file_size]
    return members


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()
