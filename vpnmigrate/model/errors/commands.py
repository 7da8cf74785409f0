"""Commands to paste: lists of words, quoted where they are shown.

A word is quoted so that bash and zsh, interactive or not, pass it on unchanged.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

_EXPANDS_IN_ZSH = "="
"""zsh expands a word that begins with it to a program's path; ``shlex`` does not quote it."""
_PLAIN_IN_ANSI = re.compile(r"[^\\'!\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Command:
    """A command line: the words that the program receives, none of them quoted."""

    words: tuple[str, ...]
    then: Command | None = None
    """The command that runs after this one succeeds."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables that are set for this command alone."""

    def and_then(self, after: Command) -> Command:
        """Return this command followed by *after*."""
        return replace(self, then=after if self.then is None else self.then.and_then(after))

    def with_words(self, *words: str) -> Command:
        """Return this command with *words* appended; it must have no following command."""
        return replace(self, words=(*self.words, *words))

    @property
    def every_word(self) -> tuple[str, ...]:
        """The words of this command and of those that follow it."""
        return (*self.words, *(self.then.every_word if self.then is not None else ()))

    def __str__(self) -> str:
        return " ".join(tokens(self))


Advice = str | Command | tuple[str | Command, ...]
"""What to do next: prose, a command, or both in turn."""


def cli(*words: str) -> Command:
    """Return a command of this program."""
    return Command(("vpnmigrate", *words))


def aws(*words: str) -> Command:
    """Return a command of the AWS CLI."""
    return Command(("aws", *words))


_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def dashed(name: str) -> str:
    """Return the AWS CLI's name of an operation or a parameter of EC2."""
    return _CAPITAL.sub("-", name).lower()


def aws_call(operation: str, parameters: Mapping[str, Any]) -> Command:
    """Return a call of EC2 as a command of the AWS CLI; structures are written as JSON."""
    words: list[str] = []
    for name, value in parameters.items():
        words.append(f"--{dashed(name)}")
        match value:
            case str():
                words.append(value)
            case [str(), *_]:
                words.extend(value)
            case _:
                words.append(json.dumps(value))
    return aws("ec2", dashed(operation), *words)


def option(name: str, value: str) -> tuple[str, ...]:
    """Return the words of an option; a value that looks like an option is joined with ``=``."""
    return (f"{name}={value}",) if value.startswith("-") else (name, value)


def options(name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return the words of an option that is repeated for each of *values*."""
    return tuple(word for value in values for word in option(name, value))


def tokens(command: Command) -> Iterator[str]:
    """Yield what a shell reads: assignments, quoted words, and ``&&`` between two commands."""
    for name, value in command.variables:
        yield f"{name}={quoted(value)}"
    yield from map(quoted, command.words)
    if command.then is not None:
        yield "&&"
        yield from tokens(command.then)


def quoted(word: str) -> str:
    """Return *word* quoted for bash and zsh; unprintable characters become escapes."""
    if not word.isprintable():
        return f"$'{''.join(map(_escaped, word))}'"
    if word.startswith(_EXPANDS_IN_ZSH):
        return f"'{word[0]}'{shlex.quote(word[1:]) if word[1:] else ''}"
    return shlex.quote(word)


def commands_in(advice: Advice) -> tuple[Command, ...]:
    """Return the commands of *advice*."""
    parts = advice if isinstance(advice, tuple) else (advice,)
    return tuple(part for part in parts if isinstance(part, Command))


def one_line(advice: Advice) -> str:
    """Return *advice* as one line, its commands quoted."""
    parts = advice if isinstance(advice, tuple) else (advice,)
    return " ".join(map(str, parts))


def _escaped(letter: str) -> str:
    if letter.isprintable() and _PLAIN_IN_ANSI.fullmatch(letter):
        return letter
    # Bytes mean the same in every locale; a surrogate stands for a byte that is not UTF-8.
    return "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True)
class Invocation:
    """Options of this process that a later command needs in a new terminal.

    They select the run, account, Region and server that a command works on.  Credentials are
    excluded: they must not appear in a command.
    """

    run_dir: str = ""
    profile: str = ""
    region: str = ""
    endpoint_url: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables with the same effect that have no option."""

    def complete(self, command: Command) -> Command:
        """Return *command* with the options and variables it needs in a new terminal."""
        then = command.then and self.complete(command.then)
        taken = frozenset(word.partition("=")[0] for word in command.words)
        takes = _taken_by(command.words)
        words = (
            word
            for name, value in self.options_for(command).items()
            if value and name in takes and name not in taken
            for word in option(name, value)
        )
        variables = tuple(v for v in self.variables if _takes_variable(command, takes, v[0]))
        return replace(command, words=(*command.words, *words), then=then, variables=variables)

    def options_for(self, command: Command) -> dict[str, str]:
        """Return the values of the options that *command* may take; empty for those not set."""
        del command
        return {
            "--run-dir": self.run_dir,
            "--profile": self.profile,
            "--region": self.region,
            "--endpoint-url": self.endpoint_url,
        }

    def about(self, opened: Invocation) -> Invocation:
        """Return the invocation of commands on a run that another process has *opened*."""
        return replace(opened, run_dir=self.run_dir)

    @property
    def elsewhere(self) -> Invocation:
        """The part that selects how AWS is reached, without the run directory."""
        return replace(self, run_dir="")

    def advise(self, advice: Advice) -> Advice:
        """Return *advice* with each of its commands completed."""
        match advice:
            case str():
                return advice
            case Command():
                return self.complete(advice)
            case _:
                return tuple(p if isinstance(p, str) else self.complete(p) for p in advice)


@dataclass(frozen=True)
class RepeatableCommand:
    """The command that failed, for use in a new terminal."""

    invocation: Invocation
    line: Command | None = None
    """The command line, without the options in *invocation*; None if it could not be parsed."""


_REACHES_AWS = frozenset({"--profile", "--region", "--endpoint-url"})
_NAMES_PROFILE = frozenset({"--profile"})
_NAMES_SERVER = frozenset({"--endpoint-url"})
_FINDS_RUNS = frozenset({"--run-dir"})
_OPENS_DATABASE = frozenset({"--database", "--database-file"})
TAKES: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        ("plan", "apply", "rollback", "finalize", "report", "watchdog", "doctor"),
        _REACHES_AWS | _FINDS_RUNS,
    ),
    **dict.fromkeys(
        (
            "done",
            "device",
            "pause",
            "continue",
            "abort",
            "confirm",
            "status",
            "show",
            "rehearse",
            "hand-back",
        ),
        _FINDS_RUNS,
    ),
    "device types": _REACHES_AWS | _FINDS_RUNS,
    "approve": _REACHES_AWS,
    "list": _REACHES_AWS,
    "discover": _REACHES_AWS,
    "report verify": frozenset(),
    "sandbox advance": _NAMES_SERVER,
    "sandbox device": _NAMES_SERVER,
    "fleet": _OPENS_DATABASE,
    "fleet new": frozenset(),
    "fleet schema": frozenset(),
    "fleet plan": _REACHES_AWS | _FINDS_RUNS,
    "fleet rehearse": _FINDS_RUNS | _OPENS_DATABASE,
    "fleet status": _FINDS_RUNS | _OPENS_DATABASE,
    "fleet serve": _FINDS_RUNS | _OPENS_DATABASE,
    "fleet worker": _REACHES_AWS | _FINDS_RUNS | _OPENS_DATABASE,
}
"""``Invocation`` options of each command of this program; commands not listed take none.

A command of a group is listed by itself if it takes others than its group.
"""


def _takes_variable(command: Command, takes: frozenset[str], name: str) -> bool:
    if name.startswith("AWS_"):
        return takes >= _REACHES_AWS
    return bool(takes) and command.words[0] != "aws"


def _taken_by(words: tuple[str, ...]) -> frozenset[str]:
    match words:
        case (*_, "--help"):
            return frozenset()
        case ("aws", "sso" | "login" | "configure", *_):
            return _NAMES_PROFILE
        case ("aws", *_):
            return _REACHES_AWS
        case ("vpnmigrate", verb, *rest):
            of_group = TAKES.get(f"{verb} {rest[0]}") if rest else None
            return TAKES.get(verb, frozenset()) if of_group is None else of_group
        case _:
            return frozenset()
