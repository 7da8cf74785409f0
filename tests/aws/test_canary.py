"""No key leaves the package except to the vault and to EC2: all output is searched."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.sandbox.worlds import bundled
from tests.support.boto_client import session_for
from tests.support.builders import MIGRATION, a_plan
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.session import Clients
from vpnmigrate.devices.configuration import parse_configuration
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.changes import ArchiveConfiguration, CreateVpnConnection, CreateVpnGateway
from vpnmigrate.model.changes.base import CallTags, Performed
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.model.ec2 import CustomerGatewayId, VpnConnectionId, VpnGatewayId
from vpnmigrate.model.errors import AwsError
from vpnmigrate.model.plan import GATEWAY_ROLE, connection_role
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.world import World

OLD = VpnGatewayId("vgw-0a300000000000001")
LONDON = VpnConnectionId("vpn-0a300000000000001")
MARK = CallTags(MIGRATION, attempt=1, step=3)
SETTLED = timedelta(minutes=10)
DEVICE = "Cisco Systems, Inc./CSRv AMI/IOS 12.4+"


def everything(account: Account, world: World) -> Iterator[str]:
    """Yield the output of everything that handles keys, as text."""
    survey = account.survey(OLD)
    yield repr(survey)
    yield msgspec.json.encode(survey).decode()
    plan = a_plan(before=survey)
    created = account.perform(CreateVpnGateway(GATEWAY_ROLE), MARK)
    yield repr(created)
    world.clock.sleep(SETTLED)
    gateway = created.made if isinstance(created, Performed) and created.made else OLD
    for mode in KeyMode:
        (old,) = (c for c in survey.connections if c.id == LONDON)
        change = CreateVpnConnection(
            connection_role(LONDON),
            gateway=VpnGatewayId(gateway),
            customer_gateway=old.customer_gateway or CustomerGatewayId(""),
            replaces=LONDON,
            static_only=False,
            keys=mode,
        )
        yield repr(change)
        outcome = account.perform(change, MARK)
        yield repr(outcome)
        world.clock.sleep(SETTLED)
        made = outcome.made if isinstance(outcome, Performed) else None
        if made:
            folder = ArchiveConfiguration(VpnConnectionId(made), LONDON, DEVICE)
            yield repr(account.perform(folder, MARK))
    yield repr(account.perform(ArchiveConfiguration(LONDON), MARK))
    reading = account.observe(plan)
    yield repr(reading)
    yield repr([vars(account), os.environ, sys.argv])


def output_of(account: Account, world: World) -> str:
    """Return all output, including the whole traceback of an error."""
    pieces: list[str] = []
    try:
        pieces.extend(everything(account, world))
    except AwsError as exc:
        pieces.extend(traceback.format_exception(exc))
        pieces.append(repr(exc.__dict__))
    return "\n".join(pieces)


def the_world() -> World:
    """Return a world with three connections."""
    return load_world(bundled("three-connections"), VirtualClock())


def test_nothing_says_a_key(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A preparation has no key in values, plan text, logs, environment or arguments."""
    world, vault = the_world(), Vault(tmp_path / "devices")
    account = Account(Clients(lambda: session_for(world)), VirtualClock(), vault)

    with caplog.at_level(logging.DEBUG):
        text = output_of(account, world) + caplog.text

    assert "Traceback" not in text
    assert [key for key in world.keys if key in text] == []
    kept = "".join(path.read_text() for path in vault.root.glob("*/*"))
    assert any(key in kept for key in world.keys)  # Otherwise the search above proves nothing.


@pytest.mark.parametrize(
    "action",
    [
        "DescribeVpnConnections",
        "CreateVpnConnection",
        "GetVpnConnectionDeviceTypes",
        "GetVpnConnectionDeviceSampleConfiguration",
    ],
)
@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.LOST_ANSWER,
        FaultKind.SERVER_ERROR_AFTER,
        FaultKind.EXPIRED_TOKEN,
        FaultKind.DENIED,
    ],
)
def test_no_failure_says_a_key(tmp_path, caplog, action, kind):
    """A failed call with keys in its request or answer shows no key."""
    world = the_world()
    faults = Faults([Fault(action, kind, times=0)])
    clients = Clients(lambda: session_for(world, faults=faults))
    account = Account(clients, VirtualClock(), Vault(tmp_path / "devices"))

    with caplog.at_level(logging.DEBUG):
        text = output_of(account, world) + caplog.text

    assert [key for key in world.keys if key in text] == []


def test_a_key_that_ec2_quotes_is_not_said(tmp_path, caplog):
    """EC2 quotes a refused parameter; a reused key is removed from its message."""
    world = the_world()
    rows = world.execute("ec2", "DescribeVpnConnections", {"VpnConnectionIds": [LONDON]})
    sent = parse_configuration(rows["VpnConnections"][0]["CustomerGatewayConfiguration"]).keys
    words = " and ".join(key.reveal() for key in sent)
    refusal = Fault(
        "CreateVpnConnection", FaultKind.REFUSED, 2, 1, "InvalidParameterValue", f"{words} are bad."
    )
    clients = Clients(lambda: session_for(world, faults=Faults([refusal])))
    account = Account(clients, VirtualClock(), Vault(tmp_path / "devices"))

    with caplog.at_level(logging.DEBUG):
        text = output_of(account, world) + caplog.text

    assert "[key withheld] and [key withheld] are bad." in text
    assert [key for key in world.keys if key in text] == []
