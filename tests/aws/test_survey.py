"""Surveys."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as botocore

from tests.aws.answering import Answering, Params, Refusal
from vpnmigrate.aws.account import Reader
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import VpnConnectionId, VpnGatewayId
from vpnmigrate.model.errors import NotAuthorizedError, NotFoundError, RefusedError
from vpnmigrate.model.survey import (
    DirectConnectAssociation,
    Quotas,
    Survey,
    Unread,
    VirtualInterface,
)

GATEWAY = VpnGatewayId("vgw-1")
WORLD: dict[str, Any] = {
    "GetCallerIdentity": {"Account": "123456789012", "Arn": "arn:x"},
    "DescribeVpnGateways": {
        "VpnGateways": [
            {"VpnGatewayId": "vgw-3", "State": "deleted"},
            {"VpnGatewayId": "vgw-2", "State": "deleting"},
            {
                "VpnGatewayId": "vgw-1",
                "State": "available",
                "VpcAttachments": [
                    {"VpcId": "vpc-9", "State": "detached"},
                    {"VpcId": "vpc-1", "State": "attached"},
                ],
            },
        ]
    },
    "DescribeVpnConnections": {
        "VpnConnections": [
            {"VpnConnectionId": "vpn-4", "State": "deleted", "VpnGatewayId": "vgw-2"},
            {
                "VpnConnectionId": "vpn-3",
                "State": "available",
                "TransitGatewayId": "tgw-1",
                "CustomerGatewayId": "cgw-2",
            },
            {
                "VpnConnectionId": "vpn-2",
                "State": "deleted",
                "VpnGatewayId": "vgw-1",
                "CustomerGatewayId": "cgw-1",
            },
            {
                "VpnConnectionId": "vpn-1",
                "State": "available",
                "VpnGatewayId": "vgw-1",
                "CustomerGatewayId": "cgw-1",
            },
        ]
    },
    "DescribeCustomerGateways": {
        "CustomerGateways": [
            {"CustomerGatewayId": "cgw-2", "State": "available"},
            {"CustomerGatewayId": "cgw-1", "State": "available"},
        ]
    },
    "DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-2"}, {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}]},
    "DescribeRouteTables": {"RouteTables": [{"RouteTableId": "rtb-1", "VpcId": "vpc-1"}]},
    "GetServiceQuota": Refusal("NoSuchResourceException", status=400),
}


def survey_of(answering: Answering) -> Survey:
    """Survey the gateway through *answering*."""
    return Reader(answering.clients(), VirtualClock()).survey(GATEWAY)


class TestWhatIsRead:
    """The content of a survey."""

    def test_the_gateway_and_its_vpc(self):
        """The gateway, its VPC, and only the tables of that VPC."""
        answering = Answering(WORLD)
        survey = survey_of(answering)

        assert (survey.account, survey.region) == ("123456789012", "eu-west-1")
        assert survey.gateway.id == GATEWAY
        assert survey.vpc is not None
        assert survey.vpc.id == "vpc-1"
        assert answering.params("DescribeRouteTables")["Filters"] == [
            {"Name": "vpc-id", "Values": ["vpc-1"]}
        ]
        assert [vpc.id for vpc in survey.vpcs] == ["vpc-1", "vpc-2"]

    def test_connections(self):
        """Connections on the gateway in any state; of the others the existing ones, for quotas."""
        survey = survey_of(Answering(WORLD))

        assert [c.id for c in survey.connections] == ["vpn-1", "vpn-2"]
        assert [c.id for c in survey.other_connections] == ["vpn-3"]
        assert [c.id for c in survey.customer_gateways] == ["cgw-1"]
        assert [g.id for g in survey.other_gateways] == ["vgw-2"]

    def test_unattached(self):
        """A detached gateway is surveyed without tables, and no table of another VPC is read."""
        rows = [{"VpnGatewayId": "vgw-1", "State": "available", "VpcAttachments": []}]
        answering = Answering({**WORLD, "DescribeVpnGateways": {"VpnGateways": rows}})

        assert survey_of(answering).route_tables == ()
        assert "DescribeRouteTables" not in answering.operations

    def test_nothing_is_altered(self):
        """A survey makes no mutating call."""
        answering = Answering(WORLD)
        survey_of(answering)

        assert all(name.startswith(("Describe", "Get")) for name in answering.operations)

    def test_order_does_not_matter(self):
        """Equal states give equal surveys, in any order of EC2's lists."""
        turned = {
            name: {k: rows[::-1] for k, rows in answer.items()}
            if name.startswith("Describe")
            else answer
            for name, answer in WORLD.items()
        }

        assert survey_of(Answering(turned)) == survey_of(Answering(WORLD))

    def test_unknown_gateway(self):
        """An unknown gateway is reported with account and Region, and the next command."""
        reader = Reader(Answering(WORLD).clients(), VirtualClock())

        with pytest.raises(NotFoundError) as caught:
            reader.survey(VpnGatewayId("vgw-9"))
        assert caught.value.message == (
            "there is no virtual private gateway vgw-9 in account 123456789012, Region eu-west-1"
        )
        assert "vpnmigrate list --region eu-west-1" in caught.value.advice_text

    def test_denied(self):
        """A denied EC2 call fails the survey: a plan without its data would be wrong."""
        denied = Refusal("UnauthorizedOperation", status=403)

        with pytest.raises(NotAuthorizedError, match="ec2:DescribeVpcs"):
            survey_of(Answering({**WORLD, "DescribeVpcs": denied}))


class TestDirectConnect:
    """Direct Connect on the gateway."""

    def test_interfaces(self):
        """Every page is read, without deleted interfaces and those of other gateways (case 12)."""

        def page(params: Params) -> Params:
            if "nextToken" not in params:
                rows = [("dxvif-1", "vgw-2", "available"), ("dxvif-2", "vgw-1", "deleted")]
            else:
                rows = [("dxvif-4", "vgw-1", "down"), ("dxvif-3", "vgw-1", "rejected")]
            more = {} if "nextToken" in params else {"nextToken": "2"}
            return {
                "virtualInterfaces": [
                    {
                        "virtualInterfaceId": id_,
                        "virtualGatewayId": gateway,
                        "virtualInterfaceState": state,
                    }
                    for id_, gateway, state in rows
                ],
                **more,
            }

        survey = survey_of(Answering({**WORLD, "DescribeVirtualInterfaces": page}))

        assert survey.virtual_interfaces == (VirtualInterface("dxvif-4", "down", "vgw-1"),)
        assert survey.unread == ()

    def test_associations(self):
        """A Direct Connect gateway's association is included unless it is deleted (case 13)."""
        rows = [
            {"associationId": f"a-{n}", "associationState": state, "directConnectGatewayId": "dx"}
            for n, state in enumerate(("associated", "disassociating", "disassociated"))
        ]
        operation = "DescribeDirectConnectGatewayAssociations"
        answering = Answering({**WORLD, operation: {"directConnectGatewayAssociations": rows}})

        assert survey_of(answering).associations == (
            DirectConnectAssociation("a-0", "associated", "dx"),
            DirectConnectAssociation("a-1", "disassociating", "dx"),
        )
        assert answering.params(operation)["virtualGatewayId"] == "vgw-1"

    @pytest.mark.parametrize(
        "answer",
        [
            Refusal("AccessDeniedException", "not for you"),
            Refusal("InternalServerError", status=500),
            botocore.EndpointConnectionError(endpoint_url="https://directconnect"),
        ],
    )
    def test_unreadable(self, answer):
        """Unreadable parts are noted in the survey with the reason, and do not fail it."""
        survey = survey_of(Answering({**WORLD, "DescribeVirtualInterfaces": answer}))

        (unread,) = survey.unread
        assert unread.what == "direct_connect"
        assert "directconnect:DescribeVirtualInterfaces" in unread.why


class TestQuotas:
    """Service quotas."""

    def test_limits_in_force(self):
        """Each quota is read by its code; the one for VPCs belongs to another service."""
        asked = {"L-7029FAB6": 7.0, "L-3E6EC3A3": 60.0, "L-B91E5754": 12.0, "L-F678F1CE": 9.0}
        answering = Answering(
            {**WORLD, "GetServiceQuota": lambda p: {"Quota": {"Value": asked[p["QuotaCode"]]}}}
        )

        assert survey_of(answering).quotas == Quotas(7, 60, 12, 100, 9)
        services = [p["ServiceCode"] for name, p in answering.asked if name == "GetServiceQuota"]
        assert services == ["ec2", "ec2", "ec2", "vpc"]

    def test_never_raised(self):
        """A quota that was never raised is AWS's default, and is not noted as unread."""
        survey = survey_of(Answering(WORLD))

        assert survey.quotas == Quotas()
        assert survey.unread == ()

    def test_unreadable(self):
        """Unreadable quotas are replaced by defaults and noted (case 7)."""
        denied = Refusal("AccessDeniedException", "not for you")
        survey = survey_of(Answering({**WORLD, "GetServiceQuota": denied}))

        assert survey.quotas == Quotas()
        assert survey.unread == (
            Unread(
                "quotas",
                "these credentials may not call servicequotas:GetServiceQuota: not for you",
            ),
        )


class TestFindGateway:
    """From a connection to its gateway."""

    def find(self, **row: Any) -> VpnGatewayId:
        """Return the gateway of vpn-1, which EC2 describes as *row*."""
        rows = [{"VpnConnectionId": "vpn-1", "State": "available", **row}] if row else []
        answering = Answering({**WORLD, "DescribeVpnConnections": {"VpnConnections": rows}})
        reader = Reader(answering.clients(), VirtualClock())
        return reader.find_gateway(VpnConnectionId("vpn-1"))

    def test_found(self):
        """A connection's gateway is found."""
        assert self.find(VpnGatewayId="vgw-1") == "vgw-1"

    def test_elsewhere(self):
        """A connection on a transit gateway is refused, and the transit gateway named (case 5)."""
        with pytest.raises(RefusedError, match="vpn-1 ends on tgw-1"):
            self.find(TransitGatewayId="tgw-1")

    def test_nowhere(self):
        """A connection without any gateway is refused."""
        with pytest.raises(RefusedError, match="vpn-1 ends on nothing"):
            self.find(Category="VPN")

    def test_unknown(self):
        """An unknown connection is reported with account and Region."""
        with pytest.raises(NotFoundError, match="no VPN connection vpn-1 in account 123456789012"):
            self.find()

    def test_refused_as_unknown(self):
        """The same if EC2 refuses the id."""
        refusal = Refusal("InvalidVpnConnectionID.NotFound")
        answering = Answering({**WORLD, "DescribeVpnConnections": refusal})

        with pytest.raises(NotFoundError, match="no VPN connection vpn-1 in account 123456789012"):
            Reader(answering.clients(), VirtualClock()).find_gateway(VpnConnectionId("vpn-1"))
