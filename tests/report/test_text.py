"""Text helpers."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpnmigrate.model.errors.commands import Command, cli, options
from vpnmigrate.report import text


def test_long_text_is_folded_under_itself():
    """An item's second line starts where its text does."""
    output = text.item("word " * 30)

    assert all(len(line) <= text.WIDTH for line in output.splitlines())
    assert output.splitlines()[1].startswith("    word")


@given(
    words=st.lists(st.text("aé- \xa0", max_size=30), max_size=12),
    first=st.sampled_from(["", "  - ", " " * 30]),
    width=st.sampled_from([10, 40, 80]),
)
def test_text_is_folded_as_the_standard_library_does(words, first, width):
    """The lines are those of ``textwrap``, which takes longer, with blanks of any number."""
    line = " ".join(words)

    assert text.wrapped(line, first=first, width=width) == textwrap.fill(
        text.safe(line),
        width=width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


@pytest.mark.parametrize(
    ("line", "under"),
    [
        (f"02:14:09Z   create {'vpn-0a100000000000001 ' * 5}", 14),
        (f"    device files: {'word ' * 30}", 6),
        (f"step 8 waits {'word ' * 30}", 2),
    ],
)
def test_a_line_of_progress_is_folded_under_its_text(line, under):
    """The times of day are alone in their column, and ids can be copied."""
    first, *rest = text.hanging(line).splitlines()

    assert line.startswith(first)
    assert all(len(found) - len(found.lstrip()) == under for found in rest)
    assert max(map(len, (first, *rest))) <= text.WIDTH


def test_an_id_is_never_broken():
    """A text to paste is never broken, however long it is."""
    word = "vpn-" + "0" * 100

    assert word in text.wrapped(f"see {word}")


@pytest.mark.parametrize("bad", ["\x1b[2J", "\r", "\x07", "\u202e"])
def test_control_characters_are_replaced(bad):
    """Untrusted text cannot control the terminal."""
    assert not set(bad) & {"\x1b", "\r", "\x07", "\u202e"} & set(text.safe(bad))


def test_counts_agree_with_their_noun():
    """A noun is singular after one; a plural is one that can be spoken."""
    assert [text.count(n, "table") for n in (0, 1, 2)] == ["0 tables", "1 table", "2 tables"]
    assert [text.count(n, "prefix") for n in (1, 2)] == ["1 prefix", "2 prefixes"]
    assert text.count(0, "process") == "0 processes"


def test_an_option_stays_with_its_value():
    """A long command can be read line by line as well as pasted."""
    names = [f"vpn-0a30000000000000{n}" for n in range(4)]
    command = cli("finalize", "m-1", *options("--confirm", names), "--yes")

    output = text.command(command, first="  next:  ")

    assert not any(line.endswith("--confirm \\") for line in output.splitlines())
    assert max(map(len, output.splitlines())) <= text.WIDTH
    assert " ".join(output.replace("\\\n", " ").split()) == f"next: {command}"


def test_a_long_command_in_a_log_begins_below_its_label():
    """A time of day is never alone on a line, and a short command stays where it is."""
    long, short = cli("apply", "x" * 30, "--region", "eu-west-1", "--yes"), cli("status", "m-1")

    def at(label: str, command: Command) -> list[str]:
        return text.Labelled(label, command).below_time().splitlines()

    first, *rest = at("02:00:00Z     to do: then with all that is needed, run: ", long)
    assert first == "02:00:00Z     to do: then with all that is needed, run:"
    assert rest[0].startswith(" " * 12 + "vpnmigrate apply")
    assert at("02:00:00Z" + " " * 30, long) == rest
    assert at("02:00:00Z     to do: ", short) == ["02:00:00Z     to do: vpnmigrate status m-1"]


@pytest.mark.parametrize(
    ("advice", "says"),
    [
        ("TEXT is prose here", ""),
        (cli("status"), ""),
        (("then:", cli("plan").and_then(cli("apply", "PLAN"))), "PLAN: the file of the plan"),
        (cli("apply", "RUN", "--reason", "TEXT"), "RUN: the id of the run, TEXT: the reason"),
    ],
)
def test_what_has_to_be_filled_in_is_explained(advice, says):
    """Words in capitals of a printed command are no mystery."""
    assert text.placeholders(advice) == (f"to be replaced: {says}" if says else "")


def test_a_long_path_begins_below_its_label():
    """The terminal would break it in the middle of the line otherwise."""
    path = "/srv/" + "x" * 70

    assert text.columns([("folder", path)]) == f"  folder\n    {path}"
    assert text.columns([("folder", "/srv/x")]) == "  folder  /srv/x"


@pytest.mark.parametrize(
    ("line", "rest"), [("1. ", 3), ("- ", 2), ("   - ", 5), ("", 0), ("   ", 3)]
)
def test_a_line_of_a_sheet_is_folded_under_its_text(line, rest):
    """Items stay items; a row of a table is not folded."""
    first, second, *_ = text.folded_line(line + "word " * 30).splitlines()

    assert first.startswith(f"{line}word")
    assert second.startswith(" " * rest + "word")
    assert text.folded_line("| a | " * 20) == "| a | " * 20
