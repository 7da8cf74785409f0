"""Measure the outage of ``scripts/plain_script.py`` in the world of ``measure_cutover``.

The same served sandbox, with the same delays, buckets and devices' engineer.  The outage is that of
the routes: from the first call that interrupts traffic until each destination that had a route to
the old gateway has an active one to another.  The script itself stops looking before that.

``measure_cutover``'s delays are multiples of the 15 s between two polls of an SDK waiter, so the
script loses nothing in them; ``--detach 50 --attach 37`` are delays that are none.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent
sys.path.insert(0, str(SCRIPTS.parent))
sys.path.insert(0, str(SCRIPTS))

from measure_cutover import (  # noqa: E402  the paths above
    ATTACH,
    DETACH,
    Buckets,
    limited,
    unavoidable,
)

from tests.support.builders import OLD  # noqa: E402
from tests.support.large import Size, large_survey  # noqa: E402
from vpnmigrate.sandbox.behaviour import Behaviour, seconds  # noqa: E402
from vpnmigrate.sandbox.scenarios.load import load_world  # noqa: E402
from vpnmigrate.sandbox.scenarios.scenario import scenario_from_survey  # noqa: E402
from vpnmigrate.sandbox.server.clock import ScaledClock  # noqa: E402
from vpnmigrate.sandbox.server.serve import serve  # noqa: E402
from vpnmigrate.sandbox.world import World  # noqa: E402

INTERRUPTING = {"DisableVgwRoutePropagation", "DetachVpnGateway"}
POLL = timedelta(seconds=0.5)
"""Between two looks at the world."""
LONGEST = 900
"""Seconds after which traffic will not return: the script has ended long before."""


class OutageStart:
    """The time of the first call that interrupts traffic."""

    def __init__(self) -> None:
        self.at: float | None = None

    def noted_in(self, world: World) -> World:
        """Return *world*, whose first interrupting call is noted."""
        execute = world.execute

        def noted(service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
            if self.at is None and action in INTERRUPTING:
                self.at = time.monotonic()
            return execute(service, action, params)

        world.execute = noted  # type: ignore[method-assign]
        return world


Destinations = frozenset[tuple[str, str]]


def reached(world: World, *, old: bool) -> Destinations:
    """Return tables and destinations with an active route to a gateway: the old, or another."""
    tables = world.execute("ec2", "DescribeRouteTables", {})["RouteTables"]
    return frozenset(
        (table["RouteTableId"], route["DestinationCidrBlock"])
        for table in tables
        for route in table["Routes"]
        if route["State"] == "active"
        and route.get("GatewayId", "").startswith("vgw-")
        and (route["GatewayId"] == OLD) is old
    )


def main() -> int:
    """Migrate once by the script, and print the outage, the unavoidable one, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("--routes", type=int, default=500, help="static routes in all tables")
    parser.add_argument("--detach", type=int, default=DETACH, help="seconds")
    parser.add_argument("--attach", type=int, default=ATTACH, help="seconds")
    options = parser.parse_args()
    size = Size(
        connections=1,
        tables=options.tables,
        propagated=10,
        static=options.routes // options.tables,
        others=5,
    )
    behaviour = Behaviour(
        gateway_creation=seconds(1),
        connection_creation=seconds(1),
        detach=seconds(options.detach),
        attach=seconds(options.attach),
    )
    world = load_world(scenario_from_survey(large_survey(size)), ScaledClock(), behaviour)
    before = reached(world, old=True)
    buckets, start = Buckets(1), OutageStart()
    with serve(start.noted_in(limited(world, buckets)), attentive=timedelta(0)) as server:
        outage = migrated(world, before, start, {**os.environ, **server.environment})
    least = unavoidable(size, buckets) + options.detach - DETACH + options.attach - ATTACH
    print(f"{size.tables} tables, {size.tables * size.static} static routes, a plain script")
    print(f"outage {outage:.1f} s, unavoidable {least:.1f} s, ratio {outage / least:.3f}")
    print(f"refused: {sum(call.refused for call in buckets.calls)}")
    return 0


def migrated(
    world: World, before: Destinations, start: OutageStart, environment: Mapping[str, str]
) -> float:
    """Run the script until traffic flows again, and return the seconds of the outage."""
    words = [sys.executable, str(SCRIPTS / "plain_script.py"), OLD]
    began = time.monotonic()
    with subprocess.Popen(words, env=environment) as script:
        while not before <= reached(world, old=False):
            if script.poll() or time.monotonic() - began > LONGEST:
                sys.exit(f"traffic did not return; the script ended with {script.poll()}")
            world.clock.sleep(POLL)
        restored = time.monotonic()
        if script.wait():
            sys.exit(f"the script ended with {script.returncode}")
    if start.at is None:
        sys.exit("the script did not interrupt traffic")
    return restored - start.at


if __name__ == "__main__":
    sys.exit(main())
