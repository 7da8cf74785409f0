"""One call for each change, sent once."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore import exceptions as botocore

from tests.aws.answering import MARK, REQUEST_ID, Answering, Refusal
from tests.devices.documents import OLD_KEYS, Ends, a_document
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.session import Clients
from vpnmigrate.local.vault import Vault
from vpnmigrate.model import changes
from vpnmigrate.model.changes.base import InDoubt, Later, Outcome, Performed, Refused
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.model.ec2 import (
    CustomerGatewayId,
    Role,
    RouteTableId,
    TunnelOptions,
    VpcId,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.errors.commands import one_line

GATEWAY, VPC, TABLE = VpnGatewayId("vgw-1"), VpcId("vpc-1"), RouteTableId("rtb-1")
ROLE = Role("connection/vpn-old")


@pytest.fixture
def perform(tmp_path):
    """Return a function that performs a change against a table of answers."""

    def performed(change: changes.AwsChange, answering: Answering) -> Outcome:
        account = Account(answering.clients(), VirtualClock(), Vault(tmp_path / "vault"))
        return account.perform(change, MARK)

    return performed


def a_connection(**more: Any) -> changes.CreateVpnConnection:
    """Return the creation of a BGP connection."""
    return changes.CreateVpnConnection(
        ROLE,
        **{
            "gateway": GATEWAY,
            "customer_gateway": CustomerGatewayId("cgw-1"),
            "replaces": VpnConnectionId("vpn-old"),
            "static_only": False,
            **more,
        },
    )


def our_tags(role: str, **more: str) -> list[dict[str, str]]:
    """Return the program's tags of a creation in *role*, sorted by key."""
    tags = {
        **more,
        "vpnmigrate:attempt": "2",
        "vpnmigrate:migration": "mig-1",
        "vpnmigrate:role": role,
    }
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


PLAIN: list[tuple[changes.AwsChange, str, dict[str, Any]]] = [
    (
        changes.AddStaticPrefix(VpnConnectionId("vpn-1"), "10.1.0.0/16"),
        "CreateVpnConnectionRoute",
        {"VpnConnectionId": "vpn-1", "DestinationCidrBlock": "10.1.0.0/16"},
    ),
    (
        changes.AttachVpnGateway(GATEWAY, VPC),
        "AttachVpnGateway",
        {"VpnGatewayId": "vgw-1", "VpcId": "vpc-1"},
    ),
    (
        changes.DetachVpnGateway(GATEWAY, VPC),
        "DetachVpnGateway",
        {"VpnGatewayId": "vgw-1", "VpcId": "vpc-1"},
    ),
    (
        changes.EnablePropagation(TABLE, GATEWAY),
        "EnableVgwRoutePropagation",
        {"RouteTableId": "rtb-1", "GatewayId": "vgw-1"},
    ),
    (
        changes.DisablePropagation(TABLE, GATEWAY),
        "DisableVgwRoutePropagation",
        {"RouteTableId": "rtb-1", "GatewayId": "vgw-1"},
    ),
    (
        changes.ReplaceRoute(TABLE, "10.1.0.0/16", GATEWAY),
        "ReplaceRoute",
        {"RouteTableId": "rtb-1", "GatewayId": "vgw-1", "DestinationCidrBlock": "10.1.0.0/16"},
    ),
    (
        changes.ReplaceRoute(TABLE, "2001:db8::/32", GATEWAY),
        "ReplaceRoute",
        {
            "RouteTableId": "rtb-1",
            "GatewayId": "vgw-1",
            "DestinationIpv6CidrBlock": "2001:db8::/32",
        },
    ),
    (
        changes.ReplaceRoute(TABLE, "pl-1", GATEWAY),
        "ReplaceRoute",
        {"RouteTableId": "rtb-1", "GatewayId": "vgw-1", "DestinationPrefixListId": "pl-1"},
    ),
    (
        changes.CreateRoute(TABLE, "10.1.0.0/16", GATEWAY),
        "CreateRoute",
        {"RouteTableId": "rtb-1", "GatewayId": "vgw-1", "DestinationCidrBlock": "10.1.0.0/16"},
    ),
    (
        changes.AssociateEdge(TABLE, GATEWAY),
        "AssociateRouteTable",
        {"RouteTableId": "rtb-1", "GatewayId": "vgw-1"},
    ),
    (
        changes.DisassociateEdge(TABLE, GATEWAY, "rtbassoc-1"),
        "DisassociateRouteTable",
        {"AssociationId": "rtbassoc-1"},
    ),
    (
        changes.PlaceClaim(GATEWAY, "ann@laptop"),
        "CreateTags",
        {
            "Resources": ["vgw-1"],
            "Tags": [{"Key": "vpnmigrate:claim", "Value": "ann@laptop"}],
        },
    ),
    (
        changes.RemoveClaim(GATEWAY, "ann@desk"),
        "DeleteTags",
        {"Resources": ["vgw-1"], "Tags": [{"Key": "vpnmigrate:claim", "Value": "ann@desk"}]},
    ),
    (
        changes.DeleteVpnConnection("vpn-1", "vpn-1"),
        "DeleteVpnConnection",
        {"VpnConnectionId": "vpn-1"},
    ),
    (changes.DeleteVpnGateway("vgw-1", "vgw-1"), "DeleteVpnGateway", {"VpnGatewayId": "vgw-1"}),
    (changes.DeleteTestSubnet("test-subnet", "subnet-1"), "DeleteSubnet", {"SubnetId": "subnet-1"}),
    (changes.DeleteTestVpc("test-vpc", "vpc-1"), "DeleteVpc", {"VpcId": "vpc-1"}),
]


@pytest.mark.parametrize(("change", "operation", "params"), PLAIN)
def test_one_call(perform, change, operation, params):
    """A change is the one call that it names, with its values, and its request id is kept."""
    answering = Answering()

    assert perform(change, answering) == Performed(request_id=REQUEST_ID)
    assert answering.asked == [(operation, params)]
    assert change.call == operation


def test_every_change_is_performed():
    """The changes tested here are all kinds of change."""
    tested = {type(change) for change, _, _ in PLAIN} | {
        changes.CreateVpnGateway,
        changes.CreateVpnConnection,
        changes.CreateTestVpc,
        changes.CreateTestSubnet,
        changes.ArchiveConfiguration,
    }

    assert tested == set(changes.AwsChange.__args__)


class TestCreating:
    """Creations have the tags by which they are found again."""

    def test_gateway(self, perform):
        """A gateway is created with its ASN, the user's tags and the program's, in one call."""
        answering = Answering({"CreateVpnGateway": {"VpnGateway": {"VpnGatewayId": "vgw-9"}}})
        change = changes.CreateVpnGateway(Role("gateway"), asn=64600, tags=(("Name", "office"),))

        assert perform(change, answering) == Performed(REQUEST_ID, "vgw-9")
        assert answering.asked == [
            (
                "CreateVpnGateway",
                {
                    "Type": "ipsec.1",
                    "AmazonSideAsn": 64600,
                    "TagSpecifications": [
                        {
                            "ResourceType": "vpn-gateway",
                            "Tags": our_tags("gateway", Name="office"),
                        }
                    ],
                },
            )
        ]

    def test_default_asn(self, perform):
        """Without an ASN none is sent, and AWS uses its default."""
        answering = Answering()
        perform(changes.CreateVpnGateway(Role("gateway")), answering)

        assert "AmazonSideAsn" not in answering.params("CreateVpnGateway")

    def test_our_tags_win(self, perform):
        """A user tag cannot replace a tag of the program."""
        answering = Answering()
        tags = (("vpnmigrate:migration", "another"),)
        perform(changes.CreateVpnGateway(Role("gateway"), tags=tags), answering)

        (specification,) = answering.params("CreateVpnGateway")["TagSpecifications"]
        assert specification["Tags"] == our_tags("gateway")

    def test_test_vpc(self, perform):
        """The test VPC and its subnet are tagged as they are created."""
        answering = Answering(
            {
                "CreateVpc": {"Vpc": {"VpcId": "vpc-9"}},
                "CreateSubnet": {"Subnet": {"SubnetId": "subnet-9"}},
            }
        )
        vpc = changes.CreateTestVpc(Role("test-vpc"), "10.99.0.0/24")
        subnet = changes.CreateTestSubnet(Role("test-subnet"), VpcId("vpc-9"), "10.99.0.0/28")

        assert perform(vpc, answering) == Performed(REQUEST_ID, "vpc-9")
        assert perform(subnet, answering) == Performed(REQUEST_ID, "subnet-9")
        assert answering.params("CreateVpc") == {
            "CidrBlock": "10.99.0.0/24",
            "TagSpecifications": [{"ResourceType": "vpc", "Tags": our_tags("test-vpc")}],
        }
        assert answering.params("CreateSubnet") == {
            "VpcId": "vpc-9",
            "CidrBlock": "10.99.0.0/28",
            "TagSpecifications": [{"ResourceType": "subnet", "Tags": our_tags("test-subnet")}],
        }


class TestCreatingConnections:
    """Connections and their tunnels."""

    def tunnels(self, perform, change: changes.CreateVpnConnection, answering=None) -> Any:
        """Return the tunnel options that creating *change* sends."""
        answering = answering or Answering()
        perform(change, answering)
        return answering.params("CreateVpnConnection")["Options"]["TunnelOptions"]

    def test_request(self, perform):
        """The customer gateway, the gateway, the type, the routing type and the tags are sent."""
        made = {"VpnConnection": {"VpnConnectionId": "vpn-9"}}
        answering = Answering({"CreateVpnConnection": made})

        assert perform(a_connection(static_only=True), answering) == Performed(REQUEST_ID, "vpn-9")
        assert answering.params("CreateVpnConnection") == {
            "Type": "ipsec.1",
            "CustomerGatewayId": "cgw-1",
            "VpnGatewayId": "vgw-1",
            "Options": {
                "StaticRoutesOnly": True,
                "TunnelOptions": [{"StartupAction": "add"}, {"StartupAction": "add"}],
            },
            "TagSpecifications": [{"ResourceType": "vpn-connection", "Tags": our_tags(ROLE)}],
        }

    @pytest.mark.parametrize("cidrs", [(), ("169.254.9.0/30",), ("169.254.9.0/30",) * 2])
    def test_always_two_tunnels(self, perform, cidrs):
        """Two tunnels are always sent, and AWS never starts one (cases 30 and 31)."""
        tunnels = self.tunnels(perform, a_connection(inside_cidrs=cidrs))

        assert [tunnel["StartupAction"] for tunnel in tunnels] == ["add", "add"]
        assert [t["TunnelInsideCidr"] for t in tunnels if "TunnelInsideCidr" in t] == list(cidrs)

    def test_options(self, perform):
        """The plan's tunnel options are sent for both tunnels, in EC2's form."""
        options = TunnelOptions(
            ike_versions=("ikev2",),
            phase1_encryption=("AES256", "AES256-GCM-16"),
            phase1_integrity=("SHA2-256",),
            phase1_dh_groups=(14, 20),
            phase2_encryption=("AES256",),
            phase2_integrity=("SHA2-512",),
            phase2_dh_groups=(21,),
            dpd_timeout_seconds=40,
            dpd_timeout_action="restart",
        )
        first, second = self.tunnels(perform, a_connection(tunnels=(options, options)))

        assert first == second
        assert first == {
            "StartupAction": "add",
            "IKEVersions": [{"Value": "ikev2"}],
            "Phase1EncryptionAlgorithms": [{"Value": "AES256"}, {"Value": "AES256-GCM-16"}],
            "Phase1IntegrityAlgorithms": [{"Value": "SHA2-256"}],
            "Phase1DHGroupNumbers": [{"Value": 14}, {"Value": 20}],
            "Phase2EncryptionAlgorithms": [{"Value": "AES256"}],
            "Phase2IntegrityAlgorithms": [{"Value": "SHA2-512"}],
            "Phase2DHGroupNumbers": [{"Value": 21}],
            "DPDTimeoutSeconds": 40,
            "DPDTimeoutAction": "restart",
        }

    def test_secrets_manager(self, perform):
        """Keys in Secrets Manager are requested, and none is sent."""
        answering = Answering()
        tunnels = self.tunnels(perform, a_connection(keys=KeyMode.SECRETS_MANAGER), answering)

        assert answering.params("CreateVpnConnection")["PreSharedKeyStorage"] == "SecretsManager"
        assert not any("PreSharedKey" in tunnel for tunnel in tunnels)

    def test_reused_keys(self, perform):
        """Reused keys are read from the old connection and sent, by outside address."""
        row = {"VpnConnectionId": "vpn-old", "CustomerGatewayConfiguration": a_document()}
        answering = Answering({"DescribeVpnConnections": {"VpnConnections": [row]}})
        tunnels = self.tunnels(perform, a_connection(keys=KeyMode.REUSE), answering)

        assert answering.params("DescribeVpnConnections") == {"VpnConnectionIds": ["vpn-old"]}
        assert [tunnel["PreSharedKey"] for tunnel in tunnels] == list(OLD_KEYS)

    @pytest.mark.parametrize(
        "document",
        [
            None,
            "not XML",
            a_document((Ends("203.0.113.1", "169.254.1.1"), Ends("203.0.113.2", "169.254.1.5"))),
        ],
    )
    def test_keys_that_are_not_shown(self, perform, document):
        """Without the old keys nothing is created, and the advice names the playbook."""
        row = {"VpnConnectionId": "vpn-old", "CustomerGatewayConfiguration": document}
        answering = Answering({"DescribeVpnConnections": {"VpnConnections": [row]}})
        outcome = perform(a_connection(keys=KeyMode.REUSE), answering)

        assert isinstance(outcome, Refused)
        assert "uses new keys" in one_line(outcome.advice)
        assert answering.operations == ["DescribeVpnConnections"]

    def test_a_refused_key_is_not_quoted(self, perform):
        """If EC2 quotes a refused key, the outcome does not."""
        row = {"VpnConnectionId": "vpn-old", "CustomerGatewayConfiguration": a_document()}
        refusal = Refusal("InvalidParameterValue", f"Value ({OLD_KEYS[1]}) for preSharedKey is bad")
        answering = Answering(
            {
                "DescribeVpnConnections": {"VpnConnections": [row]},
                "CreateVpnConnection": refusal,
            }
        )
        outcome = perform(a_connection(keys=KeyMode.REUSE), answering)

        assert isinstance(outcome, Refused)
        assert outcome.message == "Value ([key withheld]) for preSharedKey is bad"


class TestFailing:
    """A failed call is an outcome, never an exception."""

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (Refusal("Gateway.NotAttached"), Later),
            (Refusal("AsnConflict"), Refused),
            (Refusal("InternalError", status=500), InDoubt),
            (botocore.ReadTimeoutError(endpoint_url="https://ec2"), InDoubt),
            (botocore.EndpointConnectionError(endpoint_url="https://ec2"), Later),
        ],
    )
    @pytest.mark.parametrize("change", [a_connection(), changes.EnablePropagation(TABLE, GATEWAY)])
    def test_outcomes(self, perform, change, answer, kind):
        """The outcome shows what EC2 refuses and what it does not answer."""
        answering = Answering({change.call: answer})

        assert isinstance(perform(change, answering), kind)
        assert len(answering.asked) == 1

    def test_a_value_botocore_refuses(self, perform):
        """A value of the wrong type is refused before it is sent."""
        change = changes.CreateVpnGateway(Role("gateway"), asn="many")  # type: ignore[arg-type]

        assert isinstance(perform(change, Answering()), Refused)

    def test_credentials_are_loaded_again(self, tmp_path):
        """A change refused for expired credentials succeeds with new ones at the next attempt."""
        change = changes.AttachVpnGateway(GATEWAY, VPC)
        expired = Answering({"AttachVpnGateway": Refusal("ExpiredToken")})
        sessions = [expired.session(), Answering().session()]

        def open_session() -> boto3.Session:
            return sessions.pop(0)

        account = Account(Clients(open_session), VirtualClock(), Vault(tmp_path / "vault"))

        assert isinstance(account.perform(change, MARK), Later)
        assert account.perform(change, MARK) == Performed(REQUEST_ID)
