"""Proposed change as text: its call, what undoes it, and its effect on traffic."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.model.changes import (
    AssociateEdge,
    AttachVpnGateway,
    CreateRoute,
    DetachVpnGateway,
    DisablePropagation,
    DisassociateEdge,
    EnablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.clock import span
from vpnmigrate.model.errors.commands import Advice, aws_call
from vpnmigrate.model.proposed_change import ProposedChange, StepChoice
from vpnmigrate.report.names import Names
from vpnmigrate.report.text import columns, wrapped

_ANSWERS = {
    StepChoice.RUN: "make this change",
    StepChoice.WAIT: "not now; the run keeps watching AWS",
    StepChoice.ROLL_BACK: "roll back to the old gateway",
}

_UNASKED = "the run continues without asking"


def proposed_line(proposed: ProposedChange, names: Names) -> str:
    """Return the question about *proposed* in one line, for the screen."""
    what = f"step {proposed.step}: {proposed.change}? Traffic: {effect_on_traffic(proposed)}"
    return f"{names.text(what)}. Inverse: {names.text(_inverse(proposed))}"


def proposed_text(proposed: ProposedChange, names: Names) -> str:
    """Return the question about *proposed*, with the answers that can be typed."""
    title = f"  BEFORE the next change of step {proposed.step} ({proposed.title}):"
    answers = [f"    {choice.value:<10} {meaning}" for choice, meaning in _ANSWERS.items()]
    limit = f" within {span(proposed.limit)}" if proposed.limit is not None else ""
    asked = [f"    Type one of{limit}:", *answers]
    if proposed.limit is not None:
        asked.append(f"    After {span(proposed.limit)} without an answer, {_UNASKED}.")
    return "\n".join([wrapped(title), columns(_rows(proposed, names), indent=4), *asked])


def _rows(proposed: ProposedChange, names: Names) -> Iterator[tuple[str, Advice]]:
    yield "change", names.text(str(proposed.change))
    if proposed.request is not None:
        yield "call", aws_call(proposed.request.operation, proposed.request.parameters)
    yield "inverse", names.text(_inverse(proposed))
    yield "traffic", names.text(effect_on_traffic(proposed))


def _inverse(proposed: ProposedChange) -> str:
    return "none in the plan" if proposed.inverse is None else str(proposed.inverse)


def effect_on_traffic(proposed: ProposedChange) -> str:
    """Return what *proposed* is expected to do to traffic."""
    began = "" if proposed.outage else "THE OUTAGE BEGINS: "
    match proposed.change:
        case DisablePropagation(table=table):
            return (
                f"{began}the propagated routes leave {table}; its traffic to the sites stops, or "
                "follows a less specific route"
            )
        case DetachVpnGateway(vpc=vpc):
            return f"{began}no VPN traffic of {vpc} until steps 8 to 10 are done"
        case AttachVpnGateway(vpc=vpc):
            return f"none yet; {vpc} has a gateway again, without routes and tunnels"
        case EnablePropagation(table=table):
            return f"routes return to {table} once a tunnel is UP"
        case (
            ReplaceRoute(table=table, destination=destination)
            | CreateRoute(table=table, destination=destination)
        ):
            return f"traffic from {table} to {destination} takes this gateway once a tunnel is UP"
        case DisassociateEdge(table=table):
            return f"incoming traffic is not routed by {table} any more"
        case AssociateEdge(table=table):
            return f"incoming traffic is routed by {table} again"
        case _:
            return "none"
