"""Sites: the connections of a plan by id, by the id of the successor, and by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vpnmigrate.journal.history import made_by
from vpnmigrate.journal.records import Entry
from vpnmigrate.model.ec2 import NAME_TAG, VpnConnectionId
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.plan import Plan, connection_role
from vpnmigrate.report.inventory import device_of, site_name
from vpnmigrate.report.text import safe


@dataclass(frozen=True)
class NamedSite:
    """An old connection, its successor if there is one, and every name of its site."""

    connection: VpnConnectionId
    successor: str
    name: str
    """The name that messages use."""
    names: frozenset[str]
    """Ids and names that stand for it, in lower case."""


def sites_of(plan: Plan, entries: Sequence[Entry]) -> tuple[NamedSite, ...]:
    """Return the sites of *plan*, with the successors that a run has created."""
    made = made_by(entries)
    found: list[NamedSite] = []
    for old in plan.before.living:
        device = device_of(old, plan.before)
        successor = made.get(connection_role(old.id), "")
        name = site_name(old, device)
        names = {old.id, successor, name, old.tags.get(NAME_TAG, "")}
        if device is not None:
            names |= {device.id, device.device_name or "", device.tags.get(NAME_TAG, "")}
        words = frozenset(each.strip().lower() for each in names if each.strip())
        found.append(NamedSite(old.id, successor, safe(name), words))
    return tuple(found)


def site_named(given: str, known: Sequence[NamedSite]) -> NamedSite:
    """Return the one site that *given* names.

    Raises:
        UsageError: None or several have this name; the advice lists those there are.
    """
    found = [site for site in known if given.strip().lower() in site.names]
    match found:
        case [site]:
            return site
        case []:
            why = f"{given!r} is neither a connection nor a site of this run"
        case _:
            why = f"{given!r} is the name of {len(found)} connections; give an id"
    listed = ", ".join(f"{site.connection} ({site.name})" for site in known)
    raise UsageError(why, advice=f"name one of: {listed}")
