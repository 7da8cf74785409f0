"""Stable traffic: consecutive new readings, and tunnels that stayed UP in all of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace as replace_struct

from tests.support.builders import (
    FORWARD,
    NEW,
    NOON,
    NOTHING_TOLD,
    VPC,
    a_connection,
    a_plan,
    new_side,
    ordinary_tables,
    snapshot_by_tag,
)
from vpnmigrate.model.decisions import Decisions, TunnelPolicy, Verification, Waits
from vpnmigrate.model.ec2 import TunnelReading
from vpnmigrate.model.snapshot import JournalFacts, Reading, Snapshot, Stability
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.traffic import is_soaked, is_stable, missing_traffic, update_stability

SECOND = timedelta(seconds=1)
LONG_AGO = NOON - timedelta(hours=1)


def deadline(readings: int = 3, **waits: timedelta) -> Decisions:
    return Decisions(
        waits=Waits(**{"steady": timedelta(0), **waits}),
        verification=Verification(readings=readings, tunnels=TunnelPolicy.AT_LEAST_ONE),
    )


def reading(at: datetime, *tunnels: TunnelReading) -> Snapshot:
    """Return a snapshot of the new side with *tunnels* and all routes restored."""
    fresh = new_side(on=VPC)
    tags = fresh.connections[0].tags
    connection = msgspec.structs.replace(
        a_connection("vpn-new", on=NEW, category="VPN", tags=tags), telemetry=tunnels
    )
    return snapshot_by_tag(
        Reading(at, fresh.gateways, (a_connection(), connection), ordinary_tables(NEW)),
        a_plan().migration,
    )


def tunnel(number: int, *, up: bool = True, since: datetime = LONG_AGO) -> TunnelReading:
    return TunnelReading(f"192.0.2.{number}", up, accepted_routes=int(up), since=since)


class Watcher:
    """Repeated readings, as in a run."""

    def __init__(self, decisions: Decisions) -> None:
        self.plan = a_plan(decisions=decisions)
        self.journal_facts: JournalFacts = NOTHING_TOLD
        self.at = NOON

    def looks(self, *tunnels: TunnelReading, after: timedelta = SECOND) -> bool:
        """Take one more reading and return whether traffic is stable."""
        self.at += after
        now = reading(self.at, *tunnels)
        lacking = bool(missing_traffic(StepInput(self.plan, FORWARD, now, self.journal_facts)))
        green = update_stability(
            StepInput(self.plan, FORWARD, now, self.journal_facts), lacking=lacking
        )
        self.journal_facts = replace_struct(self.journal_facts, stability=green)
        return is_stable(StepInput(self.plan, FORWARD, now, self.journal_facts))

    @property
    def green(self) -> Stability:
        assert self.journal_facts.stability is not None
        return self.journal_facts.stability


def test_green_takes_as_many_readings_in_a_row_as_the_playbook_asks():
    """Case 59: the first UP proves nothing; a drop restarts the count."""
    watcher = Watcher(deadline(3))

    assert [watcher.looks(tunnel(1)) for _ in range(2)] == [False, False]
    assert not watcher.looks(tunnel(1, up=False))
    assert [watcher.looks(tunnel(1)) for _ in range(3)] == [False, False, True]


def test_the_same_reading_twice_counts_once():
    """Case 58: only a reading that was begun later than the last one counts."""
    watcher = Watcher(deadline(2))
    watcher.looks(tunnel(1))

    assert not watcher.looks(tunnel(1), after=timedelta(0))
    assert watcher.looks(tunnel(1))


def test_green_has_to_last_as_well():
    """Many quick readings are not enough before the stable time is over."""
    watcher = Watcher(deadline(2, steady=timedelta(seconds=5)))

    assert [watcher.looks(tunnel(1)) for _ in range(6)] == [False] * 5 + [True]


def test_a_flap_between_two_readings_is_noticed():
    """UP both times, but changed in between: the tunnel was down, and the count restarts."""
    watcher = Watcher(deadline(3))
    watcher.looks(tunnel(1))
    watcher.looks(tunnel(1))

    assert not watcher.looks(tunnel(1, since=NOON))
    assert watcher.green.readings == 1
    assert [watcher.looks(tunnel(1, since=NOON)) for _ in range(2)] == [False, True]


def test_a_flap_of_a_tunnel_to_spare_restarts_nothing():
    """If one tunnel is enough and one is stable, the other may flap."""
    watcher = Watcher(deadline(3))
    watcher.looks(tunnel(1), tunnel(2))
    watcher.looks(tunnel(1), tunnel(2, since=NOON))

    assert watcher.looks(tunnel(1), tunnel(2, up=False))


def test_where_both_are_needed_a_flap_of_one_restarts_the_count():
    """If as many tunnels as before are required, each of them must be stable."""
    wanting = deadline(3)
    both = replace_struct(wanting.verification, tunnels=TunnelPolicy.AS_BEFORE)
    watcher = Watcher(replace_struct(wanting, verification=both))
    watcher.looks(tunnel(1), tunnel(2))
    watcher.looks(tunnel(1), tunnel(2))

    assert not watcher.looks(tunnel(1), tunnel(2, since=NOON))
    assert watcher.green.readings == 1


def test_two_tunnels_that_take_turns_are_not_one_that_holds():
    """Each reading has a tunnel that is UP, and no tunnel was UP in enough of them."""
    watcher = Watcher(deadline(2))

    held = [watcher.looks(tunnel(1 + n % 2), tunnel(2 - n % 2, up=False)) for n in range(6)]

    assert held == [False] * 6


def test_each_tunnel_has_a_count_of_its_own():
    """The count of a tunnel is its consecutive readings, none for one that is down."""
    watcher = Watcher(deadline(3))
    watcher.looks(tunnel(1), tunnel(2, up=False))
    watcher.looks(tunnel(1), tunnel(2))

    assert {ip: streak.readings for ip, streak in watcher.green.tunnels.items()} == {
        "vpn-new 192.0.2.1": 2,
        "vpn-new 192.0.2.2": 1,
    }


def test_the_soak_is_counted_from_the_first_green_and_restarted_by_a_flap():
    """The soak is one period of stable traffic, as long as the plan requires."""
    watcher = Watcher(deadline(2, soak=timedelta(seconds=3)))

    for up, done in [(1, 0), (1, 0), (0, 0), (1, 0), (1, 0), (1, 0), (1, 1)]:
        watcher.looks(tunnel(1, up=bool(up)))
        assert is_soaked(watcher.plan, watcher.journal_facts) is bool(done)


def test_no_soak_is_over_at_once():
    """Without a soak time there is no wait."""
    assert is_soaked(a_plan(), NOTHING_TOLD)
