"""Rules on the source that ruff, mypy and the import contract cannot state.

Who may import whom is in ``pyproject.toml`` under ``tool.importlinter``; `make lint` checks it.
Here is which libraries a package may use, what pure packages may not touch, and how long a file is.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from tests.support.sources import MODULES, PACKAGE, ROOT, SCRIPTS, TESTS, tree

ONLY_IN = {
    "boto3": ("aws", "sandbox"),
    "botocore": ("aws", "sandbox"),
    "moto": ("sandbox",),
    "typer": ("cli",),
    "rich": ("cli", "report"),
    "structlog": ("local/logs.py",),
    "tenacity": ("engine/step_loop.py",),
    "jinja2": ("devices", "report"),
    "defusedxml": ("devices",),
    "yaml": ("planning/strict_yaml.py",),
    "filelock": ("local/lock.py",),
    "platformdirs": ("local/settings.py",),
    "pyrage": ("local/sealing.py",),
    "netmiko": ("local/drivers/netmiko.py",),
    "paramiko": ("local/drivers/netmiko.py", "local/drivers/ssh_login.py"),
    "napalm": ("local/drivers/napalm.py",),
    "vici": ("local/drivers/strongswan.py", "rehearsal/lab"),
    "sqlalchemy": ("fleet/database",),
    "alembic": ("fleet/database",),
    "psycopg": ("fleet/database/deliveries.py",),
    "pgqueuer": ("fleet/database/deliveries.py",),
    "starlette": ("cli/fleet_board.py",),
    "uvicorn": ("cli/fleet_board.py",),
    "icalendar": ("fleet/calendar.py",),
    "recurring_ical_events": ("fleet/calendar.py",),
}
"""Which packages or files may import a library."""
PURE = ("model", "steps", "journal", "planning", "engine", "devices")
"""Packages that reach no file, network, clock or terminal."""
IMPURE_FILES = {"model/clock.py": "the one reader of the machine's clock"}
TOUCHES_THE_WORLD = frozenset(
    {"boto3", "botocore", "moto", "typer", "rich", "structlog", "logging", "filelock"}
    | {"platformdirs", "os", "io", "pathlib", "shutil", "tempfile"}
    | {"subprocess", "socket", "ssl", "http", "urllib", "signal", "threading", "time"}
)
PRINTS = ("report", "cli")
OPENS = ("local", "cli")
LONGEST = 500
ROOT_ENTRIES = 16


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def _imports(path: Path) -> frozenset[str]:
    """Return the dotted names of all imports of *path*, inside functions as well."""
    return frozenset(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(level=0, module=str(module)):
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case _:
                pass


def _libraries(path: Path) -> set[str]:
    return {name.split(".")[0] for name in _imports(path)}


def _is_in(path: Path, places: tuple[str, ...]) -> bool:
    """Return whether *path* is one of the packages or files *places*, or in one."""
    inside = path.relative_to(PACKAGE)
    above = {path.as_posix() for path in inside.parents}
    return bool(above & set(places)) or inside.as_posix() in places


def _calls(path: Path) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def test_libraries_stay_in_their_packages() -> None:
    """Only the named packages import AWS's client, moto, the terminal and the locks."""
    stray = [
        f"{_name(path)} imports {library}"
        for path in MODULES
        for library, places in ONLY_IN.items()
        if library in _libraries(path) and not _is_in(path, places)
    ]

    assert not stray


def test_pure_packages_touch_nothing() -> None:
    """A pure package imports nothing that accesses a file, the network, a clock or a log."""
    stray = [
        f"{_name(path)} imports {', '.join(sorted(touching))}"
        for path in MODULES
        if _is_in(path, PURE) and path.relative_to(PACKAGE).as_posix() not in IMPURE_FILES
        if (touching := _libraries(path) & TOUCHES_THE_WORLD)
    ]

    assert not stray


def test_errors_are_the_lowest_package() -> None:
    """``model.errors`` imports nothing else of the program, so that everything can import it."""
    errors = "vpnmigrate.model.errors"
    stray = [
        f"{_name(path)} imports {name}"
        for path in MODULES
        if _is_in(path, ("model/errors",))
        for name in sorted(_imports(path))
        if name.startswith("vpnmigrate.") and not name.startswith(f"{errors}.")
    ]

    assert not stray


def test_few_print() -> None:
    """Only the report and the command line print."""
    assert not [_name(p) for p in MODULES if "print" in _calls(p) and not _is_in(p, PRINTS)]


def test_few_open_files() -> None:
    """Only the packages for this machine and the command line open files."""
    assert not [_name(p) for p in MODULES if "open" in _calls(p) and not _is_in(p, OPENS)]


def test_files_are_short() -> None:
    """A file is one topic of at most 500 lines."""
    lengths = {_name(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}

    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_the_root_holds_few_entries() -> None:
    """Packages, and the few files that have to lie in the root."""
    entries = [p.name for p in PACKAGE.iterdir() if p.name != "__pycache__"]

    assert len(entries) <= ROOT_ENTRIES, sorted(entries)


def test_no_two_public_classes_share_a_name() -> None:
    """A name that is searched for leads to one class."""
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_files_form_no_circle() -> None:
    """Top-level imports have no cycle."""
    paths = {_module(path): path for path in MODULES}
    edges = {name: set[str]() for name in paths}
    for name, path in paths.items():
        for node in tree(path).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                named = {f"{node.module}.{alias.name}" for alias in node.names}
                edges[name] |= (named & set(paths)) or ({node.module} & set(paths))
    edges = {name: used - {name} for name, used in edges.items()}

    while leaves := {name for name, used in edges.items() if not used & set(edges)}:
        edges = {name: used for name, used in edges.items() if name not in leaves}

    assert not edges


def test_every_package_says_where_to_begin() -> None:
    """The docstring of a package states its purpose and the file to read first."""
    silent = [
        _name(path)
        for path in PACKAGE.glob("*/__init__.py")
        if "Begin with" not in (ast.get_docstring(tree(path)) or "")
    ]

    assert not silent


def test_one_function_waits_for_input() -> None:
    """``select.select`` fails at descriptors above 1,023; ``local.readable`` watches any."""
    users = [_name(path) for path in (*MODULES, *TESTS, *SCRIPTS) if "select" in _libraries(path)]

    assert users == ["vpnmigrate/local/readable.py"]


def test_nothing_is_patched() -> None:
    """Tests pass dependencies as arguments and patch nothing in the program."""
    offenders = [
        _name(path)
        for path in TESTS
        if {"mock", "unittest"} & {name.split(".")[0] for name in _imports(path)}
        or {"monkeypatch.setattr", "mock.patch", "mocker.patch"}
        & {ast.unparse(node) for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
    ]

    assert not offenders


def test_every_test_states_its_promise() -> None:
    """Each test has a sentence that could stand in a specification."""
    silent = [
        f"{_name(path)}: {node.name}"
        for path in TESTS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert not silent
