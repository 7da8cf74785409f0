"""Growing sequences and the replay of long journals: immutable values, in linear time."""

from __future__ import annotations

import cProfile
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from tests.support.builders import NOON, OLD
from tests.support.large import Size, large_plan
from tests.support.long_journal import journal_text, long_journal
from vpnmigrate.journal import replay
from vpnmigrate.journal.chain import read_chain
from vpnmigrate.journal.directions import adherence_of
from vpnmigrate.journal.growing import GrowingList, Intents, UniqueTexts
from vpnmigrate.journal.history import made_by, outages_of, sorted_entries
from vpnmigrate.journal.records import (
    Answered,
    DirectionTaken,
    Entry,
    Intended,
    Noted,
    OutageBegan,
    Record,
    StepBegun,
)
from vpnmigrate.journal.replay import Replay
from vpnmigrate.journal.state import Intent, RunState
from vpnmigrate.model.changes import DisablePropagation, ReplaceRoute
from vpnmigrate.model.changes.base import Performed, Refused
from vpnmigrate.model.ec2 import MigrationId, RouteTableId
from vpnmigrate.model.plan import Direction

SMALL = Size(connections=1, tables=3, propagated=2, static=3, others=1)


def intent(number: int) -> Intent:
    """Return an intent in doubt."""
    return Intent(number, NOON, 7, DisablePropagation(RouteTableId(f"rtb-{number}"), OLD))


def answer(of: Intent) -> Intent:
    """Return *of* with an answer."""
    return Intent(of.number, of.at, of.step, of.change, outcome=Performed("request"), answered=NOON)


class TestIntents:
    def test_an_earlier_value_stays_as_it_was(self):
        """Neither a further intent nor an answer is seen in the value before it."""
        one = Intents().plus(intent(1))
        two = one.plus(intent(2))
        answered = two.answered(0, answer(intent(1)))

        assert one == (intent(1),)
        assert two == (intent(1), intent(2))
        assert answered == (answer(intent(1)), intent(2))
        assert (len(one), len(two), answered[-1:]) == (1, 2, (intent(2),))

    def test_two_values_can_follow_the_same_one(self):
        """The second one is a copy: it sees nothing of the first."""
        start = Intents().plus(intent(1))
        first = start.plus(intent(2)).answered(0, answer(intent(1)))
        second = start.plus(intent(3))

        assert first == (answer(intent(1)), intent(2))
        assert second == (intent(1), intent(3))
        assert start == (intent(1),)

    def test_the_latest_answer_counts(self):
        """An intent that is answered twice has the second answer."""
        refused = Intent(1, NOON, 7, intent(1).change, outcome=Refused("Code", "no"), answered=NOON)
        once = Intents().plus(intent(1)).answered(0, refused)

        assert once.answered(0, answer(intent(1))) == (answer(intent(1)),)
        assert once == (refused,)

    def test_what_was_read_before_grows_with_its_owner(self):
        """A value that its owner extends in place shows each intent and answer at once."""
        owned = Intents().plus(intent(1)).own()
        assert list(owned) == [intent(1)]

        owned.append(intent(2))
        assert list(owned) == [intent(1), intent(2)]
        owned.answer(1, answer(intent(2)))
        assert list(owned) == [intent(1), answer(intent(2))]

    def test_it_equals_a_tuple_and_has_its_hash(self):
        """So states can be compared with those that tests and older code write."""
        both = Intents((intent(1), intent(2)))

        assert (intent(1), intent(2)) == both
        assert hash(both) == hash((intent(1), intent(2)))
        assert both != (intent(1),)
        assert both != "text"


class TestGrowingList:
    def test_an_earlier_value_stays_as_it_was(self):
        """A value that is extended twice is copied the second time."""
        start = GrowingList((1,))
        first, second = start.plus((2, 3)), start.plus((4,))

        assert (tuple(start), tuple(first), tuple(second)) == ((1,), (1, 2, 3), (1, 4))
        assert (first[-1], first[1:], list(first)) == (3, (2, 3), [1, 2, 3])


class TestUniqueTexts:
    def test_a_text_is_kept_once_and_in_order(self):
        """What is there already makes no new value."""
        known = UniqueTexts(("a",)).plus("b", "a", "c")

        assert known == ("a", "b", "c")
        assert known.plus("b") is known
        assert "b" in known
        assert "d" not in known

    def test_two_values_can_follow_the_same_one(self):
        """The second one is a copy: it sees nothing of the first."""
        start = UniqueTexts(("a",))
        first, second = start.plus("b"), start.plus("c", "b")

        assert [tuple(each) for each in (start, first, second)] == [
            ("a",),
            ("a", "b"),
            ("a", "c", "b"),
        ]
        assert "b" not in start


def one_by_one(entries: Sequence[Entry]) -> RunState:
    """Return the state after *entries*, from a state for each of them."""
    state = RunState()
    for entry in entries:
        state = replay((entry,), state)
    return state


def test_a_replay_as_a_whole_ends_like_one_that_makes_every_state():
    """For each beginning of two attempts with their rollbacks."""
    plan = large_plan(SMALL)
    entries = long_journal(plan, 260, MigrationId("m-1"))
    assert {type(entry.record) for entry in entries} >= {Intended, Answered, DirectionTaken}
    so_far = Replay()
    state = RunState()
    quick = 0
    for number, entry in enumerate(entries, start=1):
        alters_more = bool(list(so_far.turns((entry,))))
        before, state = state, replay((entry,), state)
        others = replace(state, intents=before.intents) != before
        assert alters_more or not others
        quick += not alters_more
        if number % 7 == 0:
            assert so_far.state == state
        beside = so_far.beside_intents
        assert replace(beside, intents=state.intents) == state
    assert replay(entries) == state
    assert quick > 100


def test_refused_calls_of_an_outage_cancel_it_in_both_ways():
    """The answer that closes an outage is not passed over, whatever was answered before it."""
    table = RouteTableId("rtb-1")
    stop, move = DisablePropagation(table, OLD), ReplaceRoute(table, "10.1.0.0/16", OLD)
    refused = Refused("Code", "no")
    records: tuple[Record, ...] = (
        DirectionTaken(Direction.FORWARD, 1),
        StepBegun(7, "Stop propagation"),
        OutageBegan(NOON),
        Intended(1, 7, stop),
        Intended(2, 9, move),
        Answered(2, refused),
        Answered(1, refused),
        Answered(9, refused),
    )
    entries = tuple(Entry(i, NOON, record) for i, record in enumerate(records, start=1))

    assert replay(entries) == one_by_one(entries)
    assert not replay(entries).outage.open
    assert replay(entries[:-2]).outage.open
    assert outages_of(entries[:-2])
    assert outages_of(entries) == ()


@pytest.mark.no_cover
@pytest.mark.parametrize("kind", ["intents", "notes"])
def test_twice_the_lines_take_twice_the_calls(kind):
    """Growth is linear: the second doubling adds about twice the calls of the first."""
    migration = MigrationId("m-1")
    plan = large_plan(SMALL)
    if kind == "intents":
        longest = long_journal(plan, 1600, migration)
    else:
        longest = tuple(Entry(i, NOON, Noted(f"note {i}")) for i in range(1, 1601))
    texts = {lines: journal_text(longest[:lines], migration) for lines in (400, 800, 1600)}

    def calls(lines: int) -> int:
        profile = cProfile.Profile()
        profile.enable()
        read_chain(texts[lines], migration)
        replay(longest[:lines])
        outages_of(longest[:lines])
        adherence_of(plan, sorted_entries(longest[:lines]))
        made_by(longest[:lines])
        profile.disable()
        return sum(entry.callcount for entry in profile.getstats())

    small, middle, large = calls(400), calls(800), calls(1600)
    assert large - middle <= 2.5 * (middle - small), (small, middle, large)
