"""What is shipped, and what it leans on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import vpnmigrate

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DEPENDENCIES: list[str] = PROJECT["project"]["dependencies"]
GROUPS: list[str] = [name for group in PROJECT["dependency-groups"].values() for name in group]

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


@pytest.mark.parametrize("requirement", [*DEPENDENCIES, *GROUPS])
def test_every_dependency_is_bounded(requirement: str) -> None:
    """A release that may break us is not installed unasked: each has a floor and a ceiling."""
    assert ">=" in requirement
    assert "<" in requirement


@pytest.mark.parametrize("requirement", [*DEPENDENCIES, *GROUPS])
def test_every_dependency_has_a_reason(requirement: str) -> None:
    """Each dependency is named, with its reason, in the decision on dependencies."""
    page = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text(encoding="utf-8")
    reasons = {name.lower() for name in re.findall(r"^\| `([\w.-]+)` \| \w", page, re.MULTILINE)}

    assert _name(requirement) in reasons


@pytest.mark.parametrize("requirement", DEPENDENCIES)
def test_every_dependency_is_used(requirement: str) -> None:
    """What no line of ours imports is not asked for."""
    module = {"pyyaml": "yaml"}.get(_name(requirement), _name(requirement))
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "vpnmigrate").rglob("*.py"))
    imports = re.compile(rf"^\s*(?:import|from) {module}\b", re.MULTILINE)

    assert any(imports.search(source) for source in sources)


def test_one_version() -> None:
    """The program, its package and its changelog agree on the version."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[([^\]]+)\]", changelog, re.MULTILINE)

    assert vpnmigrate.__version__ == PROJECT["project"]["version"]
    assert headings[0] in {"Unreleased", vpnmigrate.__version__}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_machine_and_no_mirror_is_named(path: Path) -> None:
    """No file names a place on somebody's machine, or where packages come from."""
    text = path.read_text(encoding="utf-8", errors="replace")

    assert not _NOT_OURS.findall(text)


def test_what_travels_in_the_wheel_is_kept_by_git() -> None:
    """Nothing that the package needs at run time hides behind an ignore rule."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    needed = {path.suffix for path in (ROOT / "vpnmigrate").rglob("*") if path.is_file()}

    assert not {f"*{suffix}" for suffix in needed - {".pyc"}} & set(ignored)
