"""Usual times: what earlier runs and a rehearsal say about a wait."""

from __future__ import annotations

from datetime import timedelta

from tests.support.journals import Story, entries
from vpnmigrate.journal.records import DirectionTaken, OutageBegan, OutageEnded
from vpnmigrate.journal.usual_times import (
    OUTAGE,
    UsualTime,
    UsualTimes,
    times_of_run,
    usual_of_runs,
)
from vpnmigrate.model.plan import Direction

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
FORWARD, BACK = Direction.FORWARD, Direction.ROLLBACK
KNOWN = {
    (FORWARD, 8): UsualTime(80 * SECOND, "rehearsal"),
    (BACK, 8): UsualTime(90 * SECOND, "an earlier run"),
    (FORWARD, OUTAGE): UsualTime(111 * SECOND, "rehearsal"),
}


def test_a_journal_has_the_time_of_each_step_and_outage_by_direction():
    """A step that is not done, and the clean-up, have none."""
    times = times_of_run(Story().migrated().returned().opened().set_out().begun(1).entries)

    assert times[FORWARD, OUTAGE] == 100 * SECOND
    assert times[BACK, OUTAGE] == 100 * SECOND
    assert (FORWARD, 1) not in times
    assert (BACK, 6) not in times
    assert times[BACK, 8] == SECOND


def test_what_was_left_alone_is_no_example():
    """After a process has died in the outage, hours may pass before another resumes the run."""
    died = Story().staged()
    at = died.entries[-1].at
    died.begun(7).then(OutageBegan(at)).settled(7).begun(8).opened().settled(8).begun(9).settled(9)
    times = times_of_run(died.then(OutageEnded(at + HOUR, HOUR)).entries)

    assert (FORWARD, OUTAGE) not in times
    assert (FORWARD, 8) not in times
    assert times[FORWARD, 9] == SECOND


def test_an_outage_that_was_rolled_back_is_no_example():
    """It includes the wait for what did not come, and the decision."""
    story = Story().staged()
    at = story.entries[-1].at
    story.begun(7).then(OutageBegan(at)).settled(7).begun(8).set_out(BACK).begun(8).settled(8)
    times = times_of_run(story.then(OutageEnded(at + HOUR, HOUR)).entries)

    assert (FORWARD, OUTAGE) not in times
    assert (BACK, OUTAGE) not in times
    assert times[BACK, 8] == SECOND


def test_of_several_runs_the_middle_counts():
    """One run that was left alone overnight does not make the next wait look normal."""
    runs = [{(FORWARD, 8): n * SECOND} for n in (70, 36_000, 80)]

    assert str(usual_of_runs(runs)[FORWARD, 8]) == "usually 1 min 20 s (3 earlier runs)"
    assert usual_of_runs(runs[:1])[FORWARD, 8].source == "an earlier run"


def test_the_usual_time_is_that_of_the_direction_that_the_run_takes():
    """Nothing is known before it takes one."""
    times = UsualTimes(KNOWN, {8: HOUR})
    assert times.of_wait(8, HOUR) == times.of_outage == ""

    times.read(entries(DirectionTaken(FORWARD, 1))[0])
    assert times.of_wait(8, HOUR) == "usually 1 min 20 s (rehearsal)"
    assert times.of_outage == "usually 1 min 51 s (rehearsal)"

    times.read(entries(DirectionTaken(BACK, 1))[0])
    assert times.of_wait(8, HOUR) == "usually 1 min 30 s (an earlier run)"
    assert times.of_outage == ""


def test_a_wait_for_something_else_has_no_usual_time():
    """Its limit is not that of the step: an answer, a slow call, a pause."""
    times = UsualTimes(KNOWN, {8: HOUR}, FORWARD)

    assert times.of_wait(8, timedelta(days=1)) == ""
    assert times.of_wait(9, HOUR) == ""
    assert times.of_wait(0, HOUR) == ""
