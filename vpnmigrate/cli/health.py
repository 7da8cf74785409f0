"""Health checks of this machine, its runs, and the account."""

from __future__ import annotations

import os
import platform
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

import vpnmigrate
from vpnmigrate.aws.account import Reader
from vpnmigrate.aws.describe import READS, try_reads
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.cli.run_status import status_views
from vpnmigrate.engine.call_limits import no_wait_check
from vpnmigrate.engine.gates import host
from vpnmigrate.engine.ports import Identity, Renewal
from vpnmigrate.model.clock import moment
from vpnmigrate.model.errors import AwsError, NoRegionError, VpnMigrateError
from vpnmigrate.model.errors.commands import Command, cli
from vpnmigrate.model.gates import GateVerdict
from vpnmigrate.report.health import HealthCheck, HealthVerdict

TIME: Final = timedelta(seconds=2)
"""For everything that asks AWS: ``doctor`` is for a person who waits."""
ENOUGH: Final = 100 * 1024 * 1024
"""Bytes.  A run with vault, log and bundle takes less than a tenth of that."""

Checks = Iterator[HealthCheck]


def every_check(context: CommandContext, aws: AwsOptions) -> tuple[HealthCheck, ...]:
    """Return the results of all checks, those of this machine first."""
    return (
        *machine_checks(context),
        *run_checks(context),
        *account_checks(context, aws),
    )


def machine_checks(context: CommandContext) -> Checks:
    """Yield the checks of versions, run directory and disk."""
    yield _ok(
        "versions",
        f"vpnmigrate {vpnmigrate.__version__}, Python {platform.python_version()}, "
        f"boto3 {version('boto3')}, botocore {version('botocore')}, {platform.system()} "
        f"{platform.release()}",
    )
    signing = shutil.which("ssh-keygen")
    yield (
        _ok("ssh-keygen", signing)
        if signing
        else HealthCheck(
            "ssh-keygen",
            HealthVerdict.WARN,
            "not installed: plans and approvals cannot be signed or checked here",
            "install openssh-client, if your playbook demands signatures",
        )
    )
    home = context.settings.home
    yield _directory(home)
    free = shutil.disk_usage(_existing(home)).free
    observed = f"{free // (1024 * 1024)} MiB free for {home}"
    yield (
        _ok("disk", observed)
        if free >= ENOUGH
        else HealthCheck(
            "disk", HealthVerdict.FAIL, observed, "free disk space, or use another --run-dir"
        )
    )


def _directory(home: Path) -> HealthCheck:
    place = _existing(home)
    if not os.access(place, os.W_OK | os.X_OK):
        return HealthCheck(
            "run directory",
            HealthVerdict.FAIL,
            f"{place} is not writable",
            "use another --run-dir, or set VPNMIGRATE_HOME",
        )
    if place != home:
        return _ok("run directory", f"{home} is created with the first run")
    found = home.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
        return HealthCheck(
            "run directory",
            HealthVerdict.FAIL,
            f"other users can write {home}",
            Command(("chmod", "go-w", str(home))),
        )
    return _ok("run directory", str(home))


def _existing(path: Path) -> Path:
    """Return *path*, or its nearest parent that exists."""
    return next((each for each in (path, *path.parents) if each.exists()), Path("/"))


def run_checks(context: CommandContext) -> Checks:
    """Yield the checks of the runs in this directory and their locks."""
    try:
        found = status_views(context)
    except VpnMigrateError as error:
        yield HealthCheck("runs", HealthVerdict.FAIL, error.message, error.advice)
        return
    if not (found.views or found.unreadable or found.in_database):
        yield _ok("runs", "none in this directory")
    for address, runs in found.databases():
        yield _ok("runs of a fleet", f"{len(runs)} in the database {address}")
    for run, why in found.unreadable.items():
        yield HealthCheck(f"run {run}", HealthVerdict.FAIL, why, cli("status", run))
    for view in found.views:
        state = view.state
        locked = "a process works on it" if view.alive else "no process works on it"
        observed = f"{state.status.value}, {locked}"
        down = state.outage.open and not view.alive
        verdict = HealthVerdict.FAIL if down else HealthVerdict.OK
        text = f"{observed}, TRAFFIC IS DOWN" if down else observed
        yield HealthCheck(f"run {view.run}", verdict, text, cli("status", view.run) if down else "")


def account_checks(context: CommandContext, aws: AwsOptions) -> Checks:
    """Yield the checks of credentials, clock, read permissions and network path.

    A check that AWS does not answer within the time for all of them is UNKNOWN.
    """
    found: list[HealthCheck] = []
    failure = ""
    try:
        clients = context.dependencies.clients(aws)
        calls = context.dependencies.calls(clients)
        calls.read("AWS", TIME, lambda: _ask(context, clients, found.append), no_wait_check)
    except NoRegionError as error:
        failure = error.message
        found.append(HealthCheck("Region", HealthVerdict.FAIL, error.message, error.advice))
    except VpnMigrateError as error:
        failure = error.message
        if not found:
            found.append(
                HealthCheck("credentials", HealthVerdict.FAIL, error.message, error.advice)
            )
            failure = "the credentials do not work"
    yield from found
    known = {check.name for check in found}
    for name in _NAMES:
        if name not in known:
            yield HealthCheck(name, HealthVerdict.UNKNOWN, f"not checked: {failure}")


_NAMES = ("credentials", "clock", "permissions", "path")


def _ask(
    context: CommandContext, clients: ClientSource, found: Callable[[HealthCheck], object]
) -> None:
    """Check everything that needs AWS, one after the other, and hand each result to *found*.

    Raises:
        NoRegionError: No Region is set, so that no client can be made.
    """
    identity = Reader(clients, context.dependencies.clock).identity()
    found(_credentials(identity, clients.region))
    found(_clock(identity))
    found(_permissions(clients))
    found(_path(context, clients))


def _credentials(identity: Identity, region: str) -> HealthCheck:
    held = identity.credentials
    observed = f"{identity.arn}, account {identity.account}, Region {region}"
    if held.renewal is not Renewal.MANUAL:
        return _ok("credentials", observed)
    until = "expiry unknown" if held.until is None else f"expire {moment(held.until)}"
    return HealthCheck(
        "credentials",
        HealthVerdict.WARN,
        f"{observed}; temporary, {until}",
        "renew them before a cutover; the gate credentials checks them against its window",
    )


_GATE_VERDICTS = {
    GateVerdict.PASS: HealthVerdict.OK,
    GateVerdict.FAIL: HealthVerdict.FAIL,
    GateVerdict.UNKNOWN: HealthVerdict.UNKNOWN,
}


def _clock(identity: Identity) -> HealthCheck:
    gate = host.clock(identity)
    return HealthCheck(
        "clock", _GATE_VERDICTS[gate.verdict], f"{gate.observed} of AWS's Date", gate.advice
    )


def _permissions(clients: ClientSource) -> HealthCheck:
    failed: dict[str, AwsError] = {
        action: error for action, error in try_reads(clients.reader()) if error is not None
    }
    if not failed:
        return _ok(
            "permissions",
            f"all {len(READS)} reads of planning; the calls of a migration are tried by plan",
        )
    first = next(iter(failed.values()))
    return HealthCheck(
        "permissions",
        HealthVerdict.FAIL,
        f"{', '.join(failed)}: {first.message}",
        cli("iam-policy", "--phase", "discover"),
    )


def _path(context: CommandContext, clients: ClientSource) -> HealthCheck:
    paths = context.dependencies.paths(clients).read()
    lost = [path.service for path in paths if not path.addresses]
    if lost:
        return HealthCheck(
            "path",
            HealthVerdict.FAIL,
            f"{' and '.join(lost)} cannot be resolved",
            "check this host's DNS and proxy",
        )
    listed = "; ".join(
        f"{path.service} at {path.addresses[0]}, from {path.local or 'an unknown address'}"
        for path in paths
    )
    return _ok("path", listed or "AWS is in this process")


def _ok(name: str, observed: str) -> HealthCheck:
    return HealthCheck(name, HealthVerdict.OK, observed)
