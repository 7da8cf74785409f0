"""Extras: what a command says whose library is not installed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from vpnmigrate.cli.app import app
from vpnmigrate.model.errors import Exit
from vpnmigrate.model.errors.extras import EXTRA_OF, install_command, missing_library

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
LOCAL = {"new", "plan", "rehearse", "schema"}
"""Commands of ``fleet`` that need no database."""
IN_A_DATABASE = {
    "status": [],
    "serve": ["offices"],
    "start": ["campaign.yaml"],
    "rollback": ["m-1"],
    "finalize": ["m-1"],
    "pause": [],
    "resume": [],
    "stop": [],
    "done": ["m-1", "5"],
    "confirm": ["m-1"],
    "abort": ["m-1"],
    "approve": ["m-1", "approval.json"],
    "worker": [],
    "database": ["upgrade"],
}
WITHOUT = """\
import sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))
from vpnmigrate.cli.main import run_command
for line in sys.argv[2:]:
    print("$", line, "->", run_command(line.split()), file=sys.stderr, flush=True)
"""


def run_without_libraries(*lines: str) -> str:
    """Return what commands print in a process that has no library of any extra."""
    words = [sys.executable, "-c", WITHOUT, ",".join(EXTRA_OF), *lines]
    return subprocess.run(words, capture_output=True, text=True, check=True).stderr


def test_each_command_of_a_fleet_in_a_database_names_its_extra():
    """The message has the command that installs it for this interpreter, and no traceback."""
    group = typer.main.get_command(app).commands["fleet"]  # type: ignore[attr-defined]
    assert set(group.commands) == LOCAL | set(IN_A_DATABASE)
    lines = [" ".join(["fleet", name, *given]) for name, given in IN_A_DATABASE.items()]

    printed = run_without_libraries(*lines)

    assert printed.count(f"-> {Exit.USAGE}\n") == len(lines)
    unwrapped = " ".join(printed.replace("\\\n", " ").split())
    assert unwrapped.count(f"Next: {install_command('fleet')} $ fleet") == len(lines)


def test_a_module_of_this_program_that_is_missing_is_a_bug():
    """Only the libraries of extras are for the operator to install."""
    assert missing_library(ModuleNotFoundError(name="vpnmigrate.nothing")) is None


@pytest.mark.skipif(find_spec("pip") is not None, reason="this environment has pip")
def test_an_environment_without_pip_is_named_to_uv():
    """Environments of uv have no pip."""
    assert install_command("lab").words[:4] == ("uv", "pip", "install", "--python")


def test_every_library_of_an_extra_is_known():
    """A library that is added to an extra is added to the messages."""
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    names = (re.split(r"[\[<>=]", each)[0] for extra in extras.values() for each in extra)
    assert {name.replace("-", "_") for name in names} == set(EXTRA_OF)
