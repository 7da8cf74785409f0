"""Text helpers."""

from __future__ import annotations

import pytest

from vpnmigrate.errors.commands import cli, options
from vpnmigrate.report import text


def test_long_text_is_folded_under_itself():
    """An item's second line starts where its text does."""
    output = text.item("word " * 30)

    assert all(len(line) <= text.WIDTH for line in output.splitlines())
    assert output.splitlines()[1].startswith("    word")


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
    """A noun is singular after one."""
    assert [text.count(n, "table") for n in (0, 1, 2)] == ["0 tables", "1 table", "2 tables"]


def test_an_option_stays_with_its_value():
    """A long command can be read line by line as well as pasted."""
    names = [f"vpn-0a30000000000000{n}" for n in range(4)]
    command = cli("finalize", "m-1", *options("--confirm", names), "--yes")

    output = text.command(command, first="  next:  ")

    assert not any(line.endswith("--confirm \\") for line in output.splitlines())
    assert max(map(len, output.splitlines())) <= text.WIDTH
    assert " ".join(output.replace("\\\n", " ").split()) == f"next: {command}"
