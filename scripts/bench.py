"""Measure CPU time and memory with many route tables: ``scripts/bench.py [--svg FILE]``.

Each measurement is a process of its own.  CPU time, not elapsed time, so that other work on the
machine has little effect; ``times`` is the CPU time divided by that of the row above, which has
about a third of the tables: linear work triples.
"""

from __future__ import annotations

import argparse
import gc
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402  the path above
from msgspec.structs import replace  # noqa: E402

from tests.support.large import Size, large_plan, large_survey  # noqa: E402
from tests.support.long_journal import journal_text, long_journal  # noqa: E402
from vpnmigrate.aws import describe  # noqa: E402
from vpnmigrate.aws.parse import in_order  # noqa: E402
from vpnmigrate.aws.reading import RowParser  # noqa: E402
from vpnmigrate.aws.reading import reading as reading_of  # noqa: E402
from vpnmigrate.cli import NEW_OBJECTS  # noqa: E402
from vpnmigrate.journal import replay  # noqa: E402
from vpnmigrate.journal.chain import read_chain  # noqa: E402
from vpnmigrate.journal.history import outages_of  # noqa: E402
from vpnmigrate.local.documents import plan_text  # noqa: E402
from vpnmigrate.model.clock import VirtualClock  # noqa: E402
from vpnmigrate.model.plan import Direction  # noqa: E402
from vpnmigrate.model.snapshot import JournalFacts, snapshot_of  # noqa: E402
from vpnmigrate.planning.ownership import Evidence, ownership_of  # noqa: E402
from vpnmigrate.planning.rollback_proof import prove  # noqa: E402
from vpnmigrate.rehearsal.rehearse import (  # noqa: E402
    rehearsal_world,
    rehearse,
    without_restrictions,
)
from vpnmigrate.sandbox.client.direct import DirectClients  # noqa: E402
from vpnmigrate.sandbox.scenarios.load import load_world  # noqa: E402
from vpnmigrate.sandbox.scenarios.scenario import scenario_from_survey  # noqa: E402
from vpnmigrate.steps.base import StepInput  # noqa: E402
from vpnmigrate.steps.sequences import CUTOVER, gateway_swap  # noqa: E402

TABLES = (2, 6, 20, 60, 200)
BEYOND = {"plan": (600, 2000)}
"""Worlds of which only some work is measured: ten times those above."""
LINES = 500
"""Journal lines for each table: 100,000 for 200 tables."""


def measured(action: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU seconds of *action*, and the most memory of the process in MB."""
    began = time.process_time()
    action()
    spent = time.process_time() - began
    return spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plan_and_proof(tables: int) -> tuple[float, float]:
    """Measure what ``plan`` does after its survey: plan, proof and file."""

    def work() -> None:
        plan = large_plan(Size(tables=tables))
        prove(plan)
        plan_text(plan)

    return measured(work)


def proof(tables: int) -> tuple[float, float]:
    """Measure the rollback proof alone."""
    plan = large_plan(Size(tables=tables))
    return measured(lambda: prove(plan))


def look(tables: int) -> tuple[float, float]:
    """Measure a later observation, in which no table has changed, from rows to verdicts.

    botocore makes new rows each time, so equal ones are copied before.
    """
    plan = large_plan(Size(tables=tables))
    sandboxed = load_world(scenario_from_survey(plan.before), VirtualClock(plan.before.taken))
    ec2 = DirectClients(sandboxed).reader()
    first = reading_of(ec2, plan, sandboxed.clock, RowParser())
    rows = describe.route_tables(ec2, [plan.vpc])
    parser = RowParser()
    records = in_order(map(parser.table, rows))
    again: list[Any] = msgspec.json.decode(msgspec.json.encode(rows))

    def work() -> None:
        reading = replace(first, tables=in_order(map(parser.table, again)))
        now = snapshot_of(reading, ownership_of(reading, plan, Evidence()))
        swap = gateway_swap(Direction.FORWARD, plan, now)
        view = StepInput(plan, swap, now, JournalFacts())
        for step in CUTOVER:
            step.verify(view)

    before = replace(first, tables=records)
    snapshot_of(before, ownership_of(before, plan, Evidence()))
    return measured(work)


def rehearsal(tables: int) -> tuple[float, float]:
    """Measure a rehearsal: eleven migrations and ten rollbacks in the sandbox, and the proof."""
    plan = large_plan(Size(tables=tables))
    return measured(lambda: rehearse(plan, lambda _: None))


def journal(tables: int) -> tuple[float, float]:
    """Measure reading and replaying 500 journal lines for each table, as ``status`` does."""
    plan = large_plan(Size(tables=tables))
    migration = plan.migration
    text = journal_text(long_journal(plan, LINES * tables, migration), migration)

    def work() -> None:
        entries = read_chain(text, migration).entries
        replay(entries)
        outages_of(entries)

    return measured(work)


def of_command(verb: str, tables: int) -> tuple[float, float]:
    """Measure the whole command *verb* of a run with 500 journal lines for each table."""
    plan = large_plan(Size(tables=tables))
    with TemporaryDirectory(prefix="vpnmigrate-bench-") as home:
        run = Path(home) / plan.migration
        run.mkdir(mode=0o700)
        (run / "plan.json").write_bytes(plan_text(plan))
        story = long_journal(plan, LINES * tables, plan.migration)
        (run / "journal.jsonl").write_bytes(journal_text(story, plan.migration))
        words = [sys.executable, "-m", "vpnmigrate", verb, plan.migration, "--run-dir", home]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def status(tables: int) -> tuple[float, float]:
    """Measure ``status`` of a run, with the start of the program."""
    return of_command("status", tables)


def report(tables: int) -> tuple[float, float]:
    """Measure ``report`` of a run as text, with the start of the program."""
    return of_command("report", tables)


def sandbox(tables: int) -> tuple[float, float]:
    """Measure loading the world of a survey, and describing its tables in pages."""
    survey = large_survey(Size(tables=tables))

    def work() -> None:
        world = load_world(scenario_from_survey(survey), VirtualClock(survey.taken))
        ec2 = DirectClients(world).reader()
        token: str | None = ""
        while token is not None:
            token = ec2.describe_route_tables(NextToken=token).get("NextToken")

    return measured(work)


def migration(tables: int) -> tuple[float, float]:
    """Measure a whole migration on the sandbox: one of the eleven runs of a rehearsal."""
    plan = without_restrictions(large_plan(Size(tables=tables)))
    world = rehearsal_world(plan)
    return measured(world.runner.apply)


WORKS: dict[str, Callable[[int], tuple[float, float]]] = {
    "plan": plan_and_proof,
    "proof": proof,
    "look": look,
    "rehearse": rehearsal,
    "journal": journal,
    "status": status,
    "report": report,
    "sandbox": sandbox,
    "migration": migration,
}


PICTURED = ("plan", "rehearse", "look")


@dataclass(frozen=True)
class Row:
    """One measurement."""

    work: str
    tables: int
    seconds: float
    megabytes: float


def main() -> int:
    """Print the rows, and write the picture; with --one, measure once and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--svg", type=Path, help="file for the picture of growth")
    parser.add_argument("--work", choices=WORKS, action="append", help="only this; repeatable")
    parser.add_argument("--one", nargs=2, metavar=("WORK", "TABLES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        gc.set_threshold(NEW_OBJECTS)  # As the program does.
        print(*WORKS[options.one[0]](int(options.one[1])))
        return 0
    size = Size()
    print(f"{size.connections} connections; {size.routes} routes a table, {size.static} to it")
    print(f"{'work':<11}{'tables':>7}{'CPU s':>9}{'MB':>7}{'times':>7}")
    rows: list[Row] = []
    for work in options.work or WORKS:
        before = None
        for tables in (*TABLES, *BEYOND.get(work, ())):
            row = in_own_process(work, tables)
            growth = f"{row.seconds / before:7.1f}" if before else ""
            print(
                f"{work:<11}{tables:>7}{row.seconds:>9.2f}{row.megabytes:>7.0f}{growth}", flush=True
            )
            before = row.seconds
            rows.append(row)
    if options.svg:
        pictured = [row for row in rows if row.work in PICTURED]
        options.svg.write_text(picture(pictured), encoding="utf-8")
    return 0


def in_own_process(work: str, tables: int) -> Row:
    """Return one measurement of a new process."""
    command = [sys.executable, str(Path(__file__).resolve()), "--one", work, str(tables)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, megabytes = map(float, answer.stdout.split())
    return Row(work, tables, seconds, megabytes)


WIDTH, HEIGHT, MARGIN = 640, 400, 60
WIDEST = 4000
"""Tables at the right."""
COLOURS = ("#1b6ca8", "#c0392b", "#27864a", "#8e44ad", "#b9770e")
LEAST, MOST = 0.001, 100.0
"""Seconds at the bottom and the top."""


def picture(rows: Sequence[Row]) -> str:
    """Return tables against CPU seconds as SVG, both axes logarithmic."""

    def x(tables: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * math.log10(tables) / math.log10(WIDEST)

    def y(seconds: float) -> float:
        share = math.log10(max(seconds, LEAST) / LEAST) / math.log10(MOST / LEAST)
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        '<g font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for power in range(4):
        at = x(10**power)
        lines.append(f'<path d="M{at:.0f} {y(LEAST):.0f}V{y(MOST):.0f}" stroke="#ddd"/>')
        lines.append(
            f'<text x="{at:.0f}" y="{y(LEAST) + 18:.0f}" text-anchor="middle">{10**power}</text>'
        )
    for power in range(-3, 3):
        at = y(10.0**power)
        lines.append(f'<path d="M{x(1):.0f} {at:.0f}H{x(WIDEST):.0f}" stroke="#ddd"/>')
        lines.append(
            f'<text x="{x(1) - 6:.0f}" y="{at + 4:.0f}" text-anchor="end">{10.0**power:g}</text>'
        )
    lines.append(
        f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">route tables</text>'
    )
    lines.append(f'<text x="14" y="{MARGIN - 20}">CPU seconds</text>')
    # Growth that is linear has the slope of this line.
    lines.append(
        f'<path d="M{x(1):.0f} {y(0.01):.0f}L{x(1000):.0f} {y(10):.0f}" stroke="#999" '
        'stroke-dasharray="4 4"/>'
    )
    lines.append(f'<text x="{x(1) + 6:.0f}" y="{y(0.01) + 14:.0f}" fill="#777">linear</text>')
    for colour, work in zip(COLOURS, dict.fromkeys(row.work for row in rows), strict=False):
        mine = [row for row in rows if row.work == work]
        points = " ".join(f"{x(row.tables):.0f},{y(row.seconds):.0f}" for row in mine)
        last = mine[-1]
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        lines.append(
            f'<text x="{x(last.tables) + 6:.0f}" y="{y(last.seconds) + 4:.0f}" fill="{colour}">'
            f"{work}</text>"
        )
    return "\n".join((*lines, "</g></svg>", ""))


if __name__ == "__main__":
    sys.exit(main())
