"""Candidates as text and JSON: the virtual private gateways of a Region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vpnmigrate.model.ec2 import NAME_TAG
from vpnmigrate.model.errors.commands import Invocation, cli
from vpnmigrate.model.plan import Severity
from vpnmigrate.planning.candidates import Candidacy, Candidate
from vpnmigrate.report.findings import findings_json
from vpnmigrate.report.inventory import connection_line, named
from vpnmigrate.report.names import names_in
from vpnmigrate.report.text import columns, command, count, wrapped

SCHEMA = "vpnmigrate/list/1"

_VERDICTS = {
    Candidacy.YES: "can be migrated",
    Candidacy.NO: "CANNOT be migrated",
    Candidacy.NOT_NEEDED: "nothing to migrate",
    Candidacy.UNDER_WAY: "a migration is under way",
}


def text(found: Sequence[Candidate], account: str, region: str, invocation: Invocation) -> str:
    """Return each gateway with its connections and its verdict, then the command to plan one."""
    title = f"{count(len(found), 'virtual private gateway')} in account {account}, Region {region}"
    parts = [wrapped(title), *(_gateway(each) for each in found)]
    possible = [each for each in found if each.candidacy is Candidacy.YES]
    if possible:
        plan = cli("plan", "--vpn-gateway", possible[0].survey.gateway.id)
        parts.append(f"next:\n{command(invocation.complete(plan), first='  ')}")
    return "\n\n".join(parts)


def as_json(
    found: Sequence[Candidate], account: str, region: str, invocation: Invocation
) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "account": account,
        "region": region,
        "gateways": [_gateway_json(each, invocation) for each in found],
    }


def _gateway(each: Candidate) -> str:
    survey = each.survey
    return "\n".join(
        [
            named(survey.gateway.id, survey.gateway.tags),
            columns(_rows(each)),
        ]
    )


def _rows(each: Candidate) -> Iterator[tuple[str, str]]:
    survey = each.survey
    vpc = survey.vpc
    yield "VPC", named(vpc.id, vpc.tags) if vpc else _attachments(each)
    for connection in survey.living:
        yield "connection", connection_line(connection, survey)
    if not survey.living:
        yield "connection", "none"
    yield "verdict", f"{_VERDICTS[each.candidacy]}{_warnings(each)}"
    names = names_in(survey)
    for why in each.why:
        yield "", names.text(why)


def _attachments(each: Candidate) -> str:
    held = [a for a in each.survey.gateway.attachments if a.state != "detached"]
    return ", ".join(f"{a.vpc} ({a.state})" for a in held) or "not attached"


def _warnings(each: Candidate) -> str:
    number = sum(finding.severity is Severity.WARNS for finding in each.findings)
    return f", {count(number, 'warning')}" if number and each.candidacy is Candidacy.YES else ""


def _gateway_json(each: Candidate, invocation: Invocation) -> dict[str, Any]:
    survey = each.survey
    plan = invocation.complete(cli("plan", "--vpn-gateway", survey.gateway.id))
    return {
        "gateway": survey.gateway.id,
        "name": survey.gateway.tags.get(NAME_TAG, ""),
        "vpc": survey.vpc.id if survey.vpc else None,
        "connections": [
            {
                "id": connection.id,
                "name": connection.tags.get(NAME_TAG, ""),
                "category": connection.category,
                "state": connection.state,
                "routing": "static" if connection.static_only else "BGP",
                "tunnels_up": sum(reading.up for reading in connection.telemetry),
                "tunnels": len(connection.telemetry),
            }
            for connection in survey.living
        ],
        "can_be_migrated": each.candidacy is Candidacy.YES,
        "verdict": each.candidacy.value,
        "why": list(each.why),
        "findings": findings_json(each.findings),
        "next": str(plan) if each.candidacy is Candidacy.YES else "",
    }
