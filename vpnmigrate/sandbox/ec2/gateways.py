"""Virtual private gateways and their attachments."""

from __future__ import annotations

from datetime import datetime, timedelta

from vpnmigrate.model.ec2 import DEFAULT_ASN
from vpnmigrate.sandbox.ec2.ids import GATEWAY, ApiError, invalid_value
from vpnmigrate.sandbox.ec2.quotas import (
    check_gateways,
    detach_ends_associations,
    uses_direct_connect,
)
from vpnmigrate.sandbox.ec2.request import (
    Field,
    Params,
    Result,
    Row,
    asked_for,
    available_gateway,
    required,
    selected,
    the_gateway,
    the_vpc,
)
from vpnmigrate.sandbox.ec2.tags import tag_rows, tags_at_creation
from vpnmigrate.sandbox.state import (
    GONE,
    UNBORN,
    AttachmentRow,
    Gateway,
    RouteTable,
    Timeline,
    Vpc,
    WorldState,
)

_ASNS = (range(64512, 65535), range(4200000000, 4294967295))


def create_vpn_gateway(state: WorldState, params: Params) -> Result:
    """CreateVpnGateway."""
    if params.get("Type") != "ipsec.1":
        raise invalid_value(f"Value ({params.get('Type')}) for parameter type is invalid.")
    asn = int(params.get("AmazonSideAsn") or DEFAULT_ASN)
    if not any(asn in span for span in _ASNS):
        raise invalid_value(
            f"Value ({asn}) for parameter amazonSideAsn is invalid. It must be in the range "
            "64512 to 65534 or 4200000000 to 4294967294."
        )
    tags = tags_at_creation(params, GATEWAY)
    check_gateways(state)
    life = Timeline()
    creation = state.lasting(state.behaviour.gateway_creation)
    life.then(state.now, (timedelta(0), "pending"), (creation, "available"))
    gateway = Gateway(state.new_id(GATEWAY), asn, life)
    state.gateways[gateway.id] = gateway
    state.tags[gateway.id] = tags
    state.born[gateway.id] = dict(tags)
    return {"VpnGateway": gateway_row(state, gateway)}


_FILTERS: dict[str, Field] = {
    "amazon-side-asn": "AmazonSideAsn",
    "attachment.state": "VpcAttachments.State",
    "attachment.vpc-id": "VpcAttachments.VpcId",
    "availability-zone": "AvailabilityZone",
    "state": "State",
    "type": "Type",
    "vpn-gateway-id": "VpnGatewayId",
}


def describe_vpn_gateways(state: WorldState, params: Params) -> Result:
    """DescribeVpnGateways; without pages."""
    rows = {g.id: gateway_row(state, g) for g in state.gateways.values() if state.is_there(g)}
    named = asked_for(rows, params, "VpnGatewayIds", GATEWAY)
    return {"VpnGateways": selected(named, params, _FILTERS)}


def attach_vpn_gateway(state: WorldState, params: Params) -> Result:
    """AttachVpnGateway; a repeated call returns the present state."""
    gateway = available_gateway(state, required(params, "VpnGatewayId"))
    vpc = the_vpc(state, required(params, "VpcId"))
    present = gateway.attachment(vpc.id, state.now)
    if present and present.life.reaches("detaching") is None:
        return {"VpcAttachment": _shown(state, present)}
    _refuse_second_vpc(state, gateway, vpc)
    _refuse_second_gateway(state, gateway, vpc)
    _refuse_pending(state, gateway)
    refuse_while_busy(state, gateway, vpc.id)
    behaviour = state.behaviour
    invisible = state.lasting(behaviour.attachment_visible_after)
    attaching = max(state.lasting(behaviour.attach) - invisible, timedelta(0))
    life = Timeline()
    life.then(state.now, (timedelta(0), UNBORN), (invisible, "attaching"), (attaching, "attached"))
    row = AttachmentRow(vpc.id, life)
    match behaviour.reattached_row:
        case "replaces":
            gateway.attachments = [a for a in gateway.attachments if a.vpc != vpc.id] + [row]
        case "precedes":
            gateway.attachments = [row, *gateway.attachments]
        case "follows":
            gateway.attachments = [*gateway.attachments, row]
    if not behaviour.reattach_restores_propagation:
        _silence_surviving_propagation(state, gateway)
    return {"VpcAttachment": _shown(state, row)}


def detach_vpn_gateway(state: WorldState, params: Params) -> Result:
    """DetachVpnGateway; switches decide its effect on propagation and edge tables."""
    gateway = the_gateway(state, required(params, "VpnGatewayId"))
    vpc = required(params, "VpcId")
    row = gateway.attachment(vpc, state.now)
    if row is None or row.life.reaches("detaching"):
        raise ApiError(
            "InvalidVpnGatewayAttachment.NotFound",
            f"The attachment with vpn gateway ID '{gateway.id}' and vpc ID '{vpc}' does not exist",
        )
    _refuse_pending(state, gateway)
    refuse_while_busy(state, gateway, vpc)
    behaviour = state.behaviour
    slow = uses_direct_connect(state, gateway.id)
    span = behaviour.detach_with_direct_connect if slow else behaviour.detach
    lasting = state.lasting(span)
    row.life.then(
        state.now,
        (timedelta(0), "detaching"),
        (lasting, "detached"),
        (behaviour.detached_lingers, GONE),
    )
    detach_ends_associations(state, gateway.id)
    _end_settings(state, gateway, state.now + lasting)
    return {}


def delete_vpn_gateway(state: WorldState, params: Params) -> Result:
    """DeleteVpnGateway."""
    gateway = the_gateway(state, required(params, "VpnGatewayId"))
    living = {"pending", "available", "deleting", "modifying"}
    connected = any(
        c.gateway == gateway.id and state.life(c) in living for c in state.connections.values()
    )
    if gateway.held(state.now) or connected or uses_direct_connect(state, gateway.id):
        raise ApiError("IncorrectState", "The VPN gateway is in use.")
    if state.life(gateway) != "deleting":
        refuse_while_busy(state, gateway)
        gateway.life.then(
            state.now,
            (timedelta(0), "deleting"),
            (state.lasting(state.behaviour.gateway_deletion), "deleted"),
            (state.behaviour.deleted_lingers, GONE),
        )
    return {}


def gateway_row(state: WorldState, gateway: Gateway) -> Row:
    """Return *gateway* as in a describe answer."""
    row: Row = {
        "VpnGatewayId": gateway.id,
        "State": state.life(gateway),
        "Type": gateway.type,
        "VpcAttachments": [
            {"VpcId": a.vpc, "State": a.life.at(state.now)}
            for a in gateway.attachments
            if a.life.is_there(state.now)
        ],
        "Tags": tag_rows(state, gateway.id),
    }
    return row if gateway.asn is None else {**row, "AmazonSideAsn": gateway.asn}


def is_ready(state: WorldState, gateway: Gateway, vpc: str) -> bool:
    """Return whether routing of *vpc* accepts *gateway*: some time after the attachment."""
    since = gateway.attached_since(state.now)
    ready = state.behaviour.gateway_ready_after
    return gateway.vpc(state.now) == vpc and since is not None and since + ready <= state.now


def not_ready(
    state: WorldState, gateway: Gateway | None, table: RouteTable, usual: ApiError
) -> ApiError:
    """Return the error for a gateway that routing of *table* does not accept yet."""
    attached = gateway is not None and gateway.vpc(state.now) == table.vpc
    if gateway is None or not attached or state.behaviour.gateway_not_ready == "by call":
        return usual
    return invalid_value(
        f"route table {table.id} and network gateway {gateway.id} belong to different networks"
    )


def refuse_while_busy(state: WorldState, gateway: Gateway, vpc: str = "") -> None:
    """Check that no workflow of an earlier change of *gateway*, or on *vpc*, is still pending.

    Raises:
        ApiError: A workflow is pending.
    """
    lives = [row.life for row in gateway.attachments]
    lives += [c.life for c in state.connections.values() if c.gateway == gateway.id]
    for other in state.gateways.values():
        lives += [row.life for row in other.attachments if row.vpc == vpc]
    since = state.now - state.behaviour.workflow_ends_after
    if any(life.at(state.now) in _SETTLED and life.since(state.now) > since for life in lives):
        raise ApiError(
            state.behaviour.workflow_refusal,
            "This call cannot be completed because there is a conflicting pending workflow for "
            f"{gateway.id}",
        )


_SETTLED = frozenset({"attached", "detached", "available", "deleted"})


def _shown(state: WorldState, row: AttachmentRow) -> Row:
    now = row.life.at(state.now)
    return {"VpcId": row.vpc, "State": "attaching" if now == UNBORN else now}


def _refuse_second_vpc(state: WorldState, gateway: Gateway, vpc: Vpc) -> None:
    for held in gateway.held(state.now):
        if held.vpc != vpc.id:
            raise ApiError(
                "VpnGatewayAttachmentLimitExceeded",
                f"The virtual private gateway {gateway.id} is attached to {held.vpc}; "
                "the limit on attached VPCs is 1.",
            )
        raise _while_detaching(state, vpc)


def _refuse_second_gateway(state: WorldState, gateway: Gateway, vpc: Vpc) -> None:
    for other in state.gateways.values():
        row = other.attachment(vpc.id, state.now)
        if row is None or other.id == gateway.id:
            continue
        if row.life.reaches("detaching"):
            raise _while_detaching(state, vpc)
        raise _occupied("InvalidVpcState", vpc)


def _while_detaching(state: WorldState, vpc: Vpc) -> ApiError:
    return _occupied(state.behaviour.attach_while_other_detaches, vpc)


def _occupied(code: str, vpc: Vpc) -> ApiError:
    return ApiError(code, f"The VPC {vpc.id} already has a virtual private gateway attached to it.")


def _refuse_pending(state: WorldState, gateway: Gateway) -> None:
    connections = any(
        c.gateway == gateway.id and state.life(c) in {"pending", "deleting"}
        for c in state.connections.values()
    )
    interfaces = any(
        i.gateway == gateway.id and i.state in {"pending", "deleting"}
        for i in state.virtual_interfaces
    )
    if connections or interfaces:
        raise invalid_value(
            "This call cannot be completed because there are pending VPNs or Virtual Interfaces"
        )


def _end_settings(state: WorldState, gateway: Gateway, moment: datetime) -> None:
    """Remove the gateway from tables at *moment*, as the switches say."""
    behaviour = state.behaviour
    for table in state.tables.values():
        if not behaviour.propagation_setting_survives_detach:
            for setting in table.propagating(state.now):
                if setting.gateway == gateway.id:
                    setting.until = moment
        if not behaviour.edge_association_survives_detach:
            for tie in table.tied(state.now):
                if tie.gateway == gateway.id:
                    tie.until = moment


def _silence_surviving_propagation(state: WorldState, gateway: Gateway) -> None:
    for table in state.tables.values():
        for setting in table.propagating(state.now):
            if setting.gateway == gateway.id:
                setting.since = None
