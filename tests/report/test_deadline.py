"""The back-out deadline and the commit-confirm as every view tells them."""

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
from vpnmigrate.report import gates, status
from vpnmigrate.report.progress import Narrator, OutageClock
from vpnmigrate.report.status import Retry, RunStatusView
from vpnmigrate.report.text import RunCommands

AT = BEGAN + timedelta(minutes=90)
SET = DeadlineSet(AT, timedelta(minutes=12), "rehearsed 2026-01-16 12:00Z")
DOWN = (SET, StepBegun(7, "Stop propagation"), OutageBegan(BEGAN + timedelta(minutes=1)))
ARMED = Armed(timedelta(minutes=15), 7, "desk")


def view(*records: object, minutes: int = 30, watchdog: int | None = None) -> RunStatusView:
    """Stand where *records* lead to, *minutes* after the beginning."""
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
    [(30, "decide within 1 h"), (95, "PAST THE BACK-OUT DEADLINE for 5 min")],
)
def test_status_counts_down_to_the_deadline_and_past_it(minutes, text):
    """Whoever looks from another terminal reads by when to decide."""
    assert text in status.one(view(*DOWN, minutes=minutes))
    assert status.fields(view(*DOWN))["back_out_deadline"] == AT.isoformat()


def test_green_has_decided():
    """Once traffic is verified there is nothing left to decide."""
    assert "decide" not in status.one(view(*DOWN, TrafficVerified(BEGAN)))


def test_the_waiting_line_counts_down_while_traffic_is_down():
    """Who waits in the outage sees how long they still may."""
    clock = VirtualClock(BEGAN + timedelta(minutes=80))
    outage = OutageClock(clock, None)
    for entry in a_journal(*DOWN):
        outage.on_entry(entry)

    assert "decide within 10 min" in outage.waiting(8, "x", timedelta(0), timedelta(minutes=45))


def test_a_resumed_cutover_counts_down_as_well():
    """The deadline of the process before is that of the one that goes on."""
    outage = OutageClock(VirtualClock(AT), BEGAN, AT)

    assert "PAST THE BACK-OUT DEADLINE" in outage.waiting(8, "x", timedelta(0), timedelta(hours=1))


def test_progress_says_that_the_deadline_has_passed():
    """It is loud, and says what follows."""
    narrator = Narrator()

    lines = [
        line for e in a_journal(SET, DeadlinePassed(AT)) for line in map(str, narrator.lines(e))
    ]

    assert any("to be green, or going back, by 2026-01-17 03:30:00Z" in line for line in lines)
    assert any("THE BACK-OUT DEADLINE, 03:30:00Z, HAS PASSED" in line for line in lines)


ON = RunCommands("m-7")


@pytest.mark.parametrize(("on", "asks", "text"), [(ON, True, 4), (ON, False, 2), (None, True, 2)])
def test_who_has_to_decide_reads_the_commands_that_do(on, asks, text):
    """They name the run; where nobody is asked, and in a report, there are none to paste."""
    passed = DeadlinePassed(AT, asks)

    lines = [line for e in a_journal(passed) for line in map(str, Narrator(on).lines(e))][1:]

    assert len(lines) == text
    assert any(line.endswith("to roll back: vpnmigrate abort m-7") for line in lines) is (text == 4)
    assert any(line.endswith("to go on:     vpnmigrate continue m-7") for line in lines) is (
        text == 4
    )


def test_the_span_left_never_says_less_than_nothing():
    """At the deadline itself it has passed."""
    assert gates.left(AT, AT) == "PAST THE BACK-OUT DEADLINE for 0 s"


def test_an_unconfirmed_run_shouts_until_when():
    """The status of a migration that goes back by itself says so, and that nobody else will."""
    green = (*DOWN, ARMED, TrafficVerified(BEGAN))

    in_time = status.one(view(*green, watchdog=7, minutes=10))
    assert "UNCONFIRMED: goes back by itself at 2026-01-17" in in_time
    late = " ".join(status.one(view(*green, watchdog=7)).split())
    assert "NOT CONFIRMED in time" in late
    assert "it is being rolled back" in late
    assert "NOTHING GOES BACK BY ITSELF" in " ".join(status.one(view(*green)).split())
    assert "UNCONFIRMED" not in status.one(view(*green, Confirmed("bob", "desk")))


def test_a_stopped_watchdog_is_told_as_one():
    """It lives and does nothing: nobody waits for it."""
    green = replace(view(*DOWN, ARMED, TrafficVerified(BEGAN)), stopped_watchdog=7)

    output = " ".join(status.one(green).split())

    assert "NOTHING GOES BACK BY ITSELF: the watchdog, process 7, is stopped" in output
    assert "by itself at" not in output


def test_what_the_watchdog_has_trouble_with_is_told():
    """Why it could not roll back, and when it tries again; nothing once it has."""
    retry = Retry("AWS cannot be read", BEGAN + timedelta(minutes=31))
    late = replace(view(*DOWN, ARMED, TrafficVerified(BEGAN), watchdog=7), retry=retry)

    output = " ".join(status.one(late).split())

    assert "process 7 could not roll back yet, and tries again in 1 min: AWS cannot be" in output
    assert late.watchdog_trouble == status.fields(late)["watchdog_trouble"]
    assert "is gone; its last try" in replace(late, watchdog=None).watchdog_trouble
    assert replace(late, retry=None).watchdog_trouble == ""


def test_a_pause_is_told_with_whose_it_is():
    """A paused run says by whom and since when, and what lifts it."""
    paused = view(StepBegun(3, "x"), Paused("bob", "desk"))

    assert "paused by bob on desk since 2026-01-17" in status.one(paused)
    assert str(paused.next) == "vpnmigrate continue m-7f3c"
