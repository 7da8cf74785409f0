"""Contract of ``ports.Ec2``, tested with the real client.

There are three clients: the direct one, a botocore client with its parameter check, and one over
HTTP, where requests are serialised, signed, retried and parsed as with AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.sandbox.worlds import bundled
from tests.support.boto_client import session_for
from tests.support.builders import snapshot_by_tag
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.session import Clients, ClientSource, session
from vpnmigrate.engine.ports import Ec2
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.changes import (
    AddStaticPrefix,
    ArchiveConfiguration,
    AssociateEdge,
    AttachVpnGateway,
    AwsChange,
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
)
from vpnmigrate.model.changes.base import CallTags, InDoubt, Later, Outcome, Performed, Refused
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.decisions import Decisions, KeyMode, TestVpc
from vpnmigrate.model.ec2 import (
    AWS_VPN,
    Attachment,
    MigrationId,
    ResourceState,
    Role,
    VpcId,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.errors import NotFoundError, TakenOverError
from vpnmigrate.model.facts import ABSENT, Claim, Fact, Prefix, Propagation, Switch, Value
from vpnmigrate.model.plan import (
    GATEWAY_ROLE,
    TEST_SUBNET_ROLE,
    TEST_VPC_ROLE,
    Plan,
    connection_role,
)
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.server.serve import serve
from vpnmigrate.sandbox.world import World

OLD = VpnGatewayId("vgw-0a300000000000001")
LONDON = VpnConnectionId("vpn-0a300000000000001")
WAREHOUSE = VpnConnectionId("vpn-0a300000000000003")
MARK = CallTags(MigrationId("mig-20260117-contract"), attempt=1, step=2)
GATEWAY = CreateVpnGateway(GATEWAY_ROLE, asn=64600, tags=(("Name", "new"),))


@dataclass
class Setting:
    """One setting for the port: its world, its clock and its vault."""

    world: World
    clock: VirtualClock
    ec2: Ec2
    vault: Vault

    def perform(self, change: AwsChange) -> Performed:
        """Execute a change that must succeed."""
        outcome = self.ec2.perform(change, MARK)
        assert isinstance(outcome, Performed), outcome
        return outcome

    def settle(self) -> None:
        """Wait until every resource is stable, except for a slow detach."""
        self.clock.sleep(timedelta(minutes=10))

    def plan(self) -> Plan:
        """Return a plan of the present world, without predictions, which no test here reads."""
        before = self.ec2.survey(OLD)
        return Plan(
            tool="test",
            migration=MARK.migration,
            made=self.clock.now(),
            account=before.account,
            region=before.region,
            playbook="standard",
            before=before,
            decisions=Decisions(test_vpc=TestVpc("10.200.0.0/24")),
        )

    def observe(self, plan: Plan) -> Snapshot:
        """Return one observation."""
        return snapshot_by_tag(self.ec2.observe(plan), plan.migration)


CLIENTS: dict[str, Callable[..., ClientSource]] = {
    "direct": DirectClients,
    "client": lambda world, **how: Clients(lambda: session_for(world, **how)),
}
each_client = pytest.mark.parametrize("clients_of", CLIENTS.values(), ids=CLIENTS.keys())


@pytest.fixture(params=[*CLIENTS, "http"])
def setting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Setting]:
    """Return a setting with the scenario of three connections."""
    clock = VirtualClock()
    world = load_world(bundled("three-connections"), clock)
    vault = Vault(tmp_path / "devices")
    if request.param in CLIENTS:
        account = Account(CLIENTS[request.param](world), clock, vault)
        yield Setting(world, clock, account, vault)
        return
    with serve(world) as server:
        clients = Clients(
            lambda: session(None, world.region),
            endpoint_url=server.url,
        )
        yield Setting(world, clock, Account(clients, clock, vault), vault)


def made(outcome: Performed) -> str:
    """Return the id of the created resource."""
    assert outcome.made is not None
    return outcome.made


class TestReading:
    """Identity, survey, observation."""

    def test_identity(self, setting):
        """The identity has the account that the plan will be bound to."""
        assert setting.ec2.identity().account == setting.world.account

    def test_survey(self, setting):
        """A survey sees the gateway's connections, its VPC's tables and every kind of route."""
        survey = setting.ec2.survey(OLD)

        assert (survey.account, survey.region) == (setting.world.account, setting.world.region)
        assert survey.vpc is not None
        assert [c.category for c in survey.connections] == ["VPN-Classic"] * 3
        assert [c.static_only for c in survey.connections] == [False, False, True]
        assert {len(c.tunnels) for c in survey.connections} == {2}
        assert all(t.inside_cidr for c in survey.connections for t in c.tunnels)
        destinations = {r.destination for t in survey.route_tables for r in t.routes}
        assert {"pl-0a300000000000001", "2001:db8:99::/48"} <= destinations
        assert survey.unread == ()

    def test_survey_twice(self, setting):
        """Without a change, two surveys are equal except for their time."""
        first, second = setting.ec2.survey(OLD), setting.ec2.survey(OLD)

        assert first == msgspec.structs.replace(second, taken=first.taken)

    def test_unknown_gateway(self, setting):
        """A gateway that the account does not have is not found."""
        with pytest.raises(NotFoundError, match="vgw-0a3000000000000ff"):
            setting.ec2.survey(VpnGatewayId("vgw-0a3000000000000ff"))

    def test_a_look_agrees_with_the_survey(self, setting):
        """An observation of the old side agrees with the survey, except for tunnel addresses."""
        plan = setting.plan()
        reading = setting.ec2.observe(plan)

        assert plan.before.gateway in reading.gateways
        assert reading.connections == tuple(
            msgspec.structs.replace(connection, tunnels=())
            for connection in plan.before.connections
        )
        assert reading.tables == plan.before.route_tables
        assert setting.clock.now() >= reading.begun


class TestPreparing:
    """Steps 2, 3 and 6."""

    def test_gateway(self, setting):
        """A created gateway is found by its role, with the requested ASN and tags."""
        plan = setting.plan()
        assert setting.observe(plan).state(GATEWAY_ROLE) is ResourceState.ABSENT
        gateway = made(setting.perform(GATEWAY))
        setting.settle()

        now = setting.observe(plan)
        assert now.ours[GATEWAY_ROLE] == gateway
        assert now.state(GATEWAY_ROLE) is ResourceState.AVAILABLE
        (record,) = (g for g in setting.ec2.observe(plan).gateways if g.id == gateway)
        assert (record.asn, record.tags["Name"]) == (64600, "new")

    def test_connection(self, setting):
        """A created connection has the requested routing type and inside networks."""
        plan = setting.plan()
        gateway = VpnGatewayId(made(setting.perform(GATEWAY)))
        setting.settle()
        inside = ("169.254.90.0/30", "169.254.90.4/30")
        setting.perform(successor_of(WAREHOUSE, plan, gateway, inside_cidrs=inside))
        setting.settle()

        role = connection_role(WAREHOUSE)
        (record,) = setting.ec2.survey(gateway).connections
        assert setting.observe(plan).state(role) is ResourceState.AVAILABLE
        assert (record.category, record.static_only) == (AWS_VPN, True)
        assert sorted(tunnel.inside_cidr for tunnel in record.tunnels) == sorted(inside)

    def test_static_prefix(self, setting):
        """An added static prefix is observed."""
        plan = setting.plan()
        gateway = VpnGatewayId(made(setting.perform(GATEWAY)))
        setting.settle()
        created = successor_of(WAREHOUSE, plan, gateway)
        connection = VpnConnectionId(made(setting.perform(created)))
        assert isinstance(
            setting.ec2.perform(AddStaticPrefix(connection, "10.7.0.0/16"), MARK), Later
        )  # not before the connection is available
        setting.settle()
        setting.perform(AddStaticPrefix(connection, "10.7.0.0/16"))
        setting.settle()

        assert setting.observe(plan).value(Prefix(connection, "10.7.0.0/16")) is Switch.ON

    def test_reused_keys(self, setting):
        """Reused keys are those of the old connection."""
        plan = setting.plan()
        gateway = VpnGatewayId(made(setting.perform(GATEWAY)))
        setting.settle()
        before = setting.world.keys
        setting.perform(successor_of(LONDON, plan, gateway, keys=KeyMode.REUSE))

        assert setting.world.keys == before

    def test_test_vpc(self, setting):
        """The test VPC and its subnet are created, found by role, and deleted."""
        plan = setting.plan()
        vpc = VpcId(made(setting.perform(CreateTestVpc(TEST_VPC_ROLE, "10.200.0.0/24"))))
        setting.settle()
        subnet = made(setting.perform(CreateTestSubnet(TEST_SUBNET_ROLE, vpc, "10.200.0.0/28")))
        now = setting.observe(plan)
        assert {TEST_VPC_ROLE: vpc, TEST_SUBNET_ROLE: subnet}.items() <= dict(now.ours).items()
        assert any(table.vpc == vpc for table in now.tables.values())

        assert isinstance(setting.ec2.perform(DeleteTestVpc(TEST_VPC_ROLE, vpc), MARK), Later)
        setting.perform(DeleteTestSubnet(TEST_SUBNET_ROLE, subnet))
        setting.perform(DeleteTestVpc(TEST_VPC_ROLE, vpc))
        assert TEST_VPC_ROLE not in setting.observe(plan).ours

    def test_archive(self, setting):
        """The configuration from EC2 is in the vault, with the hash in the outcome."""
        outcome = setting.perform(ArchiveConfiguration(LONDON))

        assert setting.vault.holds(LONDON, "configuration.xml", outcome.files[LONDON])

    def test_device_folder(self, setting):
        """A new connection's folder has the sheet with both sides' keys, and AWS's sample."""
        plan = setting.plan()
        gateway = VpnGatewayId(made(setting.perform(GATEWAY)))
        setting.settle()
        new = VpnConnectionId(made(setting.perform(successor_of(LONDON, plan, gateway))))
        setting.settle()
        named = "Cisco Systems, Inc./CSRv AMI/IOS 12.4+"
        setting.perform(ArchiveConfiguration(new, replaces=LONDON, device_type=named))

        page = (setting.vault.folder(new) / "sheet.md").read_text()
        shown = {key for key in setting.world.keys if key in page}
        assert len(shown) == 4


def successor_of(
    old: VpnConnectionId, plan: Plan, gateway: VpnGatewayId, **more: object
) -> CreateVpnConnection:
    """Return the change that creates the successor of *old*."""
    (record,) = (c for c in plan.before.connections if c.id == old)
    assert record.customer_gateway is not None
    creation = CreateVpnConnection(
        connection_role(old),
        gateway=gateway,
        customer_gateway=record.customer_gateway,
        replaces=old,
        static_only=record.static_only,
    )
    return msgspec.structs.replace(creation, **more)


class TestCutover:
    """Steps 7 to 9, forward and back."""

    def value(self, setting: Setting, plan: Plan, fact: Fact) -> Value:
        """Return a fact's value now."""
        return setting.observe(plan).value(fact)

    def test_swap(self, setting):
        """Detach, attach, propagate, replace routes: every fact follows its change."""
        plan = setting.plan()
        new = VpnGatewayId(made(setting.perform(GATEWAY)))
        setting.settle()
        propagating = [table.id for table in plan.propagating_tables]
        static = [
            (table.id, route.destination)
            for table in plan.before.route_tables
            for route in table.static_routes_to(OLD)
        ]
        edges = [(t.id, t.edge_of(OLD)) for t in plan.edge_tables]
        assert propagating
        assert static
        assert edges

        for table in propagating:
            setting.perform(DisablePropagation(table, OLD))
        for table, edge in edges:
            assert edge is not None
            setting.perform(DisassociateEdge(table, OLD, edge.id))
        setting.perform(DetachVpnGateway(OLD, plan.vpc))
        assert setting.observe(plan).attachment(OLD, plan.vpc) is Attachment.DETACHING
        setting.settle()
        setting.perform(AttachVpnGateway(new, plan.vpc))
        assert setting.observe(plan).attachment(new, plan.vpc) is Attachment.ATTACHING
        setting.settle()
        for table in propagating:
            setting.perform(EnablePropagation(table, new))
        for table, destination in static:
            setting.perform(ReplaceRoute(table, destination, new))
        for table, _ in edges:
            setting.perform(AssociateEdge(table, new))

        now = setting.observe(plan)
        assert now.occupants(plan.vpc) == {new: Attachment.ATTACHED}
        assert {now.value(Propagation(t, new)) for t in propagating} == {Switch.ON}
        assert {now.value(Propagation(t, OLD)) for t in propagating} == {Switch.OFF}
        assert {now.route(table, destination) for table, destination in static} == {new}
        assert all(now.tables[table].edge_of(new) for table, _ in edges)

    def test_attach_while_the_other_is_there(self, setting):
        """While the VPC still has a gateway, an attach is retried and does not fail (case 45)."""
        plan = setting.plan()
        new = VpnGatewayId(made(setting.perform(GATEWAY)))
        setting.settle()
        attach = AttachVpnGateway(new, plan.vpc)

        assert isinstance(setting.ec2.perform(attach, MARK), Later)
        setting.perform(DetachVpnGateway(OLD, plan.vpc))
        assert isinstance(setting.ec2.perform(attach, MARK), Later)
        setting.settle()
        setting.perform(attach)

    def test_propagation_before_the_attach(self, setting):
        """Propagation from a gateway that is not attached yet is to be retried (case 47)."""
        plan = setting.plan()
        new = VpnGatewayId(made(setting.perform(GATEWAY)))
        setting.settle()
        table = plan.propagating_tables[0].id

        outcome = setting.ec2.perform(EnablePropagation(table, new), MARK)
        assert isinstance(outcome, Later)
        assert outcome.limit == timedelta(minutes=2)

    def test_detach_twice(self, setting):
        """Only an observation shows whether a gateway that EC2 calls not attached is detached."""
        plan = setting.plan()
        setting.perform(DetachVpnGateway(OLD, plan.vpc))
        setting.settle()

        assert isinstance(setting.ec2.perform(DetachVpnGateway(OLD, plan.vpc), MARK), InDoubt)
        assert setting.observe(plan).attachment(OLD, plan.vpc) is Attachment.DETACHED

    def test_claim(self, setting):
        """The claim is on the gateway once it is set, and gone once its holder removes it."""
        plan = setting.plan()
        claim = Claim(OLD)

        setting.perform(PlaceClaim(OLD, "ann@laptop"))
        assert self.value(setting, plan, claim) == "ann@laptop"
        setting.perform(RemoveClaim(OLD, "bob@lab"))
        assert self.value(setting, plan, claim) == "ann@laptop"
        setting.perform(RemoveClaim(OLD, "ann@laptop"))
        assert self.value(setting, plan, claim) == ABSENT

    def test_in_parallel(self, setting):
        """Independent changes may be executed in several threads at once."""
        plan = setting.plan()
        batch = [DisablePropagation(t.id, OLD) for t in plan.propagating_tables] * 5

        def one(change: AwsChange) -> Outcome:
            outcome: Outcome = setting.ec2.perform(change, MARK)
            return outcome

        with ThreadPoolExecutor(max_workers=8) as pool:
            outcomes = list(pool.map(one, batch))

        assert {type(outcome) for outcome in outcomes} == {Performed}
        assert not setting.observe(plan).tables[batch[0].table].propagating


class TestDeleting:
    """Deletions, and deletions that EC2 refuses."""

    def test_gateway_in_use(self, setting):
        """Deleting a gateway that is still in use fails for now, and is to be retried (case 68)."""
        outcome = setting.ec2.perform(DeleteVpnGateway(GATEWAY_ROLE, OLD), MARK)

        assert isinstance(outcome, Later)
        assert outcome.limit == timedelta(minutes=10)

    def test_connection_and_gateway(self, setting):
        """A connection and then its gateway are deleted, and their roles are empty again."""
        plan = setting.plan()
        gateway = VpnGatewayId(made(setting.perform(GATEWAY)))
        setting.settle()
        connection = made(setting.perform(successor_of(LONDON, plan, gateway)))
        setting.settle()
        role = connection_role(LONDON)

        setting.perform(DeleteVpnConnection(role, connection))
        assert setting.observe(plan).state(role) is ResourceState.DELETING
        setting.settle()
        setting.perform(DeleteVpnGateway(GATEWAY_ROLE, gateway))
        setting.settle()
        assert setting.observe(plan).ours == {}

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_made_up_connection(self, setting, count):
        """Deleting an unknown resource proves nothing; only an observation does."""
        ghost = "vpn-0a3000000000000ff"

        for _ in range(count):
            outcome = setting.ec2.perform(DeleteVpnConnection(Role("x"), ghost), MARK)
            assert isinstance(outcome, InDoubt), outcome


class TestTrouble:
    """Faults between the client and AWS."""

    def setting_with(
        self, tmp_path: Path, clients_of: Callable[..., ClientSource], *faults: Fault
    ) -> Setting:
        """Return a setting with *faults*."""
        clock = VirtualClock()
        world = load_world(bundled("three-connections"), clock)
        clients = clients_of(world, faults=Faults(faults))
        vault = Vault(tmp_path / "devices")
        return Setting(world, clock, Account(clients, clock, vault), vault)

    @each_client
    @pytest.mark.parametrize(
        ("kind", "outcome", "gateways"),
        [
            (FaultKind.LOST_ANSWER, InDoubt, 1),
            (FaultKind.SERVER_ERROR_AFTER, InDoubt, 1),
            (FaultKind.SERVER_ERROR, InDoubt, 0),
            (FaultKind.UNREACHABLE, Later, 0),
            (FaultKind.THROTTLE, Later, 0),
            (FaultKind.EXPIRED_TOKEN, Later, 0),
            (FaultKind.DENIED, Refused, 0),
        ],
    )
    def test_a_creation_is_sent_once(self, tmp_path, clients_of, kind, outcome, gateways):
        """After every fault there is at most one gateway, and a doubt is reported (case 22)."""
        setting = self.setting_with(tmp_path, clients_of, Fault("CreateVpnGateway", kind))
        plan = setting.plan()

        assert isinstance(setting.ec2.perform(GATEWAY, MARK), outcome)
        ours = [g for g in setting.ec2.observe(plan).gateways if g.id != OLD]
        assert len(ours) == gateways

    @pytest.mark.parametrize("keys", KeyMode)
    def test_a_process_without_the_run_sends_nothing(self, tmp_path, keys):
        """Permission to send is checked when a call is signed, after all reads for it."""
        clock = VirtualClock()
        world = load_world(bundled("three-connections"), clock)

        def may_send() -> None:
            raise TakenOverError("taken over")

        with serve(world) as server:
            clients = Clients(
                lambda: session(None, world.region),
                endpoint_url=server.url,
            )
            ec2 = Account(clients, clock, Vault(tmp_path / "devices"), may_send)
            before = ec2.survey(OLD)
            [london] = [c for c in before.connections if c.id == LONDON]
            assert london.customer_gateway is not None
            change = CreateVpnConnection(
                connection_role(LONDON),
                OLD,
                london.customer_gateway,
                LONDON,
                static_only=london.static_only,
                keys=keys,
            )
            with pytest.raises(TakenOverError):
                ec2.perform(change, MARK)

            assert ec2.survey(OLD).connections == before.connections

    def test_expired_credentials_come_back(self, tmp_path):
        """After an expiry the next attempt uses the renewed credentials (case 53)."""
        clock = VirtualClock()
        world = load_world(bundled("three-connections"), clock)
        expired = Faults([Fault("CreateVpnGateway", FaultKind.EXPIRED_TOKEN, times=0)])
        sessions = [session_for(world, faults=expired), session_for(world)]
        clients = Clients(lambda: sessions.pop(0))
        ec2 = Account(clients, clock, Vault(tmp_path / "devices"))

        assert isinstance(ec2.perform(GATEWAY, MARK), Later)
        assert isinstance(ec2.perform(GATEWAY, MARK), Performed)


SETTINGS = {
    "plain": {},
    "describes that lag": {"read_lag": timedelta(seconds=90)},
    "another gateway's way of refusing": {"attach_while_other_detaches": "IncorrectState"},
}


class Listener:
    """Records the calls of a client, and loses some answers."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, int]] = []

    def before(self, service: str, action: str, nth: int) -> None:
        self.heard.append((service, action, nth))

    def after(self, service: str, action: str, nth: int) -> None:
        Faults([Fault("AttachVpnGateway", FaultKind.LOST_ANSWER)]).after(service, action, nth)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_the_clients_of_a_process_do_not_differ(tmp_path, settings):
    """Each client in the process makes the same calls in the same order, with the same answers."""
    stories = []
    for name, clients_of in CLIENTS.items():
        clock = VirtualClock()
        world = load_world(bundled("three-connections"), clock, Behaviour(**settings))
        ear = Listener()
        ec2 = Account(clients_of(world, faults=ear), clock, Vault(tmp_path / name))
        setting = Setting(world, clock, ec2, Vault(tmp_path / name))
        plan = setting.plan()
        lines: list[object] = [plan.before]
        changes: tuple[AwsChange, ...] = (
            GATEWAY,
            CreateTestVpc(TEST_VPC_ROLE, "10.200.0.0/24"),
            ArchiveConfiguration(LONDON),
            *(DisablePropagation(table.id, OLD) for table in plan.propagating_tables),
            DetachVpnGateway(OLD, plan.vpc),
            AttachVpnGateway(OLD, plan.vpc),
            DeleteVpnGateway(GATEWAY_ROLE, VpnGatewayId("vgw-0a3000000000000ff")),
        )
        for change in changes:
            lines.append(ec2.perform(change, MARK))
            lines.append(ec2.observe(plan))
            clock.sleep(timedelta(seconds=50))
        stories.append((lines, ear.heard, clock.now()))

    first, second = stories
    assert first == second
