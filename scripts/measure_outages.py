"""Measure how long outages last: ``scripts/measure_outages.py [--slow] [--world N]``.

For each run, a line has the unavoidable outage; below it is a line for each disturbance: the run
begins so many seconds after the step before it, or three calls of an operation are answered 503.
The exit status is 1 if one takes too long.
"""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from itertools import groupby

from vpnmigrate.rehearsal.outages import OutageMeasurement, measure_outages
from vpnmigrate.rehearsal.simulation.topology import topology
from vpnmigrate.rehearsal.simulation.trial import setting_of
from vpnmigrate.sandbox.behaviour import Behaviour, seconds

QUICK = Behaviour(
    detach=seconds(6),
    attach=seconds(4),
    ike=timedelta(seconds=2),
    bgp=timedelta(0),
    propagation_delay=timedelta(0),
)
SLOW = Behaviour(detach=seconds(45), attach=seconds(20), bgp=timedelta(seconds=2))
WORLD = 3
"""A drawn world with propagation and static routes."""


def main() -> int:
    """Print the table, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slow", action="store_true", help="45 s to detach, 20 s to attach")
    parser.add_argument("--world", type=int, default=WORLD)
    options = parser.parse_args()
    plan = setting_of(topology(options.world)).plan
    behaviour = SLOW if options.slow else QUICK
    failed = False
    for run, row in groupby(measure_outages(plan, behaviour, timedelta(0)), lambda m: m.run):
        cells = list(row)
        failed |= not all(cell.good for cell in cells)
        print(f"{run:<24} unavoidable {_seconds(cells[0].unavoidable):>6}")
        for cell in cells:
            print(f"    {_disturbance(cell):<44}{_seconds(cell.outage):>7}{_mark(cell)}")
    return int(failed)


def _disturbance(cell: OutageMeasurement) -> str:
    if cell.lost:
        return f"three 503 answers to {cell.lost}"
    return f"begun after {cell.wait.total_seconds():.0f} s"


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.1f}"


def _mark(cell: OutageMeasurement) -> str:
    return "" if cell.good else f"   TOO LONG: {_seconds(cell.allowed)} allowed"


if __name__ == "__main__":
    sys.exit(main())
