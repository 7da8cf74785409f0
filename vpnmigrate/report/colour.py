"""Colour: states that need attention stand out on a terminal; no meaning is in colour alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

BAD = re.compile(
    r"\b(?:TRAFFIC IS DOWN|NONE|DOWN|OUTAGE BEGINS|OUTAGE(?! ENDED)|FAIL|STUCK|STOPPED|EXPIRED"
    r"|CANNOT BE READ|NOT DONE|NO PATH|IS LOST|REFUSED|PAST THE BACK-OUT DEADLINE"
    r"|AUTOMATIC ROLLBACK IS OFF)\b"
)
WARN = re.compile(r"\b(?:UNKNOWN|HELD|FORCED|DEGRADED|UNCONFIRMED|NOT STABLE|TO DO|PAUSED)\b")
GOOD = re.compile(r"\b(?:PASS|UP|OUTAGE ENDED)\b")
STYLES = {BAD: "bold red", WARN: "bold yellow", GOOD: "green"}
"""Words in capitals, which say the same without colour, with the style that Rich gives them."""

_CODES = {BAD: "1;31", WARN: "1;33", GOOD: "32"}
PLAIN_TERMINALS = frozenset({"", "dumb", "unknown"})
"""Values of ``TERM`` without colour, on which nothing is drawn in place either."""


class ColourChoice(StrEnum):
    """The operator's choice of colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def uses_colour(choice: ColourChoice, environment: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Return whether an output is coloured: by default on a terminal, without ``NO_COLOR``."""
    if choice is not ColourChoice.AUTO:
        return choice is ColourChoice.ALWAYS
    plain = environment.get("TERM", "") in PLAIN_TERMINALS or environment.get("NO_COLOR")
    return is_terminal and not plain


def coloured(text: str) -> str:
    """Return *text* with the codes of colour for a terminal."""
    for words, code in _CODES.items():
        text = words.sub(f"\x1b[{code}m\\g<0>\x1b[0m", text)
    return text
