"""Tunnels of the sandbox: creation and telemetry."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from xml.etree.ElementTree import fromstring

import pytest

from tests.model.test_carry_over import EVERYTHING
from tests.sandbox.worlds import (
    OLD,
    OLD_VPN,
    a_world,
    ask,
    attach,
    connection,
    creation,
    detach,
    new_connection,
    new_gateway,
    refusal,
    refused,
    wait,
)
from vpnmigrate.model.tunnel_options import as_requested, described_options
from vpnmigrate.sandbox.behaviour import seconds
from vpnmigrate.sandbox.ec2.tunnels import CANARY

KEY = "CANARYofmyown"


class TestTunnels:
    def test_both_differ_in_everything(self):
        """The tunnels have different addresses, inside CIDRs and keys, and keys have the prefix."""
        world = a_world()
        options = connection(world, new_connection(world, new_gateway(world)))["Options"]
        tunnels = options["TunnelOptions"]
        for field in ("OutsideIpAddress", "TunnelInsideCidr", "PreSharedKey"):
            assert len({tunnel[field] for tunnel in tunnels}) == 2
        keys = {tunnel["PreSharedKey"] for tunnel in tunnels}
        assert all(key.startswith(CANARY) and len(key) == 32 for key in keys)
        assert keys <= world.keys

    def test_the_xml_agrees_with_the_options_by_address(self):
        """Joined on the outside address, XML and options agree on each tunnel."""
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
        """Inside CIDR, key and other options of a request are in the describe answer."""
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
        wanted = creation(new_gateway(world), TunnelOptions=[{"TunnelInsideCidr": cidr}])
        assert refusal(world, "CreateVpnConnection", **wanted) == "InvalidParameterValue"

    @pytest.mark.parametrize("cidr", ["169.254.6.0/30", "169.254.0.4/30", "169.254.169.248/30"])
    def test_inside_cidrs_that_are_taken(self, cidr):
        """Blocks next to the reserved ones are accepted."""
        world = a_world()
        made = new_connection(world, new_gateway(world), TunnelOptions=[{"TunnelInsideCidr": cidr}])
        assert connection(world, made)["Options"]["TunnelOptions"][0]["TunnelInsideCidr"] == cidr

    def test_an_inside_cidr_is_used_once_on_a_gateway(self):
        """Two tunnels of one gateway cannot have the same inside CIDR."""
        world = a_world()
        same = [{"TunnelInsideCidr": "169.254.6.0/30"}] * 2
        wanted = creation(new_gateway(world), TunnelOptions=same)
        assert refusal(world, "CreateVpnConnection", **wanted) == "InvalidParameterValue"

    @pytest.mark.parametrize("key", ["a" * 7, "a" * 65, "0aaaaaaaa", "aaaa-aaaa", "aaaaaaaé"])
    def test_keys_that_are_refused_are_not_quoted(self, key):
        """A key of the wrong length or alphabet is refused, and the message does not contain it."""
        world = a_world()
        wanted = creation(new_gateway(world), TunnelOptions=[{"PreSharedKey": key}])
        error = refused(world, "CreateVpnConnection", **wanted)
        assert error.code == "InvalidParameterValue"
        assert key not in str(error)

    @pytest.mark.parametrize("key", ["_aaaaaaa", ".aaaaaaa", "a" * 64])
    def test_keys_that_are_taken(self, key):
        """The shortest and the longest key are accepted, and a leading period or underscore."""
        world = a_world()
        assert new_connection(world, new_gateway(world), TunnelOptions=[{"PreSharedKey": key}])

    def test_secrets_manager_keeps_the_keys(self):
        """With storage in Secrets Manager there is an ARN, and no key in any answer."""
        world = a_world()
        wanted = creation(new_gateway(world))
        made = ask(world, "CreateVpnConnection", PreSharedKeyStorage="SecretsManager", **wanted)
        row = made["VpnConnection"]
        assert row["PreSharedKeyArn"].startswith("arn:aws:secretsmanager:")
        new_keys = world.keys - a_world().keys
        assert new_keys
        assert not any(key in str(row) for key in new_keys)

    @pytest.mark.parametrize("named", [True, False])
    def test_a_key_in_secrets_manager_is_redacted_or_omitted(self, named):
        """Either a word stands in place of the key, or nothing does."""
        world = a_world(redacted_keys_named=named)
        made = ask(
            world,
            "CreateVpnConnection",
            PreSharedKeyStorage="SecretsManager",
            **creation(new_gateway(world)),
        )
        tunnels = made["VpnConnection"]["Options"]["TunnelOptions"]
        shown = [tunnel.get("PreSharedKey") for tunnel in tunnels]
        assert shown == (["REDACTED"] * 2 if named else [None, None])

    def test_every_option_that_is_sent_is_shown(self):
        """Options of a tunnel and traffic selectors are described as they were sent."""
        world = a_world()
        sent = as_requested(EVERYTHING)
        wanted = creation(new_gateway(world), TunnelOptions=[sent, {}])
        wanted["Options"]["LocalIpv4NetworkCidr"] = "10.1.0.0/16"
        row = ask(world, "CreateVpnConnection", **wanted)["VpnConnection"]
        assert described_options(row["Options"]["TunnelOptions"][0]) == EVERYTHING
        assert row["Options"]["LocalIpv4NetworkCidr"] == "10.1.0.0/16"
        assert row["Options"]["RemoteIpv4NetworkCidr"] == "0.0.0.0/0"

    @pytest.mark.parametrize("name", ["EnableAcceleration", "LocalIpv6NetworkCidr"])
    def test_options_of_transit_gateways_are_refused(self, name):
        """What a virtual private gateway does not have is refused by name."""
        world = a_world()
        wanted = creation(new_gateway(world))
        wanted["Options"][name] = True
        assert name in refused(world, "CreateVpnConnection", **wanted).message

    def test_modifying_a_tunnel_interrupts_it_alone(self):
        """The connection is modifying for some minutes; the other tunnel stays UP."""
        world = a_world(tunnel_modification=seconds(120))
        first, second = connection(world)["VgwTelemetry"]
        ask(
            world,
            "ModifyVpnTunnelOptions",
            VpnConnectionId=OLD_VPN,
            VpnTunnelOutsideIpAddress=first["OutsideIpAddress"],
            TunnelOptions={"StartupAction": "start"},
        )
        row = connection(world)
        assert row["State"] == "modifying"
        assert _status(row) == {first["OutsideIpAddress"]: "DOWN", second["OutsideIpAddress"]: "UP"}
        wait(world, 200)
        row = connection(world)
        assert row["State"] == "available"
        assert set(_status(row).values()) == {"UP"}


def _status(row):
    return {each["OutsideIpAddress"]: each["Status"] for each in row["VgwTelemetry"]}


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
        """With the BGP neighbours shut, tunnels are down although IPsec is up."""
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
        """A switch decides whether tunnels can be up while their gateway is not attached."""
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
