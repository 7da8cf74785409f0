"""Properties of the whole world: table of calls, form of answers, threads and lag."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest

from tests.sandbox.worlds import (
    BUNDLED,
    OLD,
    OLD_VPN,
    TABLE,
    VPC,
    a_world,
    ask,
    attachments,
    gateway,
    new_gateway,
    refusal,
    wait,
)
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import WITHOUT_DRY_RUN
from vpnmigrate.sandbox.ec2.dispatch import READS, WRITES
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.state import (
    Association,
    AttachmentRow,
    Connection,
    CustomerGateway,
    DescribedRoutes,
    Device,
    Gateway,
    PropagationSetting,
    Route,
    RouteTable,
    Subnet,
    Timeline,
    TunnelState,
    Vpc,
)
from vpnmigrate.sandbox.world import kept

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEVER_CHANGED_IN_PLACE = {"cidrs", "networks"}
WRITTEN: dict[str, dict[str, Any]] = {
    "AttachVpnGateway": {"VpnGatewayId": OLD, "VpcId": VPC},
    "CreateCustomerGateway": {"Type": "ipsec.1", "IpAddress": "203.0.113.77", "BgpAsn": 65077},
    "CreateRoute": {
        "RouteTableId": TABLE,
        "DestinationCidrBlock": "10.1.0.0/16",
        "GatewayId": OLD,
    },
    "CreateRouteTable": {"VpcId": VPC},
    "CreateSubnet": {"VpcId": VPC, "CidrBlock": "10.10.9.0/24"},
    "CreateVpc": {"CidrBlock": "10.250.0.0/24"},
    "CreateVpnConnection": {
        "Type": "ipsec.1",
        "VpnGatewayId": OLD,
        "CustomerGatewayId": "cgw-0a100000000000001",
        "Options": {"TunnelOptions": [{"IKEVersions": [{"Value": "ikev2"}]}, {}]},
    },
    "CreateVpnGateway": {"Type": "ipsec.1"},
}


def _models():
    session = botocore.session.Session()
    return {
        service: session.get_service_model(service)
        for service in ("ec2", "sts", "directconnect", "service-quotas")
    }


class TestTable:
    def test_every_call_is_one_of_aws(self):
        """Each entry of the table names an operation that botocore knows."""
        models = _models()
        for service, action in (*READS, *WRITES):
            assert action in models[service].operation_names

    def test_dry_run_is_where_ec2_has_it(self):
        """The calls without DryRun are exactly those whose EC2 model has none."""
        ec2 = _models()["ec2"]
        lacking = {
            action
            for service, action in (*READS, *WRITES)
            if service == "ec2" and "DryRun" not in ec2.operation_model(action).input_shape.members
        }
        assert lacking == WITHOUT_DRY_RUN

    def test_what_is_not_there_is_said_so(self):
        """A call that is not in the table is not handled, and is refused."""
        world = a_world()
        assert world.handles("ec2", "DescribeVpcs")
        assert not world.handles("ec2", "RunInstances")
        assert not world.handles("sts", "DescribeVpcs")
        assert refusal(world, "RunInstances") == "InvalidAction"


class TestForm:
    @pytest.mark.parametrize("scenario", BUNDLED)
    def test_every_read_has_the_form_of_its_model(self, scenario):
        """Answers have only members of the model, with the right types."""
        world, models = a_world(scenario, classic_maintenance_shown=True), _models()
        connections = ask(world, "DescribeVpnConnections")["VpnConnections"]
        needed = {
            "GetServiceQuota": {"ServiceCode": "ec2", "QuotaCode": "L-7029FAB6"},
            "GetVpnConnectionDeviceSampleConfiguration": {
                "VpnConnectionId": connections[0]["VpnConnectionId"],
                "VpnConnectionDeviceTypeId": "a1000001",
            },
            "GetVpnTunnelReplacementStatus": {
                "VpnConnectionId": connections[0]["VpnConnectionId"],
                "VpnTunnelOutsideIpAddress": connections[0]["VgwTelemetry"][0]["OutsideIpAddress"],
            },
        }
        needed["GetActiveVpnTunnelStatus"] = needed["GetVpnTunnelReplacementStatus"]
        for service, action in READS:
            answer = world.execute(service, action, needed.get(action, {}))
            _fits(answer, models[service].operation_model(action).output_shape, action)

    def test_every_creation_has_the_form_of_its_model(self):
        """The same holds for the answers of create calls."""
        world, ec2 = a_world(same_pair_returns_existing=False), _models()["ec2"]
        for action, params in WRITTEN.items():
            _fits(ask(world, action, **params), ec2.operation_model(action).output_shape, action)


def _fits(value, shape, where):
    kinds = {
        "string": str,
        "integer": int,
        "long": int,
        "boolean": bool,
        "timestamp": datetime,
        "double": float,
    }
    if shape.type_name == "structure":
        for name, each in value.items():
            assert name in shape.members, f"{where}.{name} is not in the model"
            _fits(each, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for each in value:
            _fits(each, shape.member, f"{where}[]")
    else:
        assert isinstance(value, kinds[shape.type_name]), where


class TestThreads:
    def test_parallel_calls_give_what_serial_ones_give(self):
        """Eight threads in parallel give the same world as serial calls."""
        asns = range(64600, 64604)
        many, one = a_world(), a_world()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda asn: _create(many, asn), asns))
        for asn in asns:
            _create(one, asn)
        assert _listed(many) == _listed(one)


def _create(world, asn):
    return ask(world, "CreateVpnGateway", Type="ipsec.1", AmazonSideAsn=asn)


def _listed(world):
    rows = ask(world, "DescribeVpnGateways")["VpnGateways"]
    return {row["AmazonSideAsn"]: row["VpnGatewayId"] for row in rows}


class TestReadLag:
    def test_without_it_a_read_sees_the_last_write(self):
        """In the default world a read sees the last write."""
        world = a_world()
        made = ask(world, "CreateVpnGateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        assert gateway(world, made)["State"] == "pending"

    def test_with_it_a_read_may_miss_a_write_and_later_does_not(self):
        """Right after a write some reads show the state before it; after the lag none does."""
        world = a_world(read_lag=timedelta(seconds=60))
        wait(world)
        ask(world, "DetachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
        wait(world, 30)
        seen = {attachments(world)[VPC] for _ in range(40)}
        assert seen == {"attached", "detaching"}
        wait(world, 60)
        assert {attachments(world)[VPC] for _ in range(20)} <= {"detaching", "detached"}
        wait(world, 60)
        assert {attachments(world)[VPC] for _ in range(20)} == {"detached"}

    def test_a_new_thing_may_not_be_found_yet(self):
        """Describing a new resource by id can be NotFound."""
        world = a_world(read_lag=timedelta(seconds=60))
        wait(world)
        new = new_gateway(world)
        assert gateway(world, new)["State"] == "available"
        made = ask(world, "CreateVpnGateway", Type="ipsec.1", AmazonSideAsn=64999)
        wait(world, 30)
        answers = {_found(world, made["VpnGateway"]["VpnGatewayId"]) for _ in range(40)}
        assert answers == {True, False}

    def test_it_repeats(self):
        """Two equal worlds have the same lag."""
        assert _lagging() == _lagging()


def _found(world, name):
    try:
        return gateway(world, name)["VpnGatewayId"] == name
    except ApiError as error:
        return error.code != "InvalidVpnGatewayID.NotFound"


def _lagging():
    world = a_world(read_lag=timedelta(seconds=60))
    wait(world)
    ask(world, "DetachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
    wait(world, 30)
    return [attachments(world)[VPC] for _ in range(20)]


def test_only_the_named_describes_lag():
    """If only gateways lag, connections are described without lag."""
    world = a_world(read_lag=timedelta(minutes=2), lagging=("DescribeVpnGateways",))

    ask(world, "CreateVpnGateway", Type="ipsec.1")
    ask(world, "DeleteVpnConnection", VpnConnectionId=OLD_VPN)

    assert len(ask(world, "DescribeVpnGateways")["VpnGateways"]) == 1
    assert ask(world, "DescribeVpnConnections")["VpnConnections"][0]["State"] == "deleting"


def test_a_fork_goes_its_own_way():
    """What is done in a fork is not done in the world it came from, and the other way round."""
    world = a_world()
    fork = world.fork(VirtualClock(world.clock.now()))

    ask(fork, "CreateVpnGateway", Type="ipsec.1")
    wait(world)

    assert len(ask(fork, "DescribeVpnGateways")["VpnGateways"]) == 2
    assert len(ask(world, "DescribeVpnGateways")["VpnGateways"]) == 1


def test_a_fork_draws_what_its_world_would_have_drawn():
    """The same call after a fork has the same answer in both."""
    world = a_world()
    fork = world.fork(VirtualClock(world.clock.now()))

    assert ask(fork, "CreateVpnGateway", Type="ipsec.1") == ask(
        world, "CreateVpnGateway", Type="ipsec.1"
    )


def test_a_copy_has_every_field_of_every_resource():
    """Forks and lagging reads are copies: a field that is not copied would be lost in them."""
    life = Timeline([(NOON, "pending"), (NOON + timedelta(seconds=3), "available")])
    tunnel = TunnelState("198.18.0.1", "169.254.20.0/30", "key", {"Phase1": 1}, NOON)
    association = Association("rtbassoc-1", "subnet-1", OLD, main=True, until=NOON)
    propagation = PropagationSetting(OLD, NOON, NOON)
    connection = Connection(
        *(OLD_VPN, life, "VPN", "cgw-1", OLD, True, [tunnel], "tgw-1"),
        {"192.168.0.0/16": life},
        "SecretsManager",
        {"LocalIpv4NetworkCidr": "10.0.0.0/8"},
    )
    table = RouteTable(
        *(TABLE, VPC, "123456789012", [Route("0.0.0.0/0", "igw-1")], [association]),
        [propagation],
        DescribedRoutes({OLD}, [], []),
    )
    resources: dict[str, Any] = {
        "vpcs": Vpc(VPC, ["10.0.0.0/16"], "123456789012", life),
        "subnets": Subnet("subnet-1", VPC, "10.0.1.0/24", life),
        "gateways": Gateway(OLD, 64513, life, [AttachmentRow(VPC, life)], "ipsec.2"),
        "customer_gateways": CustomerGateway("cgw-1", life, 65001, "198.51.100.1", "r1", "arn:1"),
        "connections": connection,
        "tables": table,
        "devices": Device(NOON, {1: NOON}, {2: NOON}, bgp_shut=True),
    }
    with a_world().to_be_read() as present:
        state = kept(present)
    for name, resource in resources.items():
        setattr(state, name, {"id": resource})
    unset = [
        f"{type(each).__name__}.{field.name}"
        for each in (*resources.values(), tunnel, association, propagation)
        for field in fields(each)
        if getattr(each, field.name) == field.default
        or (field.default_factory is not MISSING and not getattr(each, field.name))
    ]
    assert unset == [], "set it above, so that its copy is compared"

    copies = kept(state)

    assert copies == state
    assert copies.tables["id"].described is table.described
    shared = [
        f"{name}.{field.name}"
        for name, resource in resources.items()
        for field in fields(resource)
        if field.name not in NEVER_CHANGED_IN_PLACE
        and isinstance(value := getattr(resource, field.name), list | dict)
        and getattr(getattr(copies, name)["id"], field.name) is value
    ]
    assert shared == []
