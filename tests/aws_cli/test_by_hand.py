"""The runbook's AWS CLI commands have the same result as the program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.aws_cli.by_hand import Shell, blocks
from tests.support.boto_client import session_for
from tests.support.builders import snapshot_by_tag
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.session import Clients
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.engine.context import ClaimHolder
from vpnmigrate.engine.ports import NoNetworkPaths, NoStopRequest
from vpnmigrate.engine.runner import Runner, RunPorts
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Entry
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.decisions import Decisions, InsideMode, KeyMode, TestVpc
from vpnmigrate.model.ec2 import MigrationId, Role, VpnGatewayId
from vpnmigrate.model.errors.commands import Invocation
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan, connection_role
from vpnmigrate.model.progress import Sighting, Unreadable
from vpnmigrate.planning.drift import differences
from vpnmigrate.planning.planner import plan_from, unexpected
from vpnmigrate.rehearsal.rehearse import rehearse, without_restrictions
from vpnmigrate.report.runbook import Runbook, runbook_of
from vpnmigrate.report.runbook.render import markdown
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.parser import scenario_from_text
from vpnmigrate.sandbox.scenarios.scenario import Scenario
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import serve
from vpnmigrate.sandbox.world import World

SPEED = 120
"""EC2's minutes take half a second, less than the CLI needs to start."""
FULL = bool(os.environ.get("VPNMIGRATE_TEST_BY_HAND"))
"""If set, test every topology, and the rollback from every row.  Takes ten minutes."""

SMALL = """
title: One static connection; one table with everything a table can have, and an edge table
vpcs:
  - {id: vpc-0a300000000000001, cidrs: [10.30.0.0/16, "2001:db8:30::/56"]}
gateways:
  - id: vgw-0a300000000000001
    asn: 7224
    vpc: vpc-0a300000000000001
    tags: {Name: "it's \\"old\\" & <b>$(id)`id`</b>, x", team: "a|b"}
customer_gateways:
  - {id: cgw-0a300000000000003, ip: 203.0.113.33, name: warehouse}
connections:
  - id: vpn-0a300000000000003
    customer_gateway: cgw-0a300000000000003
    gateway: vgw-0a300000000000001
    static: true
    prefixes: [192.168.30.0/24]
    inside_cidrs: [169.254.62.0/30, 169.254.62.4/30]
route_tables:
  - id: rtb-0a300000000000002
    vpc: vpc-0a300000000000001
    main: true
    propagates: [vgw-0a300000000000001]
    routes:
      10.99.0.0/16: vgw-0a300000000000001
      "2001:db8:99::/48": vgw-0a300000000000001
      pl-0a300000000000001: vgw-0a300000000000001
  - id: rtb-0a300000000000004
    vpc: vpc-0a300000000000001
    edge_of: [vgw-0a300000000000001]
    routes: {10.30.3.0/24: eni-0a300000000000001}
"""
OLD_SECRETS = Decisions(keys=KeyMode.REUSE, inside=InsideMode.KEEP, change="CHG-123")


@dataclass
class Migration:
    """A sandbox server with automatic devices, its plan, and the printed runbook."""

    plan: Plan
    book: Runbook
    document: str
    shell: Shell
    world: World
    account: Account

    @property
    def made(self) -> dict[Role, str]:
        """Return the resources with this migration's tags, by role."""
        return dict(snapshot_by_tag(self.account.observe(self.plan), self.plan.migration).ours)

    def forward(self, rows: str = "") -> None:
        """Paste the forward blocks, or those of some rows."""
        self._paste("forward", rows)

    def back(self) -> None:
        """Paste all rollback blocks."""
        self._paste("back", "")

    def finalize(self) -> None:
        """Paste step 11."""
        self._paste("finalize", "")

    def _paste(self, direction: str, rows: str) -> None:
        self.shell.paste(*blocks(self.document, "opening"), *blocks(self.document, direction, rows))

    def require_migrated(self) -> None:
        """Assert that AWS is as the plan expects after step 10, and traffic flows."""
        made = self.made
        after = self.account.survey(VpnGatewayId(made[GATEWAY_ROLE]))
        assert unexpected(self.plan, made, after) == ()
        assert all(any(t.up for t in c.telemetry) for c in after.connections)

    def require_as_before(self) -> None:
        """Assert that AWS is as before, without resources of this migration."""
        now = self.account.survey(self.plan.old_gateway)
        assert differences(self.plan.before, now) == ()
        assert self.made == {}
        assert all(any(t.up for t in c.telemetry) for c in now.connections)


def begun(
    scenario: Scenario,
    decisions: Decisions,
    program: Path,
    home: Path,
    world: World | None = None,
) -> Iterator[Migration]:
    """Serve *scenario*, make its plan, and print the runbook; *world* is one loaded from it."""
    world = world or load_world(scenario, ScaledClock(SPEED))
    clock = world.clock
    session = session_for(world)
    account = Account(Clients(lambda: session), clock, Vault(home / "vault"))
    plan = plan_from(
        account.survey(scenario.gateways[0].id),
        decisions,
        "standard",
        migration=MigrationId("m-00c0ffee"),
        made=clock.now(),
        tool="test",
    )
    book = runbook_of(plan, rehearse(plan, lambda _: None), "plan.json", Invocation())
    with serve(world, attentive=timedelta(seconds=20)) as server:
        shell = Shell(program, server.environment, home)
        yield Migration(plan, book, markdown(book), shell, world, account)


@pytest.fixture
def small(aws_program: Path, tmp_path: Path) -> Iterator[Migration]:
    scenario = scenario_from_text(SMALL, "small")
    yield from begun(scenario, OLD_SECRETS, aws_program, tmp_path)


def test_forward_and_back_without_this_program(small):
    """The fenced blocks of the document migrate and roll back as the program does.

    The new side has every tag, prefix, route, propagation and edge association that the plan
    expects; afterwards nothing differs from before.  No key was in the document, in a command or
    in an environment.
    """
    small.forward()
    small.require_migrated()
    tags = small.account.survey(VpnGatewayId(small.made[GATEWAY_ROLE])).gateway.tags
    assert tags["vpnmigrate:change"] == "CHG-123"

    small.back()
    small.require_as_before()

    assert len(small.world.keys) == 2  # The new tunnels had the old keys.
    document = small.shell.seen + small.document
    assert not [key for key in small.world.keys if key in document]


@pytest.fixture
def new_keys(aws_program: Path, tmp_path: Path) -> Iterator[Migration]:
    yield from begun(scenario_from_text(SMALL, "small"), Decisions(), aws_program, tmp_path)


def test_the_old_side_is_not_taken_for_the_new_one(new_keys):
    """Tags of this migration on an old resource do not make it a new one."""
    plan = new_keys.plan
    for resource, role in (
        (plan.old_gateway, GATEWAY_ROLE),
        (plan.old_connections[0], connection_role(plan.old_connections[0])),
    ):
        tags = {"vpnmigrate:migration": plan.migration, "vpnmigrate:role": role}
        rows = [{"Key": key, "Value": value} for key, value in tags.items()]
        new_keys.world.execute("ec2", "CreateTags", {"Resources": [resource], "Tags": rows})

    new_keys.forward()
    assert len(new_keys.account.observe(plan).gateways) == 2
    new_keys.back()

    now = new_keys.account.survey(plan.old_gateway)
    assert differences(plan.before, now) == ()


class SilentObserver:
    """An observer that prints nothing."""

    def on_entry(self, entry: Entry) -> None:
        """Print nothing."""

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Print nothing."""

    def on_view(self, sighting: Sighting) -> None:
        """Print nothing."""

    def on_reading(self, unreadable: Unreadable | None) -> None:
        """Print nothing."""


class ImpatientClock(ScaledClock):
    """A scaled clock whose sleeper is not kept waiting."""

    def sleep(self, span: timedelta) -> None:
        """Advance the clock by *span* at once."""
        self.advance(span)


@pytest.fixture
def migrated(aws_program: Path, tmp_path: Path) -> Iterator[Migration]:
    """Serve a world that the program has migrated."""
    clock = ImpatientClock(SPEED)
    scenario = scenario_from_text(SMALL, "small")
    world = load_world(scenario, clock)
    for migration in begun(scenario, Decisions(), aws_program, tmp_path, world):
        ports = RunPorts(
            ec2=migration.account,
            journal=MemoryJournal(clock),
            operator=DeviceEngineer(world),
            observer=SilentObserver(),
            clock=clock,
            stop_request=NoStopRequest(),
            paths=NoNetworkPaths(),
            claim_holder=ClaimHolder("by-hand"),
        )
        Runner(without_restrictions(migration.plan), ports).apply()
        yield migration


def test_checks_and_finalize_without_this_program(migrated):
    """The checks print what they expect, and the blocks of step 11 delete the old connections."""
    seen = {
        check.what: migrated.shell.paste(check.command).split()
        for check in migrated.book.pre_checks + migrated.book.post_checks
        if check.command.startswith("aws ")
    }
    assert seen["the right account"] == [migrated.plan.account]
    (old,) = migrated.plan.old_connections
    (shown,) = [seen[what] for what in seen if what.startswith(f"tunnels of {old}")]
    assert shown == ["DOWN", "DOWN"]
    assert seen["no blackhole routes"] == ["[]"]
    assert "attached" not in "".join(seen["the old gateway is attached to the VPC"])

    migrated.finalize()

    migrated.require_migrated()
    assert migrated.account.survey(migrated.plan.old_gateway).living == ()


SCENARIOS = [
    ("three-connections", Decisions(asn=64600)),
    ("single-bgp", Decisions(test_vpc=TestVpc("10.255.255.0/24"))),
    ("cloudhub", Decisions(keys=KeyMode.SECRETS_MANAGER)),
    ("single-static", OLD_SECRETS),
]


@pytest.fixture(params=SCENARIOS, ids=lambda each: each[0])
def larger(request, aws_program: Path, tmp_path: Path) -> Iterator[Migration]:
    name, decisions = request.param
    yield from begun(load(name), decisions, aws_program, tmp_path)


needs_patience = pytest.mark.skipif(
    not FULL, reason="takes minutes; set VPNMIGRATE_TEST_BY_HAND=1 for it"
)


@needs_patience
def test_every_topology_without_this_program(larger):
    """Every scenario is migrated, rolled back, migrated again and finalized with the AWS CLI."""
    larger.forward()
    larger.require_migrated()
    larger.back()
    larger.require_as_before()
    larger.forward()
    larger.finalize()

    larger.require_migrated()
    left = larger.account.survey(larger.plan.old_gateway)
    assert [c.id for c in left.living] == []


@needs_patience
@pytest.mark.parametrize("last", range(1, 10))
def test_back_from_every_row(small, last):
    """The same blocks roll back from every row."""
    small.forward(" ".join(f"F{number}" for number in range(1, last + 1)))
    small.back()

    small.require_as_before()


@needs_patience
def test_a_block_may_be_pasted_again(small):
    """A repeated block changes nothing, in either direction."""
    small.forward()
    small.forward()
    small.require_migrated()
    small.back()
    small.back()

    small.require_as_before()
