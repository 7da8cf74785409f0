"""Shared options and arguments of commands, with completion."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from vpnmigrate.report.colour import ColourChoice


@dataclass(frozen=True)
class OutputOptions:
    """Format of results."""

    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")
    ] = False
    color: Annotated[
        ColourChoice,
        typer.Option(
            "--color", help="Colour: auto is on a terminal, without NO_COLOR or TERM=dumb."
        ),
    ] = ColourChoice.AUTO


@dataclass(frozen=True)
class RunDirectoryOptions:
    """Directory of the runs."""

    run_dir: Annotated[
        Path | None,
        typer.Option(
            "--run-dir",
            metavar="DIR",
            help="Directory of the runs. Default: VPNMIGRATE_HOME, or your data directory.",
        ),
    ] = None


@dataclass(frozen=True)
class AwsOptions:
    """Access to AWS; botocore's environment variables have their usual meaning."""

    endpoint_url: Annotated[
        str | None,
        typer.Option("--endpoint-url", metavar="URL", help="EC2-compatible server to use."),
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
    """Whether the operator may be asked."""

    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Answer yes to questions. Required without a terminal for every command that "
            "interrupts traffic; does not apply to finalize.",
        ),
    ] = False
    no_input: Annotated[
        bool,
        typer.Option("--no-input", help="Never read stdin; hold where an operator is needed."),
    ] = False


@dataclass(frozen=True)
class GateOptions:
    """Approvals and forces for the gates."""

    approval: Annotated[
        list[str] | None,
        typer.Option(
            "--approval",
            metavar="FILE",
            show_default=False,
            help="Approval file written by approve. Repeatable.",
        ),
    ] = None
    force: Annotated[
        list[str] | None,
        typer.Option(
            "--force",
            metavar="GATE",
            show_default=False,
            help="Continue although this gate fails. Repeatable; each needs a --reason.",
        ),
    ] = None
    reason: Annotated[
        list[str] | None,
        typer.Option(
            "--reason",
            metavar="TEXT",
            show_default=False,
            help="Why a gate is forced. One for each --force, in the same order.",
        ),
    ] = None


CommandFunction = Callable[..., None]


def with_flags(function: CommandFunction) -> CommandFunction:
    """Return *function* with its option groups as single options, as Typer needs them."""
    own: list[inspect.Parameter] = []
    groups: dict[str, type[Any]] = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        kind = parameter.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            groups[parameter.name] = kind
        else:
            own.append(parameter)
    # A field's own type is text in a module that postpones annotations.
    types = {group: get_type_hints(group, include_extras=True) for group in groups.values()}
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=types[group][field.name],
        )
        for group in groups.values()
        for field in fields(group)
    ]

    @wraps(function)
    def flat(**given: Any) -> None:
        taken = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        function(**given, **taken)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + shared
    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {p.name: p.annotation for p in parameters}
    del flat.__wrapped__  # Otherwise Typer reads the signature of the wrapped function.
    return flat


SignKey = Annotated[
    Path | None,
    typer.Option(
        "--sign-key",
        metavar="KEY",
        show_default=False,
        help="Sign with this SSH key (a private key, or a public key whose agent has it); the "
        "signature is written beside the file, as FILE.sig.",
    ),
]


PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", show_default=False, help="A plan file.")]


def runs(incomplete: str) -> list[str]:
    """Return the ids of runs that begin with *incomplete*."""
    import os

    from vpnmigrate.local.run_directory import Runs
    from vpnmigrate.local.settings import settings_of
    from vpnmigrate.model.errors import VpnMigrateError

    try:
        known = Runs(settings_of(os.environ).home).list()
    except VpnMigrateError:
        return []  # A message would disturb the shell that completes a word.
    return [run.id for run in known if run.id.startswith(incomplete)]


PlanOrRun = Annotated[
    str,
    typer.Argument(
        metavar="PLAN|RUN",
        show_default=False,
        autocompletion=runs,
        help="A plan file, or the id of a started run.",
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
        help="A resource of this run that is missing from its journal, or the word none. "
        "Repeatable.",
    ),
]

TakeOver = Annotated[
    str | None,
    typer.Option(
        "--take-over",
        metavar="HOLDER",
        help="Take over the run from HOLDER, as the refusal message names them.",
    ),
]

TaskStep = Annotated[
    int, typer.Argument(metavar="STEP", show_default=False, help="The step whose task is done.")
]

AtSites = Annotated[
    list[str] | None,
    typer.Option(
        "--connection",
        metavar="SITE",
        help="Only at the device of this site or connection id. Repeatable.",
    ),
]

AcceptDegraded = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-degraded",
        metavar="vpn-...",
        show_default=False,
        help="Accept fewer tunnels than before for this connection. Repeatable; needs a --reason.",
    ),
]

AcceptReason = Annotated[
    list[str] | None,
    typer.Option(
        "--reason", metavar="TEXT", show_default=False, help="The reason; kept in the journal."
    ),
]

ExtraProbes = Annotated[
    list[str] | None,
    typer.Option(
        "--probe",
        metavar="PROBE",
        help="Send this probe every second during the cutover: host:port, or a command in "
        "quotes. A probe that worked before has to work again. Repeatable. Do not put secrets "
        "in it.",
    ),
]

NoProbesOption = Annotated[
    bool,
    typer.Option("--no-probes", help="Send no probes, not even the plan's; require none."),
]

ConfirmWithin = Annotated[
    str | None,
    typer.Option(
        "--confirm-within",
        metavar="TIME",
        help="Roll back automatically unless confirmed within this time after traffic is "
        "verified, for example 15m. Applies to the cutover of this attempt; off disables it.",
    ),
]

KeepNew = Annotated[
    bool,
    typer.Option("--keep-new", help="Keep the new gateway and connections for a later retry."),
]

FinalizeNames = Annotated[
    list[str] | None,
    typer.Option(
        "--confirm",
        metavar="vpn-...",
        show_default=False,
        help="An old connection to delete. Repeat for each of them.",
    ),
]

DeleteOldGateway = Annotated[
    bool, typer.Option("--delete-old-gateway", help="Delete the old gateway too.")
]
