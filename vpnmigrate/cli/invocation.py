"""Invocation: options and variables that printed commands have to repeat."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import typer

from vpnmigrate.local.settings import (
    CLOCK_VARIABLE,
    DATABASE_FILE_VARIABLE,
    DATABASE_VARIABLE,
    HOME_VARIABLE,
)
from vpnmigrate.model.errors.commands import Command, Invocation, RepeatableCommand, option
from vpnmigrate.model.errors.fleet_commands import FleetInvocation

_AGAIN = "vpnmigrate.again"
_PASSWORD = re.compile(r"(?<=://)(?P<user>[^\s/@:]*):[^\s/@]+(?=@)")
_SECRET_PARAMETER = re.compile(r"(?<=[?&])(?:ssl)?password=[^&]*&?")
_ENDPOINTS = "AWS_ENDPOINT_URL"
_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
_SWITCHES = (
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    CLOCK_VARIABLE,
)
_LEFT_OUT = frozenset({"run_dir", "profile", "region", "endpoint_url", "take_over"})
"""Parameters that ``Invocation`` holds, and the one that a repeated command sets again."""


def remember(ctx: typer.Context, *, reachable: bool) -> tuple[Invocation, str]:
    """Return what printed commands have to repeat, and the folder of relative file names.

    The invocation is kept with *ctx*, for commands that are printed after an error.  A demo works
    in this process alone and is out of reach of other terminals: its commands repeat nothing.
    """
    folder = str(Path.cwd()) if reachable else ""
    invocation = invocation_of(ctx.params, os.environ, folder) if folder else Invocation()
    ctx.meta[_AGAIN] = RepeatableCommand(invocation, _line(ctx, folder))
    return invocation, folder


def again_in(found: Mapping[str, Any]) -> RepeatableCommand:
    """Return what ``remember`` has kept, or what follows from the environment alone."""
    kept = found.get(_AGAIN)
    if isinstance(kept, RepeatableCommand):
        return kept
    return RepeatableCommand(invocation_of({}, os.environ, os.getcwd()))  # noqa: PTH109  it may be gone


def invocation_of(
    given: Mapping[str, Any], environment: Mapping[str, str], folder: str
) -> Invocation:
    """Return the invocation that the options *given* and the *environment* result in.

    A new terminal may lack the environment, so settings from it become options too.
    """
    variables = dict(_variables(environment, folder))
    endpoint = given.get("endpoint_url")
    apart = any(name.startswith(f"{_ENDPOINTS}_") for name in variables)
    everywhere = environment.get(_ENDPOINTS, "")
    if not endpoint and everywhere and (apart or _SWITCHES[0] in variables):
        # A variable for one service, or the switch, takes precedence over this variable.
        variables[_ENDPOINTS] = _without_password(everywhere)
    elif not endpoint:
        endpoint = everywhere
    found = Invocation(
        run_dir=_run_dir(given.get("run_dir"), environment, folder),
        profile=given.get("profile") or _profile(environment),
        region=given.get("region") or environment.get("AWS_DEFAULT_REGION", ""),
        endpoint_url=_without_password(endpoint or ""),
        variables=tuple(sorted(variables.items())),
    )
    return _in_database(found, given, environment, folder) if "database" in given else found


def _in_database(
    found: Invocation, given: Mapping[str, Any], environment: Mapping[str, str], folder: str
) -> Invocation:
    """Return *found* for the runs of a database, if a command that may use one names it."""
    address, file = given["database"], given["database_file"]
    if address is None and file is None:
        address = environment.get(DATABASE_VARIABLE)
        file = None if address else environment.get(DATABASE_FILE_VARIABLE)
        if address and shown_address(address) != address:
            address = ""  # With its password, the variable has to be set in the new terminal too.
    if address is None and not file:
        return found
    return FleetInvocation(
        **vars(found),
        database=shown_address(address or ""),
        database_file=str(Path(folder, file).expanduser()) if file else "",
    )


def _run_dir(given: Path | None, environment: Mapping[str, str], folder: str) -> str:
    named = given or environment.get(HOME_VARIABLE)
    if not named and (data := environment.get("XDG_DATA_HOME")):
        named = Path(data) / "vpnmigrate" / "runs"
    return str(folder / Path(named).expanduser()) if named else ""


def _profile(environment: Mapping[str, str]) -> str:
    """Return the profile that the environment names; access keys take precedence over it."""
    if environment.get("AWS_ACCESS_KEY_ID"):
        return ""
    return environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE", "")


def _variables(environment: Mapping[str, str], folder: str) -> Iterator[tuple[str, str]]:
    for name in _FILES:
        if value := environment.get(name):
            yield name, str(folder / Path(value).expanduser())
    for name in _SWITCHES:
        if value := environment.get(name):
            yield name, value
    for name, value in environment.items():
        if name.startswith(f"{_ENDPOINTS}_") and value:
            yield name, _without_password(value)


def _without_password(url: str) -> str:
    """Return *url* without user and password, which must not appear in a command."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    _, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=host).geturl() if at else url


def shown_address(address: str) -> str:
    """Return the *address* of a database without its passwords."""
    plain, found = _SECRET_PARAMETER.subn("", _PASSWORD.sub(r"\g<user>", address))
    return plain.rstrip("?&") if found else plain


def _line(ctx: typer.Context, folder: str) -> Command:
    """Return the command line of *ctx*, with file names that are valid in any directory."""
    words = ctx.command_path.split()
    for parameter in ctx.command.params:
        name, value = parameter.name or "", ctx.params.get(parameter.name or "")
        source = ctx.get_parameter_source(name)
        if name in _LEFT_OUT or source is None or source.name != "COMMANDLINE":
            continue
        values = value if isinstance(value, list | tuple) else (value,)
        lines = (_word(each, folder) for each in values)
        if parameter.param_type_name == "argument":
            words += lines
        elif isinstance(value, bool):
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            long = max(parameter.opts, key=len)
            words += (word for each in lines for word in option(long, each))
    return Command(tuple(words))


def _word(value: Any, folder: str) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    text = shown_address(str(value)) if "://" in str(value) else str(value)
    is_file = isinstance(value, Path) or (os.sep in text or text.endswith(".json"))
    return str(Path(folder, text)) if is_file and os.path.lexists(text) else text
