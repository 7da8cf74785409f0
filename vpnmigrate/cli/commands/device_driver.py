"""Command ``device driver``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from msgspec import to_builtins

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions, RunId
from vpnmigrate.cli.sites import NamedSite, site_named, sites_of
from vpnmigrate.engine.ports import DeviceDrivers
from vpnmigrate.journal import RunState, replay
from vpnmigrate.journal.record_base import DriverAnswered, DriverCalled
from vpnmigrate.local.documents import read_plan
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.logs import log_of
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.device_drivers import (
    ConnectionSide,
    DriverCall,
    DriverOutcome,
    DriverResult,
    DriverVerb,
    goal_of,
)
from vpnmigrate.model.errors import DeviceDriverError, RefusedError, UsageError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.report.device_progress import driver_result_line
from vpnmigrate.report.text import columns, safe

SCHEMA = "vpnmigrate/device-driver/1"


def driver(
    ctx: typer.Context,
    run: RunId,
    site: Annotated[
        str,
        typer.Argument(
            metavar="SITE", show_default=False, help="A site, or the id of its connection."
        ),
    ],
    home: RunDirectoryOptions,
    printing: OutputOptions,
    remove: Annotated[
        bool,
        typer.Option(
            "--remove",
            help="Remove the tunnels that are not used any more: the old ones after finalize, the "
            "new ones after a rollback.",
        ),
    ] = False,
) -> None:
    """Show what the driver of one device reports, or let it remove tunnels.

    The playbook names the drivers. Without --remove nothing is changed.
    """
    context = command_context(ctx, home, printing)
    found = context.runs.find(run)
    plan = read_plan(found.plan)
    entries = read_journal(found).entries
    place = site_named(site, sites_of(plan, entries))
    call = _call(plan, place, replay(entries), remove=remove)
    result = (_removed if remove else _reported)(context, found, plan, call)
    if result.outcome is not DriverOutcome.DONE:
        raise DeviceDriverError(
            f"the driver of {place.name}: {driver_result_line(result)}",
            advice=cli("device", "config", run, "--site", place.connection),
        )
    rows = [
        ("site", f"{place.name} ({place.connection})"),
        ("driver", str(call.driver)),
        (call.verb.value, driver_result_line(result)),
    ]
    changes = (f"    {safe(line)}" for line in result.changes.splitlines())
    text = "\n".join((columns(rows), *changes))
    context.results.print(text, _json(run, place, call, result))


def _call(plan: Plan, place: NamedSite, state: RunState, *, remove: bool) -> DriverCall:
    """Return the call for a device.

    Raises:
        UsageError: The device has no driver, or no new connection yet.
        RefusedError: A connection may still be needed.
    """
    old, run = place.connection, plan.migration
    chosen = plan.driver_of(old)
    if not chosen.automatic:
        raise UsageError(
            f"{place.name} has no driver in the plan: an engineer does the work there",
            advice=cli("device", "config", run, "--site", old),
        )
    if not place.successor:
        raise UsageError(
            f"{place.name} has no new connection yet: step 3 creates it", advice=cli("status", run)
        )
    verb = DriverVerb.REMOVE if remove else DriverVerb.STATUS
    side = _unused(state, run) if remove else None
    return DriverCall(chosen, verb, plan.device_of[old], old, place.successor, remove=side)


def _unused(state: RunState, run: str) -> ConnectionSide:
    """Return the side that is not used any more.

    Raises:
        RefusedError: Each connection may still be needed.
    """
    if state.finished and state.direction is Direction.FINALIZE:
        return ConnectionSide.OLD
    if state.finished and state.direction is Direction.ROLLBACK and not state.keep_new:
        return ConnectionSide.NEW
    raise RefusedError(
        "no tunnels are removed before finalize has deleted the old connections, or a rollback "
        "the new ones",
        advice=cli("status", run),
    )


def _reported(context: CommandContext, run: Run, plan: Plan, call: DriverCall) -> DriverResult:
    with log_of(
        run, context.settings.log, context.dependencies.clock, sys.stderr, context.redaction
    ) as log:
        vault = Vault(run.vault, context.redaction.learn)
        return _result(context.dependencies.drivers(run, plan, vault, log), call)


def _removed(context: CommandContext, run: Run, plan: Plan, call: DriverCall) -> DriverResult:
    """Return the result of removing tunnels; intent and outcome are in the run's journal.

    Raises:
        LockedError: A process works on the run.
    """
    who, clock = context.dependencies.me, context.dependencies.clock
    context.redaction.learn(Vault(run.vault).every_key())
    held = context.dependencies.run_access.hold(run, clock, who)
    try:
        journal = held.open_journal(context.redaction)
        try:
            journal.write(
                context.opened(plan),
                DriverCalled(call.connection, call.verb, str(call.driver), 0),
            )
            result = _reported(context, run, plan, call)
            gone = goal_of(call.verb, remove=call.remove).reached(result.state)
            reached = result.outcome is DriverOutcome.DONE and gone
            journal.write(DriverAnswered(call.connection, result, reached=reached))
        finally:
            journal.close()
    finally:
        held.release()
    return result


def _result(drivers: DeviceDrivers | None, call: DriverCall) -> DriverResult:
    if drivers is None:
        raise RefusedError("a sandbox inside this process has no devices that a driver reaches")
    drivers.begin(call)
    drivers.finish()
    ((_, result),) = drivers.ended()
    return result


def _json(run: str, place: NamedSite, call: DriverCall, result: DriverResult) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "run": run,
        "connection": place.connection,
        "successor": place.successor,
        "verb": call.verb,
        "driver": str(call.driver),
        "outcome": result.outcome,
        "new": result.state.new,
        "old": result.state.old,
        "message": result.message,
        "changes": result.changes,
        "pending_until": to_builtins(result.pending_until),
        "seconds": to_builtins(result.took.total_seconds()),
    }
