"""Discovery as one HTML page: sortable and searchable, without a network.

The script is allowed by its hash, so that markup in a tag cannot run; without scripts the page is
a complete table.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256

from vpnmigrate import __version__
from vpnmigrate.model.clock import moment
from vpnmigrate.model.errors.commands import one_line
from vpnmigrate.planning.discovery import DiscoveryResult
from vpnmigrate.report.discovery import TITLES, place_text, summary
from vpnmigrate.report.discovery_table import CLOSED, UNREAD, rows
from vpnmigrate.report.html_templates import html_templates

COLUMNS = (
    "Verdict",
    "Account",
    "Region",
    "Gateway",
    "VPC",
    "Connection",
    "Category",
    "Routing",
    "Tunnels",
    "Device",
    "More",
)
_VERDICTS = {
    **{group.value: title for group, title in TITLES.items()},
    UNREAD: "Could NOT be read",
    CLOSED: "Closed by AWS",
}
_DETAILS = {
    "tables": "Tables",
    "direct_connect": "Direct Connect",
    "state": "State",
    "tags": "Tags",
}


@dataclass(frozen=True)
class PageGroup:
    """A choice of what to show."""

    key: str
    title: str
    rows: int


@dataclass(frozen=True)
class PageGap:
    """An account or Region that could not be read."""

    place: str
    why: str
    advice: str


PageRow = Mapping[str, object]


@dataclass(frozen=True)
class DiscoveryPage:
    """The content of the page."""

    title: str
    summary: str
    taken: str
    columns: tuple[str, ...]
    groups: tuple[PageGroup, ...]
    gaps: tuple[PageGap, ...]
    rows: tuple[PageRow, ...]
    origin: str


def html(found: DiscoveryResult, taken: datetime) -> str:
    """Return the page of *found*, which was read at *taken*."""
    from markupsafe import Markup

    script = _script()
    digest = b64encode(sha256(script.encode()).digest()).decode()
    template = html_templates().get_template("discovery.html.j2")
    return template.render(
        page=_page(found, taken),
        script=Markup(script),  # noqa: S704  a file of this program
        script_hash=f"sha256-{digest}",
    )


@cache
def _script() -> str:
    return html_templates().get_template("discovery.js.j2").render()


def _page(found: DiscoveryResult, taken: datetime) -> DiscoveryPage:
    shown = tuple(_rows(found))
    counted = {key: sum(row["group"] == key for row in shown) for key in _VERDICTS}
    return DiscoveryPage(
        title="VPN connections, and what can be migrated",
        summary=summary(found),
        taken=moment(taken),
        columns=COLUMNS,
        groups=tuple(
            PageGroup(key, title, counted[key]) for key, title in _VERDICTS.items() if counted[key]
        ),
        gaps=tuple(
            PageGap(place_text(each), each.why, one_line(each.advice)) for each in found.unread
        ),
        rows=shown,
        origin=f"Written by vpnmigrate {__version__} discover. It needs no network.",
    )


def _rows(found: DiscoveryResult) -> Iterator[PageRow]:
    for row in rows(found):
        key = str(row["group"])
        yield {
            **row,
            "verdict": _VERDICTS[key],
            "rank": list(_VERDICTS).index(key),
            "details": tuple((title, row[name]) for name, title in _DETAILS.items() if row[name]),
        }
