"""Changes of drivers that may not last: no run ends before they do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.builders import NOON, OLD_VPN, a_connection, a_customer_gateway, a_survey
from tests.support.drivers import ROUTER, DriverScript
from tests.support.stage import Lookout, Nobody, Stage
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal.device_work import confirmed_sites, open_sites
from vpnmigrate.journal.record_base import DeviceConfirmed, DriverCalled, DriverGaveUp
from vpnmigrate.journal.records import AbortAsked, Entry, Finished, OutageEnded
from vpnmigrate.journal.state import RunState, RunStatus
from vpnmigrate.journal.state_parts import DriverState
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.decisions import Decisions, OldTunnels
from vpnmigrate.model.device_drivers import (
    DeviceState,
    DriverCallState,
    DriverOutcome,
    DriverResult,
    DriverVerb,
    TunnelsState,
)
from vpnmigrate.model.errors import HeldError, RolledBackError
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.device_progress import device_progress
from vpnmigrate.sandbox.device_drivers import DriverFault, DriverFaultKind
from vpnmigrate.sandbox.site_engineers import SiteEngineers

ENABLE, BACK_OUT, STATUS = DriverVerb.ENABLE, DriverVerb.BACK_OUT, DriverVerb.STATUS
LOADED = Confirmation.DEVICES_CONFIGURED
SHORT, LONG = timedelta(minutes=3), ROUTER.confirm_timer + timedelta(minutes=2)
LATER = timedelta(hours=1)


def staged(tmp_path, old_tunnels: OldTunnels) -> Stage:
    decisions = Decisions(drivers={"default": ROUTER}, old_tunnels=old_tunnels)
    return Stage(tmp_path, decisions=decisions)


def an_hour_later(script: DriverScript) -> DeviceState:
    """Return what the device is configured for once every timer has expired."""
    script.devices.world.clock.sleep(LATER)
    return script.device(OLD_VPN).state


@pytest.mark.parametrize("dark", [SHORT, LONG], ids=["confirmed in time", "undone and made again"])
def test_no_migration_ends_with_a_commit_that_waits(tmp_path, dark):
    """Traffic flows, but the step ends only when the device keeps its new tunnels."""
    stage = staged(tmp_path, OldTunnels.LEAVE)
    router = DriverScript.of(stage, {ENABLE: [DriverFault(DriverFaultKind.CUT_OFF, dark)]})
    state = stage.forward(drivers=router.drivers(), operator=Nobody())

    assert state.status is RunStatus.CUT_OVER
    assert not state.unsettled
    assert stage.records(Finished)
    assert an_hour_later(router).new is TunnelsState.ENABLED


@pytest.mark.parametrize("dark", [SHORT, LONG], ids=["confirmed in time", "undone and made again"])
def test_no_rollback_ends_with_a_commit_that_waits(tmp_path, dark):
    """The old tunnels stay enabled after a rollback whose driver lost contact."""
    stage = staged(tmp_path, OldTunnels.DISABLE)
    router = DriverScript.of(stage, {BACK_OUT: [DriverFault(DriverFaultKind.CUT_OFF, dark)]})
    stage.forward(drivers=router.drivers(), operator=Nobody())
    state = stage.back(drivers=router.drivers(), operator=Nobody())

    assert state.status is RunStatus.ROLLED_BACK
    assert an_hour_later(router).old is TunnelsState.ENABLED


def test_a_rollback_does_not_end_before_a_call_that_disables_the_old_tunnels(tmp_path):
    """A call in flight when the run is aborted is waited for, and what it disables is enabled."""
    stage = staged(tmp_path, OldTunnels.DISABLE)
    slow = DriverFault(DriverFaultKind.SLOW)
    router = DriverScript.of(stage, {ENABLE: [None, slow]})

    def abort(entry: Entry) -> None:
        record = entry.record
        if (
            isinstance(record, DriverCalled)
            and record.confirmation is Confirmation.OLD_TUNNELS_DISABLED
        ):
            stage.letters.append(AbortAsked("ann", "desk"))

    with pytest.raises(RolledBackError):
        stage.forward(drivers=router.drivers(), operator=Nobody(), lookout=Lookout(abort))

    assert router.device(OLD_VPN).state.old is TunnelsState.ENABLED
    assert stage.state.unsettled == frozenset()


def test_what_cannot_be_read_is_left_to_an_engineer(tmp_path):
    """Without contact the run holds with the reason, and ends once an engineer has looked."""
    stage = staged(tmp_path, OldTunnels.LEAVE)
    dark = timedelta(hours=3)
    router = DriverScript.of(stage, {ENABLE: [DriverFault(DriverFaultKind.CUT_OFF, dark)]})
    with pytest.raises(HeldError) as held:
        stage.forward(drivers=router.drivers(), operator=Nobody())
    assert stage.records(OutageEnded)
    assert "a driver's change may not last" in str(held.value)
    assert isinstance(stage.state.task, AskOperator)
    assert stage.state.task.only == (OLD_VPN,)
    (shown,) = device_progress(stage.state, stage.plan)
    assert (shown.done, "cannot be read" in shown.gave_up) == (False, True)

    router.device(OLD_VPN).commit = None
    router.device(OLD_VPN).state = DeviceState(TunnelsState.ENABLED, TunnelsState.ENABLED)
    word = Confirmation.NEW_TUNNELS_ENABLED
    stage.world.devices.enable(router.device(OLD_VPN).new)
    stage.letters.append(DeviceConfirmed(word, OLD_VPN, (OLD_VPN,), "bob", "desk"))
    state = stage.forward(drivers=router.drivers(), operator=Nobody())

    assert state.status is RunStatus.CUT_OVER


def test_a_person_at_the_prompt_does_not_speak_for_a_driver_at_work(tmp_path):
    """Done at one device is not done at another, whose driver still works and then gives up."""
    two = a_survey(
        connections=(a_connection(), a_connection("vpn-2", customer_gateway="cgw-2")),
        customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-2")),
    )
    stage = Stage(tmp_path, two, decisions=Decisions(drivers={"cgw-1": ROUTER}))
    plan = stage.plan
    router = DriverScript.of(stage, {DriverVerb.LOAD: [DriverFault(DriverFaultKind.REFUSED)]})
    runners: list[Runner] = []
    quick = SiteEngineers(
        router.devices,
        lambda task: open_sites(plan, runners[-1].state, task).people,
        timedelta(0),
    )

    def apply(runner: Runner) -> None:
        runners.append(runner)
        runner.apply()

    state = stage.run(apply, drivers=router.drivers(), operator=quick)
    of_one = [r.connection for r in stage.records(DeviceConfirmed) if r.confirmation is LOADED]

    assert state.status is RunStatus.CUT_OVER
    assert set(of_one) == set(plan.by_hand)
    assert [r.connection for r in stage.records(DriverGaveUp)] == [OLD_VPN]
    assert an_hour_later(router).new is TunnelsState.ENABLED


def test_done_is_for_the_devices_that_wait_for_people(tmp_path):
    """While a driver is at work, a confirmation without a site is for the other devices."""
    two = a_survey(
        connections=(a_connection(), a_connection("vpn-2", customer_gateway="cgw-2")),
        customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-2")),
    )
    plan = Stage(tmp_path, two, decisions=Decisions(drivers={"cgw-1": ROUTER})).plan
    by_hand = Stage(tmp_path, two).plan
    task = AskOperator(5, LOADED, "load them")
    at_work = RunState()
    called = DriverCalled(OLD_VPN, DriverVerb.LOAD, "netmiko", 5, LOADED)
    after = DriverState().after(called).after(DriverGaveUp(OLD_VPN, LOADED, "refused"))

    assert confirmed_sites(plan, at_work, task) == ("vpn-2",)
    assert confirmed_sites(plan, replace(at_work, drivers=after), task) == ()
    assert confirmed_sites(by_hand, at_work, task) == ()


class TestCallState:
    """What the calls so far mean for a device."""

    @staticmethod
    def after(*calls: tuple[DriverVerb, DriverResult | None]) -> DriverCallState:
        state = DriverCallState(None, STATUS)
        for verb, result in calls:
            state = state.next(verb, Confirmation.NEW_TUNNELS_ENABLED)
            state = state if result is None else state.answered(result)
        return state

    @staticmethod
    def result(outcome: DriverOutcome, new: str = "unknown", old: str = "unknown", until=None):
        state = DeviceState(TunnelsState(new), TunnelsState(old))
        return DriverResult(outcome, state, pending_until=until)

    def test_an_answer_that_is_missing_leaves_the_device_open(self):
        """Until its answer, and after lost contact, a change may still happen or be undone."""
        lost = self.result(DriverOutcome.UNCERTAIN)

        assert self.after((ENABLE, None)).open
        assert self.after((ENABLE, lost)).open
        assert self.after((ENABLE, lost), (STATUS, lost)).open
        assert not self.after((ENABLE, self.result(DriverOutcome.FAILED))).open

    def test_a_state_that_does_not_show_the_new_tunnels_leaves_the_device_open(self):
        """The device has half of a change, or another one, although its driver can read it."""
        lost = self.result(DriverOutcome.UNCERTAIN)
        unclear = self.result(DriverOutcome.DONE, "unknown", "enabled")
        clear = self.result(DriverOutcome.DONE, "enabled", "enabled")

        assert self.after((ENABLE, lost), (STATUS, unclear)).open
        assert not self.after((ENABLE, lost), (STATUS, clear)).open
        assert not self.after((ENABLE, self.result(DriverOutcome.DONE)), (STATUS, unclear)).open

    def test_a_commit_that_waits_stays_open_until_it_is_confirmed_or_undone(self):
        """A look without contact does not close it; a state without a waiting commit does."""
        waits = self.result(DriverOutcome.DONE, "enabled", "enabled", NOON)
        dark = self.result(DriverOutcome.FAILED)
        undone = self.result(DriverOutcome.DONE, "disabled", "enabled")

        assert self.after((ENABLE, waits), (STATUS, dark)).open
        assert not self.after((ENABLE, waits), (STATUS, undone)).open
        assert self.after((ENABLE, waits), (STATUS, undone)).undone

    def test_a_change_that_failed_leaves_every_doubt(self):
        """It was not made, so tunnels that were off before are off, and a commit still waits."""
        waits = self.result(DriverOutcome.DONE, "enabled", "enabled", NOON)
        off = self.result(DriverOutcome.DONE, "disabled", "enabled")
        failed = self.result(DriverOutcome.FAILED)
        again = self.result(DriverOutcome.UNCERTAIN)

        assert self.after((ENABLE, waits), (STATUS, off), (ENABLE, failed)).undone
        assert self.after((ENABLE, waits), (ENABLE, failed)).open
        assert not self.after((ENABLE, waits), (STATUS, off), (ENABLE, again)).undone
        in_flight = self.after((ENABLE, waits), (STATUS, off), (ENABLE, None))
        seen = in_flight.confirmed(Confirmation.NEW_TUNNELS_ENABLED).answered(failed)
        assert not seen.undone

    def test_old_tunnels_count_as_disabled_until_a_state_shows_them_enabled(self):
        """Each call that may disable them counts, except one that reports that it did nothing."""
        shown = self.result(DriverOutcome.DONE, "enabled", "enabled")
        back = (BACK_OUT, self.result(DriverOutcome.DONE))

        assert self.after((ENABLE, None)).old_may_be_off
        assert self.after((ENABLE, self.result(DriverOutcome.DONE))).old_may_be_off
        assert not self.after((ENABLE, self.result(DriverOutcome.FAILED))).old_may_be_off
        assert not self.after((ENABLE, shown)).old_may_be_off
        assert not self.after((ENABLE, None), back).old_may_be_off

    def test_a_person_settles_the_task_that_is_confirmed(self):
        """The test in step 6 settles no device, and only a return enables the old tunnels."""
        lost = self.after((ENABLE, self.result(DriverOutcome.UNCERTAIN)))
        confirmed = {word: lost.confirmed(word) for word in Confirmation}
        still_open = {word for word, state in confirmed.items() if state.open}
        on = {word for word, state in confirmed.items() if not state.old_may_be_off}

        assert still_open == {Confirmation.TEST_PASSED}
        assert on == {Confirmation.TUNNELS_RETURNED}

    def test_an_answer_after_a_confirmation_can_open_the_device_again(self):
        """A call in flight may end with a commit that waits, whatever a person has seen before."""
        waits = self.result(DriverOutcome.UNCERTAIN, until=NOON)
        confirmed = self.after((ENABLE, None)).confirmed(Confirmation.NEW_TUNNELS_ENABLED)

        assert not confirmed.open
        assert confirmed.answered(waits).open
        assert not confirmed.answered(self.result(DriverOutcome.UNCERTAIN)).open

    def test_a_return_that_reports_disabled_tunnels_is_none(self):
        """What the device shows counts more than that its driver is done."""
        off = self.result(DriverOutcome.DONE, "disabled", "disabled")

        assert self.after((ENABLE, None), (BACK_OUT, off)).old_may_be_off
