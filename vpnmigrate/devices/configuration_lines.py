"""Configuration lines: what a change of a running configuration shows, without secrets.

A device prints keys as they are, or in a form that can be reversed.  So the rest of a line after a
word that announces a secret is cut, whether or not the secret is known.
"""

from __future__ import annotations

import re
from difflib import unified_diff
from typing import Final

from vpnmigrate.model.redaction import HIDDEN

_CONTEXT: Final = 1
"""Lines around a change: a setting means little without the section above it."""
_SECRET: Final = re.compile(
    r"(?<![\w-])((?:[\w-]*pre-shared-key|psksecret|ascii-text|key|key-string|secret|passw(?:or)?d"
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
    """Return the lines in which two running configurations differ; they may have secrets."""
    old, new = (_PASSING.sub("", f"{text}\n").splitlines() for text in (before, after))
    shown = list(unified_diff(old, new, lineterm="", n=_CONTEXT))[2:]
    return "\n".join(line for line in shown if not line.startswith("@@"))
