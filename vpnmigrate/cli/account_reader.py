"""Account reader: the account that a command reads, with limits on every call."""

from __future__ import annotations

from vpnmigrate.aws.account import Reader
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.engine.call_limits import IDENTITY_LIMIT, LimitedReader, unattended
from vpnmigrate.engine.ports import Calls
from vpnmigrate.model.ec2 import VpnConnectionId, VpnGatewayId


class AccountReader(LimitedReader):
    """All that planning needs of an account."""

    def __init__(self, reader: Reader, calls: Calls) -> None:
        super().__init__(reader, calls)
        self._account = reader

    def find_gateway(self, connection: VpnConnectionId) -> VpnGatewayId:
        """Return the gateway that *connection* ends on, as ``aws.account.Reader`` says."""
        return self._read(
            "ec2:DescribeVpnConnections",
            IDENTITY_LIMIT,
            lambda: self._account.find_gateway(connection),
        )


def account_reader(context: CommandContext, aws: AwsOptions) -> AccountReader:
    """Open the account to read it.

    Raises:
        NoCredentialsError: There are no credentials, or no Region.
        AwsUnreadableError: Whoever lends the credentials does not answer.
    """
    clients = context.parts.clients(aws)
    calls = context.parts.calls(clients)
    # Asked before the first call, whose failure would be told as that of the call.
    calls.read("whoever lends the credentials", IDENTITY_LIMIT, lambda: clients.region, unattended)
    return AccountReader(Reader(clients, context.parts.clock), calls)
