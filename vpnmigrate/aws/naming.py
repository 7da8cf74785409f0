"""Naming resources: alarms, dashboards, rules and log groups that may name a connection.

Each service is optional: what cannot be read is part of the result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vpnmigrate.aws.describe import pages
from vpnmigrate.aws.read_errors import translate_errors
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.model.discovery import NamingResource
from vpnmigrate.model.errors import AwsError
from vpnmigrate.model.survey import Unread

Readers = tuple[tuple[str, Callable[[], Iterable[NamingResource]]], ...]


def naming_resources(
    clients: ClientSource, ids: Iterable[str]
) -> tuple[tuple[NamingResource, ...], tuple[Unread, ...]]:
    """Return the resources of the Region that may name one of *ids*, and what was not read."""
    readers: Readers = (
        ("alarms", lambda: _alarms(clients)),
        ("dashboards", lambda: _dashboards(clients)),
        ("rules", lambda: _rules(clients)),
        ("log groups", lambda: _log_groups(clients, ids)),
    )
    found: list[NamingResource] = []
    unread: list[Unread] = []
    for what, read in readers:
        try:
            found += read()
        except AwsError as error:
            unread.append(Unread(what, error.message))
    return tuple(found), tuple(unread)


def _alarms(clients: ClientSource) -> Iterator[NamingResource]:
    client = clients.monitoring("cloudwatch")
    with translate_errors("cloudwatch:DescribeAlarms"):
        found = pages(client.describe_alarms, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        rows = [row for page in found for row in (*page["MetricAlarms"], *page["CompositeAlarms"])]
    for row in rows:
        yield NamingResource("alarm", row.get("AlarmName", ""), _text(row))


def _dashboards(clients: ClientSource) -> Iterator[NamingResource]:
    client = clients.monitoring("cloudwatch")
    with translate_errors("cloudwatch:ListDashboards"):
        names = [
            row["DashboardName"]
            for page in pages(client.list_dashboards)
            for row in page["DashboardEntries"]
        ]
    for name in names:
        with translate_errors("cloudwatch:GetDashboard"):
            body = client.get_dashboard(DashboardName=name)["DashboardBody"]
        yield NamingResource("dashboard", name, body)


def _rules(clients: ClientSource) -> Iterator[NamingResource]:
    client = clients.monitoring("events")
    with translate_errors("events:ListEventBuses"):
        buses = [
            row["Name"] for page in pages(client.list_event_buses) for row in page["EventBuses"]
        ]
    for bus in buses:
        with translate_errors("events:ListRules"):
            rows = [
                row for page in pages(client.list_rules, EventBusName=bus) for row in page["Rules"]
            ]
        for row in rows:
            name = row.get("Name", "")
            yield NamingResource("rule", name if bus == "default" else f"{bus}/{name}", _text(row))


def _log_groups(clients: ClientSource, ids: Iterable[str]) -> Iterator[NamingResource]:
    client = clients.monitoring("logs")
    for each in ids:
        with translate_errors("logs:DescribeLogGroups"):
            found = pages(
                client.describe_log_groups,
                asked_as="nextToken",
                named_as="nextToken",
                logGroupNamePattern=each,
            )
            names = [row["logGroupName"] for page in found for row in page["logGroups"]]
        for name in names:
            yield NamingResource("log group", name)


def _text(row: Any) -> str:
    """Return *row* as text to search in; times and the like become text."""
    return json.dumps({k: v for k, v in row.items() if k != "ResponseMetadata"}, default=str)
