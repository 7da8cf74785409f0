"""Measure a fleet: many sandbox migrations, several workers, kills and a database restart.

usage: python scripts/measure_fleet.py [--migrations N] [--accounts N] [--workers N] [--kills N]
       python scripts/measure_fleet.py --growth --migrations 24

Workers are processes as an operator starts them; one more process serves all accounts.  The
engineers of the devices report each task at once.  What was changed, and how often, comes from the
sandboxes' own record of the calls that they have carried out.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402  the path above
import sqlalchemy as sa  # noqa: E402

from tests.conftest import MEMORY  # noqa: E402
from tests.support.fleet_processes import (  # noqa: E402
    FleetProcesses,
    end_on_signals,
    gateway_scenario,
)
from tests.support.postgres import PostgresServer, a_postgres_server  # noqa: E402
from vpnmigrate import __version__  # noqa: E402
from vpnmigrate.aws.account import Account  # noqa: E402
from vpnmigrate.cli.fleet_worker import upgrade_database  # noqa: E402
from vpnmigrate.fleet.campaign import Campaign, FleetLimits, Wave  # noqa: E402
from vpnmigrate.fleet.campaign_text import campaign_text  # noqa: E402
from vpnmigrate.fleet.database.campaigns import FleetCampaigns, StoredCampaign  # noqa: E402
from vpnmigrate.fleet.database.connection import Database  # noqa: E402
from vpnmigrate.fleet.database.deliveries import deliver  # noqa: E402
from vpnmigrate.fleet.database.run_rows import FleetRun  # noqa: E402
from vpnmigrate.fleet.database.runs import NewRun, RunPlace  # noqa: E402
from vpnmigrate.fleet.database.schema import LINES, RUNS  # noqa: E402
from vpnmigrate.fleet.grouping import member_of_plan  # noqa: E402
from vpnmigrate.fleet.names import name_of  # noqa: E402
from vpnmigrate.fleet.progress import HOLDS_SLOT, MemberState  # noqa: E402
from vpnmigrate.local.vault import Vault  # noqa: E402
from vpnmigrate.model.clock import SteadyClock  # noqa: E402
from vpnmigrate.model.decisions import Decisions, Waits  # noqa: E402
from vpnmigrate.model.ec2 import MigrationId  # noqa: E402
from vpnmigrate.model.plan import Plan  # noqa: E402
from vpnmigrate.planning.planner import plan_from  # noqa: E402
from vpnmigrate.sandbox.client.direct import DirectClients  # noqa: E402
from vpnmigrate.sandbox.device_engineer import REACTION  # noqa: E402
from vpnmigrate.sandbox.ec2.dispatch import WRITES  # noqa: E402
from vpnmigrate.sandbox.ec2.ids import ApiError  # noqa: E402
from vpnmigrate.sandbox.scenarios.load import load_world  # noqa: E402
from vpnmigrate.sandbox.scenarios.scenario import Scenario  # noqa: E402
from vpnmigrate.sandbox.server.clock import ScaledClock  # noqa: E402
from vpnmigrate.sandbox.server.serve import serve  # noqa: E402
from vpnmigrate.sandbox.world import World  # noqa: E402

REGIONS = tuple(
    f"{area}-{number}"
    for area in (
        "eu-west",
        "eu-central",
        "eu-north",
        "us-east",
        "us-west",
        "ap-southeast",
        "sa-east",
    )
    for number in (1, 2, 3)
)
DECISIONS = Decisions(asn=64600, waits=Waits(tunnels=timedelta(hours=12)))
PROGRESS = 10.0
"""Seconds between two lines of progress."""
CLOCK = SteadyClock()
GLANCE = timedelta(milliseconds=50)
"""Least time between two looks at the database."""
SHARE = 5.0
"""A look at many runs takes long; so many times as long passes before the next one."""
REPEATED = "CreateTags"
"""Each session renews the tags of its run, so this call alone is repeated on purpose."""
DRY_RUN = "DryRunOperation"
"""The answer to a call that only asks for its permission."""
HOLDER = "ann@desk/1"


def scenarios(count: int, accounts: int) -> list[Scenario]:
    """Return *count* gateways over *accounts*, each in a Region of its own there."""
    places = (divmod(number, accounts) for number in range(count))
    return [
        gateway_scenario(number, f"{100_000_000_001 + account}", REGIONS[region])
        for number, (region, account) in enumerate(places)
    ]


class Changes:
    """The calls that the worlds of a server have carried out."""

    def __init__(self) -> None:
        self.reads: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        """By world, action and parameters."""
        self.refused: Counter[str] = Counter()

    def record(self, world: World) -> World:
        """Return *world*, whose calls are recorded."""
        execute = world.execute

        def recorded(service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
            name = f"{service} {action}"
            if (service, action) not in WRITES:
                self.reads[name] += 1
                return execute(service, action, params)
            try:
                answer = execute(service, action, params)
            except ApiError as error:
                if error.code != DRY_RUN:
                    self.refused[f"{name}: {error.code}"] += 1
                raise
            given = msgspec.json.encode(params, order="sorted").decode()
            self.writes[f"{world.account} {world.region} {name} {given}"] += 1
            return answer

        world.execute = recorded  # type: ignore[method-assign]
        return world


def serve_worlds(count: int, accounts: int, speed: float, line: Connection) -> None:
    """Serve the accounts in a process of its own, and send its calls when asked for them."""
    clock, changes = ScaledClock(speed), Changes()
    worlds = [changes.record(load_world(each, clock)) for each in scenarios(count, accounts)]
    with serve(worlds[0], attentive=REACTION, others=worlds[1:]) as server:
        line.send(server.environment)
        while line.recv() == "calls":
            line.send((changes.reads, changes.writes, changes.refused))


@contextmanager
def served(count: int, accounts: int, speed: float) -> Iterator[tuple[dict[str, str], Sandbox]]:
    """Serve the accounts; yield the environment of clients, and the process."""
    ours, theirs = multiprocessing.Pipe()
    start = multiprocessing.get_context("spawn")
    process = start.Process(target=serve_worlds, args=(count, accounts, speed, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv(), Sandbox(process.pid or 0, ours)
    finally:
        process.kill()
        process.join()


@dataclass(frozen=True)
class Sandbox:
    """The process that serves the accounts."""

    process: int
    line: Connection

    def calls(self) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """Return the reads, the changes and the refused changes so far."""
        self.line.send("calls")
        found: tuple[Counter[str], Counter[str], Counter[str]] = self.line.recv()
        return found


def plans(count: int, accounts: int) -> list[Plan]:
    """Return the plan of each gateway, from a survey of its world."""
    clock = ScaledClock(1)
    made = clock.wall()
    found = []
    for scenario in scenarios(count, accounts):
        account = Account(
            DirectClients(load_world(scenario, clock)), clock, Vault(Path("no-vault"))
        )
        survey = account.survey(scenario.gateways[0].id)
        id_ = MigrationId(f"m-{scenario.account[-3:]}-{scenario.region}")
        found.append(
            plan_from(survey, DECISIONS, "fleet", migration=id_, made=made, tool=__version__)
        )
    return found


def add_campaign(database: Database, every: Sequence[Plan], limit: int) -> None:
    """Add a campaign of one wave with *every* plan to the database."""
    members = [member_of_plan(plan.migration, plan, f"{plan.migration}.json") for plan in every]
    campaign = Campaign(
        "measured",
        (Wave("all", tuple(members)),),
        limits=FleetLimits(account=limit, region=1000, device=1000),
    )
    runs = [NewRun(plan, msgspec.json.encode(plan), HOLDER, place_of(plan)) for plan in every]
    stored = StoredCampaign(campaign, campaign_text(campaign), None)
    FleetCampaigns(database).put(stored, runs, HOLDER)


def place_of(plan: Plan) -> RunPlace:
    """Return how a worker reaches the account of *plan*, and its member in the campaign."""
    return RunPlace(f"arn:aws:iam::{plan.account}:role/vpnmigrate", "", "measured", plan.migration)


@dataclass(frozen=True)
class Size:
    """The size of a measurement."""

    migrations: int
    accounts: int
    workers: int
    runs: int
    limit: int
    speed: float
    most_seconds: float
    """After these the measurement ends, with the migrations that are done."""


@dataclass
class Figures:
    """What was measured."""

    done: int = 0
    """Migrations; those under way at the end count for nothing but their calls and CPU time."""
    failed: int = 0
    """How often a run failed and was started again."""
    seconds: float = 0.0
    most_in_account: int = 0
    most_at_work: int = 0
    handed_on: list[float] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    connections: int = 0
    """Most connections to the database at a time."""
    worker_cpu: float = 0.0
    worker_memory: float = 0.0
    """Megabytes, of the largest worker."""
    database_cpu: float = 0.0
    sandbox_cpu: float = 0.0
    reads: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def made_twice(self) -> dict[str, int]:
        """Return the changes that were carried out more than once."""
        again = {call: count for call, count in self.writes.items() if count > 1}
        return {call: count for call, count in again.items() if REPEATED not in call.split()}


class MeasuredFleet(FleetProcesses):
    """A fleet whose workers are killed and whose database is restarted."""

    def __init__(
        self, folder: Path, server: PostgresServer, environment: Mapping[str, str], size: Size
    ) -> None:
        super().__init__(folder, environment, server.url())
        self._server = server
        self._size = size
        self.figures = Figures()

    def begin(self) -> None:
        """Start one more worker."""
        self.begin_worker("--runs", str(self._size.runs))

    def migrate(self, kills: int, restarts: int) -> None:
        """Wait until every run is done; kill workers and restart the database meanwhile."""
        began = time.monotonic()
        events = [*("kill",) * kills, *("restart",) * restarts]
        shown = 0.0
        while True:
            looked = time.monotonic()
            rows = self.runs.list()
            self._note(rows)
            done = sum(row.member_progress.state is MemberState.DONE for row in rows)
            if time.monotonic() - shown > PROGRESS:
                shown = time.monotonic()
                states = Counter(row.member_progress.state.value for row in rows)
                print(f"{shown - began:7.1f} s  {dict(states)}", flush=True)
            self.figures.done, self.figures.seconds = done, time.monotonic() - began
            if done == len(rows) or self.figures.seconds > self._size.most_seconds:
                return
            due = len(self.figures.handed_on) + len(self.figures.restarts)
            if due < len(events) and done * (len(events) + 1) >= (due + 1) * len(rows) * 0.8:
                victim = self.in_outage(rows)
                if victim is not None:
                    self._kill(victim) if events[due] == "kill" else self._restart()
            self._start_again(rows)
            self.report_devices(rows)
            self.require_workers()
            took = time.monotonic() - looked
            CLOCK.sleep(max(GLANCE, timedelta(seconds=SHARE * took)))

    def _start_again(self, rows: Iterable[FleetRun]) -> None:
        """Start the runs that have failed again, as an operator does.

        A busy machine fails runs on a quick clock: ten minutes of a step are ten seconds at speed
        60, and an intent is too old after half a second.
        """
        for row in rows:
            if row.progress is MemberState.FAILED and not row.wants_work:
                why = row.trouble if row.summary is None else row.summary.waiting_for
                say(f"{row.id} has failed, and is started again: {why}")
                self.figures.failed += 1
                self.runs.start(row.id, row.goal, deliver)

    def _kill(self, victim: FleetRun) -> None:
        name = name_of(victim.lease_owner or "")
        began = time.monotonic()
        self._end_worker(self.workers[name], signal.SIGKILL)
        fence = self._fence(victim.id)
        while self._fence(victim.id) == fence:
            CLOCK.sleep(GLANCE)
        took = time.monotonic() - began
        self.figures.handed_on.append(took)
        say(f"{name} was killed in the cutover of {victim.id}: {took:.1f} s")
        self.begin()

    def _fence(self, run: str) -> int:
        statement = sa.select(RUNS.c.fence).where(RUNS.c.id == run)
        return int(self.database.execute(lambda c: c.execute(statement).scalar_one()))

    def _restart(self) -> None:
        self._note_database()
        before = self._lines()
        self._server.stop()
        began = time.monotonic()
        self._server.start()
        while self._lines() == before:
            CLOCK.sleep(GLANCE)
        took = time.monotonic() - began
        self.figures.restarts.append(took)
        say(f"the database was restarted: {took:.1f} s until it was written")

    def _lines(self) -> int:
        statement = sa.select(sa.func.count()).select_from(LINES)
        return int(self.database.execute(lambda c: c.execute(statement).scalar_one()))

    def _note(self, rows: Sequence[FleetRun]) -> None:
        held = Counter(row.account for row in rows if row.member_progress.state in HOLDS_SLOT)
        found = self.figures
        for account, count in held.items():
            if count > max(found.most_in_account, self._size.limit):
                say(f"{count} at a time in {account}:")
                for row in rows:
                    if row.account == account and row.member_progress.state is not MemberState.DONE:
                        say(f"  {_written(row)}")
        found.most_in_account = max(found.most_in_account, *held.values(), 0)
        found.most_at_work = max(found.most_at_work, sum(row.alive for row in rows))
        statement = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'client%'"
        )
        count = int(self.database.execute(lambda c: c.execute(statement).scalar_one()))
        found.connections = max(found.connections, count)

    def end(self) -> None:
        """End the workers, and note the CPU time of those and of the database."""
        self._note_database()
        for worker in self.workers.values():
            if worker.poll() is None:
                self._end_worker(worker, signal.SIGTERM)

    def _end_worker(self, worker: subprocess.Popen[bytes], how: signal.Signals) -> None:
        worker.send_signal(how)
        _, status, used = os.wait4(worker.pid, 0)
        worker.returncode = os.waitstatus_to_exitcode(status)
        self.figures.worker_cpu += used.ru_utime + used.ru_stime
        self.figures.worker_memory = max(self.figures.worker_memory, used.ru_maxrss / 1024)

    def _note_database(self) -> None:
        """Add the CPU time of the server and its processes, which it forgets when it ends."""
        statement = sa.text("SELECT pg_backend_pid()")
        backend = self.database.execute(lambda c: c.execute(statement).scalar_one())
        server = parent_of(backend)
        processes = (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit())
        used = sum(cpu_of(each) for each in processes if parent_of(each) == server)
        self.figures.database_cpu += used + cpu_of(server)


def _written(row: FleetRun) -> str:
    """Return what decides about the slot of a run."""
    worker = row.lease_owner or "no worker"
    if row.lease_owner and not row.alive:
        worker += " (dead)"
    return (
        f"{row.id}: {row.member_progress.state}, as {row.progress} with goal {row.goal}, "
        f"wake {row.wake} served {row.served}, {worker}, due {row.due_at}"
    )


def say(text: str) -> None:
    """Print an event."""
    print(f"{'':11}{text}", flush=True)


def _stat(process: int) -> list[str]:
    """Return the fields of a process in /proc from its state on; none if it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def parent_of(process: int) -> int:
    """Return the number of the parent of *process*; 0 if it has ended."""
    found = _stat(process)
    return int(found[1]) if found else 0


def cpu_of(process: int) -> float:
    """Return the CPU seconds of *process* and of those of its children that have ended."""
    return sum(map(int, _stat(process)[11:15])) / os.sysconf("SC_CLK_TCK")


def measure(size: Size, every: Sequence[Plan], kills: int = 0, restarts: int = 0) -> Figures:
    """Migrate, and return the figures.

    Raises:
        ValueError: A change was made twice, or a limit was exceeded.
    """
    with (
        tempfile.TemporaryDirectory(prefix="measure-fleet-") as folder,
        a_postgres_server(MEMORY if MEMORY.is_dir() else None) as server,
        served(size.migrations, size.accounts, size.speed) as (environment, sandbox),
    ):
        fleet = MeasuredFleet(Path(folder), server, environment, size)
        try:
            upgrade_database(fleet.database)
            add_campaign(fleet.database, every, size.limit)
            for _ in range(size.workers):
                fleet.begin()
            fleet.migrate(kills, restarts)
            fleet.end()
            found = fleet.figures
            found.sandbox_cpu = cpu_of(sandbox.process)
            found.reads, found.writes, found.refused = sandbox.calls()
        finally:
            fleet.close()
    if again := found.made_twice():
        raise ValueError(f"made twice: {again}")
    if found.most_in_account > size.limit:
        raise ValueError(f"{found.most_in_account} at a time in one account, not {size.limit}")
    return found


def report(size: Size, found: Figures) -> None:
    """Print the figures of one measurement."""
    count = found.done
    for name, value in {
        "migrations": f"{count} of {size.migrations} in {size.accounts} accounts, "
        f"{size.workers} workers",
        "failed": f"{found.failed} runs, which were started again",
        "elapsed": f"{found.seconds:.0f} s, {count / found.seconds * 60:.1f} a minute",
        "at a time": f"{found.most_at_work} runs; in one account {found.most_in_account}, "
        f"limit {size.limit}",
        "changes": f"{found.writes.total()}, each carried out once",
        "refused": f"{dict(found.refused)}",
        "reads": f"{found.reads.total() / count:.0f} for each migration",
        "CPU": f"for each migration {found.worker_cpu / count:.2f} s of workers, "
        f"{found.database_cpu / count:.2f} s of PostgreSQL, "
        f"{found.sandbox_cpu / count:.2f} s of the sandbox",
        "memory": f"at most {found.worker_memory:.0f} MB of a worker",
        "connections": f"at most {found.connections}",
        "handed on": ", ".join(f"{each:.1f} s" for each in found.handed_on) or "no kill",
        "restarted": ", ".join(f"{each:.1f} s" for each in found.restarts) or "no restart",
    }.items():
        print(f"{name:<12} {value}", flush=True)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--migrations", type=int, default=100)
    parser.add_argument("--accounts", type=int, default=50)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--runs", type=int, default=50, help="most runs of a worker at a time")
    parser.add_argument("--limit", type=int, default=1, help="most at a time in one account")
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--minutes", type=float, default=math.inf, help="most time; default: any")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--restarts", type=int, default=1)
    parser.add_argument("--growth", action="store_true", help="1 worker to --workers, undisturbed")
    given = parser.parse_args()
    end_on_signals()
    every = plans(given.migrations, given.accounts)
    places = (given.migrations, given.accounts)
    for workers in range(1, given.workers + 1) if given.growth else (given.workers,):
        size = Size(*places, workers, given.runs, given.limit, given.speed, given.minutes * 60)
        disturbed = (0, 0) if given.growth else (given.kills, given.restarts)
        report(size, measure(size, every, *disturbed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
