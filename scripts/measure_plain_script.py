"""Measure the outage of ``scripts/plain_script.py`` in the world of ``measure_cutover``.

The same served sandbox, with the same delays, buckets and devices' engineer.  The outage is that of
the routes: from the first call that interrupts traffic until each destination that had a route to
the old gateway has an active one to another.  The script itself stops looking before that.

``measure_cutover``'s delays are multiples of the 15 s between two polls of an SDK waiter, so the
script loses nothing in them; ``--detach 50 --attach 37`` are delays that are none.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

SCRIPTS = Path(__file__).parent
sys.path.insert(0, str(SCRIPTS.parent))
sys.path.insert(0, str(SCRIPTS))

from measure_cutover import (  # noqa: E402  the paths above
    ATTACH,
    DETACH,
    DISABLE,
    MACHINE,
    Buckets,
    large_world,
    limited,
    options_of_size,
    print_outage,
    size_of,
    unavoidable,
)

from tests.support.builders import OLD  # noqa: E402
from vpnmigrate.sandbox.server.serve import serve  # noqa: E402
from vpnmigrate.sandbox.world import World  # noqa: E402

INTERRUPTING = {DISABLE, "DetachVpnGateway"}
POLL = timedelta(seconds=0.5)
"""Between two looks at the world."""
LONGEST = timedelta(minutes=15)
"""Time after which traffic will not return: the script has ended long before."""


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
    parser = options_of_size(__doc__)
    parser.add_argument("--detach", type=int, default=DETACH, help="seconds")
    parser.add_argument("--attach", type=int, default=ATTACH, help="seconds")
    options = parser.parse_args()
    size, buckets = size_of(options), Buckets(1)
    world = large_world(size, options.detach, options.attach)
    before = reached(world, old=True)
    with serve(limited(world, buckets), attentive=timedelta(0)) as server:
        restored = migrated(world, before, {**os.environ, **server.environment})
    began = next(call.at for call in buckets.calls if call.action in INTERRUPTING)
    least = unavoidable(size, buckets, timedelta(seconds=options.detach + options.attach))
    print(f"{size.tables} tables, {size.tables * size.static} static routes, a plain script")
    print_outage((restored - began).total_seconds(), least)
    print(f"refused: {sum(call.refused for call in buckets.calls)}")
    return 0


def migrated(world: World, before: Destinations, environment: Mapping[str, str]) -> datetime:
    """Run the script, and return when traffic flowed again."""
    words = [sys.executable, str(SCRIPTS / "plain_script.py"), OLD]
    began = MACHINE.now()
    with subprocess.Popen(words, env=environment) as script:
        while not before <= reached(world, old=False):
            if script.poll() or MACHINE.now() - began > LONGEST:
                sys.exit(f"traffic did not return; the script ended with {script.poll()}")
            world.clock.sleep(POLL)
        restored = MACHINE.now()
        if script.wait():
            sys.exit(f"the script ended with {script.returncode}")
    return restored


if __name__ == "__main__":
    sys.exit(main())
