"""The checker of simulated worlds: each wrong state is reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Entry, Finished, Record, StepSettled, TrafficVerified
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction
from vpnmigrate.rehearsal.simulation.invariants import (
    ActualState,
    InvariantChecker,
    actual_state,
    configuration,
)
from vpnmigrate.rehearsal.simulation.topology import OLD, topology
from vpnmigrate.rehearsal.simulation.trial import TrialSetting, setting_of

NEW = "vgw-new"

FORWARD = RunState(direction=Direction.FORWARD)


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
    judge = InvariantChecker(setting.plan, before)

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


def test_an_announced_outage_may_be_one(setting, before):
    """During the announced outage there may be no gateway and no path."""
    down = replace(before, attached=frozenset(), paths=frozenset())

    assert (
        list(
            InvariantChecker(setting.plan, before).check_observation(
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

    assert list(InvariantChecker(setting.plan, before).check_entry(entry, before, run))


def test_a_rollback_must_leave_everything_as_before(setting, before):
    """One route with another target makes the claim of a rollback untrue."""
    entry = Entry(1, setting.plan.made, Finished(Direction.ROLLBACK))
    run = RunState(direction=Direction.ROLLBACK)
    judge = InvariantChecker(setting.plan, before)
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
