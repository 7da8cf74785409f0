"""What holds for every test: no AWS account, no home, no luck."""

from __future__ import annotations

import atexit
import gc
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.descriptors import DescriptorCheck
from vpnmigrate.cli import NEW_OBJECTS

# The items of all tests stay until the end: without this, a third of the collection's time, and a
# tenth of the tests', goes into searching them for garbage.
gc.set_threshold(NEW_OBJECTS)
atexit.register(gc.freeze)

# The same examples on every machine and every run; `--hypothesis-profile=explore` looks further.
settings.register_profile("same-every-time", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", max_examples=2000, deadline=None)
settings.load_profile("same-every-time")


MEMORY = Path("/dev/shm")
"""Linux's file system in memory.  A run flushes each entry of its journal and replaces files whole;
on a disk, a test waits for a thousand of these, and for those of other processes."""
ROOM = 1 << 30
"""Bytes: many times what the tests of four workers have at one moment."""


def pytest_configure() -> None:
    """Keep the tests' files in memory, and let signals do what they do for an operator."""
    if _has_room(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    _restore_signals()


def _has_room(place: Path) -> bool:
    """Return whether tests can have their files, and programs, in *place*."""
    if not os.access(place, os.W_OK):
        return False
    of = os.statvfs(place)
    return of.f_bavail * of.f_frsize > ROOM and not of.f_flag & os.ST_NOEXEC


def _restore_signals() -> None:
    """Handle the signals that the shell which started the tests has its jobs ignore.

    A shell has its background jobs ignore SIGINT, and nohup SIGHUP; children inherit that, and the
    program respects it.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        worker = "PYTEST_XDIST_WORKER" in os.environ
        if signal.getsignal(number) is signal.SIG_IGN and (worker or number is signal.SIGINT):
            usual = signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL
            signal.signal(number, usual)


_AWS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "no-secret-just-a-test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "1",
}


# Each row of their tables is a whole run, and tracing nearly doubles what that takes.
WHOLE_RUNS = {
    "test_bad_input",
    "test_commit_confirm",
    "test_simulated_orders",
    "test_rollback_proof",
    "test_rehearse",
    "test_runner",
    "test_runner_mishaps",
    "test_verbs",
}


# Tests that mostly wait, for processes, devices or limits: first those of half a minute and more.
WAITING = (
    "project/test_tutorial.py",
    "e2e/test_http_migration.py",
    "e2e/test_commit_confirm.py",
    "rehearsal/test_lab.py",
    "fleet/test_worker.py",
    "local/test_drivers.py",
    "aws_cli/",
    "e2e/",
    "mangled/",
    "local/test_network_drivers.py",
    "local/test_safe_commits.py",
    "local/test_refusals.py",
    "local/test_initiation.py",
    "aws/test_limits.py",
    "fleet/test_control.py",
    "fleet/test_roles.py",
    "browser/",
)


def _rank(item: pytest.Item) -> int:
    """Return the place of *item* in ``WAITING``, or a later one; items of one place stay mixed."""
    waits = (n for n, path in enumerate(WAITING) if item.nodeid.startswith(f"tests/{path}"))
    return next(waits, len(WAITING))


def waiting_first(ranks: Sequence[int], workers: int) -> list[int]:
    """Return the order of items with *ranks*: half of the workers begin with those that wait.

    xdist first gives each worker an equal share of consecutive items; a worker without items then
    takes the last items of another.  So no test that takes a minute is the last one, and the other
    half of the workers keeps the processors busy.
    """
    waiting = sorted(
        (n for n, rank in enumerate(ranks) if rank < len(WAITING)), key=ranks.__getitem__
    )
    others = [n for n, rank in enumerate(ranks) if rank == len(WAITING)]
    waiters = (workers + 1) // 2
    order: list[int] = []
    for worker in range(workers):
        size = (len(ranks) - len(order)) // (workers - worker)
        first = waiting[worker::waiters] if worker < waiters else []
        order += first
        taken = max(0, size - len(first))
        order += others[:taken]
        del others[:taken]
    return order


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that wait longest; of each table of whole runs, trace one row."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = [items[n] for n in waiting_first([_rank(item) for item in items], workers)]
    measured = set[str]()
    for item in items:
        test = item.nodeid.partition("[")[0]
        if test in measured:
            item.add_marker("no_cover")
        elif item.path.stem in WHOLE_RUNS:
            measured.add(test)


_DESCRIPTORS = pytest.StashKey[DescriptorCheck]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave the items of all tests out of garbage collections, and note what is open now.

    What is garbage by then stays too: to search for it takes longer than it is worth.
    """
    gc.freeze()
    session.config.stash[_DESCRIPTORS] = DescriptorCheck()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail the test after which the tests of this process have left too many descriptors open."""
    yield
    if complaint := item.config.stash[_DESCRIPTORS].complaint_after(item.nodeid):
        pytest.fail(complaint, pytrace=False)


@pytest.fixture(autouse=True)
def _nobody_and_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test made-up credentials and an empty home; the network is blocked by pytest."""
    home = tmp_path / "home"
    home.mkdir()
    for name in (
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_REGION",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_EC2",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "VPNMIGRATE_PROFILE",
        "NO_COLOR",
        "FORCE_COLOR",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in _AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "no-credentials"))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / ".local" / "share"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / ".local" / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("VPNMIGRATE_HOME", str(home / "runs"))
