"""Measure the outage of a cutover over HTTP, with real delays and EC2's limits of calls.

The program runs as an operator runs it; a served sandbox takes real time to detach and attach, and
refuses calls that change routes as EC2 does when its buckets are empty (docs/domain.md 5).  The
unavoidable outage is what those delays and buckets take, with a program that loses no time.
With ``--shared`` another client uses half of each bucket.  With ``--rollback`` the migration is
rolled back, and the outage is counted from the order to do so.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from draw_outage import draw  # noqa: E402  the path above

from tests.support.builders import OLD  # noqa: E402
from tests.support.large import Size, large_survey  # noqa: E402
from tests.support.token_bucket import TokenBucket  # noqa: E402
from vpnmigrate.local.run_directory import Runs  # noqa: E402
from vpnmigrate.model.clock import SystemClock  # noqa: E402
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
DISABLE, ENABLE, REPLACE = "DisableVgwRoutePropagation", "EnableVgwRoutePropagation", "ReplaceRoute"
HELD = 3
"""The exit code of a run that waits for a person."""
PHASES = {
    7: "step 7, disable propagation",
    8: "step 8, detach and attach",
    9: "step 9, restore routing",
    10: "step 10, until traffic flows",
}
DURING = {"8": timedelta(seconds=5), "9": timedelta(seconds=2), "10": timedelta(seconds=2)}
"""Time from the start of a step until an operator aborts the migration."""
VERIFIED = "verified"
"""A rollback of a migration whose traffic was verified."""
GLANCE = timedelta(seconds=0.1)
BEFORE = "before the outage"
AFTER = "until traffic is verified"

MACHINE = SystemClock()
PROGRAM = (sys.executable, "-m", "vpnmigrate")


@dataclass(frozen=True)
class ServedCall:
    """A call that the sandbox answered."""

    at: datetime
    action: str
    refused: bool
    dry_run: bool

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.action.startswith(("Describe", "Get", "List"))


class Buckets:
    """The token buckets of the operations of steps 7 and 9; *share* of each is for the run."""

    def __init__(self, share: float) -> None:
        self.calls: list[ServedCall] = []
        self._of = {
            action: TokenBucket(MACHINE, BURST * share, RATE * share)
            for action in (DISABLE, ENABLE, REPLACE)
        }
        self._lock = Lock()

    def take(self, action: str, *, dry_run: bool) -> None:
        """Take a token for *action*.

        Raises:
            ApiError: There is none.
        """
        with self._lock:
            empty = action in self._of and not self._of[action].take()
            self.calls.append(ServedCall(MACHINE.now(), action, empty, dry_run))
        if empty:
            raise ApiError("RequestLimitExceeded", "Request limit exceeded.", 503)

    def waiting(self, action: str, calls: int) -> timedelta:
        """Return how long the last of *calls* has to wait."""
        return self._of[action].waiting(calls)


def limited(world: World, buckets: Buckets) -> World:
    """Return *world*, which takes a token for each call."""
    execute = world.execute

    def within(service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        buckets.take(action, dry_run=bool(params.get("DryRun")))
        return execute(service, action, params)

    world.execute = within  # type: ignore[method-assign]
    return world


def unavoidable(size: Size, buckets: Buckets, delays: timedelta) -> float:
    """Return the seconds that the *delays* of detach and attach, and the buckets, take.

    After the attachment, the tunnels come up while the buckets of step 9 fill.
    """
    restored = max(
        buckets.waiting(ENABLE, size.tables),
        buckets.waiting(REPLACE, size.tables * size.static),
        TUNNELS,
    )
    return (buckets.waiting(DISABLE, size.tables) + delays + restored).total_seconds()


def phases(journal: Path) -> list[tuple[datetime, str]]:
    """Return when each phase of the migration in *journal* began, the latest first."""
    begun: dict[str, datetime] = {}
    for line in journal.read_text().splitlines():
        entry = json.loads(line)
        at, record = datetime.fromisoformat(entry["at"]), entry["record"]
        match record["record"]:
            case "step-begun" if record["number"] in PHASES:
                begun[PHASES[record["number"]]] = at
            case "outage-ended":
                begun[AFTER] = datetime.fromisoformat(record["at"])
            case _:
                pass
    return sorted(((at, name) for name, at in begun.items()), reverse=True)


def print_calls(calls: Iterable[ServedCall], begun: list[tuple[datetime, str]]) -> None:
    """Print how many calls each phase had."""
    reads, writes, refused = Counter[str](), Counter[str](), Counter[str]()
    for call in calls:
        phase = next((name for at, name in begun if at <= call.at), BEFORE)
        (reads if call.reads else writes)[phase] += 1
        refused[phase] += call.refused
    print(f"{'calls':30} {'reads':>6} {'writes':>6} {'refused':>8}")
    for phase in (BEFORE, *PHASES.values(), AFTER):
        print(f"{phase:30} {reads[phase]:6} {writes[phase]:6} {refused[phase]:8}")
    print(f"{'all':30} {reads.total():6} {writes.total():6} {refused.total():8}")


def print_dry_runs(calls: Iterable[ServedCall], begun: datetime) -> None:
    """Print the dry runs of the plan and of the gate before the outage, which began at *begun*."""
    served = list(calls)
    created = next(call.at for call in served if not (call.reads or call.dry_run))
    dry_runs = [call for call in served if call.dry_run]
    for name, some in (
        ("plan", [call for call in dry_runs if call.at < created]),
        ("gate", [call for call in dry_runs if call.at >= created]),
    ):
        took = (some[-1].at - some[0].at).total_seconds()
        refused = sum(call.refused for call in some)
        print(f"dry runs of the {name}: {len(some)}, {refused} refused, in {took:.0f} s")
    print(f"from the last one to step 7: {(begun - dry_runs[-1].at).total_seconds():.1f} s")


def options_of_size(about: str) -> argparse.ArgumentParser:
    """Return a parser, for a script described by *about*, of the options that ``size_of`` reads."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("--routes", type=int, default=500, help="static routes in all tables")
    return parser


def size_of(options: argparse.Namespace) -> Size:
    """Return the size of the world."""
    static = options.routes // options.tables
    return Size(connections=1, tables=options.tables, propagated=10, static=static, others=5)


def large_world(size: Size, detach: float, attach: float) -> World:
    """Return a world of *size* that takes so many seconds to detach and to attach."""
    behaviour = Behaviour(
        gateway_creation=seconds(1),
        connection_creation=seconds(1),
        detach=seconds(detach),
        attach=seconds(attach),
    )
    return load_world(scenario_from_survey(large_survey(size)), ScaledClock(), behaviour)


def print_outage(outage: float, least: float) -> None:
    """Print the seconds of the outage beside the unavoidable ones."""
    print(f"outage {outage:.1f} s, unavoidable {least:.1f} s, ratio {outage / least:.3f}")


def main() -> int:
    """Migrate once, and print the outage, the unavoidable one, and their ratio."""
    parser = options_of_size(__doc__)
    parser.add_argument("--svg", type=Path, help="file for the picture of the outage")
    parser.add_argument("--shared", action="store_true", help="another client uses half")
    parser.add_argument("--rollback", choices=(*DURING, VERIFIED), help="in which step")
    options = parser.parse_args()
    if options.svg and options.rollback:
        parser.error("--svg draws a migration, not a rollback")
    size, buckets = size_of(options), Buckets(0.5 if options.shared else 1)
    world = limited(large_world(size, DETACH, ATTACH), buckets)
    with (
        tempfile.TemporaryDirectory(prefix="vpnmigrate-cutover-") as home,
        serve(world, attentive=timedelta(0)) as server,
    ):
        environment = {**os.environ, **server.environment, "VPNMIGRATE_HOME": home}
        if options.rollback:
            rolled_back = RolledBack(environment, Path(home), size, buckets)
            print_outage(*rolled_back.seconds(options.rollback))
            return 0
        outage = migrated(environment, home)
        if options.svg:
            (run,) = Runs(Path(home)).list()
            draw(run, options.svg)
        begun = phases(next(Path(home).glob("*/journal.jsonl")))
    least = unavoidable(size, buckets, timedelta(seconds=DETACH + ATTACH))
    busy = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{size.tables} tables, {size.tables * size.static} static routes")
    print_outage(outage, least)
    print_calls(buckets.calls, begun)
    print_dry_runs(buckets.calls, begun[-1][0])
    own = time.process_time()
    print(f"CPU: program {busy.ru_utime + busy.ru_stime:.0f} s, sandbox {own:.0f} s")
    print(f"active processes for each core: {os.getloadavg()[0] / (os.cpu_count() or 1):.1f}")
    return 0


def prepared(environment: Mapping[str, str], home: str) -> str:
    """Migrate until the cutover, and return the run."""
    plan = f"{home}/plan.json"
    command(environment, "plan", "--vpn-gateway", OLD, "--output", plan)
    run = command(environment, "apply", plan, "--yes", leaves=HELD)["run"]["run"]
    command(environment, "done", run, "5")
    return str(run)


def migrated(environment: Mapping[str, str], home: str) -> float:
    """Migrate from plan to the end of the cutover, and return the seconds of the outage."""
    run = prepared(environment, home)
    command(environment, "apply", run, "--yes", "--no-input", leaves=HELD)
    return float(command(environment, "status", run)["outage"])


@dataclass(frozen=True)
class RolledBack:
    """A migration in *home* that is rolled back."""

    environment: Mapping[str, str]
    home: Path
    size: Size
    buckets: Buckets

    def seconds(self, phase: str) -> tuple[float, float]:
        """Return the seconds from the order until traffic flows, and the unavoidable ones.

        Before the new gateway is attached, the devices use the old tunnels, which stay up, so that
        only their routes have to be propagated again.
        """
        run = prepared(self.environment, str(self.home))
        if phase == VERIFIED:
            command(self.environment, "apply", run, "--yes", "--no-input", leaves=HELD)
            least = unavoidable(self.size, self.buckets, timedelta(seconds=DETACH + ATTACH))
            command(self.environment, "rollback", run, "--yes", "--keep-new", "--no-input")
            return float(command(self.environment, "status", run)["outage"]), least
        words = [*PROGRAM, "apply", run, "--yes", "--no-input", "--json"]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(words, env=self.environment, stdout=quiet, stderr=quiet):
            while not self._has(f'"record":"step-begun","number":{phase},'):
                MACHINE.sleep(GLANCE)
            MACHINE.sleep(DURING[phase])
            ordered = MACHINE.now()
            sent = [call for call in self.buckets.calls if not call.refused]
            command(self.environment, "abort", run)
        delays = timedelta(seconds=DETACH + ATTACH)
        if phase == "8":
            delays -= DURING[phase]
        replaced = sum(call.action == REPLACE for call in sent)
        restored = max(
            self.buckets.waiting(ENABLE, self.size.tables),
            self.buckets.waiting(REPLACE, replaced),
            Behaviour().propagation_delay if phase == "8" else TUNNELS,
        )
        ended = {name: at for at, name in phases(self._journal)}[AFTER]
        return (ended - ordered).total_seconds(), (delays + restored).total_seconds()

    @property
    def _journal(self) -> Path:
        return next(self.home.glob("*/journal.jsonl"))

    def _has(self, text: str) -> bool:
        return text in self._journal.read_text()


def command(environment: Mapping[str, str], *words: str, leaves: int = 0) -> dict[str, Any]:
    """Return the JSON document of a command, which has to end with *leaves*."""
    done = subprocess.run(
        [*PROGRAM, *words, "--json"],
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
