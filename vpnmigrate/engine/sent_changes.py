"""Sent changes: the intents of a journal, as consistency rules and steps need them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from operator import attrgetter

from msgspec.structs import replace

from vpnmigrate.journal.run_clock import latest
from vpnmigrate.journal.state import Intent
from vpnmigrate.model.changes import (
    AttachVpnGateway,
    CreateRoute,
    Creation,
    EnablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.changes.base import Performed, Refused
from vpnmigrate.model.consistency import ChangesByFact, SentChange, by_fact
from vpnmigrate.model.derived import ByIdentity, derived
from vpnmigrate.model.ec2 import RouteTableRecord, VpnGatewayId
from vpnmigrate.model.facts import EdgeAssociation, Fact, Propagation, Switch

Gap = tuple[datetime, datetime]


class RouteChanges:
    """The latest changes of routes: most intents of a large cutover are about its routes."""

    def __init__(self, gaps: Sequence[Gap]) -> None:
        self._gaps = gaps
        self._intents: defaultdict[Fact, dict[int, Intent]] = defaultdict(dict)
        """Those of each route, by number: a few."""
        self.directed: dict[Fact, VpnGatewayId] = {}
        self.vanished: dict[Fact, datetime] = {}

    def add(self, route: Fact, intent: Intent) -> None:
        """Add a new intent that changes *route*, or one that has an answer now."""
        self._intents[route][intent.number] = intent
        self.directed.pop(route, None)
        self.vanished.pop(route, None)
        for each in reversed(self._intents[route].values()):
            match each.change, each.outcome:
                case ReplaceRoute(), Refused(missing=True):
                    refused = latest(each.answered or each.at, self._gaps)
                    self.vanished.setdefault(route, refused)
                case ReplaceRoute(gateway=gateway) | CreateRoute(gateway=gateway), _:
                    if not each.cancelled:
                        self.directed[route] = gateway
                        break
                case _:
                    pass  # It changes no route.


class SentIntents:
    """The intents of a run by what they change.

    Each intent is added when it is written and again when it is answered, so a batch takes as long
    after many others as after none.  *gaps* are the periods that no clock measured.
    """

    def __init__(self, intents: Iterable[Intent], gaps: Sequence[Gap]) -> None:
        self.gaps = gaps
        self.routes = RouteChanges(gaps)
        self._changes: dict[int, SentChange | None] = {}
        """By number, in order, as the dictionaries below; None if it certainly had no effect."""
        self._attaching: dict[int, tuple[VpnGatewayId, Intent] | None] = {}
        self._enabling: dict[int, Fact | None] = {}
        self._creating: dict[int, Intent] = {}
        for intent in intents:
            self.add(intent)

    def add(self, intent: Intent) -> None:
        """Add a new intent, or one that has an answer now."""
        number, sent = intent.number, not intent.cancelled
        self._changes[number] = intent.as_sent_change
        match intent.change:
            case ReplaceRoute(fact=route) | CreateRoute(fact=route):
                self.routes.add(route, intent)
            case AttachVpnGateway(gateway=gateway):
                self._attaching[number] = (gateway, intent) if sent else None
            case EnablePropagation(fact=setting):
                self._enabling[number] = setting if sent else None
            case _ if isinstance(intent.change, Creation):
                self._creating[number] = intent
            case _:
                pass  # Only its effect matters, which is a fact.

    @property
    def changes(self) -> tuple[SentChange, ...]:
        """The changes that were, or may have been, sent to AWS."""
        return tuple(each for each in self._changes.values() if each is not None)

    @property
    def attaching(self) -> tuple[tuple[VpnGatewayId, Intent], ...]:
        """The gateways that were, or may have been, attached, each with its intent, in order."""
        return tuple(each for each in self._attaching.values() if each is not None)

    @property
    def enabled(self) -> Mapping[Fact, int]:
        """The number of the latest intent to enable each propagation."""
        return {each: number for number, each in self._enabling.items() if each is not None}

    @property
    def creating(self) -> Iterable[Intent]:
        """The intents to create a resource, cancelled ones as well."""
        return self._creating.values()


class SentChanges:
    """What *intents* have, or may have, sent to AWS, until the next one is added to them.

    An observation needs it every second and the journal changes seldom, so each value is made once.
    *attempt_since* is when the current attempt began.
    """

    def __init__(self, intents: SentIntents, attempt_since: datetime | None) -> None:
        self._intents = intents
        self._gaps = intents.gaps
        self._attempt_since = attempt_since

    @cached_property
    def of_attempt(self) -> ChangesByFact:
        """The changes that this attempt made and may find undone."""
        since = self._attempt_since
        return by_fact(each for each in self._known if since is not None and each.at >= since)

    @cached_property
    def touched(self) -> frozenset[Fact]:
        """The facts that this run has changed or may have changed."""
        return frozenset(each.fact for each in self._known)

    def idle(self, tables: Iterable[RouteTableRecord]) -> frozenset[Fact]:
        """Return the propagation settings of *tables* that are listed but may have no effect.

        They belong to a gateway that was attached, and have not been enabled since.
        """
        return self._idle(ByIdentity(tables))

    @derived
    def _idle(self, tables: ByIdentity[Iterable[RouteTableRecord]]) -> frozenset[Fact]:
        attached = {gateway: intent.number for gateway, intent in self._intents.attaching}
        enabled = self._intents.enabled
        settings = {Propagation(t.id, g): since for t in tables.of for g, since in attached.items()}
        return frozenset(s for s, since in settings.items() if enabled.get(s, 0) < since)

    def with_side_effects(self, edge_tables: Iterable[RouteTableRecord]) -> Sequence[SentChange]:
        """Return every change, including the possible side effects of detaching a gateway.

        A detach may disassociate *edge_tables*, at an unknown time before the gateway is attached
        again.  Each change has the latest time it may have: a period that no clock measured counts
        as zero.
        """
        return self._with_side_effects(ByIdentity(edge_tables))

    @cached_property
    def directed(self) -> Mapping[Fact, VpnGatewayId]:
        """The gateway that each route was last directed to, as far as this run did so."""
        return dict(self._intents.routes.directed)

    @cached_property
    def vanished(self) -> Mapping[Fact, datetime]:
        """The routes that EC2 last said do not exist, and when it said so."""
        return dict(self._intents.routes.vanished)

    @cached_property
    def _known(self) -> tuple[SentChange, ...]:
        return self._intents.changes

    @derived
    def _with_side_effects(
        self, edge_tables: ByIdentity[Iterable[RouteTableRecord]]
    ) -> Sequence[SentChange]:
        attaching = self._intents.attaching
        side_effects = [
            SentChange(
                EdgeAssociation(table.id, gateway),
                frozenset({Switch.OFF}),
                intent.answered or intent.at,
                performed=isinstance(intent.outcome, Performed),
            )
            for table in edge_tables.of
            for gateway, intent in attaching
        ]
        both = sorted((*side_effects, *self._known), key=attrgetter("at"))
        return tuple(self._with_latest_times(both))

    def _with_latest_times(self, changes: Iterable[SentChange]) -> Iterable[SentChange]:
        if not self._gaps:
            return changes
        return (replace(each, at=latest(each.at, self._gaps)) for each in changes)
