"""Preflight: named checks of a survey that block a migration or warn about it.

A check is a small function.  Its findings have a stable code (VPM-Bnnn blocks, VPM-Wnnn warns), the
evidence with ids and values, and what to do.  The hundreds are the topic: 1 connections, 2 gateway
and VPC, 3 Direct Connect, 4 quotas, 5 ASN, 6 addresses, 7 tunnels (B) and routing (W),
8 exceptions, 9 the window, 0 permissions.  A code is never reused for another finding.
"""

from __future__ import annotations

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.plan import Finding, Severity
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.preflight import (
    addresses,
    connections,
    drivers,
    gateway,
    limits,
    permissions,
    routing,
    tunnel_options,
)
from vpnmigrate.planning.preflight.base import Check
from vpnmigrate.planning.preflight.connections import nothing_to_migrate

CHECKS: tuple[Check, ...] = (
    gateway.gateway_is_available,
    gateway.gateway_is_on_one_vpc,
    gateway.vpc_is_ours,
    gateway.no_other_claim,
    gateway.nothing_carries_our_tags,
    gateway.tags_fit,
    gateway.added_tags_are_valid,
    gateway.tags_drive_no_automation,
    gateway.nothing_is_under_code,
    connections.category_is_known,
    connections.categories_agree,
    connections.connections_are_available,
    connections.connections_end_here,
    connections.devices_are_known,
    connections.pairs_are_unique,
    tunnel_options.keys_can_be_reused,
    tunnel_options.keys_stay_in_secrets_manager,
    tunnel_options.certificates_are_reported,
    connections.static_prefixes_are_of_static_connections,
    connections.tunnels_are_up,
    connections.both_tunnels_are_up,
    connections.devices_serve_no_other_connection,
    connections.addresses_differ,
    drivers.changes_that_last_are_reported,
    drivers.drivers_have_devices,
    gateway.no_virtual_interface,
    gateway.no_association,
    gateway.direct_connect_is_readable,
    gateway.encryption_control_lets_gateways_attach,
    limits.one_more_gateway_fits,
    limits.successors_fit_the_region,
    limits.successors_fit_the_gateway,
    limits.prefixes_fit,
    limits.a_test_vpc_fits,
    limits.routes_fit_a_table,
    limits.propagated_routes_fit_a_table,
    limits.quotas_are_readable,
    gateway.asn_can_be_asked_for,
    gateway.asn_differs_from_devices,
    gateway.devices_keep_their_neighbour,
    addresses.inside_cidrs_are_valid,
    addresses.inside_cidrs_are_unique,
    addresses.inside_cidrs_match_connections,
    addresses.kept_addresses_are_known,
    addresses.trial_network_is_valid,
    addresses.trial_network_is_free,
    tunnel_options.tunnel_options_are_valid,
    tunnel_options.named_tunnels_exist,
    tunnel_options.no_option_is_lost,
    tunnel_options.no_weak_algorithm_is_accepted,
    tunnel_options.devices_have_ikev2,
    tunnel_options.start_up_is_told,
    connections.device_types_are_complete,
    connections.waits_are_possible,
    routing.edge_tables_are_reported,
    routing.static_routes_are_reported,
    routing.black_holes_are_reported,
    routing.advertised_routes_are_reported,
    routing.other_routes_are_reported,
    routing.default_routes_are_reported,
    routing.sites_are_reported,
    routing.equal_prefixes_are_reported,
    limits.excepted_connections_exist,
    limits.excepted_prefixes_are_canonical,
    limits.the_window_is_long_enough,
    limits.the_window_is_one_shift_at_most,
    permissions.steps_are_allowed,
    permissions.removal_is_allowed,
    permissions.permissions_are_proven,
    permissions.permissions_are_shown_by_dry_runs,
)
"""Every check, in the order of display."""


def check(survey: Survey, decisions: Decisions) -> tuple[Finding, ...]:
    """Return the findings of every check, blocking ones first."""
    found = (finding for one in CHECKS for finding in one(survey, decisions))
    return tuple(sorted(found, key=lambda finding: finding.severity is not Severity.BLOCKS))


__all__ = ["CHECKS", "check", "nothing_to_migrate"]
