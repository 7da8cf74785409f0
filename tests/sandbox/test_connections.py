"""VPN connections in the sandbox keep EC2's rules."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from xml.etree.ElementTree import fromstring

import pytest

from tests.sandbox.worlds import (
    CUSTOMER,
    OLD,
    OLD_VPN,
    a_world,
    ask,
    attach,
    connection,
    detach,
    new_connection,
    new_gateway,
    refusal,
    refused,
    wait,
)
from vpnmigrate.sandbox.tunnels import CANARY

KEY = "CANARYofmyown"


def _create(world, on, to=CUSTOMER, **options):
    return {
        "Type": "ipsec.1",
        "VpnGatewayId": on,
        "CustomerGatewayId": to,
        "Options": options,
    }


class TestLife:
    def test_pending_available_deleting_deleted_gone(self):
        """A connection goes through its states in the times of the behaviour."""
        world = a_world(deleted_lingers=timedelta(minutes=5))
        new = new_gateway(world)
        made = ask(world, "CreateVpnConnection", **_create(world, new))["VpnConnection"]
        name = made["VpnConnectionId"]
        assert made["State"] == "pending"
        wait(world, 180)
        assert connection(world, name)["State"] == "available"
        ask(world, "DeleteVpnConnection", VpnConnectionId=name)
        assert connection(world, name)["State"] == "deleting"
        wait(world, 120)
        assert connection(world, name)["State"] == "deleted"
        wait(world, 300)
        code = refusal(world, "DescribeVpnConnections", VpnConnectionIds=[name])
        assert code == "InvalidVpnConnectionID.NotFound"

    def test_the_configuration_is_there_only_while_it_lives(self):
        """The configuration is in describes of a pending or available connection, never later."""
        world = a_world()
        assert "CustomerGatewayConfiguration" in connection(world)
        ask(world, "DeleteVpnConnection", VpnConnectionId=OLD_VPN)
        assert "CustomerGatewayConfiguration" not in connection(world)

    def test_a_created_connection_is_aws_vpn(self):
        """What is created on a new gateway has the category VPN."""
        world = a_world()
        assert connection(world, new_connection(world, new_gateway(world)))["Category"] == "VPN"

    @pytest.mark.parametrize("absent", [True, False])
    def test_an_endpoint_may_not_tell_the_category(self, absent):
        """Whether describes have a category at all is a switch."""
        assert ("Category" not in connection(a_world(category_absent=absent))) is absent

    @pytest.mark.parametrize("listed", [True, False])
    def test_a_classic_connection_may_hide_its_tunnel_options(self, listed):
        """Whether a Classic connection shows tunnel options is a switch; AWS VPN always does."""
        world = a_world(classic_tunnel_options_listed=listed)
        assert ("TunnelOptions" in connection(world)["Options"]) is listed
        new = new_connection(world, new_gateway(world))
        assert len(connection(world, new)["Options"]["TunnelOptions"]) == 2


class TestPairs:
    @pytest.mark.parametrize("same", [True, False])
    def test_the_same_pair_twice(self, same):
        """Whether a second create for a pair gives the first connection back is a switch."""
        world = a_world(same_pair_returns_existing=same)
        new = new_gateway(world)
        first, second = new_connection(world, new), new_connection(world, new)
        assert (first == second) is same

    @pytest.mark.parametrize("reusable", [True, False])
    def test_the_customer_gateway_of_a_classic_connection(self, reusable):
        """Whether it may serve a new connection too is a switch."""
        world = a_world(classic_customer_gateway_reusable=reusable)
        new = new_gateway(world)
        if reusable:
            assert new_connection(world, new)
        else:
            code = refusal(world, "CreateVpnConnection", **_create(world, new))
            assert code == "InvalidCustomerGateway.DuplicateIpAddress"

    @pytest.mark.parametrize("beside", ["VPN", "VPN-Classic", "refuse"])
    def test_a_connection_beside_a_classic_one(self, beside):
        """What a new connection on a Classic gateway becomes is a switch."""
        world = a_world(beside_classic=beside)
        customer = ask(
            world, "CreateCustomerGateway", Type="ipsec.1", IpAddress="203.0.113.99", BgpAsn=65099
        )["CustomerGateway"]["CustomerGatewayId"]
        if beside == "refuse":
            code = refusal(world, "CreateVpnConnection", **_create(world, OLD, customer))
            assert code == "UnsupportedOperation"
        else:
            made = new_connection(world, OLD, customer)
            assert connection(world, made)["Category"] == beside

    def test_equal_asns_clash(self):
        """A customer gateway with the ASN of the virtual private gateway is an AsnConflict."""
        world = a_world()
        new = new_gateway(world, AmazonSideAsn=65010)
        assert refusal(world, "CreateVpnConnection", **_create(world, new)) == "AsnConflict"

    def test_a_deleted_connection_does_not_count_as_the_pairs(self):
        """After a deletion the same pair gets a new connection."""
        world = a_world()
        new = new_gateway(world)
        first = new_connection(world, new)
        ask(world, "DeleteVpnConnection", VpnConnectionId=first)
        wait(world)
        assert new_connection(world, new) != first

    def test_the_quota_of_a_gateway(self):
        """The eleventh connection on a gateway is VpnConnectionLimitExceeded."""
        world = a_world(same_pair_returns_existing=False)
        new = new_gateway(world)
        for _ in range(10):
            new_connection(world, new)
        error = refused(world, "CreateVpnConnection", **_create(world, new))
        assert error.code == "VpnConnectionLimitExceeded"
        assert "mutating" not in error.message


class TestTunnels:
    def test_both_differ_in_everything(self):
        """The tunnels differ in address, inside CIDR and key, and the keys can be recognised."""
        world = a_world()
        options = connection(world, new_connection(world, new_gateway(world)))["Options"]
        tunnels = options["TunnelOptions"]
        for field in ("OutsideIpAddress", "TunnelInsideCidr", "PreSharedKey"):
            assert len({tunnel[field] for tunnel in tunnels}) == 2
        keys = {tunnel["PreSharedKey"] for tunnel in tunnels}
        assert all(key.startswith(CANARY) and len(key) == 32 for key in keys)
        assert keys <= world.keys

    def test_the_xml_agrees_with_the_options_by_address(self):
        """Joined on the outside address, XML and options say the same of each tunnel."""
        world = a_world()
        row = connection(world, new_connection(world, new_gateway(world)))
        by_options = {
            t["OutsideIpAddress"]: (t["TunnelInsideCidr"], t["PreSharedKey"])
            for t in row["Options"]["TunnelOptions"]
        }
        assert _by_xml(row["CustomerGatewayConfiguration"]) == by_options

    def test_the_order_in_the_xml_is_not_that_of_the_options(self):
        """Over several connections both orders occur, unless the switch says otherwise."""
        assert _orders(a_world(same_pair_returns_existing=False)) == {True, False}
        tidy = a_world(same_pair_returns_existing=False, xml_follows_options=True)
        assert _orders(tidy) == {True}

    def test_what_was_asked_for_is_there(self):
        """Inside CIDR, key and other options of a request come back in the description."""
        world = a_world()
        wanted = {
            "TunnelInsideCidr": "169.254.6.0/30",
            "PreSharedKey": KEY,
            "IKEVersions": [{"Value": "ikev2"}],
            "DPDTimeoutAction": "restart",
        }
        made = new_connection(world, new_gateway(world), TunnelOptions=[wanted, {}])
        tunnel = connection(world, made)["Options"]["TunnelOptions"][0]
        assert tunnel["TunnelInsideCidr"] == "169.254.6.0/30"
        assert tunnel["PreSharedKey"] == KEY
        assert tunnel["IkeVersions"] == [{"Value": "ikev2"}]
        assert tunnel["DpdTimeoutAction"] == "restart"

    @pytest.mark.parametrize(
        "cidr",
        [
            "169.254.0.0/30",
            "169.254.5.0/30",
            "169.254.169.252/30",
            "169.254.10.2/30",
            "169.254.10.0/29",
            "169.253.0.0/30",
            "nonsense",
        ],
    )
    def test_inside_cidrs_that_are_refused(self, cidr):
        """Reserved blocks, host bits, other lengths and other ranges are refused."""
        world = a_world()
        wanted = _create(world, new_gateway(world), TunnelOptions=[{"TunnelInsideCidr": cidr}])
        assert refusal(world, "CreateVpnConnection", **wanted) == "InvalidParameterValue"

    @pytest.mark.parametrize("cidr", ["169.254.6.0/30", "169.254.0.4/30", "169.254.169.248/30"])
    def test_inside_cidrs_that_are_taken(self, cidr):
        """Blocks right beside the reserved ones are accepted."""
        world = a_world()
        made = new_connection(world, new_gateway(world), TunnelOptions=[{"TunnelInsideCidr": cidr}])
        assert connection(world, made)["Options"]["TunnelOptions"][0]["TunnelInsideCidr"] == cidr

    def test_an_inside_cidr_is_used_once_on_a_gateway(self):
        """Two tunnels of one gateway cannot have the same inside CIDR."""
        world = a_world()
        same = [{"TunnelInsideCidr": "169.254.6.0/30"}] * 2
        wanted = _create(world, new_gateway(world), TunnelOptions=same)
        assert refusal(world, "CreateVpnConnection", **wanted) == "InvalidParameterValue"

    @pytest.mark.parametrize("key", ["a" * 7, "a" * 65, "0aaaaaaaa", "aaaa-aaaa", "aaaaaaaé"])
    def test_keys_that_are_refused_are_not_quoted(self, key):
        """A key of the wrong length or alphabet is refused without being repeated."""
        world = a_world()
        wanted = _create(world, new_gateway(world), TunnelOptions=[{"PreSharedKey": key}])
        error = refused(world, "CreateVpnConnection", **wanted)
        assert error.code == "InvalidParameterValue"
        assert key not in str(error)

    @pytest.mark.parametrize("key", ["_aaaaaaa", ".aaaaaaa", "a" * 64])
    def test_keys_that_are_taken(self, key):
        """The shortest and the longest key are taken, and a period or underscore in front."""
        world = a_world()
        assert new_connection(world, new_gateway(world), TunnelOptions=[{"PreSharedKey": key}])

    def test_secrets_manager_keeps_the_keys(self):
        """With storage in Secrets Manager there is an ARN, and no key in any answer."""
        world = a_world()
        wanted = _create(world, new_gateway(world))
        made = ask(world, "CreateVpnConnection", PreSharedKeyStorage="SecretsManager", **wanted)
        row = made["VpnConnection"]
        assert row["PreSharedKeyArn"].startswith("arn:aws:secretsmanager:")
        new_keys = world.keys - a_world().keys
        assert new_keys
        assert not any(key in str(row) for key in new_keys)


class TestStaticPrefixes:
    def test_they_settle(self):
        """A prefix is pending, then available; deleted, it is deleting, then deleted."""
        world = a_world("single-static")
        name, prefix = "vpn-0a200000000000001", "10.77.0.0/16"
        ask(world, "CreateVpnConnectionRoute", VpnConnectionId=name, DestinationCidrBlock=prefix)
        assert _prefixes(world, name)[prefix] == "pending"
        wait(world, 2)
        assert _prefixes(world, name)[prefix] == "available"
        ask(world, "DeleteVpnConnectionRoute", VpnConnectionId=name, DestinationCidrBlock=prefix)
        assert _prefixes(world, name)[prefix] == "deleting"
        wait(world, 2)
        assert _prefixes(world, name)[prefix] == "deleted"
        again = {"VpnConnectionId": name, "DestinationCidrBlock": prefix}
        assert refusal(world, "DeleteVpnConnectionRoute", **again) == "InvalidRoute.NotFound"

    def test_they_are_for_static_connections(self):
        """A prefix on a BGP connection is InvalidVpnConnection.InvalidType."""
        wanted = {"VpnConnectionId": OLD_VPN, "DestinationCidrBlock": "10.77.0.0/16"}
        code = refusal(a_world(), "CreateVpnConnectionRoute", **wanted)
        assert code == "InvalidVpnConnection.InvalidType"

    def test_they_are_for_available_connections(self):
        """A prefix on a pending connection is InvalidVpnConnection.InvalidState."""
        world = a_world()
        wanted = _create(world, new_gateway(world), StaticRoutesOnly=True)
        name = ask(world, "CreateVpnConnection", **wanted)["VpnConnection"]["VpnConnectionId"]
        code = refusal(
            world,
            "CreateVpnConnectionRoute",
            VpnConnectionId=name,
            DestinationCidrBlock="10.77.0.0/16",
        )
        assert code == "InvalidVpnConnection.InvalidState"

    def test_host_bits_are_cleared_and_repeating_is_harmless(self):
        """EC2 stores the network; adding it twice changes nothing."""
        world = a_world("single-static")
        name = "vpn-0a200000000000001"
        for spelled in ("10.77.1.1/16", "10.77.0.0/16"):
            ask(
                world,
                "CreateVpnConnectionRoute",
                VpnConnectionId=name,
                DestinationCidrBlock=spelled,
            )
        assert [p for p in _prefixes(world, name) if p.startswith("10.")] == ["10.77.0.0/16"]

    def test_the_hundred_and_first_is_refused(self):
        """A connection has at most 100 prefixes."""
        world = a_world("single-static")
        name = "vpn-0a200000000000001"
        for number in range(98):
            ask(
                world,
                "CreateVpnConnectionRoute",
                VpnConnectionId=name,
                DestinationCidrBlock=f"10.{number}.0.0/16",
            )
        wanted = {"VpnConnectionId": name, "DestinationCidrBlock": "10.98.0.0/16"}
        code = refusal(world, "CreateVpnConnectionRoute", **wanted)
        assert code == "VpnConnectionRouteLimitExceeded"


def test_a_static_configuration_has_no_bgp():
    """The XML of a static connection says NoBGPVPNConnection and has no bgp element."""
    root = fromstring(
        connection(a_world("single-static"), "vpn-0a200000000000001")[
            "CustomerGatewayConfiguration"
        ]
    )
    assert root.findtext("vpn_connection_attributes") == "NoBGPVPNConnection"
    assert list(root.iter("bgp")) == []
    bgp = fromstring(connection(a_world())["CustomerGatewayConfiguration"])
    assert [asn.text for asn in bgp.iter("asn")] == ["65010", "7224"] * 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vpn-gateway-id", OLD),
        ("customer-gateway-id", CUSTOMER),
        ("state", "available"),
        ("option.static-routes-only", "false"),
        ("bgp-asn", "65010"),
        ("type", "ipsec.1"),
        ("tag:Name", "hq"),
        ("vpn-connection-id", OLD_VPN),
    ],
)
def test_each_filter_finds_and_excludes(name, value):
    """Every filter finds a connection by its value and does not find it by another."""
    world = a_world()

    def found(text: str) -> list[str]:
        filters = [{"Name": name, "Values": [text]}]
        rows = ask(world, "DescribeVpnConnections", Filters=filters)["VpnConnections"]
        return [row["VpnConnectionId"] for row in rows]

    assert found(value) == [OLD_VPN]
    assert found("something-else") == []


def test_unknown_ends_are_named_with_their_codes():
    """Unknown gateway, customer gateway and connection have EC2's own codes."""
    world = a_world()
    unknown = "vgw-00000000000000000"
    code = refusal(world, "CreateVpnConnection", **_create(world, unknown))
    assert code == "InvalidVpnGatewayID.NotFound"
    missing = _create(world, OLD, "cgw-00000000000000000")
    assert refusal(world, "CreateVpnConnection", **missing) == "InvalidCustomerGatewayID.NotFound"
    malformed = _create(world, OLD, "cgw-1")
    code = refusal(world, "CreateVpnConnection", **malformed)
    assert code == "InvalidCustomerGatewayId.Malformed"
    code = refusal(world, "DeleteVpnConnection", VpnConnectionId="vpn-00000000000000000")
    assert code == "InvalidVpnConnectionID.NotFound"


class TestTelemetry:
    def test_a_loaded_connection_reads_as_it_was(self):
        """Tunnels of a loaded connection are up or down as its scenario says, at once."""
        world = a_world("single-static")
        rows = connection(world, "vpn-0a200000000000001")["VgwTelemetry"]
        assert sorted(row["Status"] for row in rows) == ["DOWN", "UP"]
        assert {row["AcceptedRouteCount"] for row in rows} == {0, 2}

    def test_a_tunnel_comes_up_in_two_stages_with_bgp(self):
        """IPsec comes first, and the status is UP only once BGP is established."""
        world = a_world(ike=timedelta(seconds=8), bgp=timedelta(seconds=7))
        made = new_connection(world, new_gateway(world))
        world.devices.enable(made)
        assert _telemetry(world, made) == ("DOWN", "IPSEC IS DOWN", 0)
        wait(world, 8)
        assert _telemetry(world, made) == ("DOWN", "IPSEC IS UP", 0)
        wait(world, 7)
        assert _telemetry(world, made) == ("UP", "2 BGP ROUTES", 2)
        assert connection(world, made)["VgwTelemetry"][0]["LastStatusChange"] == world.clock.now()
        world.devices.disable(made)
        assert _telemetry(world, made) == ("DOWN", "IPSEC IS DOWN", 0)

    def test_bgp_can_be_shut_while_ipsec_is_up(self):
        """With its BGP neighbours shut a device's tunnels are down although IPsec is up."""
        world = a_world()
        world.devices.shut_bgp(OLD_VPN)
        assert _telemetry(world, OLD_VPN) == ("DOWN", "IPSEC IS UP", 0)
        world.devices.open_bgp(OLD_VPN)
        assert _telemetry(world, OLD_VPN)[0] == "UP"

    def test_one_tunnel_can_be_enabled(self):
        """A device that runs one tunnel leaves the other down."""
        world = a_world()
        made = new_connection(world, new_gateway(world))
        world.devices.one_tunnel(made)
        wait(world)
        states = [row["Status"] for row in connection(world, made)["VgwTelemetry"]]
        assert sorted(states) == ["DOWN", "UP"]

    def test_configured_is_not_enabled(self):
        """Loading a configuration brings no tunnel up."""
        world = a_world()
        made = new_connection(world, new_gateway(world))
        assert not world.devices.configured(made)
        world.devices.configure(made)
        wait(world)
        assert world.devices.configured(made)
        assert not world.devices.enabled(made)
        assert _telemetry(world, made)[0] == "DOWN"

    def test_enabling_again_changes_nothing(self):
        """A tunnel that is enabled twice has been up since the first time."""
        world = a_world()
        before = connection(world)["VgwTelemetry"]
        world.devices.enable(OLD_VPN)
        assert connection(world)["VgwTelemetry"] == before

    @pytest.mark.parametrize("up", [True, False])
    def test_a_detached_gateway_may_keep_its_tunnels(self, up):
        """Whether tunnels are up while their gateway is on no VPC is a switch."""
        world = a_world(tunnels_up_while_detached=up)
        detach(world)
        assert (_telemetry(world, OLD_VPN)[0] == "UP") is up
        attach(world, OLD)
        assert _telemetry(world, OLD_VPN)[0] == "UP"

    def test_a_connection_that_is_no_longer_there_has_none(self):
        """A deleting connection shows no telemetry."""
        world = a_world()
        ask(world, "DeleteVpnConnection", VpnConnectionId=OLD_VPN)
        assert connection(world)["VgwTelemetry"] == []


def _prefixes(world, name):
    routes = connection(world, name)["Routes"]
    return {route["DestinationCidrBlock"]: route["State"] for route in routes}


def _telemetry(world, name):
    row = connection(world, name)["VgwTelemetry"][0]
    return row["Status"], row["StatusMessage"], row["AcceptedRouteCount"]


def _by_xml(text):
    tunnels = {}
    for tunnel in fromstring(text).iter("ipsec_tunnel"):
        inside = tunnel.findtext("vpn_gateway/tunnel_inside_address/ip_address")
        network = ipaddress.ip_network(f"{inside}/30", strict=False)
        outside = tunnel.findtext("vpn_gateway/tunnel_outside_address/ip_address")
        tunnels[outside] = (str(network), tunnel.findtext("ike/pre_shared_key"))
    return tunnels


def _orders(world):
    new = new_gateway(world)
    orders = set()
    for _ in range(8):
        row = connection(world, new_connection(world, new))
        listed = [t["OutsideIpAddress"] for t in row["Options"]["TunnelOptions"]]
        orders.add(list(_by_xml(row["CustomerGatewayConfiguration"])) == listed)
    return orders
