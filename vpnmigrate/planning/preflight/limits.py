"""Preflight: quotas, the change window and the playbook's exceptions."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import PROPAGATED_ROUTE
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.preflight.base import Findings, listed, network, on_premises
from vpnmigrate.planning.windows import BY_DEFAULT, WindowTooShort, window_state, with_soak

GATEWAYS = "L-7029FAB6"

CONNECTIONS = "L-3E6EC3A3"

CONNECTIONS_PER_GATEWAY = "L-B91E5754"

VPCS = "L-F678F1CE"

ROUTES = "L-93826ACB"

MOST_ROUTES = 1000
"""Routes of a table that are not propagated: the most that a quota allows, IPv4 and IPv6 apart."""

MOST_PROPAGATED = 100
"""Routes propagated into a table (domain.md 5); the quota is fixed."""


def one_more_gateway_fits(survey: Survey, _decisions: Decisions) -> Findings:
    """Check the quota for one more gateway: old and new exist at the same time."""
    now = 1 + sum(g.state != "deleted" for g in survey.other_gateways)
    limit = survey.quotas.gateways_per_region
    if now + 1 > limit:
        yield Finding(
            "VPM-B401",
            "gateway-quota",
            f"{now} virtual private gateways in {survey.region}, quota {limit}: no room for one",
            f"Request more in Service Quotas ({GATEWAYS}), or delete an unused gateway.",
        )


def successors_fit_the_region(survey: Survey, _decisions: Decisions) -> Findings:
    """Check the quota of connections per Region: old and new exist until step 11."""
    more = len(survey.living)
    now = more + sum(c.state != "deleted" for c in survey.other_connections)
    limit = survey.quotas.connections_per_region
    if now + more > limit:
        yield Finding(
            "VPM-B402",
            "connection-quota",
            f"{now} VPN connections in {survey.region}, {more} to re-create, quota {limit}",
            f"Request at least {now + more} in Service Quotas ({CONNECTIONS}).",
        )


def successors_fit_the_gateway(survey: Survey, _decisions: Decisions) -> Findings:
    """Check the quota of connections per gateway: all successors are on one new gateway."""
    count, limit = len(survey.living), survey.quotas.connections_per_gateway
    if count > limit:
        yield Finding(
            "VPM-B403",
            "connections-per-gateway-quota",
            f"{count} connections to re-create on one gateway, quota {limit}",
            f"Request at least {count} in Service Quotas ({CONNECTIONS_PER_GATEWAY}).",
        )


def prefixes_fit(survey: Survey, _decisions: Decisions) -> Findings:
    """Check the number of static prefixes per connection; it cannot be raised (domain.md 5)."""
    limit = survey.quotas.static_prefixes_per_connection
    for connection in survey.living:
        count = len(connection.static_prefixes)
        if connection.static_only and count > limit:
            yield Finding(
                "VPM-B404",
                "static-prefix-quota",
                f"{connection.id} has {count} static prefixes, quota {limit}",
                "Combine prefixes into larger ones on the old connection; this quota is fixed.",
            )


def a_test_vpc_fits(survey: Survey, decisions: Decisions) -> Findings:
    """Check the quota for one more VPC: step 6 creates a test VPC."""
    limit = survey.quotas.vpcs_per_region
    if decisions.test_vpc and len(survey.vpcs) + 1 > limit:
        yield Finding(
            "VPM-B405",
            "vpc-quota",
            f"{len(survey.vpcs)} VPCs in {survey.region}, quota {limit}: no room for a test VPC",
            f"Request more in Service Quotas ({VPCS}), or choose a playbook without a test VPC.",
        )


def routes_fit_a_table(survey: Survey, _decisions: Decisions) -> Findings:
    """Check the number of routes of each table that no gateway propagates (domain.md 5)."""
    for table in survey.route_tables:
        families = Counter(
            ":" in route.destination for route in table.routes if route.origin != PROPAGATED_ROUTE
        )
        for six, count in sorted(families.items()):
            if count > MOST_ROUTES:
                yield Finding(
                    "VPM-W402",
                    "routes-per-table-limit",
                    f"{table.id} has {count} IPv{6 if six else 4} routes that are not propagated; "
                    f"AWS allows at most {MOST_ROUTES}",
                    f"Check the quota ({ROUTES}) and what the endpoint returned: a route that is "
                    "deleted during the cutover cannot be created again.",
                )


def propagated_routes_fit_a_table(survey: Survey, _decisions: Decisions) -> Findings:
    """Check the number of routes propagated into each table (domain.md 5).

    At the limit AWS may propagate other prefixes from the new gateway than from the old one.
    """
    for table in survey.route_tables:
        count = sum(route.origin == PROPAGATED_ROUTE for route in table.routes)
        if count >= MOST_PROPAGATED:
            yield Finding(
                "VPM-W403",
                "propagated-routes-limit",
                f"{table.id} has {count} propagated routes, limit {MOST_PROPAGATED}",
                "Have the devices advertise fewer, larger prefixes: this limit is fixed, and after "
                "the cutover AWS may propagate other prefixes than before.",
            )


def quotas_are_readable(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that the quotas could be read; otherwise AWS's defaults are used."""
    for unread in survey.unread:
        if unread.what == "quotas":
            yield Finding(
                "VPM-W401",
                "quotas-unreadable",
                f"quotas could not be read ({unread.why}); AWS's defaults are used",
                "Allow servicequotas:GetServiceQuota, or compare with Service Quotas yourself.",
            )


def the_window_is_long_enough(_survey: Survey, decisions: Decisions) -> Findings:
    """Check that a cutover, a rollback and the margin fit into the change window."""
    window = decisions.window
    if window is None:
        return
    awaited = with_soak(BY_DEFAULT, decisions.waits)
    match window_state(window, awaited, decisions.waits.margin, window.start):
        case WindowTooShort(length, needs):
            yield Finding(
                "VPM-W901",
                "window-too-short",
                f"the window {window.written} is {span(length)} long; a cutover, a rollback and "
                f"the margin need {span(needs)} ({BY_DEFAULT.source})",
                "Rehearse the plan: the measured times are then used instead.  Or choose a longer "
                "window, or a shorter waits.margin.",
            )
        case _:
            return


LONGEST_WINDOW = timedelta(hours=8)
"""One shift.  A longer window usually has a wrong date or time zone."""


def the_window_is_one_shift_at_most(_survey: Survey, decisions: Decisions) -> Findings:
    """Check that no window is longer than eight hours, because its date may be wrong."""
    for window in filter(None, (decisions.window, decisions.finalize.window)):
        length = window.end - window.start
        if length > LONGEST_WINDOW:
            yield Finding(
                "VPM-W902",
                "window-unusually-long",
                f"the window {window.written} is {span(length)} long, "
                f"from {moment(window.start)} to {moment(window.end)}",
                "Check its dates and its time zone: is it meant to be longer than "
                f"{span(LONGEST_WINDOW)}?  If so, nothing.",
            )


def excepted_connections_exist(survey: Survey, decisions: Decisions) -> Findings:
    """Check that exceptions name old connections."""
    living = {c.id for c in survey.living}
    unknown = [c for c in decisions.exceptions.connections if c not in living]
    if unknown:
        yield Finding(
            "VPM-B801",
            "exception-unknown-connection",
            f"exceptions.connections names {listed(unknown)}, not on {survey.gateway.id}",
            f"Name old connections: {listed(sorted(living))}.",
        )


def excepted_prefixes_are_canonical(survey: Survey, decisions: Decisions) -> Findings:
    """Check that excepted prefixes are in EC2's notation, and are behind the gateway now."""
    seen = {text for text, _ in on_premises(survey)}
    for prefix in decisions.exceptions.prefixes:
        parsed = network(prefix)
        if parsed is None or str(parsed) != prefix:
            yield Finding(
                "VPM-B802",
                "exception-not-canonical",
                f"exceptions.prefixes: {prefix} is not how EC2 writes a network",
                f"Write {parsed}." if parsed else "Write a network, for example 10.20.0.0/16.",
            )
        elif prefix not in seen:
            yield Finding(
                "VPM-W801",
                "exception-unseen-prefix",
                f"exceptions.prefixes: {prefix} is not behind {survey.gateway.id} now",
                "Check its spelling; step 10 requires every prefix observed just before step 7.",
            )
