"""Run directories: one private directory per run.

::

    <home>/<migration id>/      0700, files in it 0600
        plan.json               the plan in force; earlier plans as plan.<fingerprint>.json
        holder                  the name under which this run claims the old gateway
        journal.jsonl           the journal
        journal.head            the mark: length of the journal, so that a lost end is detected
        lock, owner             the lock of the run, and the process that has it
        inbox/                  messages from other terminals
        vault/                  device files
        work/                   working directory of watchdog, hooks, probes and test command
        log.jsonl               the log
        live.json               while a process is running: what it waits for now
        after.json              a survey after the run, if a report requested one
        watchdog, watchdog.*    the process that rolls back without confirmation; its lock and log
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from vpnmigrate.local.private_files import FOLDER_MODE, make_folder, sync_folder, write_whole
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.model.errors import MalformedFileError, RefusedError, UsageError, VpnMigrateError
from vpnmigrate.model.errors.commands import Command, cli, option
from vpnmigrate.model.plan import Plan

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_NOTHING_YET: Final = b"%012d %s\n" % (0, b"0" * 64)
"""The mark before the first line; a run without a mark has lost its journal."""


class _Fingerprinted(msgspec.Struct):
    """The only field of a plan file that is read here."""

    fingerprint: str


class _PlanName(_Fingerprinted):
    """The fields of a plan file that name its run."""

    migration: str


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
    def database(self) -> Path:
        """File with the address of the database that has the journal; absent for a run of here."""
        return self.path / "database"

    @property
    def database_address(self) -> str:
        """The address of the database that has the journal; empty for a run of this machine.

        Raises:
            VpnMigrateError: It cannot be read.
        """
        with _translate_os_errors(self.path):
            try:
                return self.database.read_text(encoding="utf-8").strip()
            except FileNotFoundError:
                return ""

    @property
    def after(self) -> Path:
        return self.path / "after.json"

    @property
    def holder(self) -> str:
        """The name under which this run claims the old gateway; it stays if the run is copied."""
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
                f"{self.plan} is not a plan: {fault_of(exc)}",
                advice="replace it with a copy of the plan file that the run was started with",
            ) from exc

    def has_begun_with(self, fingerprint: str) -> bool:
        """Return whether the plan with *fingerprint* is, or was, in force in this run."""
        return self.fingerprint == fingerprint or self._former(fingerprint).is_file()

    def _former(self, fingerprint: str) -> Path:
        return self.path / f"plan.{fingerprint[:12]}.json"

    def require_private(self) -> None:
        """Check that other users cannot read or write the directory, which holds device keys.

        Raises:
            RefusedError: It is a symbolic link, belongs to another user, or is open to others.
        """
        with _translate_os_errors(self.path):
            found = self.path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise RefusedError(
                f"{self.path} is a link or not a directory; a run has to be in a real directory",
                advice="give the directory itself with --run-dir",
            )
        if found.st_uid != os.geteuid():
            raise RefusedError(
                f"{self.path} belongs to another user",
                advice="run as that user, or give another --run-dir",
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise RefusedError(
                f"{self.path} is open to other users, but holds device keys",
                advice=Command(("chmod", "-R", "go=", str(self.path))),
            )

    def require_journal(self) -> None:
        """Check that the journal of the run is in this directory.

        Raises:
            RefusedError: It is in the database of a fleet, and this is the copy of a worker.
        """
        if address := self.database_address:
            raise RefusedError(
                f"run {self.id} is in the database {address}; {self.path} is a worker's copy of "
                "it, without its journal",
                advice=cli("fleet", "status", self.id, *option("--database", address)),
            )

    def replan(self, plan: Plan, text: bytes) -> None:
        """Replace the plan by a newer one of the same migration; *text* is the content of its file.

        The former plan is kept as a record.
        """
        if plan.migration != self.id:
            raise UsageError(f"the plan is for migration {plan.migration}, not for {self.id}")
        former = self.fingerprint
        if former != plan.fingerprint:
            with _translate_os_errors(self.path):
                write_whole(self._former(former), self.plan.read_bytes())
                write_whole(self.plan, text)


class Runs:
    """All runs below *home*."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def list(self) -> tuple[Run, ...]:
        """Return all runs in this directory, sorted by id."""
        with _translate_os_errors(self.home):
            if not self.home.is_dir():
                return ()
            found = sorted(self.home.iterdir())
        return tuple(
            Run(path)
            for path in found
            if _PLAIN.fullmatch(path.name) and (path / "plan.json").is_file()
        )

    def at(self, id_: str) -> Run:
        """Return the directory that the run *id_* has or would have here."""
        return Run(self.home / id_)

    def find(self, text: str) -> Run:
        """Return the run with the id *text*, or the only run whose id begins with it.

        Raises:
            UsageError: No run matches, or several do; the message lists the runs.
            RefusedError: The run's directory is not private.
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
                    advice=("check --run-dir, or list the runs:", cli("status")),
                )
            case several:
                listed = ", ".join(run.id for run in several)
                raise UsageError(
                    f"{text!r} matches several runs: {listed}",
                    advice="give more characters of the id",
                )

    def of_plan_file(self, path: Path) -> Run | None:
        """Return the run that was started with the plan in the file at *path*, or None."""
        return self.of_plan_files([path]).get(path)

    def of_plan_files(self, paths: Iterable[Path]) -> dict[Path, Run]:
        """Return the runs that were started with the plans in the files at *paths*."""
        known = {run.id: run for run in self.list()}
        found = {}
        for path in paths:
            try:
                named = msgspec.json.decode(path.read_bytes(), type=_PlanName)
            except (OSError, ValueError, msgspec.DecodeError):
                continue  # There is no such file, or it is not a plan.
            run = known.get(named.migration)
            if run is not None and run.has_begun_with(named.fingerprint):
                found[path] = run
        return found

    def create(self, plan: Plan, text: bytes, holder: str) -> Run:
        """Create the run of *plan*, whose file contains *text*, or return the existing run.

        Raises:
            RefusedError: It was started with another plan, or its directory is not private.
        """
        if not _PLAIN.fullmatch(plan.migration):
            raise UsageError(f"{plan.migration!r} is not a valid name for a run")
        run = self.at(plan.migration)
        with _translate_os_errors(self.home):
            if not os.path.lexists(run.path):
                self._create_directory(run, text, holder)
        run.require_private()
        if run.fingerprint != plan.fingerprint:
            raise RefusedError(
                f"run {run.id} was started with another plan "
                f"({run.fingerprint[:12]}, not {plan.fingerprint[:12]})",
                advice=(
                    "resume with the run's own plan:",
                    cli("apply", run.id),
                    "or plan again from it:",
                    cli("plan", "--from", run.id),
                ),
            )
        return run

    def _create_directory(self, run: Run, text: bytes, holder: str) -> None:
        make_folder(self.home)
        # Created under another name and renamed, so that the run appears completely or not at all.
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
            # Another process created the run at the same moment.
        sync_folder(self.home)


@contextmanager
def _translate_os_errors(path: Path) -> Iterator[None]:
    """Raise an OSError as a VpnMigrateError with advice."""
    try:
        yield
    except OSError as exc:
        raise VpnMigrateError(
            f"{exc.filename or path}: {exc.strerror}",
            advice="check free space and permissions, or give another --run-dir",
        ) from exc
