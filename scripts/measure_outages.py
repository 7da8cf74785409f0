"""Measure outages in a simulated world: the table of ``vpnmigrate rehearse --outages``.

The reaction of the devices' engineer is left out.  The exit status is 1 if a run takes too long.
"""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta

from vpnmigrate.rehearsal.outages import measure_outages
from vpnmigrate.rehearsal.simulation.topology import topology
from vpnmigrate.rehearsal.simulation.trial import setting_of
from vpnmigrate.report.outages import outages_text
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
    measured = tuple(measure_outages(plan, behaviour, timedelta(0)))
    print(outages_text(measured))
    return int(not all(each.good for each in measured))


if __name__ == "__main__":
    sys.exit(main())
