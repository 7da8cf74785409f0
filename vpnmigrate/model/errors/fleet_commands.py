"""Fleet commands: what an operator pastes for a run whose journal is in a fleet's database.

The program prints the commands of a single machine, wherever the journal of the run is.  This
module replaces each by its equivalent in ``fleet``, if there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vpnmigrate.model.errors.commands import Advice, Command, Invocation, cli

_VERBS: Final = {
    **{verb: verb for verb in ("done", "pause", "abort", "confirm", "rollback", "finalize")},
    "continue": "resume",
    "apply": "start",
}
"""Verbs of a run, and those of ``fleet`` with the same meaning and options."""
_NONE: Final = frozenset({"report", "hand-back", "watchdog", "device"})
"""Verbs of a run that ``fleet`` does not have.  ``device`` needs the journal beside the files."""
_NEEDLESS: Final = frozenset({"--yes", "--step", "--no-input"})
"""Options of ``apply`` that a start does not need: it is consent, and a worker has no prompt."""
_OF_ONE_MACHINE: Final = frozenset({"--adopt", "--take-over"})
"""Options for a lost journal, or a process that has ended."""
_STAGED: Final = ("--until", "cutover")


def fleet_command(command: Command) -> Command | None:
    """Return the equivalent of *command* for a run in a database; None if there is none.

    A command that concerns no run, or only files of this machine, stays as it is.
    """
    found = _equivalent(command.words)
    if found is None:
        return None
    # A worker continues a run after ``resume``, so no command has to follow.
    then = None if command.then is None or "resume" in found else fleet_command(command.then)
    return replace(command, words=found, then=then)


def _equivalent(words: Sequence[str]) -> tuple[str, ...] | None:
    match words:
        case (*_, "--help"):
            return tuple(words)
        case ("vpnmigrate", "status", *rest):
            return ("vpnmigrate", "fleet", "status", *(w for w in rest if not w.startswith("-")))
        case ("vpnmigrate", verb, *rest) if verb in _VERBS:
            if {word.partition("=")[0] for word in rest} & _OF_ONE_MACHINE:
                return None
            options = _options(rest) if verb == "apply" else rest
            return ("vpnmigrate", "fleet", _VERBS[verb], *options)
        case ("vpnmigrate", verb, *_) if verb in _NONE:
            return None
        case ("vpnmigrate", "plan", "--from", *_):
            return None
        case _:
            return tuple(words)


def _options(words: Sequence[str]) -> tuple[str, ...]:
    kept = tuple(word for word in words if word not in _NEEDLESS)
    return (*kept[:-2], "--prepare") if kept[-2:] == _STAGED else kept


@dataclass(frozen=True)
class FleetInvocation(Invocation):
    """An invocation for runs in the database of a fleet."""

    database: str = ""
    """Address of the database; empty if it has a password, so that the environment names it."""
    database_file: str = ""
    """File with the address."""

    def complete(self, command: Command) -> Command:
        """Return the equivalent of *command* in a new terminal; ``fleet status`` if it has none."""
        found = fleet_command(command)
        if found is None:
            found = cli("fleet", "status", *(w for w in command.words[2:3] if w[:1] != "-"))
        return super().complete(found)

    def advise(self, advice: Advice) -> Advice:
        """Return *advice* with equivalent commands; a text replaces a command that has none."""
        parts = advice if isinstance(advice, tuple) else (advice,)
        found = tuple(self._advised(parts))
        return found if isinstance(advice, tuple) else found[0]

    def _advised(self, parts: Sequence[str | Command]) -> Iterator[str | Command]:
        for part in parts:
            if isinstance(part, Command) and fleet_command(part) is None:
                yield f"(a run in a database has no {' '.join(_named(part.words))})"
            else:
                yield part if isinstance(part, str) else self.complete(part)

    def about(self, opened: Invocation) -> Invocation:
        """Return the same with the AWS options of the process that has *opened* the run."""
        return replace(
            self,
            profile=opened.profile,
            region=opened.region,
            endpoint_url=opened.endpoint_url,
            variables=opened.variables,
        )

    @property
    def elsewhere(self) -> Invocation:
        """The part that selects how AWS is reached, without run directory and database."""
        return Invocation("", self.profile, self.region, self.endpoint_url, self.variables)

    def options_for(self, command: Command) -> dict[str, str]:
        """Return the options; a run in a database has no directory on this machine."""
        found = super().options_for(command)
        if command.words[1:2] == ("fleet",):
            del found["--run-dir"]
        return {**found, "--database": self.database, "--database-file": self.database_file}


def _named(words: Sequence[str]) -> tuple[str, ...]:
    """Return the verb of a command, and its first option."""
    return (words[1], *[word.partition("=")[0] for word in words[2:] if word[:2] == "--"][:1])
