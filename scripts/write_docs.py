"""Write the parts of the documentation that the program and the tests know best.

usage: write_docs.py [--check]     with --check nothing is written; exit status 1 names stale pages
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import fault_page

from vpnmigrate.cli.reference import markdown

ROOT = Path(__file__).parents[1]
CASE = re.compile(r"\b[Cc]ases? (\d+(?:(?:, | and )\d+)*)")
ROW = re.compile(r"^\| (\d+) \| (.*?) \| (.*?) \| (.*?) \|$")


def tests_by_case(tests: Path) -> dict[int, list[str]]:
    """Give for each case number the test files whose docstrings name it."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for path in sorted(tests.rglob("test_*.py")):
        for docstring in _docstrings(path):
            for numbers in CASE.findall(docstring):
                for number in re.findall(r"\d+", numbers):
                    found[int(number)].add(path.relative_to(tests.parent).as_posix())
    return {number: sorted(paths) for number, paths in found.items()}


def _docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


def cases_page(page: str, tests: dict[int, list[str]]) -> str:
    """Give *page* with the last column of its tables filled from *tests*."""
    return "\n".join(_row(line, tests) for line in page.split("\n"))


def _row(line: str, tests: dict[int, list[str]]) -> str:
    match = ROW.match(line)
    if match is None:
        return line
    number, given, must, _ = match.groups()
    links = ", ".join(
        f"[{path.removeprefix('tests/')}](../{path})" for path in tests.get(int(number), [])
    )
    return f"| {number} | {given} | {must} | {links or '-'} |"


def findings_page(preflight: Path) -> str:
    """Give the page of every finding that planning can report, read from the checks."""
    rows = sorted(row for path in sorted(preflight.glob("*.py")) for row in _findings(path))
    return "\n".join(
        [
            "# Findings",
            "",
            "What planning may report: `VPM-B…` blocks, `VPM-W…` warns.",
            "Codes and names are stable.  Written from the program by `make docs`; do not edit.",
            "",
            "| code | name | the check | what to do |",
            "| --- | --- | --- | --- |",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
        ]
    )


def _findings(path: Path) -> Iterator[tuple[str, ...]]:
    module = ast.parse(path.read_text(encoding="utf-8")).body
    constants = {
        name.id: value
        for node in module
        if isinstance(node, ast.Assign)
        for name, value in ((node.targets[0], node.value),)
        if isinstance(name, ast.Name)
    }
    for function in module:
        if not isinstance(function, ast.FunctionDef):
            continue
        check = (ast.get_docstring(function) or "-").split("\n\n")[0]
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Name("Finding"), args=[code, name, _, fix]):
                    names = (f"`{_text(part, constants)}`" for part in (code, name))
                    yield tuple(map(_cell, (*names, check, _text(fix, constants))))
                case _:
                    pass


def _text(node: ast.expr, constants: Mapping[str, ast.expr]) -> str:
    """Give a string as it is written; what is filled in at run time becomes an ellipsis."""
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(parts):
            return "".join(_text(part, constants) for part in parts)
        case ast.BinOp(left, ast.Add(), right):
            return _text(left, constants) + _text(right, constants)
        case ast.Name(name) if name in constants:
            return _text(constants[name], constants)
        case _:
            return "…"


def _cell(text: str) -> str:
    linked = re.sub(r"domain\.md (\d[\d.]*\d|\d)", r"[domain.md \1](../domain.md)", text)
    return re.sub(r"\s+", " ", linked).replace("|", "\\|")


def pages() -> dict[Path, str]:
    """Give every generated page with the text it should have."""
    cases, reference = ROOT / "docs" / "cases.md", ROOT / "docs" / "reference"
    return {
        reference / "cli.md": markdown(),
        ROOT / "docs" / "faults.md": fault_page.page(),
        reference / "findings.md": findings_page(ROOT / "vpnmigrate" / "preflight"),
        cases: cases_page(cases.read_text(encoding="utf-8"), tests_by_case(ROOT / "tests")),
    }


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` say which are stale."""
    stale = [
        path
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages()[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
