"""Rehearsal with faults: the same seeds give the same runs, and unsafe runs are reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.stage import Stage
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.simulation.schedule import TrialRoute
from vpnmigrate.rehearsal.with_faults import FaultedRehearsal, rehearse_with_faults, spread_of
from vpnmigrate.report import rehearsal as view

pytestmark = pytest.mark.no_cover


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Plan:
    return Stage(tmp_path_factory.mktemp("vault")).plan


def silence(_: str) -> None:
    """Ignore progress messages."""


@pytest.fixture(scope="module")
def found(plan) -> FaultedRehearsal:
    return rehearse_with_faults(plan, 24, 1, silence)


def test_no_run_of_an_ordinary_plan_ends_unsafely(found):
    """Killed and faulted on its own survey, a plan ends as required, every time."""
    assert found.unsafe == ()
    assert sum(trial.deaths for trial in found.trials) > 10
    assert sum(trial.fault_count for trial in found.trials) > 10


def test_the_same_seed_gives_the_same_runs(plan, found):
    """The results for a change board are repeatable."""
    again = rehearse_with_faults(plan, 3, 1, silence)

    assert again.trials == found.trials[:3]


def test_no_outage_is_longer_for_want_of_punctuality(found):
    """The durations are measured at the run's own pace, without late wake-ups."""
    assert {trial.schedule.late for trial in found.trials} == {timedelta(0)}


def test_finalize_is_never_a_part_of_it(found):
    """Finalize cannot be rolled back, so a rehearsal with faults has only apply and rollback."""
    assert TrialRoute.FINALIZE not in {trial.schedule.route for trial in found.trials}
    assert {TrialRoute.REVERSED, TrialRoute.FORWARD} <= {
        trial.schedule.route for trial in found.trials
    }


def test_the_worst_run_comes_with_its_story(found):
    """The longest outage is listed entry by entry, on eighty columns."""
    text = view.faults_text(found)

    assert found.worst is not None
    assert found.worst.outage == max(trial.outage for trial in found.trials)
    assert "OUTAGE BEGINS" in text
    assert "All ended safely." in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())


def test_an_unsafe_run_is_named_with_its_seed(found):
    """The report of an unsafe run has the reason, and how to repeat it."""
    bad = replace(found.trials[0], wrong=("two gateways are attached",))
    output = replace(found, trials=(bad, *found.trials[1:]))

    text = " ".join(view.faults_text(output).split())

    assert "1 DID NOT END SAFELY" in text
    assert f"seed {bad.seed}:" in text
    assert "two gateways are attached" in text
    assert view.faults_json(output)["unsafe"][0]["wrong"] == ["two gateways are attached"]


def test_a_spread_tells_the_ends_and_the_middle():
    """Least, median, the length that 19 of 20 stay below, and most."""
    spread = spread_of(timedelta(seconds=n) for n in range(100, 0, -1))

    assert (spread.least, spread.most) == (timedelta(seconds=1), timedelta(seconds=100))
    assert spread.median == timedelta(seconds=51)
    assert spread.most_often_below == timedelta(seconds=96)
    assert spread_of([]).trials == 0


def test_no_runs_tell_nothing_worse(plan):
    """Without trials there is neither a worst run nor a figure."""
    nothing = rehearse_with_faults(plan, 0, 1, silence)

    assert nothing.worst is None
    assert "none in any run" in view.faults_text(nothing)
