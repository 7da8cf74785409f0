"""Step 7: stop propagation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from vpnmigrate.changes import DisablePropagation
from vpnmigrate.facts import Propagation, Switch
from vpnmigrate.plan import Phase, Plan
from vpnmigrate.snapshot import Snapshot, Told, Way
from vpnmigrate.steps.base import Changes, Step, Verdict, Want, judge, missing


class StopPropagation(Step):
    """Stop propagation from the leaving gateway in every table that takes it up.

    The outage begins here.  What detaching alone does to the setting is not documented
    (domain.md 4.1), so it is switched off, and read back, before the detach.
    """

    number = 7
    title = "Stop propagation"
    phase = Phase.CUTOVER
    limit = timedelta(minutes=15)  # 2 a call (domain.md 3.1), many tables and throttling

    def apply(self, plan: Plan, way: Way, now: Snapshot, told: Told) -> Changes:
        yield from missing(_wants(plan, way, now), now)

    def verify(self, plan: Plan, way: Way, now: Snapshot, told: Told) -> Verdict:
        return judge(_wants(plan, way, now), now)


def _wants(plan: Plan, way: Way, now: Snapshot) -> Iterator[Want]:
    recorded = {t.id for t in plan.propagating_tables}
    found = {
        t.id for t in now.tables.values() if t.vpc == plan.vpc and way.leaving in t.propagating
    }
    for table in sorted(recorded | found):
        yield Want(
            f"propagation from {way.leaving} in {table}",
            Propagation(table, way.leaving),
            Switch.OFF,
            DisablePropagation(table, way.leaving),
        )
