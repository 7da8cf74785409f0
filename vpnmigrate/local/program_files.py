"""Program files: contents pinned by the plan, and checked before they run."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.errors import RefusedError, UsageError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.programs import commands_of, name_fault

_PIECE: Final = 1024 * 1024
_LARGEST: Final = 512 * _PIECE
"""Bytes; an interpreter has about ten million."""
_RUNS_ANOTHER: Final = re.compile(
    r"(ba|da|a|z|k|fi)?sh|(python|pypy|perl|ruby|php|lua)[0-9.]*|node|deno|bun|tclsh|expect|java"
    r"|g?awk|env|sudo|doas|runuser|nice|ionice|timeout|nohup|setsid|stdbuf|flock|ansible-playbook"
)
"""Programs whose arguments are programs."""

PLANNED: Final = "when the plan was made"
"""The time at which the programs of a plan were read."""

Signature = tuple[int, int, int, int, int]
"""Device, inode, size, and the times of the last change of content and inode."""


@dataclass(frozen=True)
class Checked:
    """Result of a check of a command's files."""

    fault: str = ""
    """Why the command may not run; empty if every file is as planned."""
    signatures: tuple[tuple[str, Signature], ...] = ()

    @property
    def replaced(self) -> bool:
        """Whether a file has been replaced since it was read."""
        return any(_signature_at(path) != then for path, then in self.signatures)


def pinned(decisions: Decisions) -> dict[str, str]:
    """Return the files that the commands of *decisions* run, each with its content's SHA-256.

    These are the program and those arguments that are programs: every file argument of an
    interpreter, and every executable file.

    Raises:
        UsageError: A program is not an absolute path, or not an executable file.
    """
    found: dict[str, str] = {}
    for named in commands_of(decisions):
        fault = name_fault(named.words)
        if not fault and not os.access(named.words[0], os.X_OK):
            fault = f"{named.words[0]} cannot be run on this machine"
        if fault:
            raise UsageError(
                f"{named.field}: {fault}",
                advice="name a program by its absolute path on this machine",
            )
        for path in _files_in(named.words):
            try:
                found[path] = _read(path)[0]
            except OSError as error:
                raise UsageError(
                    f"{named.field}: {path}: {error.strerror}",
                    advice="make the file readable: the plan's fingerprint covers its content",
                ) from error
    return found


def checked(words: Sequence[str], programs: Mapping[str, str], since: str = PLANNED) -> Checked:
    """Compare the files in *words* with *programs*, which were read at the time *since*."""
    if fault := name_fault(words):
        return Checked(fault)
    if words[0] not in programs:
        return Checked(f"the plan does not contain the hash of {words[0]}")
    signatures = []
    for path in dict.fromkeys(words):
        if path not in programs:
            continue
        try:
            digest, signature = _read(path)
        except OSError as error:
            return Checked(f"{path} cannot be read: {error.strerror}")
        if digest != programs[path]:
            return Checked(f"{path} differs from what it was {since}")
        signatures.append((path, signature))
    return Checked(signatures=tuple(signatures))


def contents_of(words: Sequence[str]) -> dict[str, str]:
    """Return the readable files that *words* run, each with its content's SHA-256."""
    found: dict[str, str] = {}
    for path in _files_in(words):
        with suppress(OSError):
            found[path] = _read(path)[0]
    return found


def changed(decisions: Decisions, programs: Mapping[str, str]) -> str:
    """Return which command has changed since planning, or an empty string."""
    for named in commands_of(decisions):
        if fault := checked(named.words, programs).fault:
            return f"{named.field}: {fault}"
    return ""


def require_programs_unchanged(decisions: Decisions, programs: Mapping[str, str], run: str) -> None:
    """Check, before the cutover, that the plan's programs are unchanged.

    Raises:
        RefusedError: A program has changed since planning.
    """
    if fault := changed(decisions, programs):
        raise RefusedError(
            f"{fault}; nothing was started",
            advice=cli("plan", "--from", run),
        )


def _files_in(words: Sequence[str]) -> list[str]:
    program = words[0]
    wraps = _RUNS_ANOTHER.fullmatch(Path(os.path.realpath(program)).name) or (
        _RUNS_ANOTHER.fullmatch(Path(program).name)
    )
    arguments = [word for word in words[1:] if word.startswith("/") and Path(word).is_file()]
    return [program, *(word for word in arguments if wraps or os.access(word, os.X_OK))]


def _read(path: str) -> tuple[str, Signature]:
    """Return a file's digest and signature, both of the same open file."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is not a regular file")
        if found.st_size > _LARGEST:
            raise OSError(0, "it is too large for a program")
        digest = hashlib.sha256()
        while piece := os.read(handle, _PIECE):
            digest.update(piece)
        return digest.hexdigest(), _signature(found)
    finally:
        os.close(handle)


def _signature_at(path: str) -> Signature | None:
    try:
        return _signature(Path(path).stat())
    except OSError:
        return None


def _signature(found: os.stat_result) -> Signature:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
