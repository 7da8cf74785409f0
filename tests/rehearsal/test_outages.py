"""Measured outages: the table of ``scripts/measure_outages.py``."""

from __future__ import annotations

from datetime import timedelta
from itertools import takewhile

from tests.support.stage import Stage
from vpnmigrate.rehearsal.outages import (
    OPERATIONS,
    WAITS,
    CallLoss,
    FailedCalls,
    OutageMeasurement,
    measure_outages,
)
from vpnmigrate.report.outages import outages_json, outages_text

SECOND = timedelta(seconds=1)


def test_a_cutover_loses_no_more_than_its_failed_calls(tmp_path):
    """Each wait and each operation is measured, and none prolongs the outage by a wait."""
    plan = Stage(tmp_path).plan
    measured = list(takewhile(lambda each: each.run == "cutover", measure_outages(plan)))

    undisturbed = [each for each in measured if not each.failed]
    failed = {(each.failed.operation, each.failed.how) for each in measured if each.failed}
    assert [each.wait for each in undisturbed] == list(WAITS)
    assert failed == {
        (operation, how)
        for operation in OPERATIONS
        if not operation.endswith("ociateRouteTable")  # The plan has no edge table.
        for how in CallLoss
    }
    assert all(each.good for each in measured), measured
    assert any(each.outage > each.unavoidable for each in measured), "the failed calls count"


LOST = FailedCalls("AttachVpnGateway", CallLoss.LOST)


def a_measurement(outage: float, failed: FailedCalls | None = None) -> OutageMeasurement:
    return OutageMeasurement("cutover", WAITS[0], failed, outage * SECOND, 100 * SECOND)


def test_a_run_is_too_long_with_a_twentieth_more():
    """A second for each of three failed calls is allowed on top."""
    assert a_measurement(105).good
    assert not a_measurement(106).good
    assert a_measurement(108, LOST).good
    assert not a_measurement(109, LOST).good


def test_the_table_has_the_longest_outage_of_each_run():
    """Each is shown with its ratio to the unavoidable one, and what is too long by itself."""
    measured = [a_measurement(100), a_measurement(101), a_measurement(120, LOST)]

    text = outages_text(measured)

    rows = [line.split() for line in text.splitlines() if line.startswith("  cutover")]
    assert rows == [["cutover", "100.0", "101.0", "(1.01)", "120.0", "(1.20)"]]
    assert "TOO LONG: cutover, 3 calls AttachVpnGateway answer lost: 120.0 s" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_run_without_a_call_that_fails_has_a_dash():
    """A resumed run that has nothing left to send cannot lose a call."""
    assert outages_text([a_measurement(100)]).splitlines()[-1].split()[-1] == "-"


def test_json_has_every_measurement():
    """A script gets run, disturbance, seconds and ratio."""
    first, second = outages_json([a_measurement(100), a_measurement(120, LOST)])

    assert first["failed_calls"] is None
    assert (first["ratio"], first["good"]) == (1.0, True)
    assert second["failed_calls"] == {"operation": "AttachVpnGateway", "how": "answer lost"}
    assert (second["outage"], second["allowed"], second["good"]) == (120.0, 108.0, False)
