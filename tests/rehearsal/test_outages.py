"""Measured outages: the table of ``scripts/measure_outages.py``."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

from tests.support.stage import Stage
from vpnmigrate.rehearsal.outages import (
    OPERATIONS,
    WAITS,
    OutageMeasurement,
    measure_outages,
)

SECOND = timedelta(seconds=1)


def test_a_cutover_loses_no_more_than_its_lost_calls(tmp_path):
    """Each wait and each operation is measured, and none prolongs the outage by a wait."""
    measured = list(islice(measure_outages(Stage(tmp_path).plan), len(WAITS) + len(OPERATIONS)))

    assert [each.wait for each in measured[: len(WAITS)]] == list(WAITS)
    assert [each.lost for each in measured[len(WAITS) :]] == list(OPERATIONS)
    assert {each.run for each in measured} == {"cutover"}
    assert all(each.good for each in measured), measured
    assert any(each.outage > each.unavoidable for each in measured), "the lost calls count"


def test_a_run_is_too_long_with_a_twentieth_more():
    """A second for each of three lost calls is allowed on top."""

    def good(outage: float, lost: str = "") -> bool:
        return OutageMeasurement("", WAITS[0], lost, outage * SECOND, 100 * SECOND).good

    assert good(105)
    assert not good(106)
    assert good(108, "AttachVpnGateway")
    assert not good(109, "AttachVpnGateway")
