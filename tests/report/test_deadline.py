"""The back-out deadline and commit-confirm in every view."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.report.examples import BEGAN, a_journal
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import (
    Armed,
    Confirmed,
    DeadlinePassed,
    DeadlineSet,
    OutageBegan,
    Paused,
    StepBegun,
    TrafficVerified,
)
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.report import gates, status_json, status_text
from vpnmigrate.report.gates import deadline_lines
from vpnmigrate.report.progress import Narrator, OutageClock
from vpnmigrate.report.status import Retry, RunStatusView
from vpnmigrate.report.text import RunCommands

AT = BEGAN + timedelta(minutes=90)
SET = DeadlineSet(AT, timedelta(minutes=12), "rehearsed 2026-01-16 12:00Z")
DOWN = (SET, StepBegun(7, "Stop propagation"), OutageBegan(BEGAN + timedelta(minutes=1)))
ARMED = Armed(timedelta(minutes=15), 7, "desk")


def view(*records: object, minutes: int = 30, watchdog: int | None = None) -> RunStatusView:
    """Return the status after *records*, *minutes* after the start."""
    return RunStatusView(
        run="m-7f3c",
        fingerprint="f",
        state=replay(a_journal(*records)),  # type: ignore[arg-type]
        connections=(),
        now=BEGAN + timedelta(minutes=minutes),
        folder="runs/m-7f3c",
        alive=True,
        watchdog=watchdog,
    )


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(30, "decide within 1 h"), (95, "PAST THE BACK-OUT DEADLINE by 5 min")],
)
def test_status_counts_down_to_the_deadline_and_past_it(minutes, text):
    """``status`` in another terminal shows the deadline."""
    assert text in status_text.one(view(*DOWN, minutes=minutes))
    assert status_json.fields(view(*DOWN))["back_out_deadline"] == AT.isoformat()


def test_green_has_decided():
    """Verified traffic ends the deadline."""
    assert "decide" not in status_text.one(view(*DOWN, TrafficVerified(BEGAN)))


def test_the_waiting_line_counts_down_while_traffic_is_down():
    """A wait in the outage shows the remaining time."""
    clock = VirtualClock(BEGAN + timedelta(minutes=80))
    outage = OutageClock(clock, None)
    for entry in a_journal(*DOWN):
        outage.on_entry(entry)

    assert "decide within 10 min" in outage.waiting(8, "x", timedelta(0), timedelta(minutes=45))


def test_a_resumed_cutover_counts_down_as_well():
    """A resuming process shows the deadline of the previous process."""
    outage = OutageClock(VirtualClock(AT), BEGAN, AT)

    assert "PAST THE BACK-OUT DEADLINE" in outage.waiting(8, "x", timedelta(0), timedelta(hours=1))


def test_progress_says_that_the_deadline_has_passed():
    """The line is in capitals and names the consequence."""
    narrator = Narrator()

    lines = [
        line for e in a_journal(SET, DeadlinePassed(AT)) for line in map(str, narrator.lines(e))
    ]

    assert any("back-out deadline: 2026-01-17 03:30:00Z" in line for line in lines)
    assert any("THE BACK-OUT DEADLINE, 2026-01-17 03:30:00Z, HAS PASSED" in line for line in lines)


ON = RunCommands("m-7")


@pytest.mark.parametrize(("on", "asks", "text"), [(ON, True, 4), (ON, False, 2), (None, True, 2)])
def test_who_has_to_decide_reads_the_commands_that_do(on, asks, text):
    """The commands name the run; without a question, and in a report, there are none."""
    passed = DeadlinePassed(AT, asks)

    lines = [line for e in a_journal(passed) for line in map(str, Narrator(on).lines(e))][1:]

    assert len(lines) == text
    assert any(line.endswith("to roll back: vpnmigrate abort m-7") for line in lines) is (text == 4)
    assert any(line.endswith("to continue:  vpnmigrate continue m-7") for line in lines) is (
        text == 4
    )


def test_the_span_left_never_says_less_than_nothing():
    """At the deadline itself the deadline has passed."""
    assert gates.left(AT, AT) == "PAST THE BACK-OUT DEADLINE by 0 s"


def test_an_unconfirmed_run_shouts_until_when():
    """The status of an unconfirmed migration shows the automatic rollback, or that it is off."""
    green = (*DOWN, ARMED, TrafficVerified(BEGAN))

    in_time = status_text.one(view(*green, watchdog=7, minutes=10))
    assert "UNCONFIRMED: automatic rollback at 2026-01-17" in in_time
    late = " ".join(status_text.one(view(*green, watchdog=7)).split())
    assert "NOT CONFIRMED by" in late
    assert "it is being rolled back" in late
    assert "AUTOMATIC ROLLBACK IS OFF" in " ".join(status_text.one(view(*green)).split())
    assert "UNCONFIRMED" not in status_text.one(view(*green, Confirmed("bob", "desk")))


def test_a_stopped_watchdog_is_told_as_one():
    """A suspended watchdog is not relied on."""
    green = replace(view(*DOWN, ARMED, TrafficVerified(BEGAN)), stopped_watchdog=7)

    output = " ".join(status_text.one(green).split())

    assert "AUTOMATIC ROLLBACK IS OFF: the watchdog process 7 is suspended" in output
    assert "automatic rollback at" not in output


def test_what_the_watchdog_has_trouble_with_is_told():
    """The status shows why the rollback failed and when it is retried, until it succeeds."""
    retry = Retry("AWS cannot be read", BEGAN + timedelta(minutes=31))
    late = replace(view(*DOWN, ARMED, TrafficVerified(BEGAN), watchdog=7), retry=retry)

    output = " ".join(status_text.one(late).split())

    assert "process 7 could not roll back yet, and retries in 1 min: AWS cannot be" in output
    assert late.watchdog_trouble == status_json.fields(late)["watchdog_trouble"]
    assert (
        "is not running; its last rollback attempt" in replace(late, watchdog=None).watchdog_trouble
    )
    assert replace(late, retry=None).watchdog_trouble == ""


def test_a_pause_is_told_with_whose_it_is():
    """A paused run shows by whom, since when, and how to continue."""
    paused = view(StepBegun(3, "x"), Paused("bob", "desk"))

    assert "paused by bob on desk since 2026-01-17" in status_text.one(paused)
    assert str(paused.next) == "vpnmigrate continue m-7f3c"


def test_a_watchdog_that_starts_after_traffic_counts_from_now():
    """The time to confirm begins with that watchdog, so the sentence does not name the traffic."""
    again = Armed(timedelta(hours=8), 9, "desk", verified=True)

    text = " ".join(map(str, deadline_lines(again, None)))

    assert "8 h from now" in text
    assert "first verified" not in text
