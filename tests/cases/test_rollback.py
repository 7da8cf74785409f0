"""Edge cases of rollback: whole runs on the sandbox, from difficult states."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.builders import (
    BACK,
    BOTH,
    MAIN,
    NOON,
    a_connection,
    a_customer_gateway,
    a_plan,
    a_snapshot,
    a_survey,
    a_table,
    journal_facts,
    ordinary_tables,
)
from tests.support.stage import Stage
from vpnmigrate.journal.records import Intended
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.errors import ChangeRefusedError
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.model.survey import Survey
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.traffic import missing_traffic

UNTOUCHED = "rtb-untouched"


def two_sites() -> Survey:
    """Return a survey with two connections, so that step 3 can fail after the first."""
    return a_survey(
        connections=(a_connection(), a_connection("vpn-second", customer_gateway="cgw-second")),
        customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-second", asn=65001)),
    )


def test_a_rollback_from_half_restored_routing(tmp_path):
    """Case 65: with the new gateway attached and half its routing, recorded tables are restored."""
    neither = a_table(UNTOUCHED, static={"172.16.0.0/12": "igw-1"})
    stage = Stage(
        tmp_path,
        a_survey(route_tables=(*ordinary_tables(), neither)),
        faults=Faults([Fault("EnableVgwRoutePropagation", FaultKind.KILL_AFTER)]),
    )
    with pytest.raises(Killed):
        stage.forward()
    forward = len(stage.intended)
    stage.faults = None

    state = stage.back()

    assert state.status is RunStatus.ROLLED_BACK
    assert stage.differences() == ()
    tables = {getattr(change, "table", None) for change in stage.intended[forward:]}
    assert tables - {None} == {BOTH, MAIN}


def test_a_rollback_of_early_steps_deletes_only_what_was_made(tmp_path):
    """Case 66: after a failed step 3 only new resources are deleted, the gateway last."""
    refused = Fault(
        "CreateVpnConnection",
        FaultKind.REFUSED,
        nth=2,
        times=0,
        code="VpnConnectionLimitExceeded",
        message="The maximum number of VPN connections has been reached.",
    )
    stage = Stage(tmp_path, two_sites(), faults=Faults([refused]))
    with pytest.raises(ChangeRefusedError):
        stage.forward()
    gateway = stage.new_gateway
    (connection,) = (
        id_ for role, id_ in stage.observe().ours.items() if role.startswith("connection/")
    )
    stage.faults = None

    stage.back()

    deleted = [
        e.record.change.id  # type: ignore[union-attr]
        for e in stage.entries
        if isinstance(e.record, Intended) and type(e.record.change).__name__.startswith("Delete")
    ]
    assert deleted == [connection, gateway]
    assert stage.differences() == ()


def test_old_telemetry_of_reused_tunnels_is_read_again():
    """Case 58: in a rollback UP counts only in readings well after the tunnels were disabled."""
    said = journal_facts(Confirmation.OLD_TUNNELS_DISABLED)
    plan = a_plan()

    soon = a_snapshot(begun=NOON + timedelta(seconds=30))
    later = a_snapshot(begun=NOON + timedelta(minutes=2))

    assert missing_traffic(StepInput(plan, BACK, soon, said))
    assert not missing_traffic(StepInput(plan, BACK, later, said))
