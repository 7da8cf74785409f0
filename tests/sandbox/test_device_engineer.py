"""The simulated device engineer does a run's tasks after a reaction time and confirms them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.sandbox.worlds import (
    CUSTOMER,
    OLD_VPN,
    a_world,
    ask,
    new_gateway,
    tunnels_up,
    wait,
)
from vpnmigrate.model.changes import AskOperator, RunTest
from vpnmigrate.model.ec2 import Tag
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.sandbox.device_engineer import DeviceEngineer

REACTION = timedelta(seconds=30)


@pytest.fixture
def world():
    return a_world()


@pytest.fixture
def successor(world):
    tags = [{"Key": str(Tag.ROLE), "Value": f"connection/{OLD_VPN}"}]
    made = ask(
        world,
        "CreateVpnConnection",
        Type="ipsec.1",
        VpnGatewayId=new_gateway(world),
        CustomerGatewayId=CUSTOMER,
        TagSpecifications=[{"ResourceType": "vpn-connection", "Tags": tags}],
    )["VpnConnection"]["VpnConnectionId"]
    wait(world)
    return made


def _task(word):
    return AskOperator(10, word, "do it")


def _done(engineer, world, word):
    assert engineer.ask(_task(word)) is None
    wait(world, 30)
    assert engineer.ask(_task(word)) is word
    wait(world, 60)


def test_a_word_is_given_after_the_reaction_and_not_before(world):
    """The engineer confirms the requested task after the reaction time, not before."""
    engineer = DeviceEngineer(world, REACTION)
    assert engineer.patient
    assert engineer.ask(_task(Confirmation.DEVICES_CONFIGURED)) is None
    wait(world, 29)
    assert engineer.ask(_task(Confirmation.DEVICES_CONFIGURED)) is None
    wait(world, 1)
    assert engineer.ask(_task(Confirmation.DEVICES_CONFIGURED)) is Confirmation.DEVICES_CONFIGURED


def test_an_announced_task_is_done_at_once(world):
    """If a task was announced long before, it is confirmed at the first request."""
    engineer = DeviceEngineer(world, REACTION)
    engineer.announce(_task(Confirmation.NEW_TUNNELS_ENABLED))
    wait(world, 30)
    assert engineer.ask(_task(Confirmation.NEW_TUNNELS_ENABLED)) is Confirmation.NEW_TUNNELS_ENABLED


def test_the_devices_do_as_the_words_say(world, successor):
    """Configuring leaves tunnels down; then new ones come up, old ones go down, and back again."""
    engineer = DeviceEngineer(world, REACTION)
    _done(engineer, world, Confirmation.DEVICES_CONFIGURED)
    assert world.devices.configured(successor)
    assert (tunnels_up(world), tunnels_up(world, successor)) == (2, 0)
    _done(engineer, world, Confirmation.NEW_TUNNELS_ENABLED)
    assert (tunnels_up(world), tunnels_up(world, successor)) == (2, 2)
    _done(engineer, world, Confirmation.OLD_TUNNELS_DISABLED)
    assert (tunnels_up(world), tunnels_up(world, successor)) == (0, 2)
    _done(engineer, world, Confirmation.TUNNELS_RETURNED)
    assert (tunnels_up(world), tunnels_up(world, successor)) == (2, 0)


def test_old_tunnels_return_even_if_their_successors_are_gone(world, successor):
    """The old tunnels are enabled again even if their successors were deleted."""
    engineer = DeviceEngineer(world, REACTION)
    _done(engineer, world, Confirmation.NEW_TUNNELS_ENABLED)
    _done(engineer, world, Confirmation.OLD_TUNNELS_DISABLED)
    ask(world, "DeleteVpnConnection", VpnConnectionId=successor)
    _done(engineer, world, Confirmation.TUNNELS_RETURNED)
    assert tunnels_up(world) == 2


def test_the_same_task_can_be_asked_for_again(world, successor):
    """In a later attempt the same task has its reaction time again."""
    engineer = DeviceEngineer(world, REACTION)
    _done(engineer, world, Confirmation.NEW_TUNNELS_ENABLED)
    world.devices.disable(successor)
    _done(engineer, world, Confirmation.NEW_TUNNELS_ENABLED)
    assert tunnels_up(world, successor) == 2


def test_a_test_is_passed(world):
    """A test task is confirmed, and no device is changed."""
    engineer = DeviceEngineer(world, timedelta(0))
    assert engineer.ask(RunTest(("ping", "10.250.0.4"))) is Confirmation.TEST_PASSED
    assert tunnels_up(world) == 2
