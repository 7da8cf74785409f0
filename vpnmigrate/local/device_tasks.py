"""Device tasks: what has to be done at one device, from a plan and the files of the vault."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from vpnmigrate.devices import CONFIGURATION, OPTIONS
from vpnmigrate.devices.configuration import ConfigurationError, parse_partial
from vpnmigrate.devices.device_task import DeviceSide, DeviceTask
from vpnmigrate.devices.secret import Secret, keys_in
from vpnmigrate.devices.tunnel_values import ConnectionOptions
from vpnmigrate.local.text_files import MEGABYTE, file_bytes
from vpnmigrate.model.decisions import OldTunnels
from vpnmigrate.model.ec2 import ConnectionRecord, VpnConnectionId
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.plan import Plan

LARGEST_FILE: Final = 4 * MEGABYTE
"""For running configurations; those of large routers have some 10,000 lines."""


class DeviceTaskReader:
    """Reads the tasks at the devices of *plan* from a *vault*; *learn* receives the keys."""

    def __init__(
        self, plan: Plan, vault: Path | None, learn: Callable[[Iterable[Secret]], None]
    ) -> None:
        self._plan = plan
        self._vault = vault
        self._learn = learn

    def task_of(
        self,
        run: str,
        site: str,
        connection: VpnConnectionId,
        successor: str,
        existing: str = "",
    ) -> DeviceTask:
        """Return what has to be done at the device of *connection*.

        Raises:
            UsageError: A configuration in the vault cannot be understood.
        """
        vpc = self._plan.before.vpc
        old = next(each for each in self._plan.before.living if each.id == connection)
        devices = self._plan.before.customer_gateways
        certificates = [each.certificate for each in devices if each.id == old.customer_gateway]
        return DeviceTask(
            run,
            site,
            self._side(successor, static=old.static_only),
            self._side(connection, static=old.static_only),
            vpc.cidrs if vpc else (),
            _announced(self._plan, old),
            existing,
            "".join(certificates),
            self._plan.decisions.old_tunnels is OldTunnels.LEAVE,
        )

    def _side(self, connection: str, *, static: bool) -> DeviceSide:
        """Return a connection with the files of step 4, or else with the plan's values."""
        folder = self._vault / connection if self._vault and connection else None
        if folder is None or not (folder / CONFIGURATION).is_file():
            return DeviceSide(connection, planned_static=static)
        text = text_of(folder / CONFIGURATION)
        self._learn(keys_in(text))
        options = folder / OPTIONS
        row = json.loads(text_of(options)) if options.is_file() else {}
        try:
            configuration = parse_partial(text)
        except ConfigurationError as exc:
            raise UsageError(f"{folder / CONFIGURATION}: {exc.message}") from None
        known = ConnectionOptions.of(row)
        place = known.key_store or str(folder / CONFIGURATION)
        return DeviceSide(connection, configuration, known, place)


def text_of(path: Path) -> str:
    """Return the text of a device file, whatever its encoding is."""
    return file_bytes(path, LARGEST_FILE).decode("utf-8-sig", "replace")


def _announced(plan: Plan, old: ConnectionRecord) -> tuple[str, ...]:
    """Return the networks of a site, if the plan shows them."""
    living = plan.before.living
    if old.static_only:
        return tuple(prefix.cidr for prefix in old.prefixes)
    if sum(not each.static_only for each in living) > 1:
        return ()  # A route table does not show which connection announces a network.
    gateway = plan.before.gateway.id
    found = {cidr for table in plan.before.route_tables for cidr in table.propagated_from(gateway)}
    return tuple(sorted(found - {p.cidr for each in living for p in each.prefixes}))
