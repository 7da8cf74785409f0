"""The creation of a connection as shell; a key that is used again is in no file."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.byhand import waits
from vpnmigrate.byhand.commands import ONCE, as_json, command, when
from vpnmigrate.byhand.names import Names
from vpnmigrate.model.changes import CreateVpnConnection
from vpnmigrate.model.changes.base import Mark
from vpnmigrate.model.changes.requests import Request, request_of
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.model.ec2 import AWS_VPN

_QUERY = "VpnConnection.VpnConnectionId"


def create_connection(change: CreateVpnConnection, names: Names, mark: Mark) -> Iterator[str]:
    """Give the creation of the successor of an old connection."""
    variable = names.variables[change.role]
    request = request_of(change, mark)
    match change.keys:
        case KeyMode.NEW | KeyMode.SECRETS_MANAGER:
            made = command(request, names, query=_QUERY)
            yield when(f'[ -z "${variable}" ]', f"{variable}=$({ONCE}{made})")
        case KeyMode.REUSE:
            yield from _with_old_keys(change, request, names, variable)
    wanted = f"'available {AWS_VPN}'"
    yield f'until_is {waits.CONNECTION_MADE} {wanted} connection_state "${variable}"'


def _with_old_keys(
    change: CreateVpnConnection, request: Request, names: Names, variable: str
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
    yield "  # The old keys go through standard input: a command line is for all to see, and a file"
    yield "  # stays behind when a call fails."
    yield f"  {variable}=$("
    yield f"    {{ {read}; }} < <(keys_of {names.word(change.replaces)}) || exit 1"
    yield f"    {ONCE}{made} <<JSON\n{keyed}\nJSON"
    yield "  )"
    yield "fi"
