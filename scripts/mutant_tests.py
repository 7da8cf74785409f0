"""Which tests execute which line, and what those tests say of a mutant.

Each run of pytest is a fork of this process, which has imported the libraries and nothing of ours.
In the fork a mutant takes the place of its module when that is imported: no file is touched.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import math
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from coverage import Coverage

ROOT = Path(__file__).parents[1]
OPTIONS = (
    *("-x", "-q", "--no-header", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
    *("-p", "no:randomly", "-p", "no:xdist", "-p", "no:pytest_cov", "-p", "no:cacheprovider"),
)
LIBRARIES = (
    *("boto3", "botocore.session", "hypothesis", "jinja2", "moto.ec2", "moto.server", "msgspec"),
    *("rich.console", "structlog", "tenacity", "typer", "yaml"),
)
PATIENCE = 10
"""A test of a mutant may use so many times its seconds, and so many more, before it is ended."""
STARVED = 30
"""How much longer that may be by the clock, on a machine with other work; ends what waits."""
MEMORY = 4 << 30
"""Bytes for a mutant that fills a list for ever."""

Executed = dict[str, list[int]]
Measured = tuple[str, tuple[float, Executed]]
"""A test's name, its seconds, and which lines of which files it executes."""


@dataclass(frozen=True)
class Test:
    """A test with what it costs and what it executes."""

    name: str
    seconds: float
    dear: float
    """Its seconds, and more the later it stands in a table, since rows find much the same."""
    lines: dict[str, frozenset[int]]

    @property
    def file(self) -> str:
        """The file it stands in."""
        return self.name.partition("::")[0]


@dataclass(frozen=True)
class Verdict:
    """Who noticed a mutant, or nobody of those who were asked."""

    killer: str
    asked: int
    seconds: float

    def __add__(self, later: Verdict) -> Verdict:
        asked, seconds = self.asked + later.asked, self.seconds + later.seconds
        return Verdict(later.killer, asked, seconds)


def preload() -> None:
    """Import what every run needs and no mutant changes."""
    for name in LIBRARIES:
        importlib.import_module(name)


class Suite:
    """The tests in *files*, with what each executes of *targets*; kept in *memory*."""

    def __init__(self, files: Sequence[str], targets: Sequence[str], memory: Path) -> None:
        known = json.loads(memory.read_text("utf-8")) if memory.exists() else {}
        common = _digest(path for path in _sources() if not path.name.startswith("test_"))
        wanted = {file: common + _digest([ROOT / file]) for file in files}
        stale = [file for file, digest in wanted.items() if known.get(file, [""])[0] != digest]
        if stale:
            print(f"measuring what the tests in {len(stale)} files execute", flush=True)
            found = _measure(stale, targets)
            known |= {file: [wanted[file], found[file]] for file in stale}
            memory.write_text(json.dumps(known), "utf-8")
        self._tests = [
            Test(
                name,
                seconds,
                seconds * math.sqrt(row),
                {p: frozenset(n) for p, n in executed.items()},
            )
            for file in files
            for row, (name, (seconds, executed)) in _rows(known[file][1].items())
        ]

    def of(self, path: str, lines: tuple[int, int], *, at_import: bool) -> list[Test]:
        """Return the tests that can notice a change to *lines*: any, to what runs at import."""
        within = range(lines[0], lines[1] + 1)
        return [
            test
            for test in self._tests
            if at_import or not test.lines.get(path, frozenset()).isdisjoint(within)
        ]


def try_out(path: str, source: str, tests: Sequence[Test]) -> Verdict:
    """Run *tests* in order on the program with *source* at *path*, up to the first that fails."""
    if not tests:
        return Verdict("", 0, 0)
    began = time.monotonic()
    with tempfile.TemporaryFile() as found:

        def run() -> int:
            sys.meta_path.insert(0, _Mutation(path, source))
            files = dict.fromkeys(test.file for test in tests)
            return pytest.main([*OPTIONS, *files], plugins=[_Chosen(tests, found.fileno())])

        code = _forked(run)
        found.seek(0)
        begun = found.read().decode().splitlines()
    seconds = time.monotonic() - began
    if code == pytest.ExitCode.OK:
        return Verdict("", len(tests), seconds)
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise RuntimeError(f"none of {len(tests)} tests was run on a mutant of {path}")
    ended = f"{signal.Signals(-code).name} in " if code < 0 else ""
    return Verdict(ended + (begun[-1] if begun else "import"), len(begun), seconds)


def _rows(tests: Iterable[Measured]) -> Iterator[tuple[int, Measured]]:
    """Number the rows of each table of tests, from 1."""
    rows = Counter[str]()
    for name, measured in tests:
        table = name.partition("[")[0]
        rows[table] += 1
        yield rows[table], (name, measured)


class _Mutation(importlib.abc.MetaPathFinder):
    def __init__(self, path: str, source: str) -> None:
        self._path, self._source = path, source
        self._name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        loader = _Source(name, str(ROOT / self._path))
        loader.mutated = self._source
        return importlib.util.spec_from_file_location(name, ROOT / self._path, loader=loader)


class _Source(importlib.machinery.SourceFileLoader):
    mutated: str

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self.mutated, self.path, "exec", dont_inherit=True)
        return code


class _Marked:
    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", "no_cover: said to pytest-cov, which is not here")


class _Chosen(_Marked):
    """Runs the chosen tests in the chosen order, each within its limits, and tells their names."""

    def __init__(self, tests: Sequence[Test], tell: int) -> None:
        self._tests = {test.name: test for test in tests}
        self._tell = tell

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in self._tests if name in found]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        os.write(self._tell, f"{item.nodeid}\n".encode())
        used = resource.getrusage(resource.RUSAGE_SELF)
        most = PATIENCE * (1 + self._tests[item.nodeid].seconds)
        until = int(used.ru_utime + used.ru_stime + most) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
        signal.setitimer(signal.ITIMER_REAL, STARVED * most)


class _Traced(_Marked):
    """Notes how long each test takes and, with *coverage*, what it executes."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self.seconds = dict[str, float]()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(item.nodeid)
        began = time.monotonic()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = round(time.monotonic() - began, 4)
            self._coverage.switch_context("")


def _measure(files: Sequence[str], targets: Sequence[str]) -> dict[str, dict[str, object]]:
    with _temporary() as place:
        output = Path(place) / "executed.json"

        def run() -> int:
            os.environ.setdefault("COVERAGE_CORE", "ctrace")  # others know no contexts
            include = [str(ROOT / target) for target in targets]
            coverage = Coverage(data_file=None, config_file=False, include=include)
            traced = _Traced(coverage)
            coverage.start()
            code = pytest.main([*OPTIONS, *files], plugins=[traced])
            coverage.stop()
            output.write_text(json.dumps(list(_executed(coverage, traced.seconds))), "utf-8")
            return code

        if _forked(run, quiet=False) != pytest.ExitCode.OK:
            raise SystemExit("tests that fail without a mutant cannot tell one")
        found: dict[str, dict[str, object]] = {file: {} for file in files}
        for name, measured in json.loads(output.read_text("utf-8")):
            found[name.partition("::")[0]][name] = measured
        return found


def _executed(coverage: Coverage, seconds: dict[str, float]) -> Iterator[Measured]:
    lines = {name: defaultdict[str, list[int]](list) for name in seconds}
    data = coverage.get_data()
    for file in data.measured_files():
        path = Path(file).relative_to(ROOT).as_posix()
        for line, names in data.contexts_by_lineno(file).items():
            for name in filter(None, names):
                lines[name][path].append(line)
    for name, executed in lines.items():
        yield name, (seconds[name], executed)


def _forked(run: Callable[[], int], *, quiet: bool = True) -> int:
    """Fork, *run* there with a place for its own files, and give its exit code, or -signal."""
    with _temporary() as place:
        child = os.fork()
        if not child:
            code = int(pytest.ExitCode.INTERNAL_ERROR)
            try:
                _settle_down(place, quiet=quiet)
                code = run()
                sys.stdout.flush()
            except BaseException:  # noqa: BLE001  nothing may go on in the fork
                traceback.print_exc()
            finally:
                os._exit(code)
        try:
            _, status = os.waitpid(child, 0)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(status)


def _settle_down(place: str, *, quiet: bool) -> None:
    os.setsid()
    os.environ["TMPDIR"] = tempfile.tempdir = place
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if quiet:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)


@contextmanager
def _temporary() -> Iterator[str]:
    place = tempfile.mkdtemp(prefix="mutant-")
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _sources() -> Iterator[Path]:
    for room in ("vpnmigrate", "tests", "playbooks"):
        yield from sorted(p for p in (ROOT / room).rglob("*") if p.suffix in {".py", ".yaml"})


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
