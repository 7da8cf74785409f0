"""Discovery as one table: a row for each connection, for spreadsheets and for the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

from vpnmigrate.model.ec2 import NAME_TAG
from vpnmigrate.planning.discovery import (
    DiscoveredConnection,
    DiscoveredGateway,
    DiscoveryGroup,
    DiscoveryResult,
    direct_connect,
    tables_of,
)
from vpnmigrate.report.discovery import connection_name, routing, tunnels, use_text
from vpnmigrate.report.text import safe

UNREAD = "not-read"
CLOSED = "closed"

COLUMNS = (
    "group",
    "account",
    "account_name",
    "region",
    "gateway",
    "gateway_name",
    "vpc",
    "vpc_name",
    "connection",
    "site",
    "category",
    "state",
    "routing",
    "tunnels",
    "customer_gateway",
    "device_ip",
    "device_also_used_by",
    "tables",
    "direct_connect",
    "tags",
    "why",
)
"""Columns of the table, in order."""

Cell = str | tuple[str, ...]
"""Text, or a text for each reason or other user."""
Row = Mapping[str, Cell]


def rows(found: DiscoveryResult) -> Iterator[Row]:
    """Yield a row for each connection, each gateway without any, and what was not read."""
    empty: Row = dict.fromkeys(COLUMNS, "")
    return ({**empty, **row} for row in _filled(found))


def _filled(found: DiscoveryResult) -> Iterator[Row]:
    for each in found.gateways:
        for connection in each.connections:
            yield {**_gateway(each), **_connection(connection, each)}
        if not each.connections:
            yield _gateway(each)
    for unread in found.unread:
        yield {
            "group": UNREAD,
            "account": unread.account or unread.label,
            "account_name": unread.name,
            "region": unread.region or "every Region",
            "why": (unread.why,),
        }
    for closed in found.closed:
        yield {
            "group": CLOSED,
            "account": closed.account,
            "account_name": closed.name,
            "region": "every Region",
            "why": (closed.status,),
        }


def _gateway(each: DiscoveredGateway) -> dict[str, Cell]:
    row: dict[str, Cell] = {
        "group": each.group.value,
        "account": each.place.account,
        "account_name": each.place.name,
        "region": each.place.region,
        "why": each.why,
    }
    if each.candidate is None:
        return row
    survey = each.candidate.survey
    return row | {
        "gateway": survey.gateway.id,
        "gateway_name": survey.gateway.tags.get(NAME_TAG, ""),
        "vpc": survey.vpc.id if survey.vpc else "",
        "vpc_name": survey.vpc.tags.get(NAME_TAG, "") if survey.vpc else "",
        "tables": " ".join(tables_of(each).ids),
        "direct_connect": "; ".join(direct_connect(each)),
        "tags": _tags(survey.gateway.tags),
    }


def _connection(connection: DiscoveredConnection, each: DiscoveredGateway) -> dict[str, Cell]:
    record, device = connection.record, connection.device
    gateway: dict[str, Cell] = {}
    if each.group is DiscoveryGroup.ELSEWHERE:
        gateway = {"gateway": record.elsewhere or record.vpn_gateway or ""}
    return gateway | {
        "connection": record.id,
        "site": connection_name(connection),
        "category": record.category or "unknown",
        "state": record.state,
        "routing": routing(connection),
        "tunnels": tunnels(connection),
        "customer_gateway": record.customer_gateway or "",
        "device_ip": device.ip if device else "",
        "device_also_used_by": tuple(use_text(u, each.place) for u in connection.also),
        "tags": _tags(record.tags),
    }


def _tags(tags: Mapping[str, str]) -> str:
    return "; ".join(f"{key}={value}" for key, value in sorted(tags.items()))


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet executes a cell that begins with one of them."""


def csv_text(found: DiscoveryResult) -> str:
    """Return the table as CSV, without cells that a spreadsheet would execute."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows(found):
        writer.writerow([_cell(row[column]) for column in COLUMNS])
    return out.getvalue().rstrip("\n")


def _cell(value: Cell) -> str:
    text = safe(value if isinstance(value, str) else "; ".join(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
