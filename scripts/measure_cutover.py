"""Measure the outage of a cutover over HTTP, with real delays and EC2's limits of calls.

The program runs as an operator runs it; a served sandbox takes real time to detach and attach, and
refuses calls that change routes as EC2 does when its buckets are empty (docs/domain.md 5).  The
unavoidable outage is what those delays and buckets take, with a program that loses no time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from draw_outage import draw  # noqa: E402  the path above

from tests.support.builders import OLD  # noqa: E402
from tests.support.large import Size, large_survey  # noqa: E402
from vpnmigrate.local.run_directory import Runs  # noqa: E402
from vpnmigrate.sandbox.behaviour import Behaviour, seconds  # noqa: E402
from vpnmigrate.sandbox.ec2.ids import ApiError  # noqa: E402
from vpnmigrate.sandbox.scenarios.load import load_world  # noqa: E402
from vpnmigrate.sandbox.scenarios.scenario import scenario_from_survey  # noqa: E402
from vpnmigrate.sandbox.server.clock import ScaledClock  # noqa: E402
from vpnmigrate.sandbox.server.serve import serve  # noqa: E402
from vpnmigrate.sandbox.world import World  # noqa: E402

DETACH, ATTACH = 45, 30
"""Seconds; the sandbox's usual values (``sandbox.behaviour``)."""
TUNNELS = Behaviour().ike + Behaviour().bgp + Behaviour().propagation_delay
"""From the attachment, after which the engineer enables the tunnels, to their routes."""
BURST, RATE = 50, 5
"""A bucket of calls that change AWS, for each operation, and how many a second fill it."""
BUCKETS = ("DisableVgwRoutePropagation", "EnableVgwRoutePropagation", "ReplaceRoute")
HELD = 3
"""The exit code of a run that waits for a person."""


class Buckets:
    """The token buckets of the operations of steps 7 and 9."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        self._left = dict.fromkeys(BUCKETS, float(BURST))
        self._filled = dict.fromkeys(BUCKETS, time.monotonic())
        self._lock = Lock()

    def take(self, action: str) -> None:
        """Take a token for *action*.

        Raises:
            ApiError: There is none.
        """
        if action not in self._left:
            return
        with self._lock:
            now = time.monotonic()
            fresh = (now - self._filled[action]) * RATE
            self._left[action] = min(BURST, self._left[action] + fresh)
            self._filled[action] = now
            if self._left[action] < 1:
                self.refused[action] += 1
                raise ApiError("RequestLimitExceeded", "Request limit exceeded.", 503)
            self._left[action] -= 1


def limited(world: World, buckets: Buckets) -> World:
    """Return *world*, which takes a token for each call."""
    execute = world.execute

    def within(service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        buckets.take(action)
        return execute(service, action, params)

    world.execute = within  # type: ignore[method-assign]
    return world


def unavoidable(size: Size) -> float:
    """Return the seconds that delays and buckets take.

    After the attachment, the tunnels come up while the buckets of step 9 fill.
    """
    routes = size.tables * size.static
    after = max(waiting(size.tables), waiting(routes), TUNNELS.total_seconds())
    return waiting(size.tables) + DETACH + ATTACH + after


def waiting(calls: int) -> float:
    """Return how long a bucket makes the last of *calls* wait."""
    return max(0, calls - BURST) / RATE


def main() -> int:
    """Migrate once, and print the outage, the unavoidable one, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("--routes", type=int, default=500, help="static routes in all tables")
    parser.add_argument("--svg", type=Path, help="file for the picture of the outage")
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
        detach=seconds(DETACH),
        attach=seconds(ATTACH),
    )
    buckets = Buckets()
    scenario = scenario_from_survey(large_survey(size))
    world = limited(load_world(scenario, ScaledClock(), behaviour), buckets)
    with (
        tempfile.TemporaryDirectory(prefix="vpnmigrate-cutover-") as home,
        serve(world, attentive=timedelta(0)) as server,
    ):
        outage = migrated({**os.environ, **server.environment, "VPNMIGRATE_HOME": home}, home)
        if options.svg:
            (run,) = Runs(Path(home)).list()
            draw(run, options.svg)
    least = unavoidable(size)
    print(f"{size.tables} tables, {size.tables * size.static} static routes")
    print(f"outage {outage:.1f} s, unavoidable {least:.1f} s, ratio {outage / least:.3f}")
    print(f"refused: {dict(buckets.refused)}")
    return 0


def migrated(environment: Mapping[str, str], home: str) -> float:
    """Migrate from plan to the end of the cutover, and return the seconds of the outage."""
    plan = f"{home}/plan.json"
    command(environment, "plan", "--vpn-gateway", OLD, "--output", plan)
    run = command(environment, "apply", plan, "--yes", leaves=HELD)["run"]["run"]
    command(environment, "done", run, "5")
    command(environment, "apply", run, "--yes", "--no-input", leaves=HELD)
    return float(command(environment, "status", run)["outage"])


def command(environment: Mapping[str, str], *words: str, leaves: int = 0) -> dict[str, Any]:
    """Return the JSON document of a command, which has to end with *leaves*."""
    done = subprocess.run(
        [sys.executable, "-m", "vpnmigrate", *words, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != leaves:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return dict(json.loads(done.stdout)) if done.stdout else {}


if __name__ == "__main__":
    sys.exit(main())
