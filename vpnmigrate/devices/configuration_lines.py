"""Configuration lines: what a change of a running configuration shows, without secrets.

A device prints keys as they are, or in a form that can be reversed.  So the rest of a line after a
word that announces a secret is cut, whether or not the secret is known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

from vpnmigrate.model.redaction import HIDDEN

_SECRET: Final = re.compile(
    r"(?<![\w-])((?:[\w-]*(?:pre-shared-key|password|secret)|ascii-text|key|key-string|passwd"
    r"|passphrase|community|authentication-key|md5|ENC)[ \t]+).+$",
    re.MULTILINE | re.IGNORECASE,
)
_PASSING: Final = re.compile(
    r"^(?:Building configuration|Current configuration|! |!Time|ntp clock-period).*\n", re.MULTILINE
)
"""Lines that differ from one reading to the next."""


def without_secrets(text: str) -> str:
    """Return *text* with each line cut after a word that announces a secret."""
    return _SECRET.sub(rf"\1{HIDDEN}", text)


def configuration_changes(before: str, after: str) -> str:
    """Return the lines in which two running configurations differ; they may have secrets.

    Each is below the lines of its section, because a setting means little without them.
    """
    old, new = (_PASSING.sub("", f"{text}\n").splitlines() for text in (before, after))
    shown: list[str] = []
    above: tuple[str, ...] = ()
    for tag, gone, gone_end, come, come_end in SequenceMatcher(None, old, new).get_opcodes():
        changed = tag != "equal"
        for sign, lines, span in (
            ("-", old, range(gone, gone_end)),
            ("+", new, range(come, come_end)),
        ):
            for index in span if changed else ():
                sections = _sections(lines, index)
                shown += [f" {line}" for line in sections if line not in above]
                shown.append(f"{sign}{lines[index]}")
                above = (*sections, lines[index])
    return "\n".join(shown)


def _sections(lines: Sequence[str], index: int) -> list[str]:
    """Return the lines whose section has the line at *index*, the outermost first."""
    found: list[str] = []
    depth = _depth(lines[index])
    for line in reversed(lines[:index] if depth else ()):
        if _depth(line) < depth:
            depth = _depth(line)
            found.insert(0, line)
        if not depth:
            break
    return found


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
