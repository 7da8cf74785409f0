"""Colour: where it is used, and that it only repeats what the words say."""

from __future__ import annotations

import re

import pytest

from vpnmigrate.report.colour import ColourChoice, coloured, uses_colour

TERMINAL = {"TERM": "xterm-256color"}
CODES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    ("choice", "environment", "is_terminal", "expected"),
    [
        (ColourChoice.AUTO, TERMINAL, True, True),
        (ColourChoice.AUTO, TERMINAL, False, False),
        (ColourChoice.AUTO, TERMINAL | {"NO_COLOR": "1"}, True, False),
        (ColourChoice.AUTO, {"TERM": "dumb"}, True, False),
        (ColourChoice.AUTO, {}, True, False),
        (ColourChoice.ALWAYS, {"NO_COLOR": "1"}, False, True),
        (ColourChoice.NEVER, TERMINAL, True, False),
    ],
)
def test_is_used_on_a_terminal_unless_it_is_declined(choice, environment, is_terminal, expected):
    """``--color`` takes precedence over ``NO_COLOR`` and the kind of terminal."""
    assert uses_colour(choice, environment, is_terminal=is_terminal) is expected


@pytest.mark.parametrize(
    "text",
    ["traffic is DOWN", "OUTAGE 2 min", "gate FAIL", "PASS  clock", "TO DO: enable vpn-1", "UP"],
)
def test_adds_codes_and_changes_no_word(text):
    """Without its codes the text is the same."""
    shown = coloured(text)

    assert "\x1b[" in shown
    assert CODES.sub("", shown) == text


def test_leaves_the_rest_alone():
    """An outage that has ended is good news; a word within another is none."""
    assert coloured("OUTAGE ENDED after 2 min") == "\x1b[32mOUTAGE ENDED\x1b[0m after 2 min"
    assert coloured("shutdown of UPLINK and a down payment") == (
        "shutdown of UPLINK and a down payment"
    )
