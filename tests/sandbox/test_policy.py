"""Policies of the sandbox: what is read, what is refused, and in which order."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.worlds import OLD, TABLE, VPC, a_world, ask, new_gateway, refusal, refused
from vpnmigrate.model.errors import MalformedFileError
from vpnmigrate.sandbox.authorization import RESOURCES, AuthorizedWorld
from vpnmigrate.sandbox.ec2.dispatch import WRITES
from vpnmigrate.sandbox.policy import AuthorizedAction, Denial, Policy, policy_from
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import serve
from vpnmigrate.sandbox.world import World

GATEWAY = "arn:aws:ec2:eu-west-1:123456789012:vpn-gateway/vgw-1"


def a_statement(**fields: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "*", "Resource": "*", **fields}


def a_policy(*statements: dict[str, Any]) -> Policy:
    return policy_from({"Version": "2012-10-17", "Statement": list(statements)}, "policy.json")


def is_allowed(policy: Policy, action: str, resource: str = "*") -> bool:
    return policy.denial([AuthorizedAction(action, resource)]) is None


class TestReading:
    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"NotAction": "ec2:*"}, "NotAction"),
            ({"NotResource": "*"}, "NotResource"),
            ({"Principal": "*"}, "Principal"),
            ({"Condition": {"DateLessThan": {"aws:TagKeys": "x"}}}, "DateLessThan"),
            ({"Condition": {"StringEquals": {"aws:SourceIp": "x"}}}, "aws:SourceIp"),
            ({"Resource": "arn:aws:ec2:*:*:vpc/${aws:username}"}, "variables"),
            ({"Effect": "allow"}, "Effect"),
            ({"Action": []}, "Action"),
            ({"Action": ["ec2:*", 1]}, "Action"),
            ({"Condition": "x"}, "statement 2"),
        ],
    )
    def test_what_is_not_enforced_is_refused_by_name(self, fields, named) -> None:
        """An element that the sandbox would ignore is refused, with its name and its statement."""
        with pytest.raises(MalformedFileError, match="statement 2") as caught:
            a_policy(a_statement(), a_statement(**fields))
        assert named in caught.value.message

    @pytest.mark.parametrize(
        "document",
        [[], {"Statement": []}, {"Version": "2008-10-17", "Statement": []}, {"Rules": 1}],
    )
    def test_other_documents_are_refused(self, document) -> None:
        """A document that is not a policy of the current version is refused."""
        with pytest.raises(MalformedFileError, match=r"policy\.json"):
            policy_from(document, "policy.json")

    def test_one_statement_needs_no_list(self) -> None:
        """A single statement, action or resource may be written without a list."""
        document = {"Version": "2012-10-17", "Statement": a_statement(Action="ec2:CreateVpc")}
        assert is_allowed(policy_from(document, "p"), "ec2:CreateVpc")


class TestDecision:
    def test_nothing_is_allowed_by_default(self) -> None:
        """What no statement allows is refused; an empty policy refuses everything."""
        denial = a_policy().denial([AuthorizedAction("ec2:CreateVpc", "*")])
        assert denial == Denial("ec2:CreateVpc", "*", explicit=False)

    def test_a_denial_outweighs_every_permission(self) -> None:
        """A statement that denies is stronger than any that allows."""
        policy = a_policy(a_statement(), a_statement(Effect="Deny", Action="ec2:Delete*"))
        assert is_allowed(policy, "ec2:CreateVpc")
        assert not is_allowed(policy, "ec2:DeleteVpc")

    def test_wildcards_are_those_of_iam(self) -> None:
        """Actions match in any case, resources in their own; only * and ? are special."""
        policy = a_policy(
            a_statement(Action="ec2:AttachVpnGatewa?", Resource="arn:*:vpn-gateway/*")
        )
        assert is_allowed(policy, "EC2:attachvpngateway", GATEWAY)
        assert not is_allowed(policy, "ec2:AttachVpnGateway", GATEWAY.upper())
        assert not is_allowed(policy, "ec2:AttachVpnGateway", "*")
        assert not is_allowed(a_policy(a_statement(Resource="vgw-[12]")), "x", "vgw-1")

    @pytest.mark.parametrize(
        ("operator", "key", "wanted", "value", "met"),
        [
            ("StringEquals", "ec2:CreateAction", ["a", "b"], "b", True),
            ("StringEquals", "ec2:CreateAction", "a*", "ab", False),
            ("StringEquals", "ec2:CreateAction", "a", None, False),
            ("StringNotEquals", "ec2:CreateAction", "a", "b", True),
            ("StringNotEquals", "ec2:CreateAction", "a", None, True),
            ("StringLike", "EC2:createaction", "a*", "ab", True),
            ("StringLike", "ec2:CreateAction", "*", None, False),
            ("ArnEquals", "ec2:Vpc", "arn:*:vpc/vpc-1", "arn:aws:vpc/vpc-1", True),
            ("ArnNotEquals", "ec2:Vpc", "arn:1", "arn:1", False),
            ("ArnNotEquals", "ec2:Vpc", "arn:1", None, True),
            ("Null", "aws:TagKeys", "false", "a", True),
            ("Null", "aws:TagKeys", "false", None, False),
            ("Null", "aws:TagKeys", "true", None, True),
            ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b"], ["a"], True),
            ("ForAllValues:StringEquals", "aws:TagKeys", ["a"], ["a", "b"], False),
            ("ForAllValues:StringEquals", "aws:TagKeys", ["a"], None, True),
            ("ForAllValues:StringLike", "aws:TagKeys", ["a*"], ["ab", "c"], False),
        ],
    )
    def test_operators_are_those_of_iam(self, operator, key, wanted, value, met) -> None:
        """Each operator compares as in IAM, also where a call lacks the key."""
        policy = a_policy(a_statement(Condition={operator: {key: wanted}}))
        values = () if value is None else tuple([value] if isinstance(value, str) else value)
        context = {} if value is None else {key.lower(): values}
        assert (policy.denial([AuthorizedAction("ec2:X", "*", context)]) is None) == met


class TestCalls:
    def test_every_change_is_authorized_on_its_resources(self) -> None:
        """No call that changes the world is authorized on "any resource" by oversight."""
        resolved = {"CreateTags", "DeleteTags", "DisassociateRouteTable"}
        assert {action for _, action in WRITES} - RESOURCES.keys() == resolved

    def test_every_resource_of_a_call_must_be_allowed(self) -> None:
        """An action that is allowed on the gateway alone is refused on the VPC, by name."""
        arn = f"arn:aws:ec2:*:*:vpn-gateway/{OLD}"
        world = AuthorizedWorld(a_world(), a_policy(a_statement(Resource=arn)))
        denied = refused(world, "DetachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
        assert (denied.code, denied.status) == ("UnauthorizedOperation", 403)
        on = f"arn:aws:ec2:eu-west-1:{world.account}:vpc/{VPC}"
        assert f"ec2:DetachVpnGateway on resource: {on}" in denied.message

    def test_a_refusal_comes_before_everything_else(self) -> None:
        """A dry run that is not allowed is refused, one that is allowed answers so; none acts."""
        inner = a_world()
        world = AuthorizedWorld(inner, a_policy(a_statement(Action="ec2:CreateVpnGateway")))
        before = ask(inner, "DescribeVpnGateways")
        denied = "UnauthorizedOperation"
        assert refusal(world, "CreateVpnGateway", Type="ipsec.1", DryRun=True) == "DryRunOperation"
        assert refusal(world, "DeleteVpnGateway", VpnGatewayId=OLD, DryRun=True) == denied
        assert refusal(world, "DeleteVpnGateway", VpnGatewayId="vgw-none") == denied
        assert refusal(world, "CreateNatGateway") == denied
        assert ask(inner, "DescribeVpnGateways") == before

    def test_tags_of_a_new_resource_need_create_tags(self) -> None:
        """A create call with tags is refused where tagging is bound to another create call."""
        tags = [{"ResourceType": "vpn-gateway", "Tags": [{"Key": "a", "Value": "b"}]}]
        only = {"StringEquals": {"ec2:CreateAction": "CreateVpc"}}
        world = AuthorizedWorld(
            a_world(),
            a_policy(
                a_statement(Action="ec2:CreateVpnGateway"),
                a_statement(Action="ec2:CreateTags", Condition=only),
            ),
        )
        ask(world, "CreateVpnGateway", Type="ipsec.1")
        denied = refused(world, "CreateVpnGateway", Type="ipsec.1", TagSpecifications=tags)
        assert "ec2:CreateTags on resource" in denied.message

    def test_resources_are_known_by_their_tags(self) -> None:
        """A condition on a tag holds for the resource that has it, and for no other."""
        inner = a_world()
        mine = new_gateway(inner)
        ask(inner, "CreateTags", Resources=[mine], Tags=[{"Key": "my", "Value": "1"}])
        tagged = {"StringEquals": {"aws:ResourceTag/my": "1"}}
        world = AuthorizedWorld(inner, a_policy(a_statement(Condition=tagged)))
        assert refusal(world, "DeleteVpnGateway", VpnGatewayId=OLD) == "UnauthorizedOperation"
        ask(world, "DeleteVpnGateway", VpnGatewayId=mine)

    def test_a_claim_cannot_remove_other_tags(self) -> None:
        """Tags are deleted only with the keys that a policy names; all at once is refused."""
        keys = {
            "ForAllValues:StringEquals": {"aws:TagKeys": ["mine"]},
            "Null": {"aws:TagKeys": "false"},
        }
        world = AuthorizedWorld(a_world(), a_policy(a_statement(Condition=keys)))
        denied = "UnauthorizedOperation"
        assert refusal(world, "DeleteTags", Resources=[OLD]) == denied
        assert refusal(world, "DeleteTags", Resources=[OLD], Tags=[{"Key": "Name"}]) == denied
        ask(world, "DeleteTags", Resources=[OLD], Tags=[{"Key": "mine"}])

    def test_tables_are_known_by_their_vpc(self) -> None:
        """A condition on the VPC of a table is decided by where the table is."""
        inner = a_world()
        vpc = f"arn:aws:ec2:eu-west-1:{inner.account}:vpc/{VPC}"
        here, elsewhere = (
            AuthorizedWorld(inner, a_policy(a_statement(Condition={operator: {"ec2:Vpc": vpc}})))
            for operator in ("ArnEquals", "ArnNotEquals")
        )
        to = {"RouteTableId": TABLE, "DestinationCidrBlock": "10.77.0.0/16", "GatewayId": OLD}
        assert refusal(elsewhere, "CreateRoute", **to) == "UnauthorizedOperation"
        ask(here, "CreateRoute", **to)

    def test_who_am_i_is_never_refused(self) -> None:
        """GetCallerIdentity needs no permission in AWS."""
        world = AuthorizedWorld(a_world(), a_policy())
        assert world.execute("sts", "GetCallerIdentity", {})["Account"] == world.account


class TestServed:
    def test_a_served_sandbox_refuses_the_rest(self) -> None:
        """Over HTTP: reads allowed, changes, other Regions and other services refused."""
        world = World(ScaledClock())
        arn = f"arn:aws:ec2:{world.region}:*"
        policy = a_policy(
            a_statement(Action="ec2:Describe*"),
            a_statement(Action="ec2:CreateVpnGateway", Resource=f"{arn}:vpn-gateway/*"),
        )
        with serve(world, policy=policy) as server:

            def client(service: str, region: str = world.region) -> Any:
                return boto3.client(
                    service,
                    endpoint_url=server.url,
                    region_name=region,
                    aws_access_key_id="SANDBOX",
                    aws_secret_access_key="SANDBOX",
                )

            ec2 = client("ec2")
            assert ec2.describe_vpn_gateways()["VpnGateways"] == []
            assert ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["State"]
            for call in (
                lambda: ec2.create_vpc(CidrBlock="10.0.0.0/16"),
                lambda: ec2.create_key_pair(KeyName="x"),
                lambda: client("ec2", "us-east-1").create_vpn_gateway(Type="ipsec.1"),
            ):
                with pytest.raises(ClientError) as caught:
                    call()
                assert caught.value.response["Error"]["Code"] == "UnauthorizedOperation"
                assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
            with pytest.raises(ClientError) as caught:
                client("directconnect").describe_virtual_interfaces()
            assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
            with pytest.raises(ClientError):
                client("s3").list_buckets()
            assert client("sts").get_caller_identity()["Account"] == world.account
