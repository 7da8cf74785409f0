"""Closure of a gateway: reads its survey, the monitoring of the Region, and state files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vpnmigrate.aws.account import Reader
from vpnmigrate.aws.accounts import AccountSource, require_account
from vpnmigrate.aws.naming import naming_resources
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.engine.call_limits import SURVEY_LIMIT, no_wait_check
from vpnmigrate.local.documents import json_document
from vpnmigrate.model.discovery import AccountTarget, TerraformResource
from vpnmigrate.model.ec2 import VpnGatewayId
from vpnmigrate.model.errors import MalformedFileError
from vpnmigrate.planning.closure import Closure, closure, old_names
from vpnmigrate.planning.terraform_state import terraform_resources


def read_closure(
    context: CommandContext,
    source: AccountSource,
    target: AccountTarget,
    gateway: str,
    states: Sequence[Path],
) -> Closure:
    """Return the closure of *gateway*, in the first Region of *target*, with state files.

    Raises:
        NotFoundError: The account has no such gateway in the Region.
        AwsError: The survey could not be read; unreadable monitoring is part of the result.
        MalformedFileError: A file is not a Terraform state.
    """
    terraform = [found for file in states for found in resources_of_state(file)]
    region = target.regions[0]

    def read() -> Closure:
        clients = source.open(target).clients(region)
        reader = Reader(clients, context.dependencies.clock)
        require_account(target, reader.identity())
        survey = reader.survey(VpnGatewayId(gateway))
        ids = [name for name in old_names(survey) if name.startswith("v")]
        naming, unread = naming_resources(clients, ids)
        return closure(survey, naming, unread, terraform, reader.customer_gateways())

    calls = context.dependencies.calls(source.home)
    return calls.read(f"the closure of {gateway}", SURVEY_LIMIT, read, no_wait_check)


def resources_of_state(file: Path) -> tuple[TerraformResource, ...]:
    """Return the resources of a Terraform state file, without its secrets.

    Raises:
        MalformedFileError: It is not a Terraform state.
    """
    state = json_document(file)
    try:
        return terraform_resources(state if isinstance(state, dict) else {})
    except ValueError as error:
        raise MalformedFileError(
            f"{file}: {error}", advice="terraform state pull > state.json writes it"
        ) from None
