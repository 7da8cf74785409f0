"""Orders from another terminal in simulated worlds: applied or declined, with the right end."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from tests.rehearsal.test_trials import small
from vpnmigrate.journal.chain import read_chain
from vpnmigrate.journal.records import (
    AbortAsked,
    Continued,
    OrderDeclined,
    OrderVerb,
    Paused,
    Record,
)
from vpnmigrate.rehearsal.simulation.schedule import (
    Kill,
    KillPoint,
    Schedule,
    ScheduledOrder,
    TrialRoute,
)
from vpnmigrate.rehearsal.simulation.search import schedule_of
from vpnmigrate.rehearsal.simulation.trial import TrialResult, TrialSetting, run_trial, setting_of

REST = timedelta(minutes=20)
LONG_REST = timedelta(hours=26)
"""Longer than a process pauses; then it exits, and the run stays paused."""


@pytest.fixture(scope="module")
def setting() -> TrialSetting:
    return setting_of(small(5))


@pytest.fixture(scope="module")
def ends(setting: TrialSetting) -> dict[TrialRoute, TrialResult]:
    """Return the results of a migration and of a round trip without any disturbance."""
    return {c: run_trial(setting, Schedule(c)) for c in (TrialRoute.FORWARD, TrialRoute.ROUND_TRIP)}


def said(outcome: TrialResult, setting: TrialSetting) -> list[type[Record]]:
    """Return the kinds of the order records in the journal."""
    entries = read_chain(outcome.journal, setting.plan.migration).entries
    kinds = (Paused, Continued, AbortAsked, OrderDeclined)
    return [type(e.record) for e in entries if isinstance(e.record, kinds)]


@pytest.mark.no_cover
@pytest.mark.parametrize("rest", [REST, LONG_REST], ids=["a while", "over a day"])
def test_a_pause_at_any_call_does_not_change_the_end(
    setting: TrialSetting, ends: dict[TrialRoute, TrialResult], rest: timedelta
) -> None:
    """Before the cutover the run pauses, in it the pause is declined; the end is the same."""
    heard = Counter[type[Record]]()
    for call in range(0, ends[TrialRoute.FORWARD].calls, 1 if rest is REST else 3):
        order = ScheduledOrder(call, OrderVerb.PAUSE, rest)

        outcome = run_trial(setting, Schedule(orders=(order,)))

        assert (outcome.error, outcome.broken) == ("", ()), call
        assert outcome.end == ends[TrialRoute.FORWARD].end, call
        heard.update(said(outcome, setting))
    assert heard[Paused] > 0
    assert heard[OrderDeclined] > 0


@pytest.mark.no_cover
@pytest.mark.parametrize("moment", [None, KillPoint.BEFORE_SENDING, KillPoint.BEFORE_LINE])
def test_an_abort_at_any_call_rolls_back(
    setting: TrialSetting, ends: dict[TrialRoute, TrialResult], moment: KillPoint | None
) -> None:
    """After an abort, which stops or rolls back, and a clean-up, everything is as before.

    This is also tested with a kill at the first call after the abort; the next process continues.
    """
    for call in range(ends[TrialRoute.FORWARD].calls):
        kills = () if moment is None else (Kill(call + 1, moment),)
        schedule = Schedule(kills=kills, orders=(ScheduledOrder(call, OrderVerb.ABORT),))

        outcome = run_trial(setting, schedule)

        heeded = AbortAsked in said(outcome, setting)
        wanted = ends[TrialRoute.ROUND_TRIP if heeded else TrialRoute.FORWARD]
        assert (outcome.error, outcome.broken) == ("", ()), call
        assert outcome.end == wanted.end, call
        assert heeded or said(outcome, setting) == [OrderDeclined], call


def test_seeds_draw_orders_of_both_kinds() -> None:
    """A search has pauses and aborts, besides kills and call faults."""
    drawn = Counter(order.verb for seed in range(200) for order in schedule_of(seed).orders)

    assert set(drawn) == {OrderVerb.PAUSE, OrderVerb.ABORT}
    assert min(drawn.values()) > 5
