"""Closure of a gateway as text, page and JSON: what a migration changes and may disturb."""

from __future__ import annotations

from typing import Any

from vpnmigrate.planning.closure import Closure, ClosureEffect, ClosureItem
from vpnmigrate.report.document import DocumentTable, ReportDocument, Section
from vpnmigrate.report.text import count

SCHEMA = "vpnmigrate/closure/1"

_TITLES = {
    ClosureEffect.CHANGED: "Changed by the migration",
    ClosureEffect.USED: "Used by what is created",
    ClosureEffect.DISTURBED: "May be disturbed: tell the owners",
}


def document(found: Closure) -> ReportDocument:
    """Return the closure as a document: a section for each effect, and for what was not read."""
    sections = [
        _section(title, items)
        for effect, title in _TITLES.items()
        if (items := [each for each in found.items if each.effect is effect])
    ]
    if not any(each.effect is ClosureEffect.DISTURBED for each in found.items):
        nothing = ("Nothing that was read depends on what is changed.",)
        sections.append(Section(_TITLES[ClosureEffect.DISTURBED], nothing))
    if found.unread:
        sections.append(
            Section(
                "NOT READ: whether it names something old is unknown",
                table=DocumentTable(
                    ("what", "why"), tuple((each.what, each.why) for each in found.unread)
                ),
                loud=True,
            )
        )
    where = f"in account {found.account}, Region {found.region}"
    return ReportDocument(f"What a migration of {found.gateway} concerns, {where}", tuple(sections))


def _section(title: str, items: list[ClosureItem]) -> Section:
    rows = tuple((each.kind, _named(each), each.why) for each in items)
    head = ("kind", "resource", "why")
    return Section(f"{title} ({count(len(items), 'item')})", table=DocumentTable(head, rows))


def _named(item: ClosureItem) -> str:
    return f'{item.id} "{item.name}"' if item.name else item.id


def as_json(found: Closure) -> dict[str, Any]:
    """Return the closure as a JSON document."""
    return {
        "schema": SCHEMA,
        "account": found.account,
        "region": found.region,
        "gateway": found.gateway,
        "complete": not found.unread,
        "items": [
            {
                "kind": each.kind,
                "id": each.id,
                "name": each.name,
                "effect": each.effect.value,
                "why": each.why,
            }
            for each in found.items
        ],
        "unread": [{"what": each.what, "why": each.why} for each in found.unread],
    }
