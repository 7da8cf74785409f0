"""The one way out of the process: whatever happens becomes a message and an exit code."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING

import typer

from vpnmigrate.errors import Exit, InterruptedRunError, UsageError, VpnMigrateError

if TYPE_CHECKING:
    from vpnmigrate.cli.parts import Parts
    from vpnmigrate.redaction import Redaction

_COMPLETION = "_VPNMIGRATE_COMPLETE"


def run(arguments: Sequence[str], parts: Parts | None = None) -> int:
    """Run one command line and give the exit code; no exception and no traceback leaves.

    *parts* are what the verb is made of; None for an ordinary process.
    """
    from vpnmigrate.cli.app import NAME, app
    from vpnmigrate.cli.parts import redaction_in
    from vpnmigrate.redaction import Redaction

    command = typer.main.get_command(app)
    if _COMPLETION in os.environ:
        command.main(args=list(arguments), prog_name=NAME)
    redaction = Redaction()
    try:
        with command.make_context(NAME, list(arguments), obj=parts) as context:
            redaction = redaction_in(context.meta)
            command.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.TyperException as error:
        return _tell(_usage(error), arguments, redaction)
    except VpnMigrateError as error:
        return _tell(error, arguments, redaction)
    except (KeyboardInterrupt, typer.Abort):
        interrupted = InterruptedRunError("Interrupted; nothing was under way.")
        return _tell(interrupted, arguments, redaction)
    except Exception as error:  # noqa: BLE001  the last door: nothing may leave as a traceback
        return _admit(error, arguments, redaction)
    return Exit.DONE


def _usage(error: typer.TyperException) -> UsageError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "vpnmigrate"
    message = error.format_message()
    return UsageError(message[:1].upper() + message[1:], advice=f"{path} --help")


def _tell(error: VpnMigrateError, arguments: Sequence[str], redaction: Redaction) -> int:
    from vpnmigrate.report import failure
    from vpnmigrate.report.console import Console, JsonResults

    where = " ".join(["vpnmigrate", *takewhile(lambda a: not a.startswith("-"), arguments)])
    if "--json" in arguments:
        with suppress(VpnMigrateError):  # a full disk: the message below tells all the same
            JsonResults(redaction=redaction).give("", failure.as_json(error, where=where))
    told = failure.text(error, line=shlex.join(["vpnmigrate", *arguments]))
    Console(redaction=redaction).say(told)
    return failure.exit_code_of(error)


def _admit(error: Exception, arguments: Sequence[str], redaction: Redaction) -> int:
    """Admit a defect, and keep its traceback where it does not frighten anybody."""
    from vpnmigrate.cli.crash import keep
    from vpnmigrate.report.console import Console, JsonResults
    from vpnmigrate.report.errors import bug, bug_as_json

    kept = keep(error, arguments, redaction)
    if "--json" in arguments:
        with suppress(VpnMigrateError):
            JsonResults(redaction=redaction).give("", bug_as_json(error, kept=kept))
    Console(redaction=redaction).say(bug(error, kept=kept))
    return Exit.FAILED
