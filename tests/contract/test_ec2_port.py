"""Contract of ``ports.Ec2``, tested with the real client.

The sandbox answers it thrice: with no client in between, behind the client's own parameter check,
and over HTTP, where requests are serialised, signed, repeated and parsed as with AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import boto3
import msgspec
import pytest

from tests.sandbox.worlds import bundled
from tests.support.boto_client import session_for
from tests.support.builders import snapshot_by_tag
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.session import Clients, ClientSource
from vpnmigrate.engine.ports import Ec2
from vpnmigrate.errors import NotFoundError, TakenOverError
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
class Seat:
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


DOORS: dict[str, Callable[..., ClientSource]] = {
    "direct": DirectClients,
    "client": lambda world, **how: Clients(lambda: session_for(world, **how)),
}
each_door = pytest.mark.parametrize("clients_of", DOORS.values(), ids=DOORS.keys())


@pytest.fixture(params=[*DOORS, "http"])
def seat(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Seat]:
    """Return a setting with the scenario of three connections."""
    clock = VirtualClock()
    world = load_world(bundled("three-connections"), clock)
    vault = Vault(tmp_path / "devices")
    if request.param in DOORS:
        account = Account(DOORS[request.param](world), clock, vault)
        yield Seat(world, clock, account, vault)
        return
    with serve(world) as server:
        clients = Clients(
            lambda: boto3.Session("AKIATEST", "no-secret", region_name=world.region),
            endpoint_url=server.url,
        )
        yield Seat(world, clock, Account(clients, clock, vault), vault)


def made(outcome: Performed) -> str:
    """Return the id of the created resource."""
    assert outcome.made is not None
    return outcome.made


class TestReading:
    """Identity, survey, observation."""

    def test_identity(self, seat):
        """The identity has the account that the plan will be bound to."""
        assert seat.ec2.identity().account == seat.world.account

    def test_survey(self, seat):
        """A survey sees the gateway's connections, its VPC's tables and every kind of route."""
        survey = seat.ec2.survey(OLD)

        assert (survey.account, survey.region) == (seat.world.account, seat.world.region)
        assert survey.vpc is not None
        assert [c.category for c in survey.connections] == ["VPN-Classic"] * 3
        assert [c.static_only for c in survey.connections] == [False, False, True]
        assert {len(c.tunnels) for c in survey.connections} == {2}
        assert all(t.inside_cidr for c in survey.connections for t in c.tunnels)
        destinations = {r.destination for t in survey.route_tables for r in t.routes}
        assert {"pl-0a300000000000001", "2001:db8:99::/48"} <= destinations
        assert survey.unread == ()

    def test_survey_twice(self, seat):
        """Without a change, two surveys are equal except for their time."""
        first, second = seat.ec2.survey(OLD), seat.ec2.survey(OLD)

        assert first == msgspec.structs.replace(second, taken=first.taken)

    def test_unknown_gateway(self, seat):
        """A gateway that the account does not have is not found."""
        with pytest.raises(NotFoundError, match="vgw-0a3000000000000ff"):
            seat.ec2.survey(VpnGatewayId("vgw-0a3000000000000ff"))

    def test_a_look_agrees_with_the_survey(self, seat):
        """An observation of the old side agrees with the survey, except for tunnel addresses."""
        plan = seat.plan()
        reading = seat.ec2.observe(plan)

        assert plan.before.gateway in reading.gateways
        assert reading.connections == tuple(
            msgspec.structs.replace(connection, tunnels=())
            for connection in plan.before.connections
        )
        assert reading.tables == plan.before.route_tables
        assert seat.clock.now() >= reading.begun


class TestPreparing:
    """Steps 2, 3 and 6."""

    def test_gateway(self, seat):
        """A created gateway is found by its role, with the requested ASN and tags."""
        plan = seat.plan()
        assert seat.observe(plan).state(GATEWAY_ROLE) is ResourceState.ABSENT
        gateway = made(seat.perform(GATEWAY))
        seat.settle()

        now = seat.observe(plan)
        assert now.ours[GATEWAY_ROLE] == gateway
        assert now.state(GATEWAY_ROLE) is ResourceState.AVAILABLE
        (record,) = (g for g in seat.ec2.observe(plan).gateways if g.id == gateway)
        assert (record.asn, record.tags["Name"]) == (64600, "new")

    def test_connection(self, seat):
        """A created connection has the requested routing type and inside networks."""
        plan = seat.plan()
        gateway = VpnGatewayId(made(seat.perform(GATEWAY)))
        seat.settle()
        inside = ("169.254.90.0/30", "169.254.90.4/30")
        seat.perform(successor_of(WAREHOUSE, plan, gateway, inside_cidrs=inside))
        seat.settle()

        role = connection_role(WAREHOUSE)
        (record,) = seat.ec2.survey(gateway).connections
        assert seat.observe(plan).state(role) is ResourceState.AVAILABLE
        assert (record.category, record.static_only) == (AWS_VPN, True)
        assert sorted(tunnel.inside_cidr for tunnel in record.tunnels) == sorted(inside)

    def test_static_prefix(self, seat):
        """An added static prefix is observed."""
        plan = seat.plan()
        gateway = VpnGatewayId(made(seat.perform(GATEWAY)))
        seat.settle()
        created = successor_of(WAREHOUSE, plan, gateway)
        connection = VpnConnectionId(made(seat.perform(created)))
        assert isinstance(
            seat.ec2.perform(AddStaticPrefix(connection, "10.7.0.0/16"), MARK), Later
        )  # not before the connection is available
        seat.settle()
        seat.perform(AddStaticPrefix(connection, "10.7.0.0/16"))
        seat.settle()

        assert seat.observe(plan).value(Prefix(connection, "10.7.0.0/16")) is Switch.ON

    def test_reused_keys(self, seat):
        """Reused keys are those of the old connection."""
        plan = seat.plan()
        gateway = VpnGatewayId(made(seat.perform(GATEWAY)))
        seat.settle()
        before = seat.world.keys
        seat.perform(successor_of(LONDON, plan, gateway, keys=KeyMode.REUSE))

        assert seat.world.keys == before

    def test_test_vpc(self, seat):
        """The test VPC and its subnet are created, found by role, and deleted."""
        plan = seat.plan()
        vpc = VpcId(made(seat.perform(CreateTestVpc(TEST_VPC_ROLE, "10.200.0.0/24"))))
        seat.settle()
        subnet = made(seat.perform(CreateTestSubnet(TEST_SUBNET_ROLE, vpc, "10.200.0.0/28")))
        now = seat.observe(plan)
        assert {TEST_VPC_ROLE: vpc, TEST_SUBNET_ROLE: subnet}.items() <= dict(now.ours).items()
        assert any(table.vpc == vpc for table in now.tables.values())

        assert isinstance(seat.ec2.perform(DeleteTestVpc(TEST_VPC_ROLE, vpc), MARK), Later)
        seat.perform(DeleteTestSubnet(TEST_SUBNET_ROLE, subnet))
        seat.perform(DeleteTestVpc(TEST_VPC_ROLE, vpc))
        assert TEST_VPC_ROLE not in seat.observe(plan).ours

    def test_archive(self, seat):
        """The configuration from EC2 is in the vault, with the hash in the outcome."""
        outcome = seat.perform(ArchiveConfiguration(LONDON))

        assert seat.vault.holds(LONDON, "configuration.xml", outcome.files[LONDON])

    def test_device_folder(self, seat):
        """A new connection's folder has the sheet with both sides' keys, and AWS's sample."""
        plan = seat.plan()
        gateway = VpnGatewayId(made(seat.perform(GATEWAY)))
        seat.settle()
        new = VpnConnectionId(made(seat.perform(successor_of(LONDON, plan, gateway))))
        seat.settle()
        named = "Cisco Systems, Inc./CSRv AMI/IOS 12.4+"
        seat.perform(ArchiveConfiguration(new, replaces=LONDON, device_type=named))

        page = (seat.vault.folder(new) / "sheet.md").read_text()
        shown = {key for key in seat.world.keys if key in page}
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

    def value(self, seat: Seat, plan: Plan, fact: Fact) -> Value:
        """Return a fact's value now."""
        return seat.observe(plan).value(fact)

    def test_swap(self, seat):
        """Detach, attach, propagate, replace routes: every fact follows its change."""
        plan = seat.plan()
        new = VpnGatewayId(made(seat.perform(GATEWAY)))
        seat.settle()
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
            seat.perform(DisablePropagation(table, OLD))
        for table, edge in edges:
            assert edge is not None
            seat.perform(DisassociateEdge(table, OLD, edge.id))
        seat.perform(DetachVpnGateway(OLD, plan.vpc))
        assert seat.observe(plan).attachment(OLD, plan.vpc) is Attachment.DETACHING
        seat.settle()
        seat.perform(AttachVpnGateway(new, plan.vpc))
        assert seat.observe(plan).attachment(new, plan.vpc) is Attachment.ATTACHING
        seat.settle()
        for table in propagating:
            seat.perform(EnablePropagation(table, new))
        for table, destination in static:
            seat.perform(ReplaceRoute(table, destination, new))
        for table, _ in edges:
            seat.perform(AssociateEdge(table, new))

        now = seat.observe(plan)
        assert now.occupants(plan.vpc) == {new: Attachment.ATTACHED}
        assert {now.value(Propagation(t, new)) for t in propagating} == {Switch.ON}
        assert {now.value(Propagation(t, OLD)) for t in propagating} == {Switch.OFF}
        assert {now.route(table, destination) for table, destination in static} == {new}
        assert all(now.tables[table].edge_of(new) for table, _ in edges)

    def test_attach_while_the_other_is_there(self, seat):
        """While the VPC still has a gateway, an attach is retried and does not fail (case 45)."""
        plan = seat.plan()
        new = VpnGatewayId(made(seat.perform(GATEWAY)))
        seat.settle()
        attach = AttachVpnGateway(new, plan.vpc)

        assert isinstance(seat.ec2.perform(attach, MARK), Later)
        seat.perform(DetachVpnGateway(OLD, plan.vpc))
        assert isinstance(seat.ec2.perform(attach, MARK), Later)
        seat.settle()
        seat.perform(attach)

    def test_propagation_before_the_attach(self, seat):
        """Propagation from a gateway that is not attached yet is to be retried (case 47)."""
        plan = seat.plan()
        new = VpnGatewayId(made(seat.perform(GATEWAY)))
        seat.settle()
        table = plan.propagating_tables[0].id

        outcome = seat.ec2.perform(EnablePropagation(table, new), MARK)
        assert isinstance(outcome, Later)
        assert outcome.limit == timedelta(minutes=2)

    def test_detach_twice(self, seat):
        """Only an observation shows whether a gateway that EC2 calls not attached is detached."""
        plan = seat.plan()
        seat.perform(DetachVpnGateway(OLD, plan.vpc))
        seat.settle()

        assert isinstance(seat.ec2.perform(DetachVpnGateway(OLD, plan.vpc), MARK), InDoubt)
        assert seat.observe(plan).attachment(OLD, plan.vpc) is Attachment.DETACHED

    def test_claim(self, seat):
        """The claim is on the gateway once it is set, and gone once its holder removes it."""
        plan = seat.plan()
        claim = Claim(OLD)

        seat.perform(PlaceClaim(OLD, "ann@laptop"))
        assert self.value(seat, plan, claim) == "ann@laptop"
        seat.perform(RemoveClaim(OLD, "bob@lab"))
        assert self.value(seat, plan, claim) == "ann@laptop"
        seat.perform(RemoveClaim(OLD, "ann@laptop"))
        assert self.value(seat, plan, claim) == ABSENT

    def test_in_parallel(self, seat):
        """Independent changes may be executed in several threads at once."""
        plan = seat.plan()
        batch = [DisablePropagation(t.id, OLD) for t in plan.propagating_tables] * 5

        def one(change: AwsChange) -> Outcome:
            outcome: Outcome = seat.ec2.perform(change, MARK)
            return outcome

        with ThreadPoolExecutor(max_workers=8) as pool:
            outcomes = list(pool.map(one, batch))

        assert {type(outcome) for outcome in outcomes} == {Performed}
        assert not seat.observe(plan).tables[batch[0].table].propagating


class TestDeleting:
    """Deletions, and deletions that EC2 refuses."""

    def test_gateway_in_use(self, seat):
        """Deleting a gateway that is still in use fails for now, and is to be retried (case 68)."""
        outcome = seat.ec2.perform(DeleteVpnGateway(GATEWAY_ROLE, OLD), MARK)

        assert isinstance(outcome, Later)
        assert outcome.limit == timedelta(minutes=10)

    def test_connection_and_gateway(self, seat):
        """A connection and then its gateway are deleted, and their roles are empty again."""
        plan = seat.plan()
        gateway = VpnGatewayId(made(seat.perform(GATEWAY)))
        seat.settle()
        connection = made(seat.perform(successor_of(LONDON, plan, gateway)))
        seat.settle()
        role = connection_role(LONDON)

        seat.perform(DeleteVpnConnection(role, connection))
        assert seat.observe(plan).state(role) is ResourceState.DELETING
        seat.settle()
        seat.perform(DeleteVpnGateway(GATEWAY_ROLE, gateway))
        seat.settle()
        assert seat.observe(plan).ours == {}

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_made_up_connection(self, seat, count):
        """Deleting an unknown resource proves nothing; only an observation does."""
        ghost = "vpn-0a3000000000000ff"

        for _ in range(count):
            outcome = seat.ec2.perform(DeleteVpnConnection(Role("x"), ghost), MARK)
            assert isinstance(outcome, InDoubt), outcome


class TestTrouble:
    """Faults between the client and AWS."""

    def seat_with(
        self, tmp_path: Path, clients_of: Callable[..., ClientSource], *faults: Fault
    ) -> Seat:
        """Return a setting with *faults*."""
        clock = VirtualClock()
        world = load_world(bundled("three-connections"), clock)
        clients = clients_of(world, faults=Faults(faults))
        vault = Vault(tmp_path / "devices")
        return Seat(world, clock, Account(clients, clock, vault), vault)

    @each_door
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
        seat = self.seat_with(tmp_path, clients_of, Fault("CreateVpnGateway", kind))
        plan = seat.plan()

        assert isinstance(seat.ec2.perform(GATEWAY, MARK), outcome)
        ours = [g for g in seat.ec2.observe(plan).gateways if g.id != OLD]
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
                lambda: boto3.Session("AKIATEST", "no-secret", region_name=world.region),
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
def test_the_doors_of_a_process_do_not_differ(tmp_path, settings):
    """Each client in the process makes the same calls in the same order, with the same answers."""
    stories = []
    for name, clients_of in DOORS.items():
        clock = VirtualClock()
        world = load_world(bundled("three-connections"), clock, Behaviour(**settings))
        ear = Listener()
        ec2 = Account(clients_of(world, faults=ear), clock, Vault(tmp_path / name))
        seat = Seat(world, clock, ec2, Vault(tmp_path / name))
        plan = seat.plan()
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
