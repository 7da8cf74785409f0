"""Simulated worlds with drivers: their calls go wrong, and their processes are killed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from tests.support.counts import FULL
from vpnmigrate.journal.chain import read_chain
from vpnmigrate.journal.record_base import DriverAnswered, DriverCalled
from vpnmigrate.journal.records import Entry
from vpnmigrate.journal.state import RunState
from vpnmigrate.journal.state_parts import DriverState
from vpnmigrate.model.device_drivers import (
    DeviceState,
    DriverCall,
    DriverOutcome,
    DriverResult,
    DriverVerb,
    TunnelsState,
)
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import Direction
from vpnmigrate.rehearsal.simulation.driver_faults import (
    DriverFaults,
    DriverKill,
    DriverKillPoint,
)
from vpnmigrate.rehearsal.simulation.driver_invariants import DriverChecker, blind_repetitions
from vpnmigrate.rehearsal.simulation.schedule import Schedule, TrialRoute
from vpnmigrate.rehearsal.simulation.search import SearchStats, try_drivers
from vpnmigrate.rehearsal.simulation.topology import Topology, driven, topology
from vpnmigrate.rehearsal.simulation.trial import TrialSetting, run_trial, setting_of
from vpnmigrate.sandbox.driven_devices import DrivenDevices, UnconfirmedCommit

SEEDS = range(60) if FULL else range(10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.no_cover
def test_with_any_faults_of_drivers_the_end_is_right(seed):
    """In a drawn world with drivers, with drawn faults and kills, no invariant is broken."""
    stats = SearchStats()
    try_drivers(seed, stats)

    assert [str(failure) for failure in stats.failures] == []


@pytest.mark.parametrize("seed", [208, 325, 336, 406, 608, 628, 5200110])
@pytest.mark.no_cover
def test_a_driven_seed_that_once_failed_ends_right(seed):
    """A run was done with a commit that waited, or a device that undid one was left as it was."""
    stats = SearchStats()
    try_drivers(seed, stats)

    assert [str(failure) for failure in stats.failures] == []


@pytest.fixture(scope="module")
def setting() -> TrialSetting:
    """Return a small world with a driver, on which a trial has no other faults."""
    numbers = (n for n in range(100) if len(driven(n).scenario.customer_gateways) == 1)
    return next(setting_of(driven(n)) for n in numbers if not driven(n).stops)


@pytest.mark.parametrize("point", DriverKillPoint)
@pytest.mark.parametrize("call", [2, 4, 6])
@pytest.mark.no_cover
def test_a_process_that_is_killed_in_any_call_of_a_driver_ends_alike(setting, point, call):
    """Killed at any moment of loading, enabling or backing out, the end is the undisturbed one."""
    whole = run_trial(setting, Schedule(TrialRoute.ROUND_TRIP))
    faults = DriverFaults(kills=(DriverKill(call, point),))
    killed = run_trial(setting, Schedule(TrialRoute.ROUND_TRIP, drivers=faults))

    assert (killed.error, killed.broken, killed.deaths) == ("", (), 1)
    assert killed.end == whole.end


def test_drivers_change_nothing_else_that_is_drawn():
    """A fifth of the worlds have drivers, and are otherwise those without."""
    worlds = [topology(number) for number in range(200)]
    with_drivers = [world for world in worlds if world.decisions.drivers]

    others = [world for world in worlds if not world.decisions.drivers]
    again = [driven(world.seed) for world in others]

    assert 20 < len(with_drivers) < 60
    assert all(world.decisions.drivers for world in again)
    assert [without_drivers(world) for world in again] == others


def without_drivers(world: Topology) -> Topology:
    """Return *world* without its drivers."""
    return replace(world, decisions=structs.replace(world.decisions, drivers={}))


OLD = VpnConnectionId("vpn-1")
NOON = datetime(2026, 1, 17, 12, 0, tzinfo=UTC)


def entries(*records: DriverCalled | DriverAnswered) -> list[Entry]:
    return [Entry(seq, NOON, record) for seq, record in enumerate(records, 1)]


def called(verb: DriverVerb) -> DriverCalled:
    return DriverCalled(OLD, verb, "command", 10)


def answered(outcome: DriverOutcome) -> DriverAnswered:
    return DriverAnswered(OLD, DriverResult(outcome))


class TestChecks:
    """A check that finds nothing is tried with what it has to find."""

    @pytest.mark.parametrize(
        "records",
        [
            (called(DriverVerb.ENABLE), called(DriverVerb.ENABLE)),
            (
                called(DriverVerb.ENABLE),
                answered(DriverOutcome.UNCERTAIN),
                called(DriverVerb.STATUS),
                answered(DriverOutcome.FAILED),
                called(DriverVerb.BACK_OUT),
            ),
        ],
    )
    def test_a_change_without_a_look_is_found(self, records):
        """After an unknown effect, only an answered look allows another change."""
        (found,) = blind_repetitions(entries(*records))

        assert "without a look at the device of vpn-1" in found

    def test_a_look_that_is_answered_allows_the_next_change(self):
        """The usual order is no repetition."""
        usual = entries(
            called(DriverVerb.ENABLE),
            called(DriverVerb.STATUS),
            answered(DriverOutcome.DONE),
            called(DriverVerb.ENABLE),
        )

        assert list(blind_repetitions(usual)) == []

    def test_a_call_without_an_intent_and_without_an_outcome_is_found(self, setting):
        """A call has to be in the journal before it begins, and its answer after it."""
        plan = setting.plan
        (old,) = plan.old_connections
        checker = DriverChecker(plan, DrivenDevices(setting.world(), plan.old_connections))
        call = DriverCall(plan.driver_of(old), DriverVerb.LOAD, "cgw-1", old, "vpn-2")
        (without_intent,) = checker.check_call(call, RunState())
        (without_outcome,) = checker.check_end(RunState())

        assert "begins without an intent" in without_intent
        assert "is not in the journal" in without_outcome

    def test_a_commit_that_waits_at_the_end_is_found(self, setting):
        """A finished run with an unconfirmed commit, and the device after it, are found."""
        plan = setting.plan
        devices = DrivenDevices(setting.world(), plan.old_connections)
        (device,) = devices.devices.values()
        checker = DriverChecker(plan, devices)
        run = structs.replace(RunState(), finished=True, direction=Direction.FORWARD)
        off = DeviceState(TunnelsState.DISABLED, TunnelsState.ENABLED)
        device.commit = UnconfirmedCommit(off, "vpn-2", NOON)
        device.state = off

        assert any("waits for a confirmation" in line for line in checker.check_end(run))
        assert any("has new tunnels disabled" in line for line in checker.check_devices(run))

    def test_a_change_that_is_undone_unexpectedly_is_found(self, setting):
        """A run has to know that a device may undo a change."""
        plan = setting.plan
        (old,) = plan.old_connections
        checker = DriverChecker(plan, DrivenDevices(setting.world(), plan.old_connections))
        state = DriverState().after(structs.replace(called(DriverVerb.ENABLE), connection=old))
        open_run = structs.replace(RunState(), drivers=state)
        done = DriverAnswered(old, DriverResult(DriverOutcome.DONE))
        settled = structs.replace(RunState(), drivers=state.after(done))

        assert list(checker.check_undo(old, open_run)) == []
        assert list(checker.check_undo(old, settled))


def test_the_journal_of_a_driven_trial_has_intents_and_outcomes(setting):
    """Without faults each call of a driver is a record before it and one after it."""
    outcome = run_trial(setting, Schedule(TrialRoute.ROUND_TRIP, late=timedelta(seconds=14)))
    records = [e.record for e in read_chain(outcome.journal, setting.plan.migration).entries]
    kinds = [type(r) for r in records if isinstance(r, DriverCalled | DriverAnswered)]

    assert (outcome.error, outcome.broken) == ("", ())
    assert kinds == [DriverCalled, DriverAnswered] * (len(kinds) // 2)
    assert len(kinds) >= 10
