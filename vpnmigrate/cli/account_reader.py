"""Account reader: read access to the AWS account, with a limit on every call."""

from __future__ import annotations

from collections.abc import Sequence

from vpnmigrate.aws.account import Reader
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.engine.call_limits import (
    IDENTITY_LIMIT,
    SLOW,
    SURVEY_LIMIT,
    LimitedPermissions,
    LimitedReader,
    no_wait_check,
)
from vpnmigrate.engine.ports import Calls, InFlight, NewWaitCheck, WaitCheck
from vpnmigrate.model.ec2 import VpnConnectionId, VpnGatewayId
from vpnmigrate.model.errors import AwsError
from vpnmigrate.model.permissions import MissingPermission, PermissionResult, PermissionVerdict
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.permission_checks import (
    PermissionCheck,
    missing_at_plan,
    queries_of_plan,
)
from vpnmigrate.report.console import MessageOutput


class AccountReader(LimitedReader):
    """Everything that planning reads from an account."""

    def __init__(
        self, reader: Reader, calls: Calls, new_wait_check: NewWaitCheck = no_wait_check
    ) -> None:
        super().__init__(reader, calls, new_wait_check)
        self._account = reader

    def find_gateway(self, connection: VpnConnectionId) -> VpnGatewayId:
        """Return the gateway of *connection*, as ``aws.account.Reader`` describes."""
        return self._read(
            "ec2:DescribeVpnConnections",
            IDENTITY_LIMIT,
            lambda: self._account.find_gateway(connection),
        )

    def surveys(self) -> tuple[Survey, ...]:
        """Return a survey of each gateway of the Region, as ``aws.account.Reader`` describes."""
        return self._read("the survey of the Region", SURVEY_LIMIT, self._account.surveys)

    def missing_permissions(
        self, checks: Sequence[PermissionCheck]
    ) -> tuple[MissingPermission, ...]:
        """Return what is not proven to be allowed of *checks*.

        A failure is part of the result: a plan can be made without this proof.
        """
        queries = queries_of_plan(checks)
        permissions = LimitedPermissions(self._account, self._calls, self._new_wait_check)
        try:
            results = permissions.permissions(queries)
        except AwsError as error:
            why = f"nothing could be tried: {error.message}"
            unproven = PermissionVerdict.UNPROVEN
            results = [
                PermissionResult(unproven, f"ec2:{query.operation}", why) for query in queries
            ]
        return missing_at_plan(checks, results)


def account_reader(context: CommandContext, aws: AwsOptions) -> AccountReader:
    """Open the account to read it; a long call shows its progress.

    Raises:
        NoCredentialsError: There are no credentials, or no Region.
        AwsUnreadableError: The credential provider does not answer.
    """
    shown = printed_progress(context.console)
    return reader_of(context, context.dependencies.clients(aws), shown)


def printed_progress(console: MessageOutput) -> NewWaitCheck:
    """Return a callback that prints the progress of a slow call, and never ends the wait."""

    def new_wait_check() -> WaitCheck:
        printed = ""

        def wait_check(call: InFlight) -> str:
            nonlocal printed
            if call.waited >= SLOW and call.progress not in ("", printed):
                printed = call.progress
                console.print_line(printed)
            return ""

        return wait_check

    return new_wait_check


def reader_of(
    context: CommandContext, clients: ClientSource, new_wait_check: NewWaitCheck = no_wait_check
) -> AccountReader:
    """Open the account of *clients* to read it; it raises as ``account_reader`` does."""
    calls = context.dependencies.calls(clients)
    # Credentials are read before the first call, so that a failure is not reported as that call's.
    calls.read("the credential provider", IDENTITY_LIMIT, lambda: clients.region, no_wait_check)
    return AccountReader(Reader(clients, context.dependencies.clock), calls, new_wait_check)
