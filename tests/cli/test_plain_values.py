"""Plain values of options: converted as Typer does, without pydantic."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from vpnmigrate.cli.app import ResultHelpCommand
from vpnmigrate.report.colour import ColourChoice


def parsed(words: list[str], kind: type[Any] | None) -> dict[str, Any] | str:
    """Return the values that a function takes for *words* in a command of *kind*, or the error."""
    taken: dict[str, Any] = {}

    def command(
        run: Annotated[str, typer.Argument()],
        home: Annotated[Path | None, typer.Option("--home")] = None,
        names: Annotated[list[str] | None, typer.Option("--name")] = None,
        jobs: Annotated[int, typer.Option("--jobs", min=1, max=9)] = 8,
        speed: Annotated[float, typer.Option("--speed")] = 1,
        colour: Annotated[ColourChoice, typer.Option("--colour")] = ColourChoice.AUTO,
        yes: Annotated[bool, typer.Option("--yes")] = False,
    ) -> None:
        taken.update(
            run=run, home=home, names=names, jobs=jobs, speed=speed, colour=colour, yes=yes
        )

    single = typer.Typer(add_completion=False)
    single.command(cls=kind)(command)
    try:
        typer.main.get_command(single).main(args=words, standalone_mode=False)
    except typer.TyperException as error:
        return error.format_message()
    return taken


@pytest.mark.parametrize(
    "words",
    [
        ["m-1"],
        ["m-1", "--home", "runs/../x"],
        ["m-1", "--home", ""],
        ["m-1", "--name", "a", "--name", "b"],
        ["m-1", "--jobs", "3", "--speed", "2.5", "--yes"],
        ["m-1", "--colour", "never"],
        ["m-1", "--colour", "pink"],
        ["m-1", "--jobs", "10"],
        ["m-1", "--jobs", "many"],
        [],
    ],
)
def test_values_are_those_of_typer(words):
    """A command takes the values, and reports the faults, that Typer's own command would."""
    ours, typers = parsed(words, ResultHelpCommand), parsed(words, None)

    assert ours == typers
    assert repr(ours) == repr(typers)


def test_a_command_does_not_import_pydantic(tmp_path):
    """A command that is given text and paths starts without pydantic."""
    script = (
        "import sys\n"
        "from vpnmigrate.cli.main import run_command\n"
        "code = run_command(sys.argv[1:])\n"
        "sys.exit('pydantic is loaded' if 'pydantic' in sys.modules else code)\n"
    )
    words = ["status", "--run-dir", str(tmp_path), "--json"]

    ended = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
