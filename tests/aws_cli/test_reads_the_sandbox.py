"""The AWS CLI reads a migration in the sandbox, step by step, as it would read AWS."""

from __future__ import annotations

import json

VPC = "vpc-0a300000000000001"
GATEWAY = "vgw-0a300000000000001"
LONDON, DUBLIN, WAREHOUSE = (f"vpn-0a30000000000000{n}" for n in (1, 2, 3))
MAIN, APPLICATIONS, DATABASES, EDGE, PUBLIC = (f"rtb-0a30000000000000{n}" for n in range(1, 6))


def test_the_world_before(sandbox):
    """Step 1: identity, gateway, connections, devices, VPC and tables are visible."""
    aws = sandbox.aws

    assert aws("sts", "get-caller-identity")["Account"] == "123456789012"
    [gateway] = aws("ec2", "describe-vpn-gateways", "--vpn-gateway-ids", GATEWAY)["VpnGateways"]
    assert (gateway["AmazonSideAsn"], gateway["VpcAttachments"]) == (
        7224,
        [{"State": "attached", "VpcId": VPC}],
    )
    answer = aws(
        "ec2", "describe-vpn-connections", "--filters", f"Name=vpn-gateway-id,Values={GATEWAY}"
    )
    connections = {c["VpnConnectionId"]: c for c in answer["VpnConnections"]}
    assert {i: (c["Category"], c["State"]) for i, c in connections.items()} == dict.fromkeys(
        (LONDON, DUBLIN, WAREHOUSE), ("VPN-Classic", "available")
    )
    assert {i: sorted(t["Status"] for t in c["VgwTelemetry"]) for i, c in connections.items()} == {
        LONDON: ["UP", "UP"],
        DUBLIN: ["DOWN", "UP"],
        WAREHOUSE: ["UP", "UP"],
    }
    assert [r["DestinationCidrBlock"] for r in connections[WAREHOUSE]["Routes"]] == [
        "192.168.30.0/24",
        "192.168.31.0/24",
    ]
    devices = aws("ec2", "describe-customer-gateways", "--filters", "Name=state,Values=available")
    assert [d["BgpAsn"] for d in devices["CustomerGateways"]][:2] == ["65031", "65032"]
    [vpc] = aws("ec2", "describe-vpcs", "--vpc-ids", VPC)["Vpcs"]
    assert vpc["CidrBlock"] == "10.30.0.0/16"
    tables = aws("ec2", "describe-route-tables", "--filters", f"Name=vpc-id,Values={VPC}")
    propagating = {t["RouteTableId"] for t in tables["RouteTables"] if t["PropagatingVgws"]}
    assert propagating == {MAIN, APPLICATIONS}


def test_other_services_before(sandbox):
    """Direct Connect and quotas are read through their own services, in JSON."""
    aws = sandbox.aws
    quota = ("--service-code", "ec2", "--quota-code", "L-7029FAB6")

    assert aws("directconnect", "describe-virtual-interfaces") == {"virtualInterfaces": []}
    assert aws("service-quotas", "get-service-quota", *quota)["Quota"]["Value"] == 5.0


def test_the_new_side_is_built(sandbox):
    """Steps 2 to 5: gateway, static connection, prefix, tags, configuration and sample."""
    aws = sandbox.aws
    tags = "ResourceType=vpn-gateway,Tags=[{Key=Name,Value=new},{Key=team,Value=network}]"
    made = aws(
        *("ec2", "create-vpn-gateway", "--type", "ipsec.1", "--amazon-side-asn", "64600"),
        *("--tag-specifications", tags),
    )
    gateway = made["VpnGateway"]["VpnGatewayId"]
    sandbox.wait(minutes=1)
    options = {
        "StaticRoutesOnly": True,
        "TunnelOptions": [
            {"TunnelInsideCidr": "169.254.70.0/30"},
            {"IKEVersions": [{"Value": "ikev2"}]},
        ],
    }
    made = aws(
        *("ec2", "create-vpn-connection", "--type", "ipsec.1", "--vpn-gateway-id", gateway),
        *("--customer-gateway-id", "cgw-0a300000000000003", "--options", json.dumps(options)),
    )
    connection = made["VpnConnection"]["VpnConnectionId"]
    assert made["VpnConnection"]["State"] == "pending"
    sandbox.wait(minutes=30)
    aws("ec2", "wait", "vpn-connection-available", "--vpn-connection-ids", connection)
    aws(
        *("ec2", "create-vpn-connection-route", "--vpn-connection-id", connection),
        *("--destination-cidr-block", "192.168.30.0/24"),
    )
    aws("ec2", "create-tags", "--resources", connection, "--tags", "Key=Name,Value=warehouse")
    sandbox.wait(minutes=1)

    answer = aws("ec2", "describe-vpn-connections", "--vpn-connection-ids", connection)
    [row] = answer["VpnConnections"]
    assert (row["Category"], row["State"]) == ("VPN", "available")
    assert row["Options"]["StaticRoutesOnly"] is True
    assert [r["State"] for r in row["Routes"]] == ["available"]
    assert row["Tags"] == [{"Key": "Name", "Value": "warehouse"}]
    assert [t["Status"] for t in row["VgwTelemetry"]] == ["DOWN", "DOWN"]
    assert row["CustomerGatewayConfiguration"].count("<pre_shared_key>") == 2
    tagged = aws("ec2", "describe-tags", "--filters", f"Name=resource-id,Values={gateway}")["Tags"]
    assert {t["Key"]: t["Value"] for t in tagged} == {"Name": "new", "team": "network"}

    types = aws("ec2", "get-vpn-connection-device-types")["VpnConnectionDeviceTypes"]
    assert len(types) > 10
    sample = aws(
        *("ec2", "get-vpn-connection-device-sample-configuration"),
        *("--vpn-connection-id", connection, "--internet-key-exchange-version", "ikev2"),
        *("--vpn-connection-device-type-id", types[0]["VpnConnectionDeviceTypeId"]),
    )
    assert connection in sample["VpnConnectionDeviceSampleConfiguration"]


def test_the_cutover(sandbox):
    """Steps 7 to 10: propagation, gateways, routes, edge table and tunnels change visibly."""
    aws = sandbox.aws
    gateway = aws("ec2", "create-vpn-gateway", "--type", "ipsec.1")["VpnGateway"]["VpnGatewayId"]
    sandbox.wait(minutes=1)
    pair = ("--vpn-gateway-id", gateway, "--customer-gateway-id", "cgw-0a300000000000002")
    made = aws("ec2", "create-vpn-connection", "--type", "ipsec.1", *pair)["VpnConnection"]
    sandbox.wait(minutes=30)

    attach = ("ec2", "attach-vpn-gateway", "--vpc-id", VPC, "--vpn-gateway-id")
    assert aws.refused(*attach, gateway) == "InvalidVpcState"
    disable = ("ec2", "disable-vgw-route-propagation", "--gateway-id", GATEWAY)
    for table in (MAIN, APPLICATIONS):
        aws(*disable, "--route-table-id", table)
    aws("ec2", "detach-vpn-gateway", "--vpc-id", VPC, "--vpn-gateway-id", GATEWAY)
    assert _attachment(aws, GATEWAY) == "detaching"
    sandbox.wait(minutes=30)
    assert _attachment(aws, GATEWAY) == "detached"
    assert _routes(aws, DATABASES)["192.168.30.0/24"] == (GATEWAY, "blackhole")

    aws(*attach, gateway)
    assert _attachment(aws, gateway) == "attaching"
    enable = ("ec2", "enable-vgw-route-propagation", "--route-table-id", MAIN, "--gateway-id")
    assert aws.refused(*enable, gateway) == "Gateway.NotAttached"
    sandbox.wait(minutes=15)
    aws(*enable, gateway)
    replace = ("ec2", "replace-route", "--gateway-id", gateway, "--route-table-id")
    aws(*replace, DATABASES, "--destination-cidr-block", "192.168.30.0/24")
    aws(*replace, DATABASES, "--destination-prefix-list-id", "pl-0a300000000000001")
    aws(*replace, APPLICATIONS, "--destination-ipv6-cidr-block", "2001:db8:99::/48")
    aws("ec2", "associate-route-table", "--route-table-id", EDGE, "--gateway-id", gateway)
    sandbox.devices.enable(made["VpnConnectionId"])
    sandbox.wait(minutes=2)

    answer = aws("ec2", "describe-vpn-connections", "--vpn-connection-ids", made["VpnConnectionId"])
    telemetry = answer["VpnConnections"][0]["VgwTelemetry"]
    assert [(t["Status"], t["AcceptedRouteCount"]) for t in telemetry] == [("UP", 1), ("UP", 1)]
    assert _routes(aws, MAIN)["172.18.0.0/16"] == (gateway, "active")
    assert _routes(aws, DATABASES)["192.168.30.0/24"] == (gateway, "active")
    assert _routes(aws, DATABASES)["pl-0a300000000000001"] == (gateway, "active")
    assert _routes(aws, APPLICATIONS)["2001:db8:99::/48"] == (gateway, "active")
    ties = "Name=association.gateway-id,Values=" + gateway
    [edge] = aws("ec2", "describe-route-tables", "--filters", ties)["RouteTables"]
    assert edge["RouteTableId"] == EDGE


def test_the_classic_side_is_deleted(sandbox):
    """Step 11: a deletion is visible in the states, and refused for resources in use."""
    aws = sandbox.aws

    delete = ("ec2", "delete-vpn-gateway", "--vpn-gateway-id", GATEWAY)
    assert aws.refused(*delete) == "IncorrectState"
    aws("ec2", "delete-vpn-connection", "--vpn-connection-id", DUBLIN)

    states = []
    for minutes in (0, 30):
        sandbox.wait(minutes=minutes)
        answer = aws("ec2", "describe-vpn-connections", "--vpn-connection-ids", DUBLIN)
        states.append(answer["VpnConnections"][0]["State"])
    assert states == ["deleting", "deleted"]


def test_refusals_have_their_codes(sandbox):
    """Unknown and malformed ids, dry runs and unsupported calls end with AWS's codes."""
    codes = {
        "describe-vpn-gateways --vpn-gateway-ids vgw-0000000000000000f": (
            "InvalidVpnGatewayID.NotFound"
        ),
        "describe-route-tables --route-table-ids rtb-0000000000000000f": (
            "InvalidRouteTableID.NotFound"
        ),
        "describe-vpcs --vpc-ids vpc-x": "InvalidVpcID.Malformed",
        "delete-vpn-connection --vpn-connection-id vpn-0000000000000000f": (
            "InvalidVpnConnectionID.NotFound"
        ),
        f"modify-vpn-connection --vpn-connection-id {LONDON}": "InvalidAction",
        f"detach-vpn-gateway --vpc-id {VPC} --vpn-gateway-id {GATEWAY} --dry-run": (
            "DryRunOperation"
        ),
    }

    assert {call: sandbox.aws.refused("ec2", *call.split()) for call in codes} == codes
    assert _attachment(sandbox.aws, GATEWAY) == "attached"


def _attachment(aws, gateway):
    answer = aws("ec2", "describe-vpn-gateways", "--vpn-gateway-ids", gateway)
    [row] = answer["VpnGateways"][0]["VpcAttachments"]
    return row["State"]


def _routes(aws, table):
    answer = aws("ec2", "describe-route-tables", "--route-table-ids", table)
    kinds = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
    return {
        next(route[kind] for kind in kinds if kind in route): (
            route.get("GatewayId"),
            route["State"],
        )
        for route in answer["RouteTables"][0]["Routes"]
    }
