"""Programs named in a plan: the commands that run them, and the rule for their names.

A plan's fingerprint covers which program runs.  A name without a path would depend on PATH, and a
relative path on the current directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.probes import CommandProbe, probe_from

ADVICE = "write the absolute path of the program, such as /usr/local/bin/notify"


class Named(Struct, frozen=True):
    """One command of a playbook: its field and its words."""

    at: tuple[str | int, ...]
    words: tuple[str, ...]

    @property
    def field(self) -> str:
        """The name of the field in messages."""
        return ".".join(str(part) for part in self.at)


def commands_of(decisions: Decisions) -> Iterator[Named]:
    """Yield each command in *decisions*: hooks, drivers, the test of step 6, and probes."""
    for moment, words in decisions.hooks.items():
        yield Named(("decisions", "hooks", moment.value), words)
    for gateway, driver in decisions.drivers.items():
        password = driver.ssh.password_command if driver.ssh else ()
        named = {("command",): driver.command, ("shell",): driver.shell}
        for names, words in (named | {("ssh", "password_command"): password}).items():
            if words:
                yield Named(("decisions", "drivers", gateway, *names), words)
    if decisions.test_vpc is not None and decisions.test_vpc.command:
        yield Named(("decisions", "test_vpc", "command"), decisions.test_vpc.command)
    for number, text in enumerate(decisions.probes):
        aim = probe_from(text)
        if isinstance(aim, CommandProbe):
            yield Named(("decisions", "probes", number), aim.words)


def name_fault(words: Sequence[str]) -> str:
    """Return why the program name in *words* is ambiguous, or an empty string."""
    program = words[0]
    if program.startswith("/"):
        return ""
    found = "the working directory" if "/" in program else "PATH"
    return f"{program!r} is not an absolute path, so {found} would decide which program runs"
