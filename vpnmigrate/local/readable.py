"""Readable: the wait for input at one stream, whatever its descriptor.

``select.select`` cannot watch descriptors above 1,023, which a process with many connections has.
"""

from __future__ import annotations

import errno
import os
import select
from typing import Protocol


class HasDescriptor(Protocol):
    """A file, a socket or another stream with a descriptor."""

    def fileno(self) -> int:
        """Return the descriptor."""
        ...


def readable(stream: int | HasDescriptor, seconds: float | None) -> bool:
    """Wait until *stream* can be read, at most *seconds*, and return whether it can.

    A stream at the end of its input can be read: the read returns nothing.  If *seconds* is None,
    the wait has no limit.

    Raises:
        OSError: Its descriptor is closed.
        ValueError: The stream is closed.
    """
    watched = select.poll()
    watched.register(stream, select.POLLIN)
    happened = watched.poll(None if seconds is None else max(0, seconds) * 1000)
    if any(event & select.POLLNVAL for _, event in happened):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return bool(happened)
