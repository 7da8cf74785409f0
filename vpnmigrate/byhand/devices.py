"""What concerns the devices, as shell: their files, tasks at them, and whether traffic flows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vpnmigrate.byhand.names import Names
from vpnmigrate.commands import quoted
from vpnmigrate.model.changes import ArchiveConfiguration, AskOperator
from vpnmigrate.model.ec2 import ConnectionRecord
from vpnmigrate.model.plan import GATEWAY_ROLE
from vpnmigrate.model.snapshot import Word


def archive(change: ArchiveConfiguration, names: Names) -> Iterator[str]:
    """Give the archiving of a connection's configuration, which holds keys."""
    connection = names.word(change.connection)
    yield (
        f"aws ec2 describe-vpn-connections --vpn-connection-ids {connection} "
        f"--query 'VpnConnections[0].CustomerGatewayConfiguration' \\\n"
        f'    >"$FOLDER"/{connection}.xml'
    )
    if change.device_type is not None:
        yield from _sample(change.device_type, connection, change.ike_version)


def _sample(device_type: str, connection: str, ike_version: str) -> Iterator[str]:
    pairs = zip(("Vendor", "Platform", "Software"), device_type.split("/", 2), strict=False)
    wanted = " && ".join(f"{field}=={_literal(value)}" for field, value in pairs)
    query = f"VpnConnectionDeviceTypes[?{wanted}].VpnConnectionDeviceTypeId | [0]"
    # EC2 has no recommended sample for IKEv1 (domain.md 2.8).
    flavour = "compatibility" if ike_version == "ikev1" else "recommended"
    yield f"DEVICE=$(aws ec2 get-vpn-connection-device-types --query {quoted(query)})"
    yield (
        f'[ "$DEVICE" = None ] || aws ec2 get-vpn-connection-device-sample-configuration \\\n'
        f'    --vpn-connection-id {connection} --vpn-connection-device-type-id "$DEVICE" \\\n'
        f"    --internet-key-exchange-version {ike_version} --sample-type {flavour} \\\n"
        f"    --query VpnConnectionDeviceSampleConfiguration \\\n"
        f'    >"$FOLDER"/{connection}.txt'
    )


def _literal(value: str) -> str:
    """Give *value* as a raw string of the CLI's query language."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def asked(task: AskOperator, names: Names) -> Iterator[str]:
    """Give a task at the devices, and the look at what shows that it is done."""
    yield f"todo {names.prose(task.task)}"
    match task.word:
        case Word.NEW_TUNNELS_ENABLED:
            yield from _flows(names, GATEWAY_ROLE)
        case Word.TUNNELS_RETURNED:
            yield from _flows(names, names.plan.old_gateway)
        case Word.DEVICES_CONFIGURED | Word.TEST_PASSED | Word.OLD_TUNNELS_DISABLED:
            pass  # EC2 shows nothing of it


def _flows(names: Names, joining: str) -> Iterator[str]:
    plan, gateway = names.plan, names.word(joining)
    limit = round(plan.decisions.waits.tunnels.total_seconds())
    for old in plan.before.living:
        back = joining == plan.old_gateway
        connection = names.word(old.id) if back else names.successor(old.id)
        needed = _needed(old, back=back)
        if needed and old.id not in plan.decisions.exceptions.connections:
            yield f"until_is {limit} True tunnels_up {connection} {needed}"
    excepted = set(plan.decisions.exceptions.prefixes)
    for table in plan.propagating_tables:
        prefixes = sorted(table.propagated_from(plan.old_gateway) - excepted)
        if prefixes:
            at = f"{quoted(table.id)} {gateway} {_joined(prefixes)}"
            yield f"until_is {limit} 0 missing_routes {at}"
    yield "echo 'traffic flows: tunnels are UP and routes are back'"


def _needed(old: ConnectionRecord, *, back: bool) -> int:
    """Give how many tunnels must be UP, as step 10 has it: forward a connection proves itself."""
    before = sum(tunnel.up for tunnel in old.telemetry)
    return min(1, before) if back else max(1, before)


def _joined(words: Iterable[str]) -> str:
    return " ".join(map(quoted, words))
