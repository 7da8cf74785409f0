"""Account reader: read access to the AWS account, with a limit on every call."""

from __future__ import annotations

from vpnmigrate.aws.account import Reader
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.engine.call_limits import IDENTITY_LIMIT, LimitedReader, unattended
from vpnmigrate.engine.ports import Calls
from vpnmigrate.model.ec2 import VpnConnectionId, VpnGatewayId


class AccountReader(LimitedReader):
    """Everything that planning reads from an account."""

    def __init__(self, reader: Reader, calls: Calls) -> None:
        super().__init__(reader, calls)
        self._account = reader

    def find_gateway(self, connection: VpnConnectionId) -> VpnGatewayId:
        """Return the gateway of *connection*, as ``aws.account.Reader`` describes."""
        return self._read(
            "ec2:DescribeVpnConnections",
            IDENTITY_LIMIT,
            lambda: self._account.find_gateway(connection),
        )


def account_reader(context: CommandContext, aws: AwsOptions) -> AccountReader:
    """Open the account to read it.

    Raises:
        NoCredentialsError: There are no credentials, or no Region.
        AwsUnreadableError: The credential provider does not answer.
    """
    clients = context.parts.clients(aws)
    calls = context.parts.calls(clients)
    # Credentials are read before the first call, so that a failure is not reported as that call's.
    calls.read("the credential provider", IDENTITY_LIMIT, lambda: clients.region, unattended)
    return AccountReader(Reader(clients, context.parts.clock), calls)
