"""A plan under hardship: the same seeds give the same runs, and what is unsafe is named."""

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
    """Hear nothing of how far it is."""


@pytest.fixture(scope="module")
def found(plan) -> FaultedRehearsal:
    return rehearse_with_faults(plan, 24, 1, silence)


def test_no_run_of_an_ordinary_plan_ends_unsafely(found):
    """Killed and faulted on its own survey, a plan ends as it must, every time."""
    assert found.unsafe == ()
    assert sum(trial.deaths for trial in found.trials) > 10
    assert sum(trial.fault_count for trial in found.trials) > 10


def test_the_same_seed_gives_the_same_runs(plan, found):
    """What a change board was shown can be shown again."""
    again = rehearse_with_faults(plan, 3, 1, silence)

    assert again.trials == found.trials[:3]


def test_no_outage_is_longer_for_want_of_punctuality(found):
    """What a board is shown is measured at the run's own pace, which no process oversleeps."""
    assert {trial.schedule.late for trial in found.trials} == {timedelta(0)}


def test_finalize_is_never_a_part_of_it(found):
    """Nothing leads back from finalize, so a rehearsal with faults goes forward and back only."""
    assert TrialRoute.FINALIZE not in {trial.schedule.route for trial in found.trials}
    assert {TrialRoute.REVERSED, TrialRoute.FORWARD} <= {
        trial.schedule.route for trial in found.trials
    }


def test_the_worst_run_comes_with_its_story(found):
    """The longest outage is told entry by entry, on eighty columns."""
    text = view.faults_text(found)

    assert found.worst is not None
    assert found.worst.outage == max(trial.outage for trial in found.trials)
    assert "OUTAGE BEGINS" in text
    assert "Every one ended safely." in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())


def test_an_unsafe_run_is_named_with_its_seed(found):
    """Whoever reads of a run that ended wrong can see it again, and why it is wrong."""
    bad = replace(found.trials[0], wrong=("two gateways are attached",))
    output = replace(found, trials=(bad, *found.trials[1:]))

    text = " ".join(view.faults_text(output).split())

    assert "1 DID NOT END SAFELY" in text
    assert f"seed {bad.seed}:" in text
    assert "two gateways are attached" in text
    assert view.faults_json(output)["unsafe"][0]["wrong"] == ["two gateways are attached"]


def test_a_spread_tells_the_ends_and_the_middle():
    """Least, median, the length that nineteen of twenty stay below, and most."""
    spread = spread_of(timedelta(seconds=n) for n in range(100, 0, -1))

    assert (spread.least, spread.most) == (timedelta(seconds=1), timedelta(seconds=100))
    assert spread.median == timedelta(seconds=51)
    assert spread.most_often_below == timedelta(seconds=96)
    assert spread_of([]).trials == 0


def test_no_runs_tell_nothing_worse(plan):
    """Without trials there is neither a worst run nor a figure."""
    nothing = rehearse_with_faults(plan, 0, 1, silence)

    assert nothing.worst is None
    assert "no run had any" in view.faults_text(nothing)
