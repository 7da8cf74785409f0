"""Rules on the source of the tests."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def _imports(path: Path) -> frozenset[str]:
    """Return the dotted name of everything *path* imports, inside functions as well."""
    return frozenset(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(level=0, module=str(module)):
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case _:
                pass


TESTS = sorted((ROOT / "tests").rglob("*.py"))


def test_nothing_is_patched() -> None:
    """Tests pass parts in; they replace none inside the program."""
    offenders = [
        _name(path)
        for path in TESTS
        if {"mock", "unittest"} & {name.split(".")[0] for name in _imports(path)}
        or {"monkeypatch.setattr", "mock.patch", "mocker.patch"}
        & {ast.unparse(node) for node in ast.walk(_tree(path)) if isinstance(node, ast.Attribute)}
    ]

    assert not offenders


def test_every_test_states_its_promise() -> None:
    """Each test has a sentence that could stand in a specification."""
    silent = [
        f"{_name(path)}: {node.name}"
        for path in TESTS
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert not silent
