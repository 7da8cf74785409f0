"""Output to the terminal."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable

import pytest

from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.report.console import Console, JsonResults, TextResults


class Gone(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


def test_a_reader_that_left_is_no_failure():
    """``status | head`` ends without an error."""
    for results in (TextResults(Gone()), JsonResults(Gone())):
        results.print("text", {"a": 1})
    Console(Gone()).print_line("message")


def test_dropped_output_leaves_no_descriptor_open(tmp_path):
    """A worker that lives for weeks may print to a terminal, or a pipe, that is gone."""

    def next_descriptor() -> int:
        handle = os.open(os.devnull, os.O_RDONLY)
        os.close(handle)
        return handle

    reads, writes = os.pipe()
    closed = (tmp_path / "closed").open("w")
    closed.close()
    with os.fdopen(writes, "w", encoding="utf-8") as unread:
        os.close(reads)
        free = next_descriptor()

        for stream in (unread, closed):
            for _ in range(3):
                Console(stream).print_line("message")

        assert next_descriptor() == free


class Full(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_result_that_a_full_disk_cut_off_is_a_failure():
    """``report > FILE`` fails with half a report; a lost message is not a failure."""
    for results in (TextResults(Full()), JsonResults(Full())):
        with pytest.raises(VpnMigrateError, match="No space left"):
            results.print("text", {"a": 1})
    Console(Full()).print_line("message")


def test_results_are_text_or_one_document():
    """With --json standard output is one JSON document."""
    text, document = io.StringIO(), io.StringIO()

    TextResults(text).print("told", {"a": 1})
    JsonResults(document).print("told", {"a": 1})

    assert text.getvalue() == "told\n"
    assert json.loads(document.getvalue()) == {"a": 1}


def test_what_a_terminal_cannot_show_is_spelled_out():
    """A non-ASCII name does not fail on an ASCII terminal."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")

    Console(stream).print_line("B\u00fcro")

    assert raw.getvalue() == b"B\\xfcro\n"


class Interrupted(io.FileIO):
    """Descriptor that receives a signal in the middle of the first write."""

    handler: Callable[[], None] | None = None

    def write(self, text: object) -> int:
        handler, self.handler = self.handler, None
        if handler is not None:
            handler()
        return super().write(text)  # type: ignore[arg-type]


def test_a_signal_in_the_middle_of_a_write_is_told_and_ends_nothing(tmp_path):
    """A signal handler that prints during a write must not end a run in its outage."""
    raw = Interrupted(tmp_path / "said", "w")
    with io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", line_buffering=True) as stderr:
        console = Console(stderr)
        raw.handler = lambda: console.print_line("SIGINT: stops after the call in flight")

        console.print_line("step 8 of 11")

    lines = (tmp_path / "said").read_text(encoding="utf-8").splitlines()
    assert sorted(lines) == ["SIGINT: stops after the call in flight", "step 8 of 11"]
