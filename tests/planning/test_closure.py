"""The closure of a gateway: nothing that a migration touches is missing from it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, reject, settings
from msgspec.structs import replace

from tests.planning.test_any_survey import healthy_decisions, healthy_surveys
from tests.support.builders import (
    MIGRATION,
    NOON,
    OLD,
    a_connection,
    a_customer_gateway,
    a_gateway,
    a_survey,
    a_table,
)
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.discovery import NamingResource, TerraformResource
from vpnmigrate.model.ec2 import TunnelLogs, TunnelOptions, TunnelRecord
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.survey import (
    DirectConnectAssociation,
    Survey,
    Unread,
    VirtualInterface,
)
from vpnmigrate.planning.closure import (
    ClosureEffect,
    closure,
    old_names,
)
from vpnmigrate.planning.permissions import ResourceOrigin, every_planned_call
from vpnmigrate.planning.planner import plan_from
from vpnmigrate.planning.reference_plan import plan_with_everything
from vpnmigrate.planning.terraform_state import terraform_resources


def _names_a_resource(parameter: str) -> bool:
    """Return whether *parameter* is the id of a resource, not the destination of a route."""
    return parameter.endswith("Id") and parameter != "DestinationPrefixListId"


def touched(plan: Plan) -> Iterator[str]:
    """Yield every existing resource that a call of *plan* names, in every phase."""
    for call in every_planned_call(plan):
        for name, value in call.parameters.items():
            if name == "Resources":
                yield from value
            elif _names_a_resource(name) and value not in call.unknown_ids:
                yield value
        for action in call.actions:
            for resource in action.resources:
                if resource.origin is ResourceOrigin.SURVEYED:
                    yield resource.id


def missing(plan: Plan) -> set[str]:
    items = closure(plan.before).items
    known = {each.id for each in items if each.effect is not ClosureEffect.DISTURBED}
    return set(touched(plan)) - known


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(healthy_surveys, healthy_decisions)
def test_nothing_that_a_plan_touches_is_missing(survey: Survey, decisions: Decisions) -> None:
    """Each id in each call of each phase is changed or used by the closure's account."""
    try:
        plan = plan_from(survey, decisions, "x", migration=MIGRATION, made=NOON, tool="test")
    except RefusedError:
        reject()  # It cannot be planned, for example because of a route server's routes.

    assert missing(plan) == set()


def test_the_plan_that_can_do_everything_touches_nothing_else() -> None:
    """The reference plan has every kind of change that the steps can make."""
    plan = plan_with_everything()

    assert set(touched(plan))
    assert missing(plan) == set()


def found(survey: Survey, **given: object) -> dict[tuple[str, str], str]:
    """Return kind and id of what may be disturbed, with the reason."""
    items = closure(survey, **given).items  # type: ignore[arg-type]
    return {(i.kind, i.id): i.why for i in items if i.effect is ClosureEffect.DISTURBED}


class TestMonitoring:
    def test_what_names_an_old_id_or_address_is_listed(self) -> None:
        """Alarms, dashboards and rules, wherever in their definition the name is."""
        naming = (
            NamingResource("alarm", "a", '{"Dimensions": [{"Value": "vpn-old"}]}'),
            NamingResource("dashboard", "d", '{"title": "to 192.0.2.1"}'),
            NamingResource("rule", "r", '{"resources": ["vgw-old"]}'),
            NamingResource("log group", "/vpn/vpn-old"),
        )

        items = found(a_survey(), naming=naming)

        assert set(items) >= {
            ("alarm", "a"),
            ("dashboard", "d"),
            ("EventBridge rule", "r"),
            ("log group", "/vpn/vpn-old"),
        }
        assert "192.0.2.1" in items["dashboard", "d"]

    @pytest.mark.parametrize("text", ["vpn-older", "192.0.2.10", "1192.0.2.1", "192.0.2.1.5", ""])
    def test_a_longer_name_is_another_one(self, text: str) -> None:
        """An id or address is found as a whole word."""
        assert found(a_survey(), naming=(NamingResource("alarm", "a", text),)) == {}

    def test_the_logs_of_a_tunnel_name_their_group(self) -> None:
        """The log group of a tunnel's own options needs no name."""
        logs = TunnelLogs("arn:aws:logs:eu-west-1:1:log-group:tunnels:*")
        tunnel = TunnelRecord("192.0.2.1", options=TunnelOptions(logs=logs))
        connection = replace(a_connection(), tunnels=(tunnel,))

        assert ("log group", "tunnels") in found(a_survey(connections=(connection,)))

    def test_what_was_not_read_is_unknown(self) -> None:
        """A denied service is no proof that nothing names the connection."""
        lost = Unread("alarms", "denied")
        survey = a_survey(unread=(Unread("direct_connect", "no"), Unread("quotas", "no")))

        assert closure(survey, (), (lost,)).unread == (Unread("direct_connect", "no"), lost)


def test_direct_connect_on_the_gateway_is_listed() -> None:
    """Interfaces and associations, with what they mean for the migration."""
    survey = a_survey(
        virtual_interfaces=(VirtualInterface("dxvif-1", "available", OLD),),
        associations=(DirectConnectAssociation("a-1", "associated", "dxgw-1"),),
    )

    assert set(found(survey)) == {
        ("Direct Connect interface", "dxvif-1"),
        ("Direct Connect association", "a-1"),
    }


def test_redundancy_partners_share_a_device_or_a_prefix() -> None:
    """Connections that stay, and those of the gateway that cannot replace each other meanwhile."""
    prefixes = ("10.1.0.0/16",)
    survey = a_survey(
        connections=tuple(
            a_connection(f"vpn-{n}", customer_gateway=f"cgw-{n}", prefixes=prefixes) for n in (1, 2)
        ),
        other_connections=(
            a_connection("vpn-7", on="vgw-7", customer_gateway="cgw-1"),
            a_connection("vpn-8", on="vgw-7", customer_gateway="cgw-8", prefixes=prefixes),
            a_connection("vpn-9", on="vgw-7", customer_gateway="cgw-9"),
        ),
    )

    partners = {id_ for kind, id_ in found(survey) if kind == "redundancy partner"}

    assert partners == {"vpn-1", "vpn-2", "vpn-7", "vpn-8"}


def test_a_device_with_two_customer_gateways_is_one_device() -> None:
    """Two records with one address, for example of two ASNs; one without an address is another."""
    survey = a_survey(
        connections=(a_connection("vpn-1", customer_gateway="cgw-1"),),
        customer_gateways=(a_customer_gateway("cgw-1"),),
        other_connections=(
            a_connection("vpn-7", on="vgw-7", customer_gateway="cgw-7"),
            a_connection("vpn-8", on="vgw-7", customer_gateway="cgw-8"),
        ),
    )
    devices = (a_customer_gateway("cgw-1"), a_customer_gateway("cgw-7"))
    nameless = replace(a_customer_gateway("cgw-8"), ip="")

    partners = found(survey, devices=(*devices, nameless))

    assert set(partners) == {("redundancy partner", "vpn-7")}
    assert "cgw-7" in partners["redundancy partner", "vpn-7"]


def test_the_sites_of_a_hub_reach_each_other_through_the_gateway() -> None:
    """Several BGP sites are spokes; one site with two connections is none."""
    spokes = tuple(a_connection(f"vpn-{n}", customer_gateway=f"cgw-{n}") for n in (1, 2))
    one = tuple(a_connection(f"vpn-{n}", customer_gateway="cgw-1") for n in (1, 2))

    assert {id_ for _, id_ in found(a_survey(connections=spokes))} == {"vpn-1", "vpn-2"}
    assert found(a_survey(connections=one)) == {}


def test_stacks_that_own_something_changed_are_listed() -> None:
    """The gateway, its connections, tables, VPC and devices; a table that stays is left out."""
    stack = {"aws:cloudformation:stack-name": "net", "aws:cloudformation:logical-id": "Gateway"}
    other = {"aws:cloudformation:stack-name": "apps"}
    survey = a_survey(
        gateway=a_gateway(tags=stack),
        route_tables=(replace(a_table("rtb-9"), tags=other),),
        customer_gateways=(replace(a_customer_gateway(), tags=other | {"Name": "x"}),),
    )

    items = found(survey)

    assert "vgw-old, as Gateway" in items["CloudFormation stack", "net"]
    assert "cgw-1" in items["CloudFormation stack", "apps"]


STATE = {
    "version": 4,
    "resources": [
        {
            "module": "module.vpn",
            "mode": "managed",
            "type": "aws_vpn_connection",
            "name": "site",
            "instances": [
                {
                    "index_key": "paris",
                    "attributes": {
                        "id": "vpn-old",
                        "vpn_gateway_id": "vgw-old",
                        "tunnel1_preshared_key": "secret-key",
                        "routes": [{"gateway": "vgw-old"}],
                    },
                },
                {"index_key": 0, "attributes": {"id": "vpn-other"}},
            ],
        },
        {
            "mode": "data",
            "type": "aws_vpn_gateway",
            "name": "x",
            "instances": [{"attributes": {"id": "vgw-old"}}],
        },
        {
            "mode": "managed",
            "type": "aws_route",
            "name": "r",
            "instances": [{"attributes": {"gateway_id": "vgw-old"}}],
        },
    ],
}


class TestTerraform:
    def test_resources_that_hold_an_old_id_are_listed_by_address(self) -> None:
        """Managed resources with their module and index; data sources are read again anyway."""
        items = found(a_survey(), terraform=terraform_resources(STATE))

        assert set(items) == {
            ("Terraform resource", 'module.vpn.aws_vpn_connection.site["paris"]'),
            ("Terraform resource", "aws_route.r"),
        }

    def test_an_id_inside_of_a_longer_name_is_found(self) -> None:
        """Names of alarms, log groups and the like are often made of an id."""
        resource = {"mode": "managed", "type": "aws_cloudwatch_log_group", "name": "logs"}
        instance = {"attributes": {"name": "/vpn/vpn-old-tunnels"}}
        state = {"version": 4, "resources": [resource | {"instances": [instance]}]}

        items = found(a_survey(), terraform=terraform_resources(state))

        ((kind, id_), why) = next(iter(items.items()))
        assert (kind, id_, len(items)) == ("Terraform resource", "aws_cloudwatch_log_group.logs", 1)
        assert "undo" not in why

    def test_what_only_belongs_to_the_vpc_is_left_out(self) -> None:
        """A subnet or security group holds the VPC's id, which stays."""
        subnet = {"mode": "managed", "type": "aws_subnet", "name": "a"}
        instance = {"attributes": {"id": "subnet-1", "vpc_id": "vpc-1"}}
        state = {"version": 4, "resources": [subnet | {"instances": [instance]}]}

        assert found(a_survey(), terraform=terraform_resources(state)) == {}

    def test_no_key_is_kept(self) -> None:
        """Of a state only ids and addresses are kept: it contains pre-shared keys."""
        resources = terraform_resources(STATE)

        assert resources[0] == TerraformResource(
            'module.vpn.aws_vpn_connection.site["paris"]',
            ("vpn-old", "vgw-old"),
            "aws_vpn_connection",
            "vpn-old",
        )
        assert "secret-key" not in json.dumps([r.values for r in resources])

    @pytest.mark.parametrize("state", [{}, {"version": 3, "resources": []}, {"version": 4}])
    def test_another_document_is_refused(self, state: dict[str, object]) -> None:
        """An older format would have other resources."""
        with pytest.raises(ValueError, match="version 4"):
            terraform_resources(state)


def test_old_names_are_those_that_end() -> None:
    """The gateway, its connections, and the addresses of their tunnels."""
    assert old_names(a_survey()) == ("vgw-old", "vpn-old", "192.0.2.1", "192.0.2.2")
