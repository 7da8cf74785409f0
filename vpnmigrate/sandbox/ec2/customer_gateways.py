"""Customer gateways: records of on-premises devices."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.sandbox.ec2.ids import CUSTOMER_GATEWAY, ApiError, invalid_value, missing
from vpnmigrate.sandbox.ec2.request import (
    Field,
    Params,
    Result,
    Row,
    asked_for,
    required,
    selected,
    the_customer_gateway,
)
from vpnmigrate.sandbox.ec2.tags import tag_rows, tags_at_creation
from vpnmigrate.sandbox.state import GONE, CustomerGateway, WorldState, always

_LARGEST_PLAIN_ASN = 2147483647
_DEFAULT_ASN = 65000


def create_customer_gateway(state: WorldState, params: Params) -> Result:
    """CreateCustomerGateway; the same input twice returns the same gateway."""
    if required(params, "Type") != "ipsec.1":
        raise invalid_value(f"Value ({params['Type']}) for parameter type is invalid.")
    ip = str(params.get("IpAddress") or params.get("PublicIp") or "")
    certificate = str(params.get("CertificateArn") or "")
    if not ip and not certificate:
        raise missing("IpAddress")
    asn = int(params.get("BgpAsn") or params.get("BgpAsnExtended") or _DEFAULT_ASN)
    name = str(params.get("DeviceName") or "")
    tags = tags_at_creation(params, CUSTOMER_GATEWAY)
    for known in state.customer_gateways.values():
        same = (known.ip, known.asn, known.device_name, known.certificate)
        if same == (ip, asn, name, certificate) and state.life(known) == "available":
            return {"CustomerGateway": _row(state, known)}
    customer = CustomerGateway(
        state.new_id(CUSTOMER_GATEWAY), always("available", state.now), asn, ip, name, certificate
    )
    state.customer_gateways[customer.id] = customer
    state.tags[customer.id] = tags
    return {"CustomerGateway": _row(state, customer)}


_FILTERS: dict[str, Field] = {
    "bgp-asn": "BgpAsn",
    "customer-gateway-id": "CustomerGatewayId",
    "ip-address": "IpAddress",
    "state": "State",
    "type": "Type",
}


def describe_customer_gateways(state: WorldState, params: Params) -> Result:
    """DescribeCustomerGateways; without pages."""
    rows = {c.id: _row(state, c) for c in state.customer_gateways.values() if state.is_there(c)}
    named = asked_for(rows, params, "CustomerGatewayIds", CUSTOMER_GATEWAY)
    return {"CustomerGateways": selected(named, params, _FILTERS)}


def delete_customer_gateway(state: WorldState, params: Params) -> Result:
    """DeleteCustomerGateway."""
    customer = the_customer_gateway(state, required(params, "CustomerGatewayId"))
    living = {"pending", "available", "deleting", "modifying"}
    if any(
        c.customer_gateway == customer.id and state.life(c) in living
        for c in state.connections.values()
    ):
        raise ApiError("IncorrectState", "The customer gateway is in use.")
    customer.life.then(
        state.now,
        (timedelta(0), "deleted"),
        (state.behaviour.deleted_lingers, GONE),
    )
    return {}


def _row(state: WorldState, customer: CustomerGateway) -> Row:
    row: Row = {
        "CustomerGatewayId": customer.id,
        "State": state.life(customer),
        "Type": "ipsec.1",
        "Tags": tag_rows(state, customer.id),
    }
    if customer.ip:
        row["IpAddress"] = customer.ip
    if customer.device_name:
        row["DeviceName"] = customer.device_name
    if customer.certificate:
        row["CertificateArn"] = customer.certificate
    if customer.asn is not None:
        extended = customer.asn > _LARGEST_PLAIN_ASN
        row["BgpAsnExtended" if extended else "BgpAsn"] = str(customer.asn)
    return row
