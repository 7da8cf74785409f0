"""Plan, rehearsal and outage take time linear to routes, tables and the journal.

Calls of functions are counted, so the results are the same on every machine.
"""

from __future__ import annotations

import cProfile
from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.large import HARD, Size, large_plan
from tests.support.long_journal import long_journal
from tests.support.parts import a_context
from tests.support.stage import Lookout
from vpnmigrate.engine.call_limits import DirectCalls
from vpnmigrate.engine.execute import FRESH
from vpnmigrate.engine.observe import Observation, StateReader
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Answered, Intended
from vpnmigrate.model.changes import DisablePropagation, ReplaceRoute
from vpnmigrate.model.changes.base import CallTags, Performed
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.planning.rollback_proof import prove
from vpnmigrate.rehearsal.rehearse import rehearsal_world, without_restrictions
from vpnmigrate.sandbox.client.call import LATENCY
from vpnmigrate.steps.base import Met
from vpnmigrate.steps.s09_restore_routing import RestoreRouting
from vpnmigrate.steps.sequences import CUTOVER

# A tracer of coverage takes the place of the profiler.
pytestmark = pytest.mark.no_cover

ROUTES = (
    Size(connections=1, tables=2, propagated=10, static=40, others=10),
    Size(connections=1, tables=2, propagated=20, static=80, others=20),
    Size(connections=1, tables=2, propagated=40, static=160, others=40),
)
TABLES = (
    Size(connections=1, tables=4, propagated=3, static=4, others=3),
    Size(connections=1, tables=8, propagated=3, static=4, others=3),
    Size(connections=1, tables=16, propagated=3, static=4, others=3),
)


def migrated(plan: Plan) -> None:
    """Run the migration of *plan* in a sandbox of its survey, and roll it back."""
    world = rehearsal_world(without_restrictions(plan))
    world.runner.apply()
    world.runner.rollback()


def calls_of(action: Callable[[], object]) -> int:
    """Return how many function calls *action* makes: the same on every machine."""
    profile = cProfile.Profile()
    profile.enable()
    try:
        action()
    finally:
        profile.disable()
    return sum(entry.callcount for entry in profile.getstats())


def looks_of(plan: Plan) -> int:
    """Return the calls of one look after a migration, with all its changes in the journal."""
    plan = without_restrictions(plan)
    world = rehearsal_world(plan)
    world.runner.apply()
    recorder = RunRecorder(world.journal, Lookout(), plan.surveyed)
    reader = StateReader(a_context(world.account, recorder, world.clock, plan, DirectCalls()))

    def look() -> None:
        observation = reader.observe()
        assert isinstance(observation, Observation)
        *moved, _ = [step.verify(observation.input) for step in CUTOVER]
        assert all(isinstance(verdict, Met) for verdict in moved)  # Step 10 needs stability.

    look()  # What is kept with records is computed once.
    return calls_of(look)


@pytest.mark.parametrize("sizes", [ROUTES, TABLES], ids=["routes", "tables"])
def test_a_look_with_twice_the_routes_or_tables_takes_twice_the_calls(sizes):
    """All changes of the migration are compared with what AWS shows, each second of an outage."""
    small, middle, large = map(looks_of, map(large_plan, sizes))

    assert large - middle <= 2.5 * (middle - small), (small, middle, large)


def seen_by(reader: StateReader) -> Snapshot:
    observation = reader.observe()
    assert isinstance(observation, Observation)
    return observation.now


def test_a_look_in_which_nothing_changed_shares_the_facts_of_the_last_one():
    """Equal readings give the same facts; a change is seen by the next reading."""
    plan = without_restrictions(large_plan(TABLES[0]))
    world = rehearsal_world(plan)
    recorder = RunRecorder(world.journal, Lookout(), plan.surveyed)
    context = a_context(world.account, recorder, world.clock, plan, DirectCalls())
    reader = StateReader(context)
    first = seen_by(reader)
    world.clock.sleep(timedelta(seconds=1))
    second = seen_by(reader)
    change = plan.forward[6].changes[0]
    assert isinstance(change, DisablePropagation)
    world.account.perform(change, CallTags(plan.migration, 1, 7))
    world.clock.sleep(timedelta(minutes=1))
    third = seen_by(reader)

    assert second.facts is first.facts
    assert second.begun > first.begun
    assert third.facts != first.facts
    assert third.facts == seen_by(StateReader(context)).facts


def test_a_record_takes_the_same_calls_at_the_end_of_any_journal():
    """While traffic is down, a change is not written later because many were written before."""
    plan = large_plan(TABLES[0])
    story = long_journal(plan, 3200, plan.migration)

    def calls(lines: int) -> int:
        recorder = RunRecorder(MemoryJournal(VirtualClock(), story[:lines]), Lookout())
        number = len(recorder.state.intents) + 1
        change = next(c for c in plan.forward[8].changes if isinstance(c, ReplaceRoute))
        recorder.write(Intended(number, 9, change))
        assert recorder.sent.directed

        def answer() -> None:
            recorder.write(Answered(number, Performed("id")))
            assert change.fact in recorder.sent.directed
            assert change.fact not in recorder.sent.vanished

        return calls_of(answer)

    short, long = calls(800), calls(3200)

    # A search in the sorted changes of steps 7 and 8 takes a few more.
    assert long <= short + 50, (short, long)


@pytest.mark.parametrize("sizes", [ROUTES, TABLES], ids=["routes", "tables"])
@pytest.mark.parametrize("work", ["plan", "proof", "migration"])
def test_twice_the_routes_or_tables_take_twice_the_calls(work, sizes):
    """If growth were quadratic, the second doubling would add four times the calls of the first."""
    calls = []
    for size in (sizes[0], *sizes):  # the first time some modules are loaded
        plan = large_plan(size)
        actions = {
            "plan": lambda size=size: large_plan(size),
            "proof": lambda plan=plan: prove(plan),
            "migration": lambda plan=plan: migrated(plan),
        }
        calls.append(calls_of(actions[work]))

    _, small, middle, large = calls
    assert large - middle <= 2.5 * (middle - small), calls


def test_more_changes_than_fit_into_the_age_of_an_intent_are_each_sent_once():
    """Sent one after another, 199 calls take longer than an intent may be old; none is left."""
    plan = large_plan(replace(HARD, connections=1, tables=1))
    assert HARD.static * LATENCY > FRESH

    world = rehearsal_world(without_restrictions(plan))
    world.runner.apply()
    entries = world.journal.entries

    routes = [e.record for e in entries if isinstance(e.record, Intended) and e.record.step == 9]
    assert len(routes) == len({each.change for each in routes}) == HARD.static
    assert all(
        isinstance(e.record.outcome, Performed) for e in entries if isinstance(e.record, Answered)
    )


def test_step_9_has_the_time_that_aws_takes_for_its_calls():
    """The limit is longer by the calls that AWS takes at its rate, five a second."""
    few, many = (large_plan(replace(HARD, connections=1, tables=count)) for count in (0, 6))

    least, longer = RestoreRouting().limit_for(few), RestoreRouting().limit_for(many)

    assert least == RestoreRouting.limit
    assert longer - least == timedelta(seconds=(6 * (1 + HARD.static) - 50) / 5)
