"""Titles and limits of the steps."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.model.plan import Phase
from vpnmigrate.steps.sequences import (
    CLAIM,
    CLEAN_UP,
    CLEAN_UP_BUT_KEEP,
    FORWARD,
    RETIRE_WITH_GATEWAY,
)

LISTED = [
    (1, "Record the configuration", Phase.PREPARE, timedelta(minutes=20)),
    (2, "Create the virtual private gateway", Phase.PREPARE, timedelta(minutes=15)),
    (3, "Create the VPN connections", Phase.PREPARE, timedelta(minutes=200)),
    (4, "Fetch the configuration", Phase.PREPARE, timedelta(minutes=10)),
    (5, "Configure the devices", Phase.PREPARE, timedelta(days=30)),
    (6, "Try in a test VPC", Phase.PREPARE, timedelta(days=7)),
    (7, "Stop propagation", Phase.CUTOVER, timedelta(minutes=15)),
    (8, "Swap the virtual private gateways", Phase.CUTOVER, timedelta(minutes=45)),
    (9, "Restore routing", Phase.CUTOVER, timedelta(minutes=15)),
    (10, "Switch the tunnels", Phase.CUTOVER, timedelta(minutes=60)),
]
CLEANED = [
    (6, "Remove the test VPC", Phase.CLEAN_UP, timedelta(minutes=45)),
    (3, "Delete the new VPN connections", Phase.CLEAN_UP, timedelta(minutes=40)),
    (2, "Delete the new virtual private gateway", Phase.CLEAN_UP, timedelta(minutes=15)),
    (1, "Remove the claim", Phase.CLEAN_UP, timedelta(minutes=20)),
]
FINALIZED = [
    (11, "Delete the old connections", Phase.FINALIZE, timedelta(minutes=40)),
    (11, "Delete the old virtual private gateway", Phase.FINALIZE, timedelta(minutes=15)),
]


def listed(steps):
    return [(step.number, step.title, step.phase, step.limit) for step in steps]


def test_each_step_has_its_number_its_title_and_its_limit():
    """Steps have AWS's numbers and fixed titles, and each has a limit."""
    assert listed(FORWARD) == LISTED
    assert listed(CLEAN_UP) == CLEANED
    assert listed(CLEAN_UP_BUT_KEEP) == [CLEANED[0], CLEANED[-1]]
    assert listed(RETIRE_WITH_GATEWAY) == [*listed(CLAIM), *FINALIZED]


def test_only_what_removes_is_a_clean_up():
    """A clean-up step is marked as such, because it has the number of the step that it undoes."""
    assert all(step.cleaning for step in CLEAN_UP)
    assert not any(step.cleaning for step in (*FORWARD, *RETIRE_WITH_GATEWAY))
