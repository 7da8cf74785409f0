"""Driver processes: each call is a program with a limit (``ports.DeviceDrivers``).

A call outlives a process that is killed.  It holds the lock of its device, so that the next process
calls a driver for that device only after the call has ended.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from vpnmigrate.devices.blocks import device_blocks, revealed
from vpnmigrate.devices.platforms import platform_for, platform_named
from vpnmigrate.local.child_processes import working_directory
from vpnmigrate.local.device_tasks import DeviceTaskReader, text_of
from vpnmigrate.local.drivers.device_file import DEVICE_FILE, device_file
from vpnmigrate.local.drivers.protocol import DriverInput, result_of
from vpnmigrate.local.logs import RunLog
from vpnmigrate.local.private_files import FILE_MODE
from vpnmigrate.local.program_files import contents_of
from vpnmigrate.local.program_threads import ProgramThreads
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.subprocess_limits import (
    ProcessLimits,
    ProcessResult,
    ProcessStreams,
    run_bounded,
)
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.decisions import DeviceDriver, DriverKind
from vpnmigrate.model.device_drivers import DriverCall, DriverOutcome, DriverResult, DriverVerb
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.model.plan import Plan

_GLANCE: Final = 0.1
"""Seconds between two tries to get the lock of a device."""

SiteName = Callable[[VpnConnectionId], str]
"""Returns the name of the site behind an old connection."""


class DriverProcesses:
    """Runs the drivers of *plan*, each call in a thread; one call at a time for each device."""

    def __init__(self, run: Run, plan: Plan, vault: Vault, log: RunLog, site: SiteName) -> None:
        self._of = run
        self._plan = plan
        self._vault = vault
        self._log = log
        self._site = site
        self._tasks = DeviceTaskReader(plan, vault.root, vault.learn)
        self._types = {
            c.id: plan.decisions.device_type_of(c.customer_gateway) for c in plan.before.living
        }
        self._threads = ProgramThreads[tuple[DriverCall, DriverResult, str]]()

    def begin(self, call: DriverCall) -> None:
        """Begin *call* in a thread."""
        if fault := self._threads.start(f"driver {call.verb}", lambda: self._run(call)):
            failed = DriverResult(DriverOutcome.FAILED, message=fault)
            self._threads.keep((call, failed, ""))

    def ended(self) -> Sequence[tuple[DriverCall, DriverResult]]:
        """Return the calls that have ended since the last time, and log what they printed."""
        found: list[tuple[DriverCall, DriverResult]] = []
        for call, result, printed in self._threads.ended():
            self._log.driver_printed(call.verb.value, call.connection, printed)
            found.append((call, result))
        return found

    def finish(self) -> None:
        """Wait for the calls within their limits; an interrupt kills them at once."""
        self._threads.finish()

    def _run(self, call: DriverCall) -> tuple[DriverCall, DriverResult, str]:
        try:
            ended = self._ended(call)
            result, printed = result_of(call.verb, ended), ended.errors
        except Exception as error:  # noqa: BLE001  without a result no engineer would be asked
            why = str(error) if isinstance(error, OSError | VpnMigrateError) else repr(error)
            result = DriverResult(DriverOutcome.FAILED, message=f"was not run: {why}")
            printed = ""
        return call, result, printed

    def prepared(self, call: DriverCall) -> DriverInput:
        """Write the device file of *call*, and return the document for its driver.

        Raises:
            UsageError: The device's commands cannot be rendered.
            OSError: The file cannot be written.
        """
        existing = call.driver.existing
        task = self._tasks.task_of(
            self._plan.migration,
            self._site(call.connection),
            call.connection,
            call.successor,
            text_of(Path(existing)) if existing else "",
        )
        named = call.driver.platform
        kind = platform_named(named) if named else platform_for(self._types[call.connection])
        blocks = device_blocks(task, kind, keys=revealed)
        successor = VpnConnectionId(call.successor)
        self._vault.keep(successor, DEVICE_FILE, device_file(blocks, call.driver.values))
        swaps = call.verb is DriverVerb.ENABLE and blocks.swaps_addresses
        return DriverInput(
            verb=call.verb,
            run=self._plan.migration,
            change=self._plan.decisions.change,
            site=task.site,
            customer_gateway=call.gateway,
            old_connection=call.connection,
            new_connection=call.successor,
            disable_old=call.disable_old or swaps,
            remove=call.remove,
            device_file=str(self._vault.folder(successor).absolute() / DEVICE_FILE),
            limit_seconds=call.driver.limit.total_seconds(),
            driver=msgspec.UNSET if call.driver.kind is DriverKind.COMMAND else call.driver,
        )

    def _ended(self, call: DriverCall) -> ProcessResult:
        document, limit = self.prepared(call), call.driver.limit
        with self._locked(call.gateway, limit) as lock:
            if lock is None:
                return ProcessResult(None, "an earlier call is still running", limit, "")
            command = command_of(call.driver)
            return run_bounded(
                command,
                msgspec.json.encode(document) + b"\n",
                ProcessLimits(limit, self._threads.stop),
                self._of,
                # The interpreter of a driver of this program is the one that runs this process.
                {**contents_of((sys.executable,)), **self._plan.programs},
                streams=ProcessStreams(errors_apart=True, inherited=(lock,)),
            )

    @contextmanager
    def _locked(self, gateway: str, limit: timedelta) -> Iterator[int | None]:
        """Yield the descriptor of a device's lock; None if it is not free within *limit*."""
        path = working_directory(self._of) / f"{gateway}.lock"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
        deadline = time.monotonic() + limit.total_seconds()
        try:
            while not _is_taken(handle):
                if time.monotonic() >= deadline or self._threads.stop.wait(_GLANCE):
                    yield None
                    return
            yield handle
            # A program that was started in the background may keep its copy open.
            fcntl.flock(handle, fcntl.LOCK_UN)
        finally:
            os.close(handle)


_MODULES: Final = {
    DriverKind.STRONGSWAN: "vpnmigrate.local.drivers.strongswan",
    DriverKind.NETMIKO: "vpnmigrate.local.drivers.netmiko",
    DriverKind.NAPALM: "vpnmigrate.local.drivers.napalm",
}
"""The drivers of this program."""


def command_of(driver: DeviceDriver) -> Sequence[str]:
    """Return the program of *driver* with its arguments."""
    match driver.kind:
        case DriverKind.STRONGSWAN:
            return (*_own(driver.kind), *driver.sockets, "--", *driver.shell)
        case DriverKind.NETMIKO | DriverKind.NAPALM:
            return (*_own(driver.kind), *(driver.ssh.password_command if driver.ssh else ()))
        case DriverKind.COMMAND | DriverKind.MANUAL:
            return driver.command


def _own(kind: DriverKind) -> Sequence[str]:
    return (sys.executable, "-P", "-m", _MODULES[kind])


def _is_taken(handle: int) -> bool:
    """Acquire the lock of *handle*; return whether it was free."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
