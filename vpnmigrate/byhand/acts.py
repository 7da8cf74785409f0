"""Each change as lines of shell: a look, the command if something is missing, a wait."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.byhand import waits
from vpnmigrate.byhand.commands import ONCE, command, when
from vpnmigrate.byhand.connecting import create_connection
from vpnmigrate.byhand.devices import archive, asked
from vpnmigrate.byhand.names import Names
from vpnmigrate.commands import quoted
from vpnmigrate.model.changes import (
    AddStaticPrefix,
    ArchiveConfiguration,
    AskOperator,
    AssociateEdge,
    AttachVpnGateway,
    Change,
    CreateTestSubnet,
    CreateTestVpc,
    CreateVpnConnection,
    CreateVpnGateway,
    DeleteTestSubnet,
    DeleteTestVpc,
    DeleteVpnConnection,
    DeleteVpnGateway,
    DetachVpnGateway,
    DisablePropagation,
    DisassociateEdge,
    EnablePropagation,
    PlaceClaim,
    RemoveClaim,
    ReplaceRoute,
    RunTest,
)
from vpnmigrate.model.changes.base import Mark
from vpnmigrate.model.changes.requests import Sent, request_of
from vpnmigrate.model.ec2 import Tag

_Deletion = DeleteVpnConnection | DeleteVpnGateway | DeleteTestSubnet | DeleteTestVpc
_Routing = EnablePropagation | DisablePropagation | ReplaceRoute | AssociateEdge | DisassociateEdge
_Creation = CreateVpnGateway | CreateTestVpc | CreateTestSubnet


def lines(change: Change, names: Names, step: int) -> Iterator[str]:
    """Give *change* of *step* as shell."""
    mark = Mark(names.plan.migration, 1, step, names.plan.decisions.change)
    match change:
        case CreateVpnConnection():
            yield from create_connection(change, names, mark)
        case CreateVpnGateway() | CreateTestVpc() | CreateTestSubnet():
            yield from _create(change, names, mark)
        case AddStaticPrefix(connection, cidr):
            at = f"{names.word(connection)} {quoted(cidr)}"
            yield when(f'[ "$(prefix_state {at})" = None ]', _call(change, names, mark))
            yield f"until_is {waits.PREFIX} available prefix_state {at}"
        case AttachVpnGateway(gateway, vpc):
            at = f"{names.word(gateway)} {names.word(vpc)}"
            call = f"again {waits.REFUSED} {_call(change, names, mark)} >/dev/null"
            yield when(f'[ "$(attachment {at})" = detached ]', call)
            yield f"until_is {waits.ATTACHED} attached attachment {at}"
        case DetachVpnGateway(gateway, vpc):
            at = f"{names.word(gateway)} {names.word(vpc)}"
            call = f"again {waits.REFUSED} {_call(change, names, mark)}"
            yield when(f'[ "$(attachment {at})" = attached ]', call)
            yield f"until_is {waits.DETACHED} detached attachment {at}"
        case (
            EnablePropagation()
            | DisablePropagation()
            | ReplaceRoute()
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


def _claim(change: PlaceClaim | RemoveClaim, names: Names, mark: Mark) -> Iterator[str]:
    request = request_of(change, mark)
    match change:
        case PlaceClaim():
            number = f" Key={Tag.CHANGE},Value={mark.change}" if mark.change else ""
            tags = f'"Key={Tag.CLAIM},Value=$HOLDER"{number}'
            placed = command(request, names, Tags=tags)
            yield when('[ "$(claim)" = None ]', placed)
            yield 'echo "claimed by $(claim): go on only if that is you, or if it has ended"'
        case RemoveClaim():
            number = f" Key={Tag.CHANGE}" if mark.change else ""
            removed = command(request, names, Tags=f"Key={Tag.CLAIM}{number}")
            yield when('[ "$(claim)" != None ]', removed)


def _call(change: Sent, names: Names, mark: Mark) -> str:
    return command(request_of(change, mark), names)


def _create(change: _Creation, names: Names, mark: Mark) -> Iterator[str]:
    variable = names.variables[change.role]
    query, wait = _made(change, f'"${variable}"')
    made = command(request_of(change, mark), names, query=query)
    yield when(f'[ -z "${variable}" ]', f"{variable}=$({ONCE}{made})")
    yield wait


def _made(change: _Creation, id_: str) -> tuple[str, str]:
    """Give where a creation's answer has the id, and the wait until *id_* can be used."""
    match change:
        case CreateVpnGateway():
            wait = f"until_is {waits.GATEWAY_MADE} available gateway_state {id_}"
            return "VpnGateway.VpnGatewayId", wait
        case CreateTestVpc():
            return "Vpc.VpcId", f"aws ec2 wait vpc-available --vpc-ids {id_}"
        case CreateTestSubnet():
            return "Subnet.SubnetId", f"aws ec2 wait subnet-available --subnet-ids {id_}"


def _route(change: _Routing, names: Names, mark: Mark) -> Iterator[str]:
    table, gateway = names.word(change.table), names.word(change.gateway)
    call = _call(change, names, mark)
    match change:
        case EnablePropagation():
            at = f"propagation {table} {gateway}"
            yield when(f'[ "$({at})" = False ]', f"again {waits.PROPAGATION} {call}")
            yield f"until_is {waits.PROPAGATION} True {at}"
        case DisablePropagation():
            at = f"propagation {table} {gateway}"
            yield when(f'[ "$({at})" = True ]', call)
            yield f"until_is {waits.PROPAGATION} False {at}"
        case ReplaceRoute(destination=destination):
            at = f"target {table} {quoted(destination)}"
            # Whatever else a route points at is somebody's own doing, and stays.
            yield when(
                f'[[ "$({at})" = {names.other(change.gateway)}" "* ]]',
                f"again {waits.ROUTE} {call}",
                f"until_is {waits.ROUTE} {gateway}' active' {at}",
            )
        case AssociateEdge():
            at = f"edge {table} {gateway}"
            yield when(f'[ "$({at})" = None ]', f"again {waits.EDGE} {call} >/dev/null")
        case DisassociateEdge():
            yield f"TIE=$(edge {table} {gateway})"
            untie = command(request_of(change, mark), names, AssociationId='"$TIE"')
            yield when('[ "$TIE" != None ]', untie)


def _delete(change: _Deletion, names: Names, mark: Mark) -> Iterator[str]:
    body = _deleted(change, names, _call(change, names, mark))
    if change.id in names.variables:
        yield when(f"[ -n {names.word(change.id)} ]", *body)
    else:
        yield from body


def _deleted(change: _Deletion, names: Names, call: str) -> tuple[str, str]:
    """Give the deletion and the wait until it is over."""
    id_ = names.word(change.id)
    match change:
        case DeleteVpnConnection():
            look, limit = f"connection_state {id_}", waits.CONNECTION_GONE
            alive = f'[[ "$({look})" =~ ^(pending|available) ]]'
            return when(alive, call), f"until_is {limit} gone {look}"
        case DeleteVpnGateway():
            look, limit = f"gateway_state {id_}", waits.GATEWAY_GONE
            alive = f'[[ "$({look})" =~ ^(pending|available) ]]'
            return when(alive, f"again {limit} {call}"), f"until_is {limit} gone {look}"
        case DeleteTestSubnet() | DeleteTestVpc():
            return f"again {waits.GATEWAY_GONE} {call}", f"{names.variables[change.id]}="
