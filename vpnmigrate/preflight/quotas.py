"""Checks that both sides fit beside each other: at the peak, old and new exist together."""

from __future__ import annotations

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.preflight.base import Findings

GATEWAYS = "L-7029FAB6"
CONNECTIONS = "L-3E6EC3A3"
CONNECTIONS_PER_GATEWAY = "L-B91E5754"
VPCS = "L-F678F1CE"


def one_more_gateway_fits(survey: Survey, _decisions: Decisions) -> Findings:
    """The new gateway is made while the old one is there."""
    now = 1 + sum(g.state != "deleted" for g in survey.other_gateways)
    limit = survey.quotas.gateways_per_region
    if now + 1 > limit:
        yield Finding(
            "VPM-B401",
            "gateway-quota",
            f"{now} virtual private gateways in {survey.region}, quota {limit}: no room for one",
            f"Ask for more in Service Quotas ({GATEWAYS}), or delete a gateway nobody uses.",
        )


def successors_fit_the_region(survey: Survey, _decisions: Decisions) -> Findings:
    """Every connection exists twice until step 11."""
    more = len(survey.living)
    now = more + sum(c.state != "deleted" for c in survey.other_connections)
    limit = survey.quotas.connections_per_region
    if now + more > limit:
        yield Finding(
            "VPM-B402",
            "connection-quota",
            f"{now} VPN connections in {survey.region}, {more} to re-create, quota {limit}",
            f"Ask for at least {now + more} in Service Quotas ({CONNECTIONS}).",
        )


def successors_fit_the_gateway(survey: Survey, _decisions: Decisions) -> Findings:
    """All successors are on one new gateway."""
    count, limit = len(survey.living), survey.quotas.connections_per_gateway
    if count > limit:
        yield Finding(
            "VPM-B403",
            "connections-per-gateway-quota",
            f"{count} connections to re-create on one gateway, quota {limit}",
            f"Ask for at least {count} in Service Quotas ({CONNECTIONS_PER_GATEWAY}).",
        )


def prefixes_fit(survey: Survey, _decisions: Decisions) -> Findings:
    """The number of static prefixes of a connection cannot be raised (domain.md 5)."""
    limit = survey.quotas.static_prefixes_per_connection
    for connection in survey.living:
        count = sum(p.state not in {"deleted", "deleting"} for p in connection.prefixes)
        if connection.static_only and count > limit:
            yield Finding(
                "VPM-B404",
                "static-prefix-quota",
                f"{connection.id} has {count} static prefixes, quota {limit}",
                "Combine prefixes into larger ones on the old connection; this quota is fixed.",
            )


def a_test_vpc_fits(survey: Survey, decisions: Decisions) -> Findings:
    """Step 6 makes a VPC."""
    limit = survey.quotas.vpcs_per_region
    if decisions.test_vpc and len(survey.vpcs) + 1 > limit:
        yield Finding(
            "VPM-B405",
            "vpc-quota",
            f"{len(survey.vpcs)} VPCs in {survey.region}, quota {limit}: no room for a test VPC",
            f"Ask for more in Service Quotas ({VPCS}), or choose a playbook without a test VPC.",
        )


def quotas_are_readable(survey: Survey, _decisions: Decisions) -> Findings:
    """Tell that AWS's defaults stood in for the quotas in force."""
    for unread in survey.unread:
        if unread.what == "quotas":
            yield Finding(
                "VPM-W401",
                "quotas-unreadable",
                f"quotas could not be read ({unread.why}); AWS's defaults were taken",
                "Allow servicequotas:GetServiceQuota, or compare with Service Quotas yourself.",
            )
