"""Orders for a wave: what each of its members does, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vpnmigrate.fleet.campaign import FleetMember
from vpnmigrate.fleet.progress import MemberState
from vpnmigrate.model.errors.commands import Advice, Invocation, one_line
from vpnmigrate.report.results import AfterOrder
from vpnmigrate.report.text import advised, count, safe, wrapped


class WaveResult(StrEnum):
    """What an order for a wave does with a member."""

    ORDERED = "ordered"
    LEFT = "left"
    """Nothing is left to do for it, or it has not begun."""
    REFUSED = "refused"
    """It cannot be done for this member now."""
    WITHDRAWN = "withdrawn"
    """Its order waited for a slot, and waits no more."""


@dataclass(frozen=True)
class OrderedMember:
    """A member of a wave with the result of an order."""

    member: FleetMember
    run: str
    """Empty if the database has no run of it."""
    state: MemberState
    result: WaveResult = WaveResult.ORDERED
    why: str = ""
    """Why it is left or refused."""
    advice: Advice = ""
    effect: str = ""
    """What the order does, in words."""
    interrupts: bool = False
    """Whether that interrupts traffic."""
    connections: tuple[str, ...] = ()
    """The connections that it deletes."""
    attempt: int = 1
    """The attempt that the order is for."""


@dataclass(frozen=True)
class WaveOrders:
    """An order for a wave with its result for each member."""

    verb: str
    campaign: str
    wave: str
    members: tuple[OrderedMember, ...]

    @property
    def ordered(self) -> tuple[OrderedMember, ...]:
        """The members that do something."""
        return self.of(WaveResult.ORDERED)

    def of(self, result: WaveResult) -> tuple[OrderedMember, ...]:
        """Return the members with this *result*."""
        return tuple(each for each in self.members if each.result is result)


def preview_text(orders: WaveOrders) -> str:
    """Return what the order does with each member, before it is given."""
    lines = [f"{orders.verb} of wave {orders.wave} of campaign {orders.campaign}:"]
    for each in orders.members:
        said = each.effect if each.result is WaveResult.ORDERED else f"{each.result}: {each.why}"
        lines.append(wrapped(f"{each.member.id}, {each.state}: {said}", first="  ", rest="      "))
    return "\n".join(lines)


def wave_text(orders: WaveOrders, after: AfterOrder, invocation: Invocation) -> str:
    """Return how many members there are of each result, and those that were refused."""
    found = ((result, orders.of(result)) for result in WaveResult)
    counts = ", ".join(f"{len(rows)} {result}" for result, rows in found if rows)
    head = f"{orders.verb} of wave {orders.wave}: {count(len(orders.members), 'member')}, {counts}"
    return "\n".join([wrapped(head), *_refused(orders, invocation), after.text()])


def _refused(orders: WaveOrders, invocation: Invocation) -> Iterator[str]:
    for each in orders.of(WaveResult.REFUSED):
        yield wrapped(f"{each.member.id}, {each.state}: {each.why}", first="  ", rest="      ")
        if each.advice:
            yield advised(invocation.advise(each.advice), first="      ")


def wave_json(
    schema: str, orders: WaveOrders, after: AfterOrder, invocation: Invocation
) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": schema,
        "campaign": orders.campaign,
        "wave": orders.wave,
        "members": [
            {
                "id": each.member.id,
                "run": each.run,
                "state": each.state.value,
                "result": each.result.value,
                "why": safe(each.why),
                "advice": one_line(invocation.advise(each.advice)),
                "interrupts": each.interrupts,
                "deletes": list(each.connections),
            }
            for each in orders.members
        ],
        **after.fields(),
    }
