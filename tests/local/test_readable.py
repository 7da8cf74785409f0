"""The wait for input at one stream."""

from __future__ import annotations

import fcntl
import os
import pty
import resource
import socket
import threading
from collections.abc import Iterator

import pytest

from vpnmigrate.local.readable import readable

BEYOND_SELECT = 1_100
"""A descriptor above the 1,023 that ``select.select`` can watch."""


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Yield the two ends of a pipe, the reading one first."""
    reads, writes = os.pipe()
    yield reads, writes
    os.close(reads)
    os.close(writes)


@pytest.fixture
def _many_descriptors() -> Iterator[None]:
    """Let this process have descriptors above ``BEYOND_SELECT``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard <= BEYOND_SELECT:
        pytest.skip(f"this machine allows a process only {hard} descriptors")
    if soft != resource.RLIM_INFINITY and soft <= BEYOND_SELECT:
        resource.setrlimit(resource.RLIMIT_NOFILE, (BEYOND_SELECT + 1, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_stream_is_readable_once_something_was_written(ends):
    """A stream without input is not readable; the wait takes no longer than asked."""
    reads, writes = ends

    assert not readable(reads, 0)
    assert not readable(reads, 0.01)
    os.write(writes, b"y")
    assert readable(reads, 0)


@pytest.mark.usefixtures("_many_descriptors")
def test_any_descriptor_can_be_watched(ends):
    """A process with more than a thousand files and connections still reads its terminal."""
    reads, writes = ends
    high = fcntl.fcntl(reads, fcntl.F_DUPFD_CLOEXEC, BEYOND_SELECT)
    try:
        assert not readable(high, 0)
        os.write(writes, b"y")
        assert readable(high, 0)
    finally:
        os.close(high)


@pytest.mark.parametrize("seconds", [30, None])
def test_the_wait_ends_with_the_input(ends, seconds):
    """Neither the limit, nor the lack of one, delays what arrives."""
    reads, writes = ends
    writing = threading.Thread(target=os.write, args=(writes, b"y"))
    writing.start()

    assert readable(reads, seconds)
    writing.join()


def test_a_limit_that_has_passed_is_no_wait(ends):
    """A negative number of seconds, as a deadline leaves it, looks once."""
    assert not readable(ends[0], -1)


def test_the_end_of_input_is_readable(tmp_path):
    """A read then returns nothing: of a file, of a closed connection, and of a closed terminal."""
    with (tmp_path / "answers").open("w+") as file:
        assert readable(file, 0)
        assert file.readline() == ""

    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        assert readable(ours, 0)
        assert ours.recv(1) == b""

    shell, terminal = pty.openpty()
    os.close(terminal)
    assert readable(shell, 0)
    os.close(shell)


def test_a_closed_stream_raises(tmp_path):
    """A closed file raises ValueError, and the number of a closed descriptor OSError."""
    with (tmp_path / "answers").open("w+") as file:
        pass
    unused = os.open(os.devnull, os.O_RDONLY)
    os.close(unused)

    with pytest.raises(ValueError, match="closed"):
        readable(file, 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        readable(unused, 0)
