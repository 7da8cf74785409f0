"""Run directories: one private directory per run.

::

    <home>/<migration id>/      0700, files in it 0600
        plan.json               the plan in force; earlier ones beside it, by fingerprint
        holder                  who this run claims the old gateway for
        journal.jsonl           the run's memory
        journal.head            how far it was acknowledged, so that a lost end is seen
        lock, owner             one process a run, and which
        inbox/                  what other terminals said
        vault/                  device files
        work/                   where the watchdog, hooks, probes and the test command work
        log.jsonl
        live.json               while a process is at work: what it waits for right now
        after.json              a survey at the end, where a report was asked for one
        watchdog, watchdog.*     who goes back if nobody confirms, and what it said
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from vpnmigrate.commands import Command, cli
from vpnmigrate.errors import MalformedFileError, RefusedError, UsageError, VpnMigrateError
from vpnmigrate.local.private_files import FOLDER_MODE, make_folder, sync_folder, write_whole
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.model.plan import Plan

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_NOTHING_YET: Final = b"%012d %s\n" % (0, b"0" * 64)
"""A journal's mark before its first line: a run without one had a journal that is lost."""


class _Fingerprinted(msgspec.Struct):
    """As much of a plan file as tells one plan from another; the rest is the business of others."""

    fingerprint: str


@dataclass(frozen=True)
class Run:
    """One run's directory."""

    path: Path

    @property
    def id(self) -> str:
        """The migration id."""
        return self.path.name

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def head(self) -> Path:
        return self.path / "journal.head"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def owner(self) -> Path:
        return self.path / "owner"

    @property
    def inbox(self) -> Path:
        return self.path / "inbox"

    @property
    def vault(self) -> Path:
        return self.path / "vault"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def live(self) -> Path:
        return self.path / "live.json"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def after(self) -> Path:
        return self.path / "after.json"

    @property
    def holder(self) -> str:
        """Who this run claims the old gateway for, wherever its directory is carried."""
        with _translate_os_errors(self.path):
            return (self.path / "holder").read_text(encoding="utf-8").strip()

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the plan in force.

        Raises:
            MalformedFileError: The copy of the plan is damaged.
        """
        with _translate_os_errors(self.path):
            text = self.plan.read_bytes()
        try:
            return msgspec.json.decode(text, type=_Fingerprinted).fingerprint
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise MalformedFileError(
                f"{self.plan} is no plan: {fault_of(exc)}",
                advice="copy the plan file that the run was begun with over it",
            ) from exc

    def require_private(self) -> None:
        """Refuse a directory that somebody else could write or read: it holds device keys.

        Raises:
            RefusedError: It is a symbolic link, another user's, or open to others.
        """
        with _translate_os_errors(self.path):
            found = self.path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise RefusedError(
                f"{self.path} is a link or no directory, and a run is not kept behind one",
                advice="give the directory itself with --run-dir",
            )
        if found.st_uid != os.geteuid():
            raise RefusedError(
                f"{self.path} belongs to another user",
                advice="run as that user, or give another --run-dir",
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise RefusedError(
                f"{self.path} is open to other users, and holds device keys",
                advice=Command(("chmod", "-R", "go=", str(self.path))),
            )

    def replan(self, plan: Plan, text: bytes) -> None:
        """Put a newer plan of the same migration in force; *text* is its file.

        The former plan is kept, so that it can still be read what the run began with.
        """
        if plan.migration != self.id:
            raise UsageError(f"the plan is for migration {plan.migration}, not for {self.id}")
        former = self.fingerprint
        if former != plan.fingerprint:
            with _translate_os_errors(self.path):
                write_whole(self.path / f"plan.{former[:12]}.json", self.plan.read_bytes())
                write_whole(self.plan, text)


class Runs:
    """All runs below *home*."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def list(self) -> tuple[Run, ...]:
        """Return the runs that were ever begun here, by id."""
        with _translate_os_errors(self.home):
            if not self.home.is_dir():
                return ()
            found = sorted(self.home.iterdir())
        return tuple(
            Run(path)
            for path in found
            if _PLAIN.fullmatch(path.name) and (path / "plan.json").is_file()
        )

    def find(self, text: str) -> Run:
        """Return the run with the id *text*, or the only one whose id begins with it.

        Raises:
            UsageError: There is none, or several; the message lists those there are.
            RefusedError: Its directory is not private.
        """
        known = self.list()
        exact = [run for run in known if run.id == text]
        fitting = exact or [run for run in known if text and run.id.startswith(text)]
        match fitting:
            case [run]:
                run.require_private()
                return run
            case []:
                listed = ", ".join(run.id for run in known) or "none"
                raise UsageError(
                    f"there is no run {text!r} in {self.home}; known: {listed}",
                    advice=("give the right --run-dir, or see which runs are here:", cli("status")),
                )
            case several:
                listed = ", ".join(run.id for run in several)
                raise UsageError(f"{text!r} fits several runs: {listed}", advice="give more of it")

    def create(self, plan: Plan, text: bytes, holder: str) -> Run:
        """Begin the run of *plan*, whose file is *text*, or give it if it was begun already.

        Raises:
            RefusedError: It was begun with another plan, or its directory is not private.
        """
        if not _PLAIN.fullmatch(plan.migration):
            raise UsageError(f"{plan.migration!r} cannot be the name of a run")
        run = Run(self.home / plan.migration)
        with _translate_os_errors(self.home):
            if not os.path.lexists(run.path):
                self._lay_down(run, text, holder)
        run.require_private()
        if run.fingerprint != plan.fingerprint:
            raise RefusedError(
                f"run {run.id} was begun with another plan "
                f"({run.fingerprint[:12]}, not {plan.fingerprint[:12]})",
                advice=(
                    "go on with the run's own plan:",
                    cli("apply", run.id),
                    "or plan again from it:",
                    cli("plan", "--from", run.id),
                ),
            )
        return run

    def _lay_down(self, run: Run, text: bytes, holder: str) -> None:
        make_folder(self.home)
        # The run appears with all it needs or not at all: it is made aside and renamed.
        aside = self.home / f".{run.id}.{secrets.token_hex(8)}"
        for folder in (aside, aside / "inbox", aside / "vault", aside / "work"):
            folder.mkdir(FOLDER_MODE)
        write_whole(aside / "holder", f"{holder}\n".encode())
        write_whole(aside / "plan.json", text)
        write_whole(aside / "journal.head", _NOTHING_YET)
        try:
            aside.rename(run.path)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
            if not run.plan.exists():
                raise
            # Somebody else has begun it in this very moment.
        sync_folder(self.home)


@contextmanager
def _translate_os_errors(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into what an operator can read."""
    try:
        yield
    except OSError as exc:
        raise VpnMigrateError(
            f"{exc.filename or path}: {exc.strerror}",
            advice="see to the disk and its permissions, or give another --run-dir",
        ) from exc
