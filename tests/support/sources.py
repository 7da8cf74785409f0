"""Source files of the project, each parsed once in a process."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "vpnmigrate"
MODULES: Final = tuple(sorted(PACKAGE.rglob("*.py")))
TESTS: Final = tuple(sorted((ROOT / "tests").rglob("*.py")))
SCRIPTS: Final = tuple(sorted((ROOT / "scripts").rglob("*.py")))


@functools.cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of *path*, which no test changes."""
    return ast.parse(path.read_text(encoding="utf-8"))
