"""Main function: runs one command line and returns its exit code."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import typer

from vpnmigrate.model.errors import Exit, InterruptedRunError, UsageError, VpnMigrateError
from vpnmigrate.model.errors.commands import Command, cli
from vpnmigrate.model.errors.extras import missing_library

if TYPE_CHECKING:
    from vpnmigrate.cli.dependencies import Dependencies
    from vpnmigrate.model.redaction import Redaction

_COMPLETION = "_VPNMIGRATE_COMPLETE"


def run_command(arguments: Sequence[str], dependencies: Dependencies | None = None) -> int:
    """Run one command line and return its exit code; never raise, and print no traceback.

    *dependencies* are the dependencies of the command; None for those of an ordinary process.
    """
    from vpnmigrate.cli.app import NAME
    from vpnmigrate.cli.dependencies import redaction_in
    from vpnmigrate.model.redaction import Redaction

    command = _command()
    found: Mapping[str, Any] = {}
    if _COMPLETION in os.environ:
        command.main(args=list(arguments), prog_name=NAME)
    redaction = Redaction()
    try:
        with command.make_context(NAME, list(arguments), obj=dependencies) as context:
            redaction = redaction_in(context.meta)
            found = context.meta
            command.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.TyperException as error:
        return _report(_usage(error), arguments, redaction, found)
    except VpnMigrateError as error:
        return _report(error, arguments, redaction, found)
    except ModuleNotFoundError as error:
        missing = missing_library(error)
        if missing is None:
            return _report_bug(error, arguments, redaction, found)
        return _report(missing, arguments, redaction, found)
    except (KeyboardInterrupt, typer.Abort):
        interrupted = InterruptedRunError("Interrupted; no run was active.")
        return _report(interrupted, arguments, redaction, found)
    except Exception as error:  # noqa: BLE001  the outermost handler: no traceback may leave
        return _report_bug(error, arguments, redaction, found)
    return Exit.DONE


@cache
def _command() -> Any:
    """Return the program as a command, which keeps the commands and types that it has loaded."""
    from vpnmigrate.cli.app import app

    return typer.main.get_command(app)


def _usage(error: typer.TyperException) -> UsageError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "vpnmigrate"
    message = error.format_message()
    return UsageError(message[:1].upper() + message[1:], advice=Command((*path.split(), "--help")))


def _report(
    error: VpnMigrateError,
    arguments: Sequence[str],
    redaction: Redaction,
    found: Mapping[str, Any],
) -> int:
    from vpnmigrate.cli.context import COLOUR
    from vpnmigrate.cli.invocation import again_in
    from vpnmigrate.journal.exit_code import exit_code
    from vpnmigrate.report import errors
    from vpnmigrate.report.colour import ColourChoice
    from vpnmigrate.report.console import Console, JsonResults

    where = str(cli(*takewhile(lambda a: not a.startswith("-"), arguments)))
    again = again_in(found)
    if "--json" in arguments:
        with suppress(VpnMigrateError):  # The disk may be full; the message below still appears.
            JsonResults(redaction=redaction).print(
                "", errors.failure_json(error, again, where=where)
            )
    colour = found.get(COLOUR, ColourChoice.AUTO)
    console = Console(redaction=redaction, colour=colour)
    console.print_line(errors.failure_text(error, again))
    if isinstance(error, errors.RunFailedError):
        return exit_code(error.error, error.view.state)
    return exit_code(error)


def _report_bug(
    error: Exception, arguments: Sequence[str], redaction: Redaction, found: Mapping[str, Any]
) -> int:
    """Report an unexpected exception and write its traceback to the crash log."""
    from vpnmigrate.cli.crash_log import keep
    from vpnmigrate.cli.invocation import again_in
    from vpnmigrate.journal.exit_code import exit_code_of_bug
    from vpnmigrate.report.console import Console, JsonResults
    from vpnmigrate.report.errors import RunBugError, bug, bug_as_json

    view = error.view if isinstance(error, RunBugError) else None
    cause = error.__cause__ if view is not None and error.__cause__ is not None else error
    kept, invocation = keep(cause, arguments, redaction), again_in(found).invocation
    if "--json" in arguments:
        document = bug_as_json(cause, kept=kept, invocation=invocation, view=view)
        with suppress(VpnMigrateError):
            JsonResults(redaction=redaction).print("", document)
    text = bug(cause, kept=kept, invocation=invocation, view=view)
    Console(redaction=redaction).print_line(text)
    return exit_code_of_bug(None if view is None else view.state)
