"""The checker of simulated worlds: each wrong state is reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Entry, Finished, Record, StepSettled, TrafficVerified
from vpnmigrate.journal.state_parts import Residue
from vpnmigrate.model.changes import EnablePropagation
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import RouteTableId
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction
from vpnmigrate.model.residue import ResidualChange
from vpnmigrate.rehearsal.simulation.denials import Denials, Refusals
from vpnmigrate.rehearsal.simulation.invariants import (
    ActualState,
    InvariantChecker,
    actual_state,
    configuration,
)
from vpnmigrate.rehearsal.simulation.topology import OLD, topology
from vpnmigrate.rehearsal.simulation.trial import START, TrialSetting, setting_of

NEW = "vgw-new"

FORWARD = RunState(direction=Direction.FORWARD)

NONE = Refusals(Denials(), frozenset(), VirtualClock(START))
"""Those of a world that refuses nothing."""


@pytest.fixture(scope="module")
def setting() -> TrialSetting:
    return setting_of(topology(5))


@pytest.fixture(scope="module")
def before(setting: TrialSetting) -> ActualState:
    with setting.world().to_be_read() as state:
        return actual_state(state, setting.plan.vpc, setting.plan.migration)


WRONG = {
    "two gateways are attached": lambda t: replace(t, attached=t.attached | {NEW}),
    "no gateway is attached": lambda t: replace(t, attached=frozenset()),
    "no path outside": lambda t: replace(t, paths=frozenset()),
    "vpn-0a00 was available and is deleting": lambda t: replace(
        t, lives={**t.lives, "vpn-0a00": "deleting"}
    ),
    "vpn-0a00 was available and is gone": lambda t: replace(
        t, lives={k: v for k, v in t.lives.items() if k != "vpn-0a00"}
    ),
    "2 resources are in the role gateway": lambda t: replace(
        t, roles={GATEWAY_ROLE: ("vgw-1", "vgw-2")}
    ),
}


@pytest.mark.parametrize("complaint", WRONG)
def test_a_broken_world_is_seen(setting, before, complaint):
    """Each invariant has a world that breaks it, and is named."""
    judge = InvariantChecker(setting.plan, before, NONE)

    found = list(
        judge.check_observation(
            WRONG[complaint](before), RunState(direction=Direction.FORWARD), announced=False
        )
    )

    assert any(complaint in line for line in found)
    assert (
        list(
            judge.check_observation(before, RunState(direction=Direction.FORWARD), announced=False)
        )
        == []
    )


class TestEnd:
    """A process that ends with traffic down, judged by the world and by what AWS refuses."""

    def down(self, before: ActualState) -> ActualState:
        return replace(before, attached=frozenset(), paths=frozenset())

    def found(self, setting, before, now, *, refusals=NONE, partly=False) -> list[str]:
        judge = InvariantChecker(setting.plan, before, refusals)
        return list(judge.check_end(now, Direction.ROLLBACK, partly=partly))

    def test_may_not_be_one_that_a_call_would_avert(self, setting, before):
        """A run that ends without a gateway, although AWS would attach one, is reported."""
        assert self.found(setting, before, before) == []
        assert self.found(setting, before, self.down(before)) == [
            f"ended without: attach {OLD} to {setting.plan.vpc}"
        ]

    def test_may_be_one_that_aws_denies(self, setting, before):
        """While AWS denies the call, the run cannot go on."""
        denying = Refusals(Denials(undivided=1.0), frozenset(), VirtualClock(START))

        assert self.found(setting, before, self.down(before), refusals=denying) == []

    def test_reports_each_table_by_itself(self, setting, before):
        """A route whose change is denied excuses no other table."""
        (table, to), *_ = before.routes
        wrong = replace(
            before,
            routes={**before.routes, (table, to): NEW},
            propagating=frozenset(),
            paths=frozenset(),
        )
        others = {other for other, gateway in before.propagating if gateway == OLD}

        found = self.found(setting, before, wrong)

        assert {line.rpartition(" in ")[2] for line in found if "enable" in line} == others
        assert any(f"change route {to} in {table}" in line for line in found) is (
            before.routes[table, to] == OLD
        )

    def test_reports_paths_without_a_cause(self, setting, before):
        """If every change is made and a destination has no path, the run ended too early."""
        assert "no path" in self.found(setting, before, replace(before, paths=frozenset()))[0]

    def test_counts_for_a_cutover_that_is_done_in_part(self, setting, before):
        """What is left of a cutover counts even if traffic flows."""
        kept = replace(before, propagating=frozenset())

        assert self.found(setting, before, kept) == []
        assert self.found(setting, before, kept, partly=True)


def test_residue_counts_only_if_aws_refused_it(setting, before):
    """A run that says that it went on without a change is believed only if AWS refused one."""
    lost = replace(before, propagating=frozenset(), paths=frozenset())
    table = next(iter(before.propagating))[0]
    change = EnablePropagation(RouteTableId(table), OLD)
    run = RunState(
        direction=Direction.ROLLBACK, residue=Residue((ResidualChange(change, "denied"),))
    )
    entry = Entry(1, setting.plan.made, StepSettled(9))
    refusing = Refusals(
        Denials(tables=1.0),
        frozenset(each.id for each in setting.plan.before.route_tables),
        VirtualClock(START),
    )
    for other, _ in before.propagating:
        refusing.denies(EnablePropagation(RouteTableId(other), OLD))

    def untrue(refusals: Refusals) -> list[str]:
        return list(InvariantChecker(setting.plan, before, refusals).check_entry(entry, lost, run))

    assert untrue(NONE)
    assert untrue(refusing) == []


def test_an_announced_outage_may_be_one(setting, before):
    """During the announced outage there may be no gateway and no path."""
    down = replace(before, attached=frozenset(), paths=frozenset())

    assert (
        list(
            InvariantChecker(setting.plan, before, NONE).check_observation(
                down, RunState(), announced=True
            )
        )
        == []
    )


UNTRUE: dict[str, tuple[Direction, Record]] = {
    "traffic": (Direction.FORWARD, TrafficVerified(topology(5).scenario.taken)),  # type: ignore[arg-type]
    "gateway": (Direction.FORWARD, StepSettled(2)),
    "successors": (Direction.FORWARD, StepSettled(3)),
    "propagation": (Direction.FORWARD, StepSettled(7)),
    "swap": (Direction.FORWARD, StepSettled(8)),
    "routing": (Direction.FORWARD, StepSettled(9)),
    "tunnels": (Direction.FORWARD, StepSettled(10)),
    "forward": (Direction.FORWARD, Finished(Direction.FORWARD)),
    "finalized": (Direction.FINALIZE, Finished(Direction.FINALIZE)),
}


@pytest.mark.parametrize("case", UNTRUE)
def test_what_the_journal_claims_is_checked(setting, before, case):
    """In a world without any change, each claim of a migration is reported as untrue."""
    direction, record = UNTRUE[case]
    entry = Entry(1, setting.plan.made + timedelta(minutes=1), record)
    run = RunState(direction=direction)

    assert list(InvariantChecker(setting.plan, before, NONE).check_entry(entry, before, run))


def test_a_rollback_must_leave_everything_as_before(setting, before):
    """One route with another target makes the claim of a rollback untrue."""
    entry = Entry(1, setting.plan.made, Finished(Direction.ROLLBACK))
    run = RunState(direction=Direction.ROLLBACK)
    judge = InvariantChecker(setting.plan, before, NONE)
    route = next(iter(before.routes))

    assert list(judge.check_entry(entry, before, run)) == []
    altered = replace(before, routes={**before.routes, route: NEW})
    assert list(judge.check_entry(entry, altered, run))


def test_configurations_are_compared_by_role(before):
    """Two worlds whose new resources differ only in their ids have equal configurations."""

    def with_new(id_: str) -> ActualState:
        altered: ActualState = replace(
            before,
            attached=frozenset({id_}),
            roles={GATEWAY_ROLE: (id_,)},
            lives={**before.lives, id_: "available"},
        )
        return altered

    assert configuration(with_new("vgw-1")) == configuration(with_new("vgw-2"))
    assert configuration(with_new("vgw-1")) != configuration(before)
    assert OLD in before.attached
