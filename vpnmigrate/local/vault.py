"""Vault: private storage of device files, which contain keys.

``Vault.keep`` is called by ``aws.archive`` for what EC2 answered, and by ``drivers.processes`` for
the commands that a driver loads.  Only ``device config`` writes keys to other places, on request.
A file appears complete and with its final mode, or not at all.  Content is never logged and never
part of an error.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from vpnmigrate.devices.secret import Secret, keys_in
from vpnmigrate.local.private_files import FILE_MODE, FOLDER_MODE, make_folder, reading
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import VaultError

MOST_BYTES: Final = 1024 * 1024
"""Bytes of a file that are searched for keys; the largest file of EC2 has a hundredth of that."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Vault:
    """Store of device files under *root*, one folder per connection, created by ``keep``.

    *learn* (``redaction.Redaction.learn``) receives the keys of every text before it is written.
    """

    def __init__(
        self, root: Path, learn: Callable[[Iterable[Secret]], None] = lambda _: None
    ) -> None:
        self.root = root
        self.learn = learn

    def folder(self, connection: VpnConnectionId) -> Path:
        """Return the folder of *connection*'s files; it exists once a file was kept."""
        return self.root / _plain(connection)

    def keep(self, connection: VpnConnectionId, name: str, text: str) -> str:
        """Write *text* durably, replacing an earlier file, and return its SHA-256.

        Raises:
            VaultError: The disk fails, or the path is a symbolic link or in another user's folder.
        """
        self.learn(keys_in(text))
        content = text.encode()
        path = self.folder(connection) / _plain(name)
        try:
            make_folder(self.root)
            with _opened(self.root) as root, _made(path.parent, inside=root) as folder:
                _write(path, folder, content)
        except OSError as exc:
            raise VaultError(
                f"cannot write the device file {path}: {exc.strerror}",
                advice="free some space, or give another --run-dir, and run the same command again",
            ) from exc
        return hashlib.sha256(content).hexdigest()

    def every_key(self) -> frozenset[Secret]:
        """Return every key in the readable files, even in files that cannot be parsed."""
        found: set[Secret] = set()
        for path in self.root.glob("*/*"):
            with suppress(OSError):
                found |= keys_in(path.read_bytes()[:MOST_BYTES].decode(errors="replace"))
        return frozenset(found)

    def is_readable(self) -> bool:
        """Return whether ``every_key`` has read every file; true before there is a vault."""
        if not os.path.lexists(self.root):
            return True
        try:
            for folder in self.root.iterdir():
                for path in folder.iterdir():
                    path.open("rb").close()
        except OSError:
            return False
        return True

    def holds(self, connection: VpnConnectionId, name: str, sha256: str) -> bool:
        """Return whether the file exists, is private, and still has the content that was kept.

        Raises:
            VaultError: It cannot be read, or the path is a symbolic link.
        """
        path = self.folder(connection) / _plain(name)
        try:
            with _opened(path.parent) as folder:
                handle = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
                with reading(handle) as file:
                    private = not stat.S_IMODE(os.fstat(handle).st_mode) & 0o077
                    return private and hashlib.sha256(file.read()).hexdigest() == sha256
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise VaultError(f"cannot read the device file {path}: {exc.strerror}") from exc


def _plain(name: str) -> str:
    if not _PLAIN.fullmatch(name):
        raise VaultError(f"{name!r} is not a valid name for a device file or folder")
    return name


@contextmanager
def _opened(path: Path, *, inside: int | None = None) -> Iterator[int]:
    """Open the folder *path*, relative to its parent *inside*, and make it private."""
    name = path if inside is None else path.name
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=inside)
    try:
        if os.fstat(handle).st_uid != os.geteuid():
            raise VaultError(
                f"the folder {path} belongs to another user", advice="give another --run-dir"
            )
        os.fchmod(handle, FOLDER_MODE)
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _made(path: Path, *, inside: int) -> Iterator[int]:
    """Open the folder *path* in its parent *inside*; create it if it is missing."""
    with suppress(FileExistsError):
        os.mkdir(path.name, FOLDER_MODE, dir_fd=inside)
    with _opened(path, inside=inside) as handle:
        yield handle


def _write(path: Path, folder: int, content: bytes) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise VaultError(
                f"{path} is a link or not a file; device files are written to regular files only",
                advice="check what it is, remove it, and run the same command again",
            )
    temporary = f".{path.name}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    handle = os.open(temporary, flags, FILE_MODE, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)
