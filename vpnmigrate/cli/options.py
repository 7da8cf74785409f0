"""Options and arguments that several commands share, with completion."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer


@dataclass(frozen=True)
class OutputOptions:
    """How results leave."""

    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else.")
    ] = False


@dataclass(frozen=True)
class RunDirectoryOptions:
    """Where runs live."""

    run_dir: Annotated[
        Path | None,
        typer.Option(
            "--run-dir",
            metavar="DIR",
            help="Where runs live; VPNMIGRATE_HOME, or your data directory.",
        ),
    ] = None


@dataclass(frozen=True)
class AwsOptions:
    """How AWS is reached; botocore's own environment variables mean what they mean everywhere."""

    endpoint_url: Annotated[
        str | None,
        typer.Option("--endpoint-url", metavar="URL", help="Another EC2-compatible server."),
    ] = None
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="AWS credentials profile.")
    ] = None
    region: Annotated[
        str | None, typer.Option("--region", metavar="REGION", help="AWS Region.")
    ] = None

    def words(self) -> list[str]:
        """Return the options as words of a command line."""
        options = {
            "--endpoint-url": self.endpoint_url,
            "--profile": self.profile,
            "--region": self.region,
        }
        return [word for name, value in options.items() if value for word in (name, value)]


@dataclass(frozen=True)
class PromptOptions:
    """Whether a person may be asked."""

    yes: Annotated[
        bool, typer.Option("--yes", help="Answer yes to questions; never covers finalize.")
    ] = False
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Never read stdin; hold where a person is needed.")
    ] = False


@dataclass(frozen=True)
class GateOptions:
    """What is brought to the gates."""

    approval: Annotated[
        list[str] | None,
        typer.Option(
            "--approval",
            metavar="FILE",
            show_default=False,
            help="An approval that approve wrote; once for each.",
        ),
    ] = None
    force: Annotated[
        list[str] | None,
        typer.Option(
            "--force",
            metavar="GATE",
            show_default=False,
            help="Go on although this gate does not pass; once for each, with --reason.",
        ),
    ] = None
    reason: Annotated[
        list[str] | None,
        typer.Option(
            "--reason",
            metavar="TEXT",
            show_default=False,
            help="Why a gate is forced; one for each, in the same order.",
        ),
    ] = None


Verb = Callable[..., None]


def with_flags(verb: Verb) -> Verb:
    """Show Typer the flags of each group that *verb* takes, and hand them over as groups."""
    own: list[inspect.Parameter] = []
    groups: dict[str, type[Any]] = {}
    for parameter in inspect.signature(verb, eval_str=True).parameters.values():
        kind = parameter.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            groups[parameter.name] = kind
        else:
            own.append(parameter)
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
        )
        for group in groups.values()
        for field in fields(group)
    ]

    @wraps(verb)
    def flat(**given: Any) -> None:
        taken = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        verb(**given, **taken)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + shared
    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {p.name: p.annotation for p in parameters}
    del flat.__wrapped__  # or Typer would look behind the signature
    return flat


PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", show_default=False, help="A plan file.")]


def runs(incomplete: str) -> list[str]:
    """Return the ids of runs that begin with *incomplete*."""
    import os

    from vpnmigrate.errors import VpnMigrateError
    from vpnmigrate.local.run_directory import Runs
    from vpnmigrate.local.settings import settings_of

    try:
        known = Runs(settings_of(os.environ).home).list()
    except VpnMigrateError:
        return []  # a shell that is completing a word wants no message
    return [run.id for run in known if run.id.startswith(incomplete)]


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
