"""Private files: written atomically, readable by their owner only.

The functions do not follow a link, wait for a pipe's reader, or replace anything but a regular
file.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600

_STREAM = re.compile(r"/dev/std(out|err)|/(?:dev|proc/self)/fd/(\d{1,4})")
_NAMED = {"out": 1, "err": 2}
_NO_WAIT = os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW


def make_folder(path: Path) -> None:
    """Create the folder *path* and each missing parent with mode 0700, independent of the umask.

    Raises:
        OSError: The disk fails, or the path is not a folder.
    """
    try:
        path.mkdir(FOLDER_MODE)
    except FileNotFoundError:
        make_folder(path.parent)
        make_folder(path)
    except OSError:
        if not path.is_dir():
            raise


def open_to_append(path: Path) -> int:
    """Open *path* to append to it, or create it, and return its descriptor.

    Raises:
        OSError: The disk fails, or the path is not a regular file of this user.
    """
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_WAIT, FILE_MODE)
    try:
        _require_private(handle, path)
    except OSError:
        os.close(handle)
        raise
    return handle


@contextmanager
def reading(handle: int) -> Iterator[IO[bytes]]:
    """Read the open file *handle*, and close it; ``os.fdopen`` leaves that of a folder open.

    Raises:
        IsADirectoryError: It is a folder.
    """
    try:
        with os.fdopen(handle, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(handle)


def write_whole(path: Path, content: bytes) -> None:
    """Write *path* durably and atomically, readable by its owner only."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(aside, flags, FILE_MODE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_output(path: Path, content: bytes) -> None:
    """Write a result for the operator to *path*, which may be a stream, a device or a pipe.

    A regular file is replaced as ``write_whole`` does.  A link to a file is refused: the operator
    did not ask to replace the link, and following it may overwrite a file that another user chose.

    Raises:
        OSError: The disk fails, or *path* cannot be written.
    """
    if stream := _STREAM.fullmatch(str(path)):
        _write_to_stream(stream[1] or stream[2], content)
        return
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        kind = stat.S_IFREG
    if kind in (stat.S_IFCHR, stat.S_IFIFO):
        _write_into(path, content)
    elif kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, "it is not a file, pipe or terminal")
    elif path.is_symlink():
        raise OSError(errno.EINVAL, f"it is a link; give its target {path.resolve()} instead")
    else:
        write_whole(path, content)


def sync_folder(path: Path) -> None:
    """Make the names in the folder *path* durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_private(handle: int, path: Path) -> None:
    """Check that the file belongs to this user, and remove the permissions of others."""
    found = os.fstat(handle)
    ours = {os.geteuid()}
    if 0 in ours:
        ours.add(path.parent.stat().st_uid)  # Root may work on a user's run as that user would.
    if not stat.S_ISREG(found.st_mode) or found.st_uid not in ours:
        raise OSError(errno.EPERM, "it is not a regular file of this user")
    if stat.S_IMODE(found.st_mode) & ~FILE_MODE:
        os.fchmod(handle, FILE_MODE)


def _write_to_stream(name: str, content: bytes) -> None:
    """Write to one of this process's descriptors, after what was printed before."""
    sys.stdout.flush()
    descriptor = _NAMED[name] if name in _NAMED else int(name)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)


def _write_into(path: Path, content: bytes) -> None:
    with _opened(path) as handle, os.fdopen(handle, "wb", closefd=False) as file:
        file.write(content)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a device or a pipe without waiting for a reader; later writes may wait."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "this pipe has no reader; start its reader first") from None
        raise
    try:
        os.set_blocking(handle, True)
        yield handle
    finally:
        os.close(handle)
