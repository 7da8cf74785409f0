"""Measure start, journal and simulation: ``scripts/measure_program.py [--work WORK]``.

What is compared alternates, so that other work on the machine slows both alike.  The start is CPU
time of whole processes.  An append is elapsed time, because it waits for the disk: the folder is
in the current directory, so run it on the kind of disk that a run directory is on.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.builders import a_run  # noqa: E402  the path above
from tests.support.large import Size, large_plan  # noqa: E402
from tests.support.long_journal import journal_text, long_journal  # noqa: E402
from vpnmigrate.local.journal_file import FileJournal  # noqa: E402
from vpnmigrate.local.lock import acquire_lock, this_process  # noqa: E402
from vpnmigrate.model.clock import SteadyClock  # noqa: E402
from vpnmigrate.rehearsal.simulation.search import SearchStats, run_seed  # noqa: E402

STARTS = 15
"""Processes of each program."""
APPENDS = 2000
WORLDS = 200
FIRST = 0
"""The first seed; ``scripts/simulate.py --seeds 200`` has the same trials."""

TYPER_PROGRAM = '''
import typer

app = typer.Typer()


@app.command()
def first(name: str = "x") -> None:
    """Print a name."""
    print(name)


@app.command()
def second(name: str = "x") -> None:
    """Print a name again."""
    print(name)


app()
'''


@dataclass
class Times:
    """Seconds of one thing, measured many times."""

    name: str
    seconds: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """The median."""
        return median(self.seconds)

    @property
    def p99(self) -> float:
        """What 99 of 100 do not exceed."""
        return quantiles(self.seconds, n=100)[98]


def alternate(rounds: int, actions: Sequence[tuple[Times, Callable[[], float]]]) -> None:
    """Measure each of *actions* in each of *rounds*; the order is reversed in every second one."""
    for number in range(rounds):
        for times, action in actions if number % 2 else reversed(actions):
            times.seconds.append(action())


def elapsed(action: Callable[[], object]) -> float:
    """Return the seconds that *action* takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def start() -> Iterator[str]:
    """Yield the CPU time of the program's start, against that of a small Typer program."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder, "small.py")
        small.write_text(TYPER_PROGRAM, encoding="utf-8")
        typer = Times("a Typer program of two commands, --help")
        mine = [Times(f"vpnmigrate {word}") for word in ("--version", "--help")]
        program = [sys.executable, "-m", "vpnmigrate"]
        alternate(
            STARTS,
            [
                (typer, partial(_cpu_of, [sys.executable, str(small), "--help"])),
                (mine[0], partial(_cpu_of, [*program, "--version"])),
                (mine[1], partial(_cpu_of, [*program, "--help"])),
            ],
        )
    for times in (typer, *mine):
        ratio = times.p50 / typer.p50
        yield f"{times.name:<42} {times.p50 * 1000:5.0f} ms of CPU, ratio {ratio:.2f}"


def _cpu_of(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def journal() -> Iterator[str]:
    """Yield the time of an append, against one write and one fsync of an equal line."""
    plan = large_plan(Size(tables=20))
    entries = long_journal(plan, APPENDS, plan.migration)
    lines = journal_text(entries, plan.migration).splitlines(keepends=True)
    ours, bare = Times("append to the journal"), Times("write and fsync of the same line")
    records = (entry.record for entry in entries)
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as folder,
        opened(Path(folder, "runs")) as written,
        _plain_file(Path(folder, "plain")) as plain,
    ):
        alternate(
            APPENDS,
            [
                (ours, lambda: elapsed(partial(written.write, next(records)))),
                (bare, partial(_bare_append, plain, iter(lines))),
            ],
        )
    for times in (bare, ours):
        yield (
            f"{times.name:<33} p50 {times.p50 * 1000:6.2f} ms, ratio {times.p50 / bare.p50:.2f}; "
            f"p99 {times.p99 * 1000:6.2f} ms, ratio {times.p99 / bare.p99:.2f}"
        )


@contextmanager
def opened(folder: Path) -> Iterator[FileJournal]:
    """Open the journal of a new run."""
    run, clock = a_run(folder), SteadyClock()
    lock = acquire_lock(run, clock, this_process("user", "host"))
    journal = FileJournal.open(run, clock, lock)
    try:
        yield journal
    finally:
        journal.close()
        lock.release()


@contextmanager
def _plain_file(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        yield handle
    finally:
        os.close(handle)


def _bare_append(handle: int, lines: Iterator[bytes]) -> float:
    line = next(lines)

    def append() -> None:
        os.write(handle, line)
        os.fsync(handle)

    return elapsed(append)


def simulation() -> Iterator[str]:
    """Yield how many simulated migrations, with faults and kills, a core runs in a minute."""
    stats = SearchStats()
    gc.freeze()
    gc.disable()  # As in scripts/simulate.py: a search collects after each trial.
    began = time.process_time()
    for seed in range(FIRST, FIRST + WORLDS):
        run_seed(seed, stats)
    minutes = (time.process_time() - began) / 60
    yield f"{stats.trials} migrations in {minutes * 60:.1f} s of CPU, {len(stats.failures)} failed"
    yield f"{stats.trials / minutes:.0f} migrations and {stats.calls / minutes:.0f} calls a minute"


WORKS = {"start": start, "journal": journal, "simulation": simulation}


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", choices=WORKS, action="append", help="only this; repeatable")
    for work in parser.parse_args().work or WORKS:
        for line in WORKS[work]():
            print(f"{work}: {line}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
