"""Making a plan: which gateway, which decisions, and where the file goes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import vpnmigrate
from vpnmigrate.aws.account import Reader
from vpnmigrate.cli.desk import Desk
from vpnmigrate.cli.flags import Aws
from vpnmigrate.cli.subject import require_replannable
from vpnmigrate.errors import UsageError
from vpnmigrate.files import load_plan, load_playbook, save_plan
from vpnmigrate.journal import read_journal
from vpnmigrate.model import MigrationId, VpnConnectionId, VpnGatewayId
from vpnmigrate.plan import Plan
from vpnmigrate.planner import plan_from, replan_from
from vpnmigrate.replay import replay

DEFAULT_PLAYBOOK = "standard"


@dataclass(frozen=True)
class About:
    """What a plan is to be made of; exactly one is given."""

    gateway: str | None
    connection: str | None
    run: str | None

    def require_one(self) -> None:
        """Refuse a command line that names nothing, or two things.

        Raises:
            UsageError: It does.
        """
        given = [name for name in (self.gateway, self.connection, self.run) if name]
        if len(given) != 1:
            raise UsageError(
                "give exactly one of --vpn-gateway, --vpn-connection and --from",
                advice="vpnmigrate plan --vpn-gateway vgw-...",
            )


def make(
    desk: Desk, aws: Aws, about: About, *, playbook: str | None, output: Path | None
) -> tuple[Plan, Path]:
    """Survey, check, plan, and write the plan; makes no call that changes anything.

    Raises:
        VpnMigrateError: Whatever forbids it; no file is written then.
    """
    about.require_one()
    plan = (
        _again(desk, aws, about.run, playbook) if about.run else _afresh(desk, aws, about, playbook)
    )
    file = output or Path(f"plan-{plan.migration}.json")
    save_plan(plan, file)
    return plan, file


def _afresh(desk: Desk, aws: Aws, about: About, playbook: str | None) -> Plan:
    chosen = load_playbook(playbook or DEFAULT_PLAYBOOK)
    reader = _reader(desk, aws)
    if about.connection:
        gateway = reader.find_gateway(VpnConnectionId(about.connection))
    else:
        gateway = VpnGatewayId(about.gateway or "")
    return plan_from(
        reader.survey(gateway),
        chosen.decisions,
        chosen.name,
        migration=MigrationId(f"m-{secrets.token_hex(4)}"),
        made=desk.parts.clock.now(),
        tool=vpnmigrate.__version__,
    )


def _again(desk: Desk, aws: Aws, run_id: str, playbook: str | None) -> Plan:
    run = desk.runs.find(run_id)
    require_replannable(run, replay(read_journal(run).entries))
    old = load_plan(run.plan)
    chosen = load_playbook(playbook) if playbook else None
    reader = _reader(desk, aws)
    return replan_from(
        old,
        reader.survey(old.old_gateway),
        chosen.decisions if chosen else old.decisions,
        chosen.name if chosen else old.playbook,
        made=desk.parts.clock.now(),
        tool=vpnmigrate.__version__,
    )


def _reader(desk: Desk, aws: Aws) -> Reader:
    """Open the account to read it.

    Raises:
        NoCredentialsError: There are no credentials, or no Region.
    """
    clients = desk.parts.clients(aws)
    # Asked before the first call, whose failure would be told as that of the call.
    _ = clients.region
    return Reader(clients, desk.parts.clock)
