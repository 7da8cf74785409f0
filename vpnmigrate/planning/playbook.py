"""Playbooks: their fields and validation.

A playbook is YAML.  It contains no key or other secret; it has no field for one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from msgspec import Meta, Struct

from vpnmigrate.model.clock import span
from vpnmigrate.model.decisions import (
    LONGEST_APPROVAL,
    Decisions,
    DeviceDriver,
    DriverKind,
    SshAccess,
)
from vpnmigrate.model.device_drivers import SERVED
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.probes import probe_from
from vpnmigrate.model.programs import ADVICE as NAME_ADVICE
from vpnmigrate.model.programs import commands_of, name_fault
from vpnmigrate.planning.strict_yaml import document_from
from vpnmigrate.planning.yaml_struct import YamlStruct

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Playbook(Struct, frozen=True, forbid_unknown_fields=True):
    """A named set of decisions."""

    name: Name
    """Lower-case letters, digits and hyphens; the file's name without its extension."""
    summary: str
    """One sentence: the situation that the playbook is for."""
    decisions: Decisions = Decisions()
    """The decisions; an omitted field has its default."""


_FILE = YamlStruct(Playbook)
_TITLE = "vpnmigrate playbook"


def playbook_from(text: str, name: str) -> Playbook:
    """Return the playbook in *text*; messages call the text *name*.

    Raises:
        MalformedFileError: It is not a valid playbook; the message names line and field.
    """
    document = document_from(text, name)
    book = _FILE.read(document)
    rule = book.decisions.approvals
    if rule.signed and not rule.needed:
        raise document.fault(
            ("decisions", "approvals", "signed"),
            "signatures are demanded, but no approvals",
            advice="set required, or four_eyes: true",
        )
    if not timedelta(0) < rule.valid <= LONGEST_APPROVAL:
        raise document.fault(
            ("decisions", "approvals", "valid"),
            f"an approval is valid for at most {span(LONGEST_APPROVAL)}",
            advice="set at most 30d; a change that waits longer is approved again",
        )
    for number, probe in enumerate(book.decisions.probes):
        try:
            probe_from(probe)
        except UsageError as error:
            at = ("decisions", "probes", number)
            raise document.fault(at, error.message, advice=error.advice) from None
    for gateway, driver in book.decisions.drivers.items():
        if fault := _driver_fault(driver):
            raise document.fault(("decisions", "drivers", gateway), fault, advice=_DRIVER_FORM)
    for named in commands_of(book.decisions):
        if fault := name_fault(named.words):
            raise document.fault(named.at, fault, advice=NAME_ADVICE)
    return book


LONGEST_CALL = timedelta(minutes=5)
"""Longest limit of a driver's call.  The gate before step 7 may wait for two, in less time than a
process that was suspended (15 min)."""
LONGEST_TIMER = timedelta(minutes=30)
"""Longest time for which a device keeps a change that is not confirmed: an outage lasts as long."""
_DRIVER_FORM = "write it like {kind: command, command: [/usr/local/bin/tunnels], limit: 2m}"


def _driver_fault(driver: DeviceDriver) -> str:
    """Return why the fields of *driver* do not fit together, or an empty string."""
    if not timedelta(0) < driver.limit <= LONGEST_CALL:
        return f"limit is more than zero and at most {span(LONGEST_CALL)}"
    if (driver.kind is DriverKind.COMMAND) != bool(driver.command):
        return "kind command needs a command, and no other kind has one"
    if (driver.kind is DriverKind.STRONGSWAN) != bool(driver.shell):
        return "kind strongswan needs a shell, and no other kind has one"
    if (driver.kind in SERVED) != (driver.ssh is not None):
        return "kinds netmiko and napalm need ssh, and no other kind has it"
    if driver.ssh is not None:
        return _ssh_fault(driver, driver.ssh)
    return ""


def _ssh_fault(driver: DeviceDriver, ssh: SshAccess) -> str:
    platforms = SERVED[driver.kind]
    if driver.platform not in platforms:
        return f"kind {driver.kind} needs a platform: {', '.join(platforms)}"
    if sum(map(bool, (ssh.key_file, ssh.password_file, ssh.password_command))) > 1:
        return "ssh has at most one of key_file, password_file and password_command"
    if driver.confirm_timer % timedelta(minutes=1) or driver.confirm_timer > LONGEST_TIMER:
        return f"confirm_timer is in whole minutes, and at most {span(LONGEST_TIMER)}"
    if driver.confirm_timer <= driver.limit:
        return f"confirm_timer is longer than limit, which is {span(driver.limit)}"
    return ""


def playbook_schema() -> dict[str, Any]:
    """Return the JSON Schema of playbooks."""
    return _FILE.schema(_TITLE)


def schema_text() -> str:
    """Return the schema as the text of docs/reference/playbook.schema.json."""
    return _FILE.schema_text(_TITLE)
