"""The arguments that several verbs share: which plan, which run."""

from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.completion import runs

PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", show_default=False, help="A plan file.")]
PlanOrRun = Annotated[
    str,
    typer.Argument(
        metavar="PLAN|RUN",
        show_default=False,
        autocompletion=runs,
        help="A plan file, or the id of a run that was begun.",
    ),
]
RunId = Annotated[
    str,
    typer.Argument(metavar="RUN", show_default=False, autocompletion=runs, help="The id of a run."),
]
Adopt = Annotated[
    list[str] | None,
    typer.Option(
        "--adopt",
        metavar="ID",
        show_default=False,
        help="A resource of this run that its journal does not tell of; once for each, or none.",
    ),
]
TakeOver = Annotated[
    str | None,
    typer.Option(
        "--take-over",
        metavar="HOLDER",
        help="Go on although HOLDER has claimed the gateway; name them as the refusal does.",
    ),
]
