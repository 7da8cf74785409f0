"""Protocol of drivers: the document on standard input, and the result on standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from vpnmigrate.local.subprocess_limits import ProcessResult
from vpnmigrate.model.decisions import DeviceDriver
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.model.device_drivers import (
    ConnectionSide,
    DeviceState,
    DriverOutcome,
    DriverResult,
    DriverVerb,
    TunnelsState,
)
from vpnmigrate.model.ec2 import MigrationId, VpnConnectionId

INPUT_SCHEMA: Final = "vpnmigrate/driver/1"
FAILED: Final = 1
"""The exit status of a driver that did not do it; any other but 0 leaves that open."""
LONGEST_MESSAGE: Final = 500
"""Characters: a message is a sentence; the rest of what a driver prints is in the log."""

LONGEST_CHANGES: Final = 8000
"""Bytes: the commands for two tunnels with BGP are some 5000; a result has at most 16 KiB."""


class DriverInput(msgspec.Struct, frozen=True):
    """The document that a driver reads on standard input.  Fields are only ever added."""

    verb: DriverVerb
    run: MigrationId
    change: str
    """The change number, or empty."""
    site: str
    customer_gateway: str
    old_connection: VpnConnectionId
    new_connection: str
    disable_old: bool
    """Of ``enable``: whether the old tunnels have to be disabled too, before the new ones."""
    remove: ConnectionSide | None
    """Of ``remove``: the connection whose tunnels are removed."""
    device_file: str
    """A file of mode 0600 with the configuration of the device, and its keys."""
    limit_seconds: float
    """After this time the driver is killed."""
    driver: DeviceDriver | msgspec.UnsetType = msgspec.UNSET
    """Only for a driver of this program: its entry in the playbook."""
    schema: str = INPUT_SCHEMA


class DriverOutput(msgspec.Struct, frozen=True):
    """The result that a driver prints on standard output: the state that the device has now."""

    new: TunnelsState = TunnelsState.UNKNOWN
    old: TunnelsState = TunnelsState.UNKNOWN
    message: str = ""
    changes: str = ""
    """The lines of the device's configuration that were changed, without secrets."""
    pending_until: datetime | None = None
    """Until when the device waits for the confirmation of a change; it then undoes it."""


def answer_call(answer: Callable[[DriverInput], tuple[DriverOutput, int]]) -> int:
    """Read a document, print the result that *answer* returns for it, and return the exit status.

    This is the whole process of a driver of this program.
    """
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=DriverInput)
    output, code = answer(asked)
    sys.stdout.buffer.write(msgspec.json.encode(output))
    return code


def result_of(verb: DriverVerb, ended: ProcessResult) -> DriverResult:
    """Return the result of a driver that *ended* like this."""
    output, printed, fault = DriverOutput(), ended.output.strip(), ""
    try:
        output = msgspec.json.decode(printed or b"{}", type=DriverOutput)
    except msgspec.DecodeError as error:
        fault = f"its result cannot be read: {fault_of(error)}"
    if verb is DriverVerb.STATUS and not printed and ended.exit == 0:
        fault = "it printed no result"
    last = "" if ended.exit == 0 else ended.errors.rstrip().rpartition("\n")[2]
    parts = (ended.fault, fault, output.message or last)
    message = " ".join("; ".join(filter(None, parts)).split())[:LONGEST_MESSAGE]
    state = DeviceState(output.new, output.old)
    match ended.exit:
        case 0 if not fault:
            outcome = DriverOutcome.DONE
        case code if code == FAILED:
            outcome = DriverOutcome.FAILED
        case _:
            outcome = DriverOutcome.UNCERTAIN
    return DriverResult(
        outcome, state, message, ended.took, shortened(output.changes), output.pending_until
    )


def shortened(changes: str) -> str:
    """Return *changes*, cut to the size of one result."""
    kept, length = list[str](), 0
    lines = changes.splitlines()
    for line in lines:
        length += len(line.encode()) + 1
        if length > LONGEST_CHANGES:
            return "\n".join((*kept, f"... {len(lines) - len(kept)} more lines"))
        kept.append(line)
    return "\n".join(kept)
