"""The rooms of the program and who may enter which, read from the source.

The tables below are the architecture.  A new module is a new row: say what it may import, and
think twice before a row grows.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "vpnmigrate"

# Values: frozen, no behaviour beyond look-ups.  Each may import those before it.
VALUES = (
    "commands",
    "errors",
    "redaction",
    "decoding",
    "clock",
    "model",
    "outcomes",
    "options",
    "approval",
    "rehearsed",
    "go_no_go",
    "survey",
    "facts",
    "readings",
    "streaks",
    "snapshot",
    "changes",
    "plan",
    "tallies",
    "spoken",
    "records",
    "run_clock",
    "sights",
    "times",
    "ports",
)
_VALUES = frozenset(VALUES)

# Thoughts: pure functions of values, and which other thoughts each uses.
PURE: dict[str, frozenset[str]] = {
    "states": frozenset(),
    "belief": frozenset(),
    "claims": frozenset(),
    "strict_yaml": frozenset(),
    "windows": frozenset(),
    "playbook": frozenset({"strict_yaml", "windows", "probes", "programs"}),
    "schema": frozenset({"playbook", "windows"}),
    "preflight": frozenset({"windows"}),
    "routes": frozenset(),
    "probes": frozenset(),
    "programs": frozenset({"probes"}),
    "steps": frozenset({"belief", "routes"}),
    "approving": frozenset(),
    "gates": frozenset({"steps", "windows", "approving"}),
    "journeys": frozenset({"steps"}),
    "ownership": frozenset({"steps", "replay"}),
    "imagine": frozenset({"steps", "journeys", "ownership"}),
    "proving": frozenset({"imagine", "journeys", "steps"}),
    "drift": frozenset(),
    "planner": frozenset({"preflight", "journeys", "imagine", "drift"}),
    "replay": frozenset({"belief", "states"}),
    "orders": frozenset({"replay"}),
    "confirming": frozenset({"gates", "replay", "windows"}),
    "persistence": frozenset(),
    "admission": frozenset({"drift"}),
    "requests": frozenset(),
    "stopwatch": frozenset(),
    "evidence": frozenset({"replay"}),
    "hooks": frozenset({"replay"}),
    "byhand": frozenset({"requests"}),
}

# Deeds: what each part of the shell uses besides the values.
SHELL: dict[str, frozenset[str]] = {
    "calls": frozenset(),
    "logbook": frozenset({"belief", "replay", "ownership"}),
    "looking": frozenset({"belief", "journeys", "steps", "replay", "logbook", "ownership"}),
    "performing": frozenset({"logbook", "ownership"}),
    "adopting": frozenset({"logbook", "ownership", "steps"}),
    "tasks": frozenset({"logbook", "performing"}),
    "arming": frozenset({"confirming", "logbook", "windows"}),
    "deciding": frozenset({"logbook", "replay", "windows"}),
    "private_files": frozenset(),
    "duty": frozenset({"lock", "private_files", "rundir"}),
    "clock_watch": frozenset({"logbook"}),
    "holding": frozenset({"calls", "orders", "logbook", "tasks", "clock_watch"}),
    "patience": frozenset({"belief", "steps", "logbook", "looking", "performing"}),
    "prober": frozenset({"child_processes", "probes", "program_files", "rundir"}),
    "probing": frozenset({"probes", "logbook"}),
    "flow": frozenset({"steps", "logbook", "looking", "probing"}),
    "settling": frozenset(
        {"belief", "steps", "logbook", "looking", "performing", "tasks", "holding"}
        | {"patience", "flow", "probing", "adopting", "claims"}
    ),
    "setting_out": frozenset(
        {"admission", "claims", "drift", "planner", "gates", "logbook", "looking", "ownership"}
    ),
    "crossing": frozenset(
        {"steps", "replay", "logbook", "settling", "gatekeeping", "holding"}
        | {"arming", "deciding", "probing"}
    ),
    "gatekeeping": frozenset({"admission", "drift", "gates", "logbook", "looking", "settling"}),
    "runner": frozenset(
        {"journeys", "steps", "replay", "arming", "calls", "crossing", "deciding", "gatekeeping"}
        | {"probing"}
        | {"logbook", "looking", "performing", "tasks", "holding", "settling", "setting_out"}
        | {"adopting"}
    ),
    "rundir": frozenset({"private_files"}),
    "program_files": frozenset({"programs"}),
    "child_processes": frozenset({"private_files", "rundir"}),
    "rehearsals": frozenset({"private_files"}),
    "settings": frozenset(),
    "lock": frozenset({"claims", "private_files", "rundir"}),
    "inbox": frozenset({"private_files", "rundir"}),
    "journal": frozenset({"private_files", "rundir", "lock", "inbox", "replay", "orders"}),
    "vault": frozenset({"devices", "private_files"}),
    "bundle": frozenset(),
    "files": frozenset({"private_files", "playbook", "planner"}),
    "approval_files": frozenset({"files", "approving"}),
    "logs": frozenset({"private_files", "rundir", "settings"}),
    "live": frozenset({"private_files", "rundir"}),
    "devices": frozenset(),
    "aws": frozenset({"vault", "devices", "requests"}),
    "sandbox": frozenset({"aws", "strict_yaml"}),
    "rehearsal": frozenset(
        {
            "drift",
            "replay",
            "proving",
            "routes",
            "stopwatch",
            "journal",
            "vault",
            "aws",
            "looking",
            "ownership",
            "runner",
            "sandbox",
        }
    ),
    "report": frozenset(
        {"states", "replay", "orders", "proving", "evidence", "bundle", "rehearsal", "stopwatch"}
        | {"byhand", "journeys", "windows", "simulation"}
    ),
    "simulation": frozenset(
        {"planner", "replay", "orders", "journal", "aws", "looking", "runner", "sandbox", "steps"}
        | {"stopwatch", "gatekeeping", "ownership"}
    ),
}
# The command line puts everything together.
SHELL["cli"] = frozenset(PURE) | frozenset(SHELL)

# Whoever else imports these is wrong; ``clock`` aside, a pure room imports none of the second set.
ONLY_IN = {
    "boto3": {"aws", "sandbox"},
    "botocore": {"aws", "sandbox"},
    "moto": {"sandbox"},
    "typer": {"cli"},
    "rich": {"cli", "report"},
    "structlog": {"logs"},
    "tenacity": {"settling"},
    "jinja2": {"devices", "report"},
    "defusedxml": {"devices"},
    "yaml": {"strict_yaml"},
    "filelock": {"lock", "duty"},
    "platformdirs": {"settings"},
}
TOUCHES_THE_WORLD = frozenset(
    {"boto3", "botocore", "moto", "typer", "rich", "structlog", "logging", "filelock"}
    | {"platformdirs", "tenacity", "jinja2", "os", "io", "pathlib", "shutil", "tempfile"}
    | {"subprocess", "socket", "ssl", "http", "urllib", "signal", "threading", "time"}
)
PRINTS = {"report", "cli"}
OPENS = {
    "private_files",
    "rundir",
    "live",
    "rehearsals",
    "lock",
    "duty",
    "inbox",
    "journal",
    "vault",
    "files",
    "settings",
    "logs",
    "cli",
}

LONGEST = 500


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _room(path: Path) -> str:
    """Name the room a file of the package lies in: its package, or itself."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def _imports(path: Path) -> frozenset[str]:
    """Give the absolute dotted name of everything *path* imports, inside functions as well."""
    return frozenset(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(level=0, module=str(module)):
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case ast.ImportFrom():
                base = ".".join(path.relative_to(ROOT).parts[: -node.level])
                within = f"{base}.{node.module}" if node.module else base
                yield from (f"{within}.{alias.name}" for alias in node.names)
            case _:
                pass


def _rooms_used(path: Path) -> set[str]:
    names = (name.split(".") for name in _imports(path))
    return {name[1] for name in names if name[0] == "vpnmigrate" and len(name) > 1} - {
        _room(path),
        "__version__",
    }


def _allowed(room: str) -> frozenset[str]:
    if room in _VALUES:
        return frozenset(VALUES[: VALUES.index(room)])
    return _VALUES | {**PURE, **SHELL}[room]


def _modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__main__.py")


MODULES = [p for p in _modules() if p != PACKAGE / "__init__.py"]
each_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE))
)


@each_module
def test_every_module_lives_in_a_known_room(path: Path) -> None:
    """A module that no table names has no place yet."""
    assert _room(path) in {*VALUES, *PURE, *SHELL}, (
        f"{path.name}: add its room to VALUES, PURE or SHELL in tests/test_architecture.py, "
        "with what it may import"
    )


@each_module
def test_imports_point_one_way(path: Path) -> None:
    """A room imports from the rooms its row names and from no others."""
    room = _room(path)
    if room not in {*VALUES, *PURE, *SHELL}:
        pytest.fail(f"{path.name}: its room is in no table of tests/test_architecture.py")

    stray = _rooms_used(path) - _allowed(room)

    assert not stray, f"{room} may not import {sorted(stray)}; see the tables in this file"


@pytest.mark.parametrize("room", sorted({*PURE, *SHELL} - {"cli"}))
def test_a_row_grants_only_what_is_used(room: str) -> None:
    """The tables are the graph itself: a room has no right that it does not need."""
    used = {name for path in MODULES if _room(path) == room for name in _rooms_used(path)}

    assert {**PURE, **SHELL}[room] <= used


@each_module
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    """AWS's client, its stand-in, the terminal and the locks are each known to few rooms."""
    room = _room(path)
    libraries = {name.split(".")[0] for name in _imports(path)}

    stray = {name for name in libraries if room not in ONLY_IN.get(name, {room})}

    assert not stray, f"{room} may not import {sorted(stray)}"


@each_module
def test_values_and_thoughts_touch_nothing(path: Path) -> None:
    """A pure room imports nothing that reaches a file, the network, a clock or a log."""
    room = _room(path)
    libraries = {name.split(".")[0] for name in _imports(path)}

    touching = libraries & TOUCHES_THE_WORLD

    assert room in SHELL or room == "clock" or not touching, f"{room} is pure: no {touching}"


@each_module
def test_few_print_and_few_open_files(path: Path) -> None:
    """Only the report and the command line print; only the rooms for files open them."""
    room = _room(path)
    calls = {
        node.func.id
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    assert "print" not in calls or room in PRINTS
    assert "open" not in calls or room in OPENS


@each_module
def test_a_file_is_one_sitting(path: Path) -> None:
    """A file that outgrows a sitting becomes two, each with a name of its own."""
    length = len(path.read_text(encoding="utf-8").splitlines())

    assert length <= LONGEST, f"{length} lines"


def test_rooms_form_no_circle() -> None:
    """From no room can one walk along imports and come back to it."""
    edges = {room: set[str]() for room in map(_room, MODULES)}
    for path in MODULES:
        edges[_room(path)] |= _rooms_used(path) & set(edges)

    while leaves := {room for room, used in edges.items() if not used & set(edges)}:
        edges = {room: used for room, used in edges.items() if room not in leaves}

    assert not edges, f"these import each other: {sorted(edges)}"


TESTS = sorted((ROOT / "tests").rglob("*.py"))
each_test_file = pytest.mark.parametrize(
    "path", TESTS, ids=lambda path: str(path.relative_to(ROOT / "tests"))
)


@each_test_file
def test_nothing_is_patched(path: Path) -> None:
    """Tests hand parts in; they replace none behind the program's back."""
    patched = [
        name for name in _imports(path) if name.startswith("unittest.mock") or name == "mock"
    ]
    attributes = {
        ast.unparse(node) for node in ast.walk(_tree(path)) if isinstance(node, ast.Attribute)
    }

    assert not patched
    assert not attributes & {"monkeypatch.setattr", "mock.patch", "mocker.patch"}


@each_test_file
def test_every_test_states_its_promise(path: Path) -> None:
    """Each test has a sentence that could stand in a specification."""
    silent = [
        node.name
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert not silent
