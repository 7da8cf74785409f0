"""Orders from another terminal in simulated worlds: heeded or declined, and the end is right."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from tests.rehearsal.test_trials import small
from vpnmigrate.journal.chain import read_chain
from vpnmigrate.journal.records import AbortAsked, Continued, Declined, Paused, Record, Verb
from vpnmigrate.rehearsal.simulation.schedule import Course, Kill, Moment, Order, Schedule
from vpnmigrate.rehearsal.simulation.search import schedule_of
from vpnmigrate.rehearsal.simulation.trial import Setting, TrialResult, setting_of, try_out

REST = timedelta(minutes=20)
LONG_REST = timedelta(hours=26)
"""Longer than a process rests; then it ends, and the run stays paused."""


@pytest.fixture(scope="module")
def setting() -> Setting:
    return setting_of(small(5))


@pytest.fixture(scope="module")
def ends(setting: Setting) -> dict[Course, TrialResult]:
    """Go forward, and forward and back, with nobody disturbing."""
    return {c: try_out(setting, Schedule(c)) for c in (Course.FORWARD, Course.RETURN)}


def said(outcome: TrialResult, setting: Setting) -> list[type[Record]]:
    """Give the kinds of what the journal says of orders."""
    entries = read_chain(outcome.journal, setting.plan.migration).entries
    kinds = (Paused, Continued, AbortAsked, Declined)
    return [type(e.record) for e in entries if isinstance(e.record, kinds)]


@pytest.mark.no_cover
@pytest.mark.parametrize("rest", [REST, LONG_REST], ids=["a while", "over a day"])
def test_a_pause_at_any_deed_changes_no_end(
    setting: Setting, ends: dict[Course, TrialResult], rest: timedelta
) -> None:
    """Before the cutover the run rests, in it the pause is declined; it ends as undisturbed."""
    heard = Counter[type[Record]]()
    for deed in range(0, ends[Course.FORWARD].deeds, 1 if rest is REST else 3):
        order = Order(deed, Verb.PAUSE, rest)

        outcome = try_out(setting, Schedule(orders=(order,)))

        assert (outcome.error, outcome.broken) == ("", ()), deed
        assert outcome.end == ends[Course.FORWARD].end, deed
        heard.update(said(outcome, setting))
    assert heard[Paused] > 0
    assert heard[Declined] > 0


@pytest.mark.no_cover
@pytest.mark.parametrize("moment", [None, Moment.BEFORE_SENDING, Moment.BEFORE_LINE])
def test_an_abort_at_any_deed_leads_back(
    setting: Setting, ends: dict[Course, TrialResult], moment: Moment | None
) -> None:
    """Stopped or turned back, and then cleared away, everything is as before.

    Also where the process dies at the first deed after the abort, and the next one goes on as told.
    """
    for deed in range(ends[Course.FORWARD].deeds):
        kills = () if moment is None else (Kill(deed + 1, moment),)
        schedule = Schedule(kills=kills, orders=(Order(deed, Verb.ABORT),))

        outcome = try_out(setting, schedule)

        heeded = AbortAsked in said(outcome, setting)
        wanted = ends[Course.RETURN if heeded else Course.FORWARD]
        assert (outcome.error, outcome.broken) == ("", ()), deed
        assert outcome.end == wanted.end, deed
        assert heeded or said(outcome, setting) == [Declined], deed


def test_seeds_draw_orders_of_both_kinds() -> None:
    """A search meets pauses and aborts, beside kills and calls gone astray."""
    drawn = Counter(order.verb for seed in range(200) for order in schedule_of(seed).orders)

    assert set(drawn) == {Verb.PAUSE, Verb.ABORT}
    assert min(drawn.values()) > 5
