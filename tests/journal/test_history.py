"""History of a run, from its journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from operator import attrgetter

from tests.report.examples import BEGAN, BGP, ENABLE, NEW, OLD, TABLE, VPC, a_journal, a_plan
from vpnmigrate.journal.directions import adherence_of, directions_of
from vpnmigrate.journal.history import (
    RunChange,
    made_by,
    outages_of,
    person_entries,
    processes_of,
    sorted_entries,
)
from vpnmigrate.journal.records import (
    Answered,
    BaselineTaken,
    DirectionTaken,
    Entry,
    Finished,
    Intended,
    Noted,
    OperatorConfirmed,
    OutageBegan,
    OutageEnded,
)
from vpnmigrate.model.changes import (
    ArchiveConfiguration,
    AttachVpnGateway,
    CreateVpnConnection,
    CreateVpnGateway,
    DetachVpnGateway,
    DisablePropagation,
)
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.ec2 import CustomerGatewayId, VpnConnectionId
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction, connection_role
from vpnmigrate.model.snapshot import Confirmation

DETACH = DetachVpnGateway(OLD, VPC)
CREATE = CreateVpnGateway(GATEWAY_ROLE)
CREATE_VPN = CreateVpnConnection(
    connection_role(BGP), NEW, CustomerGatewayId("cgw-1"), BGP, static_only=False
)
HOUR = timedelta(hours=1)


def calls(entries: Sequence[Entry]) -> Sequence[RunChange]:
    return sorted_entries(entries).calls


class TestCalls:
    def test_every_call_has_its_request_id_whatever_became_of_it(self):
        """Performed and refused calls have AWS's request id; an unanswered call has none."""
        entries = a_journal(
            Intended(1, 8, DETACH),
            Intended(2, 8, DETACH),
            Intended(3, 8, DETACH),
            Intended(4, 8, DETACH),
            Intended(5, 8, DETACH),
            Answered(4, InDoubt("no answer")),
            Answered(2, Later("busy", HOUR, "id-2")),
            Answered(1, Performed("id-1")),
            Answered(3, Refused("Code", "no", request_id="id-3")),
        )

        assert [call.request_id for call in calls(entries)] == ["id-1", "id-2", "id-3", "", ""]
        assert [call.answered is None for call in calls(entries)] == [False] * 4 + [True]

    def test_tasks_of_people_are_no_calls(self):
        """Changes that make no AWS call are not listed as calls."""
        assert calls(a_journal(Intended(1, 10, ENABLE))) == ()

    def test_each_entry_is_of_a_change_or_an_event(self):
        """No entry is left out: not a second outcome of a change, nor one without an intent."""
        entries = a_journal(
            Intended(1, 8, DETACH),
            Answered(1, InDoubt("no answer")),
            Noted("looked at by ann"),
            Answered(1, Performed("id-1")),
            Answered(7, Performed("id-7")),
        )

        journal = sorted_entries(entries)
        (change,) = journal.changes
        assert (change.request_id, len(change.entries)) == ("id-1", 3)
        every = sorted((*change.entries, *journal.events), key=attrgetter("seq"))
        assert every == entries

    def test_what_was_made_last_counts(self):
        """A role whose resource was created twice has the second; a refused creation made none."""
        entries = a_journal(
            Intended(1, 2, CREATE),
            Answered(1, Performed("id", "vgw-1")),
            Intended(2, 2, CREATE),
            Answered(2, Performed("id", "vgw-2")),
            Intended(3, 2, CREATE),
            Answered(3, Refused("Code", "no")),
        )

        assert made_by(entries) == {GATEWAY_ROLE: "vgw-2"}

    def test_what_was_made_without_an_answer_is_known_by_what_was_done_with_it(self):
        """After a lost answer the id is known from later changes to the resource."""
        entries = a_journal(
            Intended(1, 2, CREATE),
            Answered(1, InDoubt("no answer")),
            Intended(2, 3, CREATE_VPN),
            Answered(2, InDoubt("no answer")),
            Intended(3, 4, ArchiveConfiguration(VpnConnectionId("vpn-99"), BGP)),
        )

        assert made_by(entries) == {GATEWAY_ROLE: NEW, connection_role(BGP): "vpn-99"}


class TestOutages:
    def test_as_measured(self):
        """Each outage has its duration, its direction, and whether it may have been longer."""
        entries = a_journal(
            OutageBegan(BEGAN),
            OutageEnded(BEGAN + HOUR, HOUR),
            DirectionTaken(Direction.ROLLBACK, 1),
            OutageBegan(BEGAN + 2 * HOUR, earlier=True),
            OutageEnded(BEGAN + 4 * HOUR, 2 * HOUR, earlier=True),
        )

        lines = [(d.direction, d.lasted, d.over, d.earlier) for d in outages_of(entries)]
        assert lines == [
            (Direction.FORWARD, HOUR, True, False),
            (Direction.ROLLBACK, 2 * HOUR, True, True),
        ]

    def test_one_that_is_not_over_lasts_to_the_journals_end(self):
        """An open outage is measured up to the last entry, and shown as not over."""
        entries = a_journal(OutageBegan(BEGAN), OutageBegan(BEGAN + HOUR), Intended(1, 8, DETACH))

        (down,) = outages_of(entries)
        assert (down.since, down.lasted, down.over) == (BEGAN, entries[-1].at - BEGAN, False)

    def test_one_that_aws_refused_to_begin_was_none(self):
        """If every interrupting call was refused there is no outage; a later one is listed."""
        stop = DisablePropagation(TABLE, OLD)
        entries = a_journal(
            BaselineTaken(BEGAN, {}, {}),
            OutageBegan(BEGAN),
            Intended(1, 7, stop),
            Answered(1, Refused("Code", "no")),
            OutageBegan(BEGAN + HOUR),
            Intended(2, 7, stop),
            Answered(2, Performed("id")),
            OutageEnded(BEGAN + 2 * HOUR, HOUR),
        )

        (down,) = outages_of(entries)
        assert (down.since, down.lasted, down.over) == (BEGAN + HOUR, HOUR, True)
        assert outages_of(entries[:6]) == ()

    def test_an_end_without_a_beginning_still_tells_the_length(self):
        """A run without the journal of an outage's begin reports the known part of it."""
        (down,) = outages_of(a_journal(OutageEnded(BEGAN + HOUR, HOUR, earlier=True)))

        assert (down.since, down.lasted, down.earlier) == (BEGAN, HOUR, True)


class TestJourneys:
    def test_missing_and_additional_changes_are_counted_by_step(self):
        """Changes planned and not made, and made and not planned, are reported for each step."""
        entries = a_journal(
            Intended(1, 7, DisablePropagation(TABLE, OLD)),
            Answered(1, Performed()),
            Intended(2, 8, DETACH),
            Answered(2, Performed()),
            Intended(3, 8, DETACH),
            Answered(3, Performed()),
            Intended(4, 9, AttachVpnGateway(NEW, VPC)),
            Answered(4, Refused("Code", "no")),
            Finished(Direction.FORWARD),
        )

        (action,) = adherence_of(a_plan(), sorted_entries(entries))
        kept = {
            step.number: (step.planned - step.made, step.made - step.planned)
            for step in action.steps
        }
        assert action.finished
        assert kept[7] == ({}, {})
        assert kept[8] == ({"AttachVpnGateway": 1}, {})
        assert kept[9] == ({"EnablePropagation": 1, "ReplaceRoute": 1}, {})

    def test_each_way_is_measured_against_its_own_plan(self):
        """A rollback is compared with the planned one; an interrupted direction is not finished."""
        entries = a_journal(
            Intended(1, 8, DETACH),
            DirectionTaken(Direction.ROLLBACK, 1),
            Intended(2, 8, DetachVpnGateway(NEW, VPC)),
            Finished(Direction.ROLLBACK),
        )

        forward, back = adherence_of(a_plan(), sorted_entries(entries))
        assert (forward.finished, back.finished) == (False, True)
        assert all(step.to_plan for step in back.steps)

    def test_a_resumed_direction_is_one_way_until_it_finished(self):
        """A direction that is held and resumed is one way; what follows its end is not part."""
        entries = a_journal(
            Intended(1, 3, DETACH),
            DirectionTaken(Direction.FORWARD, 1),
            Intended(2, 8, DETACH),
            Finished(Direction.FORWARD),
            Noted("before finalize, an hour later"),
            DirectionTaken(Direction.FINALIZE, 1),
        )

        forward, finalize = adherence_of(a_plan(), sorted_entries(entries))
        (end,) = [entry for entry in entries if isinstance(entry.record, Finished)]
        assert (forward.direction, forward.finished) == (Direction.FORWARD, True)
        assert forward.ended - forward.began == end.at - entries[1].at
        assert finalize.direction is Direction.FINALIZE
        periods = [(each.began, each.ended, each.finished) for each in directions_of(entries)]
        assert periods == [(each.began, each.ended, each.finished) for each in (forward, finalize)]


def test_people_and_processes():
    """Every person in the journal is found, with host and time."""
    entries = a_journal(OperatorConfirmed(Confirmation.TEST_PASSED, "bob", "console"))

    assert [(v.who, v.host, v.at) for v in person_entries(entries)] == [
        ("bob", "console", entries[2].at)
    ]
    assert [(at, o.user) for at, o in processes_of(entries)] == [(BEGAN, "ann")]
