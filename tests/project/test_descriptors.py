"""The check that tests close what they open."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.descriptors import MOST_MORE, DescriptorCheck, open_descriptors

LEAKS, NEXT = "tests/a.py::test_leaks", "tests/a.py::test_next"

pytestmark = pytest.mark.skipif(not open_descriptors(), reason="needs Linux's /proc")


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Close at the end of the test what was opened with it."""
    with ExitStack() as stack:
        yield stack


def _open(stack: ExitStack, path: str, count: int) -> None:
    for _ in range(count):
        stack.callback(os.close, os.open(path, os.O_RDONLY))


def test_the_test_that_leaves_too_many_open_is_named(opened):
    """With how many it has left of each kind; a test that only adds the last one is named too."""
    check = DescriptorCheck()
    _open(opened, os.devnull, MOST_MORE - 2)
    for end in socket.socketpair():
        opened.enter_context(end)

    assert check.complaint_after(LEAKS) == ""
    _open(opened, "/dev/zero", 1)
    assert check.complaint_after(NEXT).splitlines() == [
        f"the tests of this process have left {MOST_MORE + 1} descriptors open:",
        f"  {LEAKS}: {MOST_MORE - 2} of /dev/null, 2 of socket",
        f"  {NEXT}: 1 of /dev/zero",
    ]


def test_a_leak_is_reported_once(opened):
    """The tests that follow do not fail for it."""
    check = DescriptorCheck()
    _open(opened, os.devnull, MOST_MORE + 1)

    assert LEAKS in check.complaint_after(LEAKS)
    assert check.complaint_after(NEXT) == ""


def test_what_is_closed_again_does_not_count(opened):
    """Each test may have as many open as it needs."""
    check = DescriptorCheck()
    for _ in range(2):
        with ExitStack() as stack:
            _open(stack, os.devnull, MOST_MORE)
        assert check.complaint_after(LEAKS) == ""


def test_garbage_is_no_leak():
    """A client in a cycle closes its connections when it is collected."""

    class Client:
        def __init__(self) -> None:
            self.itself = self
            self.handle = os.open(os.devnull, os.O_RDONLY)

        def __del__(self) -> None:
            os.close(self.handle)

    check = DescriptorCheck()
    for _ in range(MOST_MORE + 1):
        Client()

    assert check.complaint_after(LEAKS) == ""
