"""What forbids a migration, or is worth knowing before it: named checks of a survey.

A check is a small function.  Its findings have a stable code, VPM-Bnnn where it blocks and
VPM-Wnnn where it warns, the evidence with ids and values, and what to do.  The hundreds are the
topic: 1 connections, 2 gateway and VPC, 3 Direct Connect, 4 quotas, 5 ASN, 6 addresses, 7 tunnels
(B) and routing (W), 8 exceptions, 9 the window.  A code is never given to another finding.
"""

from __future__ import annotations

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.plan import Finding, Severity
from vpnmigrate.model.survey import Survey
from vpnmigrate.preflight import (
    addresses,
    asn,
    connections,
    direct_connect,
    exceptions,
    gateway,
    quotas,
    routing,
    tunnels,
    window,
)
from vpnmigrate.preflight.base import Check
from vpnmigrate.preflight.connections import nothing_to_migrate

CHECKS: tuple[Check, ...] = (
    gateway.gateway_is_available,
    gateway.gateway_is_on_one_vpc,
    gateway.vpc_is_ours,
    gateway.nobody_else_migrates,
    gateway.nothing_carries_our_tags,
    gateway.tags_fit,
    gateway.nothing_is_under_code,
    connections.category_is_known,
    connections.categories_agree,
    connections.connections_are_available,
    connections.connections_end_here,
    connections.devices_are_known,
    connections.pairs_are_unique,
    connections.keys_can_be_reused,
    connections.tunnels_are_up,
    connections.devices_serve_nobody_else,
    connections.addresses_differ,
    direct_connect.no_virtual_interface,
    direct_connect.no_association,
    direct_connect.direct_connect_is_readable,
    quotas.one_more_gateway_fits,
    quotas.successors_fit_the_region,
    quotas.successors_fit_the_gateway,
    quotas.prefixes_fit,
    quotas.a_test_vpc_fits,
    quotas.quotas_are_readable,
    asn.asn_can_be_asked_for,
    asn.asn_differs_from_devices,
    asn.devices_keep_their_neighbour,
    addresses.inside_cidrs_are_valid,
    addresses.inside_cidrs_are_unique,
    addresses.inside_cidrs_match_connections,
    addresses.kept_addresses_are_known,
    addresses.trial_network_is_valid,
    addresses.trial_network_is_free,
    tunnels.tunnel_options_are_valid,
    tunnels.device_types_are_complete,
    tunnels.waits_are_possible,
    routing.edge_tables_are_told,
    routing.static_routes_are_told,
    routing.other_routes_are_told,
    routing.default_routes_are_told,
    routing.sites_are_told,
    routing.equal_prefixes_are_told,
    exceptions.excepted_connections_exist,
    exceptions.excepted_prefixes_are_canonical,
    window.the_window_is_long_enough,
)
"""Every check, in the order in which a reader wants to know."""


def check(survey: Survey, decisions: Decisions) -> tuple[Finding, ...]:
    """Give the findings of every check, those that block first."""
    found = (finding for one in CHECKS for finding in one(survey, decisions))
    return tuple(sorted(found, key=lambda finding: finding.severity is not Severity.BLOCKS))


__all__ = ["CHECKS", "check", "nothing_to_migrate"]
