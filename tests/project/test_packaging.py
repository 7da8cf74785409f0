"""The package and its dependencies."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import vpnmigrate

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DEPENDENCIES: list[str] = PROJECT["project"]["dependencies"]
GROUPS: list[str] = [name for group in PROJECT["dependency-groups"].values() for name in group]

MOTO_IMPORTS = {"flask", "flask-cors"}
"""Imported by moto where it serves HTTP; its own extra for that brings much more."""

# Assembled, so that this file passes its own test.
_NOT_OURS = re.compile(
    "|".join(
        [
            r"(?<![\w.])/(?:root|work|tmp|opt)/\w",
            r"(?<![\w.])/home/(?!ada\b)\w",
            r"py" + r"pi\.org",
            r"files\.python" + r"hosted",
            r"index" + r"-url",
        ]
    )
)
TEXTS = sorted(
    path
    for pattern in (
        "*.md",
        "*.toml",
        "tox.ini",
        "Makefile",
        ".ci/*",
        "docs/**/*",
        "playbooks/**/*",
        "scripts/**/*",
        "tests/**/*",
        "vpnmigrate/**/*",
    )
    for path in ROOT.glob(pattern)
    if path.is_file() and path.suffix != ".pyc"
)


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=!~ ]", requirement, maxsplit=1)[0].lower()


def test_every_dependency_is_bounded() -> None:
    """Each dependency has a lower and an upper bound."""
    assert [r for r in (*DEPENDENCIES, *GROUPS) if ">=" not in r or "<" not in r] == []


def test_every_dependency_has_a_reason() -> None:
    """The decision on dependencies gives the reason for each one."""
    page = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text(encoding="utf-8")
    reasons = {name.lower() for name in re.findall(r"^\| `([\w.-]+)` \| \w", page, re.MULTILINE)}

    assert [r for r in (*DEPENDENCIES, *GROUPS) if _name(r) not in reasons] == []


def test_every_dependency_is_used() -> None:
    """A dependency is imported by the program, or by moto's HTTP application."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "vpnmigrate").rglob("*.py")]

    def is_imported(requirement: str) -> bool:
        module = {"pyyaml": "yaml"}.get(_name(requirement), _name(requirement))
        imports = re.compile(rf"^\s*(?:import|from) {module}\b", re.MULTILINE)
        return any(imports.search(source) for source in sources)

    unused = {_name(r) for r in DEPENDENCIES if not is_imported(r)}

    assert unused - MOTO_IMPORTS == set()


def test_one_version() -> None:
    """The program, its package and its changelog agree on the version."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[([^\]]+)\]", changelog, re.MULTILINE)

    assert vpnmigrate.__version__ == PROJECT["project"]["version"]
    assert headings[0] in {"Unreleased", vpnmigrate.__version__}


def test_no_machine_and_no_mirror_is_named() -> None:
    """No file contains a local path of a developer, or a package mirror."""
    found = {
        str(path.relative_to(ROOT)): named
        for path in TEXTS
        if (named := _NOT_OURS.findall(path.read_text(encoding="utf-8", errors="replace")))
    }

    assert found == {}


def test_what_travels_in_the_wheel_is_kept_by_git() -> None:
    """No ignore rule excludes a file that the package needs at run time."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    needed = {path.suffix for path in (ROOT / "vpnmigrate").rglob("*") if path.is_file()}

    assert not {f"*{suffix}" for suffix in needed - {".pyc"}} & set(ignored)
