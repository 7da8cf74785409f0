"""Output of a worker, in a file and at a terminal of 80 columns."""

from __future__ import annotations

import io

import pytest

from vpnmigrate.cli.worker_output import RunConsole
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.report.console import Console
from vpnmigrate.report.text import WIDTH, columns, command, wrapped

RUN = "m-57a95198"
PROSE = (
    "The cutover has not started and traffic is not interrupted, because vgw-0123456789abcdef0 is "
    "attached to vpc-0123456789abcdef0 still and the window of the plan begins on another day."
)
LONG = command(
    cli("fleet", "done", RUN, "5", "--database", "postgresql://vpnmigrate@db.example/vpnmigrate"),
    first="  when done: ",
)


class Window(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def printed(stream: io.StringIO, text: str) -> list[str]:
    RunConsole(Console(stream), RUN).print_line(text)
    return stream.getvalue().splitlines()


def test_a_terminal_breaks_no_word_of_a_worker_s_line() -> None:
    """The id of the run is part of the line, and a paragraph is folded once."""
    lines = printed(Window(), wrapped(PROSE))

    assert max(map(len, lines)) <= WIDTH
    assert [line[: len(RUN)] == RUN for line in lines] == [True, *[False] * (len(lines) - 1)]
    assert " ".join(" ".join(lines).split()) == f"{RUN}: {PROSE}"
    assert min(len(line) for line in lines[:-1]) > WIDTH - 25


def test_a_line_of_progress_is_continued_below_its_text() -> None:
    """The time of day and the indent stay at the left."""
    first, second, *_ = printed(Window(), f"02:00:09Z   step 8 waits: {PROSE}")

    assert first.startswith(f"{RUN}: 02:00:09Z   step 8 waits: The cutover")
    assert second.startswith(" " * (len(f"{RUN}: 02:00:09Z   ") + 2) + second.split()[0])


def test_rows_with_labels_are_no_paragraph() -> None:
    """A full row and the next one stay apart."""
    full = "x" * (WIDTH - len("  traffic:  "))
    lines = printed(Window(), columns([("traffic:", full), ("next:", cli("status", RUN))]))

    assert lines[-1] == f"{RUN}:   next:     vpnmigrate status {RUN}"


@pytest.mark.parametrize("stream", [Window(), io.StringIO()])
def test_a_command_can_be_pasted(stream: io.StringIO) -> None:
    """At a terminal it keeps its backslashes, and in a file it is one line."""
    lines = printed(stream, f"{wrapped(PROSE)}\n{LONG}")

    text = "\n".join(lines)
    assert " ".join(text.replace("\\\n", " ").split()).endswith(
        "vpnmigrate fleet done m-57a95198 5 --database "
        "postgresql://vpnmigrate@db.example/vpnmigrate"
    )
    assert ("\\\n" in text) is stream.isatty()


def test_the_id_is_not_repeated_below_a_label() -> None:
    """The label of a command that has lines of its own has it."""
    lines = printed(Window(), LONG)

    assert [line for line in lines if line.startswith(RUN)] == [f"{RUN}:   when done:"]
