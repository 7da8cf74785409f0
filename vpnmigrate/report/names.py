"""Names: the Name tags of resources, shown beside their ids in text for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from vpnmigrate.journal.history import made_by
from vpnmigrate.journal.records import Answered, Entry, Intended
from vpnmigrate.model.changes import ArchiveConfiguration, Creation
from vpnmigrate.model.ec2 import NAME_TAG, ConnectionRecord, Role
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan, connection_role
from vpnmigrate.model.survey import Survey
from vpnmigrate.report.text import safe

_NAMING = Creation | ArchiveConfiguration
"""Changes with the id of a resource that the run has created, or whose answer has it."""

_ID = re.compile(r'\b(?:vpc|vgw|vpn|cgw|rtb)-[0-9a-z]+\b(?! ")')
"""An id that is not followed by its name already."""


class Names(Struct, frozen=True):
    """Names of resources by id.  They are for people: a command to paste has ids alone."""

    by_id: Mapping[str, str] = field(default_factory=dict)
    made: frozenset[str] = frozenset()
    """Resources that the run has created; each has the name of the one that it replaces."""

    def of(self, id_: str) -> str:
        """Return the name of a resource; its id if it has none."""
        return self.by_id.get(id_, id_)

    def named(self, id_: str) -> str:
        """Return an id with its name."""
        name = self.by_id.get(id_)
        if not name:
            return id_
        return f'{id_} "{name}"{" (new)" if id_ in self.made else ""}'

    def text(self, text: str) -> str:
        """Return *text* with its name beside each id, where the id is first mentioned."""
        shown: set[str] = set()

        def with_name(found: re.Match[str]) -> str:
            id_ = found.group()
            if id_ in shown:
                return id_
            shown.add(id_)
            return self.named(id_)

        return _ID.sub(with_name, text) if self.by_id else text


NO_NAMES = Names()


def names_in(survey: Survey) -> Names:
    """Return the names of the surveyed resources."""
    return Names(dict(_surveyed(survey)))


def names_of(plan: Plan, entries: Sequence[Entry] = ()) -> Names:
    """Return the names of the plan's resources, and of those that a run has created for it."""
    return names_with(plan, made_by(entries))


def names_with(plan: Plan, made: Mapping[Role, str]) -> Names:
    """Return the names of the plan's resources, and of those in *made*, by their roles."""
    names = dict(_surveyed(plan.before))
    for role, id_ in made.items():
        if (replaced := _replaced_by(role, plan)) in names:
            names[id_] = names[replaced]
    return Names(names, frozenset(made.values()))


def _replaced_by(role: Role, plan: Plan) -> str:
    """Return the resource that the one with *role* replaces; empty for a test VPC."""
    if role == GATEWAY_ROLE:
        return plan.old_gateway
    return next((old for old in plan.old_connections if connection_role(old) == role), "")


def _surveyed(survey: Survey) -> Iterator[tuple[str, str]]:
    devices: dict[str, str] = {
        c.id: _name(c.tags) or safe(c.device_name).strip() for c in survey.customer_gateways
    }
    gateways = (survey.gateway, *survey.other_gateways)
    tagged: list[tuple[str, Mapping[str, str]]] = [
        *((vpc.id, vpc.tags) for vpc in survey.vpcs),
        *((gateway.id, gateway.tags) for gateway in gateways),
        *((table.id, table.tags) for table in survey.route_tables),
    ]
    names = [
        *devices.items(),
        *((id_, _name(tags)) for id_, tags in tagged),
        *((c.id, _site(c, devices)) for c in survey.connections),
    ]
    yield from ((id_, name) for id_, name in names if name)


def _site(connection: ConnectionRecord, devices: Mapping[str, str]) -> str:
    """Return the name of a connection; without one, that of the device it leads to."""
    return _name(connection.tags) or devices.get(connection.customer_gateway or "", "")


def _name(tags: Mapping[str, str]) -> str:
    return safe(tags.get(NAME_TAG, "")).strip()


class NamesOfRun:
    """The names of a run's resources, as far as its journal has been read."""

    def __init__(self, plan: Plan | None = None, entries: Iterable[Entry] = ()) -> None:
        self.plan = plan
        self._asked: set[int] = set()
        self._naming: list[Entry] = []
        """The entries that name a created resource: a few for each connection of the plan."""
        self.now = NO_NAMES if plan is None else names_of(plan)
        for entry in entries:
            self.read(entry)

    def read(self, entry: Entry) -> None:
        """Add the resource that *entry* names, if it does."""
        match entry.record:
            case Intended(intent=number, change=change) if isinstance(change, _NAMING):
                self._asked.add(number)
            case Answered(intent=number) if number in self._asked:
                pass  # It may have the id.
            case _:
                return
        self._naming.append(entry)
        if self.plan is not None:
            self.now = names_of(self.plan, self._naming)
