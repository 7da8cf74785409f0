"""One migration played to each of its boundaries, with branches that a test may disturb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.builders import (
    BOTH,
    OLD,
    a_connection,
    a_customer_gateway,
    a_survey,
    a_table,
    minutes,
    ordinary_tables,
)
from tests.support.stage import Nobody, Stage
from vpnmigrate.engine.runner import Runner
from vpnmigrate.model.decisions import Decisions, TestVpc, Waits
from vpnmigrate.model.errors import HeldError
from vpnmigrate.model.survey import Survey
from vpnmigrate.sandbox.behaviour import Behaviour

STATIC_VPN: Final = "vpn-static"
EDGE: Final = "rtb-edge"
ROUTE: Final = "192.168.0.0/16"
"""The static route to the old gateway."""
SPARE: Final = "rtb-spare"
"""A table without any relation to the gateways."""

DECISIONS: Final = Decisions(
    test_vpc=TestVpc("172.31.0.0/24"),
    device_types={"default": "Generic/Generic/Vendor Agnostic"},
    waits=Waits(tunnels=minutes(10)),
)
"""A test VPC and AWS's samples, so that the program makes every call that it can."""

BEHAVIOUR: Final = Behaviour(edge_association_survives_detach=True)
"""An EC2 in which an edge association has to be disassociated."""

RunAction = Callable[[Runner], object]


def everything() -> Survey:
    """Return a survey with BGP and static connections, routes of each kind and an edge table."""
    return a_survey(
        connections=(
            a_connection(),
            a_connection(STATIC_VPN, customer_gateway="cgw-22", prefixes=["10.2.0.0/16"], routes=0),
        ),
        customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-22", asn=65010)),
        route_tables=(*ordinary_tables(), a_table(EDGE, edge_of=OLD), a_table(SPARE)),
    )


class Recorder:
    """Faults that let everything through, and count the calls."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def before(self, service: str, action: str, nth: int) -> None:
        self.calls[action if service == "ec2" else f"{service}:{action}"] += 1

    def after(self, service: str, action: str, nth: int) -> None:
        pass


@dataclass(frozen=True)
class Leg:
    """A part of a run that one process can do: where it starts, and how it ends."""

    name: str
    start: Stage
    go: RunAction
    calls: Mapping[str, int]
    """How often each operation is called on this leg, without faults."""
    end: Stage


def forward_to(step: int) -> RunAction:
    """Return the run action that applies until the end of *step*."""
    return lambda runner: runner.apply(until=step)


def finalize(runner: Runner) -> object:
    """Delete the old connections and their gateway."""
    return runner.finalize(delete_old_gateway=True)


def legs(vault: Path) -> dict[str, Leg]:
    """Run the migration, and return its legs, with a boundary around the outage."""
    start = Stage(vault, everything(), decisions=DECISIONS, behaviour=BEHAVIOUR)
    prepare = _leg("prepare", start, forward_to(6))
    begin = _leg("begin", prepare.end, forward_to(7))
    outage = _leg("outage", begin.end, Runner.apply)
    deleted = begin.end.branch()
    deleted.do("DeleteRoute", RouteTableId=BOTH, DestinationCidrBlock=ROUTE)
    deleted.clock.sleep(minutes(5))
    recreate = _leg("recreate", deleted, Runner.apply)
    back = _leg("back", outage.end, Runner.rollback)
    finalizing = _leg("finalize", outage.end, finalize)
    return {leg.name: leg for leg in (prepare, begin, outage, recreate, back, finalizing)}


def abandoned(vault: Path) -> Leg:
    """Return the rollback of a run that is held while its test VPC exists."""
    stage = Stage(vault, everything(), decisions=DECISIONS, behaviour=BEHAVIOUR)
    with pytest.raises(HeldError):
        stage.run(forward_to(5))
    with pytest.raises(HeldError):
        stage.run(Runner.apply, operator=Nobody())
    return _leg("abandoned", stage, Runner.rollback)


def _leg(name: str, start: Stage, go: RunAction) -> Leg:
    stage = start.branch()
    stage.faults = recorder = Recorder()
    try:
        stage.run(go)
    except HeldError as held:
        if not is_as_asked(held):
            raise
    stage.faults = None
    return Leg(name, start, go, dict(recorder.calls), stage)


def is_as_asked(held: HeldError) -> bool:
    """Return whether a run is held after the requested step."""
    return "as requested" in held.message or "everything is prepared" in held.message
