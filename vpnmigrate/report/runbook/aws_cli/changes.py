"""Changes as shell: check, command if needed, wait with a limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vpnmigrate.model.changes import (
    AddStaticPrefix,
    ArchiveConfiguration,
    AskOperator,
    AssociateEdge,
    AttachVpnGateway,
    Change,
    CreateRoute,
    CreateTestSubnet,
    CreateTestVpc,
    CreateVpnConnection,
    CreateVpnGateway,
    DeleteTestSubnet,
    DeleteTestVpc,
    DeleteVpnConnection,
    DeleteVpnGateway,
    Deletion,
    DetachVpnGateway,
    DisablePropagation,
    DisassociateEdge,
    EnablePropagation,
    PlaceClaim,
    RemoveClaim,
    ReplaceRoute,
    RunTest,
    TableChange,
)
from vpnmigrate.model.changes.base import BaseCall, CallTags, Request
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.model.ec2 import AWS_VPN, ConnectionRecord, Tag
from vpnmigrate.model.errors.commands import quoted
from vpnmigrate.model.plan import GATEWAY_ROLE
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.runbook.aws_cli.commands import ONCE, ShellNames, as_json, command, when

_Creation = CreateVpnGateway | CreateTestVpc | CreateTestSubnet


def lines(change: Change, names: ShellNames, step: int) -> Iterator[str]:
    """Yield *change* of *step* as shell."""
    mark = CallTags(names.plan.migration, 1, step, names.plan.decisions.change)
    match change:
        case CreateVpnConnection():
            yield from create_connection(change, names, mark)
        case CreateVpnGateway() | CreateTestVpc() | CreateTestSubnet():
            yield from _create(change, names, mark)
        case AddStaticPrefix(connection, cidr):
            at = f"{names.word(connection)} {quoted(cidr)}"
            yield when(f'[ "$(prefix_state {at})" = None ]', _call(change, names, mark))
            yield f"until_is {PREFIX} available prefix_state {at}"
        case AttachVpnGateway(gateway, vpc):
            at = f"{names.word(gateway)} {names.word(vpc)}"
            call = f"again {REFUSED} {_call(change, names, mark)} >/dev/null"
            yield when(f'[ "$(attachment {at})" = detached ]', call)
            yield f"until_is {ATTACHED} attached attachment {at}"
        case DetachVpnGateway(gateway, vpc):
            at = f"{names.word(gateway)} {names.word(vpc)}"
            call = f"again {REFUSED} {_call(change, names, mark)}"
            yield when(f'[ "$(attachment {at})" = attached ]', call)
            yield f"until_is {DETACHED} detached attachment {at}"
        case (
            EnablePropagation()
            | DisablePropagation()
            | ReplaceRoute()
            | CreateRoute()
            | AssociateEdge()
            | DisassociateEdge()
        ):
            yield from _route(change, names, mark)
        case PlaceClaim() | RemoveClaim():
            yield from _claim(change, names, mark)
        case DeleteVpnConnection() | DeleteVpnGateway() | DeleteTestSubnet() | DeleteTestVpc():
            yield from _delete(change, names, mark)
        case ArchiveConfiguration():
            yield from archive(change, names)
        case RunTest(words):
            test = " ".join([*map(quoted, words[:-1]), names.word(words[-1])])
            yield f"{test} || stop 'the test has failed'"
        case AskOperator():
            yield from asked(change, names)


def _claim(change: PlaceClaim | RemoveClaim, names: ShellNames, mark: CallTags) -> Iterator[str]:
    request = change.request(mark)
    match change:
        case PlaceClaim():
            number = f" Key={Tag.CHANGE},Value={mark.change}" if mark.change else ""
            tags = f'"Key={Tag.CLAIM},Value=$HOLDER"{number}'
            placed = command(request, names, Tags=tags)
            yield when('[ "$(claim)" = None ]', placed)
            yield 'echo "claimed by $(claim): continue only if that is you, or its run has ended"'
        case RemoveClaim():
            number = f" Key={Tag.CHANGE}" if mark.change else ""
            removed = command(request, names, Tags=f"Key={Tag.CLAIM}{number}")
            yield when('[ "$(claim)" != None ]', removed)


def _call(change: BaseCall, names: ShellNames, mark: CallTags) -> str:
    return command(change.request(mark), names)


def _create(change: _Creation, names: ShellNames, mark: CallTags) -> Iterator[str]:
    variable = names.variables[change.role]
    query, wait = _made(change, f'"${variable}"')
    made = command(change.request(mark), names, query=query)
    yield when(f'[ -z "${variable}" ]', f"{variable}=$({ONCE}{made})")
    yield wait


def _made(change: _Creation, id_: str) -> tuple[str, str]:
    """Return the query for a creation's id, and the wait until *id_* is available."""
    match change:
        case CreateVpnGateway():
            wait = f"until_is {GATEWAY_MADE} available gateway_state {id_}"
            return "VpnGateway.VpnGatewayId", wait
        case CreateTestVpc():
            return "Vpc.VpcId", f"aws ec2 wait vpc-available --vpc-ids {id_}"
        case CreateTestSubnet():
            return "Subnet.SubnetId", f"aws ec2 wait subnet-available --subnet-ids {id_}"


def _route(change: TableChange, names: ShellNames, mark: CallTags) -> Iterator[str]:
    table, gateway = names.word(change.table), names.word(change.gateway)
    call = _call(change, names, mark)
    match change:
        case EnablePropagation():
            at = f"propagation {table} {gateway}"
            yield when(f'[ "$({at})" = False ]', f"again {PROPAGATION} {call}")
            yield f"until_is {PROPAGATION} True {at}"
        case DisablePropagation():
            at = f"propagation {table} {gateway}"
            yield when(f'[ "$({at})" = True ]', call)
            yield f"until_is {PROPAGATION} False {at}"
        case ReplaceRoute(destination=destination):
            at = f"target {table} {quoted(destination)}"
            # A route to any other target was changed outside this migration, and is kept.
            yield when(
                f'[[ "$({at})" = {names.other(change.gateway)}" "* ]]',
                f"again {ROUTE} {call}",
                f"until_is {ROUTE} {gateway}' active' {at}",
            )
            deleted = CreateRoute(change.table, destination, change.gateway)
            yield from _route(deleted, names, mark)
        case CreateRoute(destination=destination):
            at = f"target {table} {quoted(destination)}"
            yield when(f'[ "$({at})" = None ]', f"again {ROUTE} {call} >/dev/null")
        case AssociateEdge():
            at = f"edge {table} {gateway}"
            yield when(f'[ "$({at})" = None ]', f"again {EDGE} {call} >/dev/null")
        case DisassociateEdge():
            yield f"ASSOCIATION=$(edge {table} {gateway})"
            call = command(change.request(mark), names, AssociationId='"$ASSOCIATION"')
            yield when('[ "$ASSOCIATION" != None ]', call)


def _delete(change: Deletion, names: ShellNames, mark: CallTags) -> Iterator[str]:
    body = _deleted(change, names, _call(change, names, mark))
    if change.id in names.variables:
        yield when(f"[ -n {names.word(change.id)} ]", *body)
    else:
        yield from body


def _deleted(change: Deletion, names: ShellNames, call: str) -> tuple[str, str]:
    """Return the deletion and the wait until it is complete."""
    id_ = names.word(change.id)
    match change:
        case DeleteVpnConnection():
            state, limit = f"connection_state {id_}", CONNECTION_GONE
            alive = f'[[ "$({state})" =~ ^(pending|available) ]]'
            return when(alive, call), f"until_is {limit} gone {state}"
        case DeleteVpnGateway():
            state, limit = f"gateway_state {id_}", GATEWAY_GONE
            alive = f'[[ "$({state})" =~ ^(pending|available) ]]'
            return when(alive, f"again {limit} {call}"), f"until_is {limit} gone {state}"
        case DeleteTestSubnet() | DeleteTestVpc():
            return f"again {GATEWAY_GONE} {call}", f"{names.variables[change.id]}="


_QUERY = "VpnConnection.VpnConnectionId"


def create_connection(
    change: CreateVpnConnection, names: ShellNames, mark: CallTags
) -> Iterator[str]:
    """Yield the creation of the successor of an old connection."""
    variable = names.variables[change.role]
    request = change.request(mark)
    match change.keys:
        case KeyMode.NEW | KeyMode.SECRETS_MANAGER:
            made = command(request, names, query=_QUERY)
            yield when(f'[ -z "${variable}" ]', f"{variable}=$({ONCE}{made})")
        case KeyMode.REUSE:
            yield from _with_old_keys(change, request, names, variable)
    wanted = f"'available {AWS_VPN}'"
    yield f'until_is {CONNECTION_MADE} {wanted} connection_state "${variable}"'


def _with_old_keys(
    change: CreateVpnConnection, request: Request, names: ShellNames, variable: str
) -> Iterator[str]:
    options = request.parameters["Options"]
    tunnels = [
        {**tunnel, "PreSharedKey": f"KEY_{number}"}
        for number, tunnel in enumerate(options["TunnelOptions"], 1)
    ]
    keyed = as_json({**options, "TunnelOptions": tunnels})
    for special in ("\\", "$", "`"):
        keyed = keyed.replace(special, f"\\{special}")
    for number in range(1, len(tunnels) + 1):
        keyed = keyed.replace(f'"KEY_{number}"', f'"$KEY_{number}"')
    made = command(request, names, query=_QUERY, Options="file:///dev/stdin")
    read = " && ".join(f"read -r KEY_{number}" for number in range(1, len(tunnels) + 1))
    yield f'if [ -z "${variable}" ]; then'
    yield "  # The old keys go through standard input: a command line is visible to all users, and"
    yield "  # a file is left behind when a call fails."
    yield f"  {variable}=$("
    yield f"    {{ {read}; }} < <(keys_of {names.word(change.replaces)}) ||"
    yield f"      {{ echo '{_NO_KEYS}' >&2; exit 1; }}"
    yield f"    {ONCE}{made} <<JSON\n{keyed}\nJSON"
    yield "  )"
    yield "fi"


_NO_KEYS = "STOP: EC2 does not show two keys that it accepts again; plan with new keys"


def archive(change: ArchiveConfiguration, names: ShellNames) -> Iterator[str]:
    """Yield the archiving of a connection's configuration, which contains keys."""
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
    """Return *value* as a raw string literal of the CLI's query language."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def asked(task: AskOperator, names: ShellNames) -> Iterator[str]:
    """Yield a task at the devices, and the check that shows that it is done."""
    yield f"todo {names.prose(task.task)}"
    match task.confirmation:
        case Confirmation.NEW_TUNNELS_ENABLED:
            yield from _flows(names, GATEWAY_ROLE)
        case Confirmation.TUNNELS_RETURNED:
            yield from _flows(names, names.plan.old_gateway)
        case (
            Confirmation.DEVICES_CONFIGURED
            | Confirmation.TEST_PASSED
            | Confirmation.OLD_TUNNELS_DISABLED
        ):
            pass  # EC2 does not show the result.


def _flows(names: ShellNames, joining: str) -> Iterator[str]:
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
    """Return how many tunnels must be UP, as in step 10: forward at least one."""
    before = sum(tunnel.up for tunnel in old.telemetry)
    return min(1, before) if back else max(1, before)


def _joined(words: Iterable[str]) -> str:
    return " ".join(map(quoted, words))


# Limits in seconds.  Without another source, from domain.md 3.1: those of Terraform's provider.
GATEWAY_MADE = 600

GATEWAY_GONE = 600

CONNECTION_MADE = 2400

CONNECTION_GONE = 1800

PREFIX = 120
"""15 seconds in domain.md 3.1; here the consistency delay of two minutes."""

ATTACHED = 900

DETACHED = 1800

REFUSED = 300
"""How long EC2 may refuse a call because a gateway is still changing (domain.md 12.2)."""

PROPAGATION = 120

ROUTE = 300

EDGE = 120
"""The general propagation time, because no specific one is known."""
