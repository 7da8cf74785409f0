"""Search for simulated migrations that fail: ``make simulate SEEDS=100000``.

    simulate.py --seeds 1000            random worlds with random faults of all kinds
    simulate.py --lost 1000             most answers to create calls lost, the tag search lagging
    simulate.py --doubts 1000           kills, lost calls and stale describes in the outage
    simulate.py --kills 40              every kill point of the first 40 worlds
    simulate.py --drivers 1000          worlds whose devices have drivers, with their faults
    simulate.py --denied 40             the same, with calls that AWS denies or refuses for long
    simulate.py --pairs 40              two kills: all pairs in small worlds, a sample in large ones
    simulate.py --seed 17               one seed again, with its journal
    simulate.py --lost-in 17            the lost answers of one world again
    simulate.py --drivers-in 17         the drivers of one world again
    simulate.py --doubt-in 17           the doubtful outage of one world again
    simulate.py --world 17 --late 9 --course reversed --kill 12 "before sending"
                                        one kill point again
    simulate.py --denied-in 17 --course reversed --kill 12 "before sending"
                                        the same with the denials of that world
    simulate.py --digest 20             the hash of 20 journals: the same on every Python

The exit status is 1 if a trial failed.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from multiprocessing import Pool

from vpnmigrate.journal.chain import read_chain
from vpnmigrate.model.errors import PreflightError
from vpnmigrate.rehearsal.simulation.schedule import Kill, KillPoint, Schedule, TrialRoute
from vpnmigrate.rehearsal.simulation.search import (
    TRIES,
    SearchStats,
    TrialFailure,
    denied,
    doubtful,
    doubtful_outage,
    driven_schedule_of,
    enumerate_denied_kills,
    enumerate_kills,
    laggard,
    lost_answers,
    run_seed,
    trial_of,
    try_doubtful_outage,
    try_drivers,
    try_lost_answers,
)
from vpnmigrate.rehearsal.simulation.topology import Topology, driven, topology
from vpnmigrate.rehearsal.simulation.trial import run_trial, setting_of, trial_problems

Search = Callable[[int, SearchStats], None]
PROGRESS = 10
"""Seconds between two lines of progress."""


def main() -> int:
    """Search, or repeat one trial, and return the exit status."""
    options = _options()
    if options.digest:
        print(journals_digest(options.digest))
        return 0
    if options.seed is not None:
        return _show(*trial_of(options.seed))
    if options.drivers_in is not None:
        return _show(driven(options.drivers_in), driven_schedule_of(options.drivers_in))
    if options.lost_in is not None:
        return _show(laggard(options.lost_in), lost_answers(options.lost_in))
    if options.doubt_in is not None:
        return _show(doubtful(options.doubt_in), doubtful_outage(options.doubt_in))
    kills = tuple(Kill(int(call), KillPoint(moment)) for call, moment in options.kill)
    if options.denied_in is not None:
        schedule = replace(denied(options.denied_in), route=options.route, kills=kills)
        return _show(topology(options.denied_in), schedule)
    if options.world is not None:
        late = timedelta(seconds=options.late)
        return _show(topology(options.world), Schedule(options.route, kills, late=late))
    searches: list[tuple[str, Search, int]] = [
        ("seeds", run_seed, options.seeds),
        ("lost answers to creates", try_lost_answers, options.lost),
        ("doubtful outages", try_doubtful_outage, options.doubts),
        ("drivers", try_drivers, options.drivers),
        ("kill points", enumerate_kills, options.kills),
        ("kill points with denied calls", enumerate_denied_kills, options.denied),
        ("pairs of kills", partial(enumerate_kills, pairs=True), options.pairs),
    ]
    failed = False
    for name, search, number in searches:
        if number:
            failed |= _search(
                name, search, range(options.first, options.first + number), options.jobs
            )
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--lost", type=int, default=0)
    parser.add_argument("--doubts", type=int, default=0)
    parser.add_argument("--drivers", type=int, default=0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--denied", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--digest", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--lost-in", type=int)
    parser.add_argument("--doubt-in", type=int)
    parser.add_argument("--drivers-in", type=int)
    parser.add_argument("--denied-in", type=int)
    parser.add_argument("--world", type=int)
    parser.add_argument("--late", type=int, default=0)
    parser.add_argument("--course", type=TrialRoute, default=TrialRoute.FORWARD)
    parser.add_argument("--kill", nargs=2, action="append", metavar=("CALL", "POINT"), default=[])
    return parser.parse_args()


def _search(name: str, search: Search, seeds: range, jobs: int) -> bool:
    """Search among *seeds* in *jobs* processes; return whether a trial failed."""
    began = last_shown = time.monotonic()
    total = SearchStats()
    with Pool(jobs, _collect_after_trials_only) as pool:
        for stats in pool.imap_unordered(partial(_one, search), seeds, chunksize=TRIES):
            total.add(stats)
            for failure in stats.failures:
                print(f"FAILED {failure}\n  again: {_again(failure, search)}")
            if time.monotonic() - last_shown > PROGRESS:
                last_shown = time.monotonic()
                print(f"{name}: {_summary(total, last_shown - began, jobs)}", flush=True)
    print(f"{name}: {_summary(total, time.monotonic() - began, jobs)}", flush=True)
    for (operation, kind), number in sorted(total.refused.items()):
        print(f"    {operation}, {kind}: {number}")
    return bool(total.failures)


def _collect_after_trials_only() -> None:
    """Disable automatic garbage collection: a search collects after each trial."""
    gc.freeze()
    gc.disable()


def _one(search: Search, seed: int) -> SearchStats:
    stats = SearchStats()
    search(seed, stats)
    return stats


def _summary(stats: SearchStats, seconds: float, jobs: int) -> str:
    return (
        f"{stats.worlds} worlds, {stats.trials} trials, {stats.calls} calls, "
        f"{stats.deaths} kills, {stats.fault_count} faults, {stats.looks} observations checked, "
        f"{len(stats.failures)} failures; {60 * stats.trials / max(seconds, 0.001):.0f} trials "
        f"a minute in {jobs} processes"
    )


def _again(failure: TrialFailure, search: Search) -> str:
    """Return the command that repeats a failure."""
    if search is run_seed:
        return f"make simulate SEED={failure.seed}"
    script = ".venv/bin/python scripts/simulate.py"
    if search is try_lost_answers:
        return f"{script} --lost-in {failure.seed}"
    if search is try_doubtful_outage:
        return f"{script} --doubt-in {failure.seed}"
    if search is try_drivers:
        return f"{script} --drivers-in {failure.seed}"
    schedule = failure.schedule
    kills = " ".join(f'--kill {k.call} "{k.moment}"' for k in schedule.kills)
    if search is enumerate_denied_kills:
        return f"{script} --denied-in {failure.seed} --course {schedule.route} {kills}"
    late = f"--late {schedule.late.total_seconds():.0f}"
    return f"{script} --world {failure.seed} {late} --course {schedule.route} {kills}"


def journals_digest(number: int) -> str:
    """Return the SHA-256, in hexadecimal, of the journals of the first *number* seeds."""
    digest = hashlib.sha256()
    for seed in range(number):
        world, schedule = trial_of(seed)
        if not world.stops:
            digest.update(run_trial(setting_of(world), schedule).journal)
    return digest.hexdigest()


def _show(world: Topology, schedule: Schedule) -> int:
    """Repeat one trial, print its journal and problems, and return the exit status."""
    print(f"world {world.seed}: {world}\n{schedule}\n{schedule.call_faults}")
    try:
        setting = setting_of(world)
    except PreflightError as refusal:
        print(f"planning refuses: {refusal.message}")
        return 0 if world.stops else 1
    outcome = run_trial(setting, schedule)
    for line in _journal_lines(outcome.journal, setting.plan.migration):
        print(line)
    wrong = trial_problems(outcome, world)
    for what in wrong:
        print(f"FAILED: {what}")
    print(f"{outcome.calls} calls, {outcome.deaths} kills, outage {outcome.outage}")
    return int(bool(wrong))


def _journal_lines(journal: bytes, migration: str) -> Iterator[str]:
    for entry in read_chain(journal, migration).entries:
        yield f"{entry.at:%H:%M:%S} {entry.record}"


if __name__ == "__main__":
    sys.exit(main())
