"""Commit-confirm: where it may be armed, and what its watchdog does when.

A migration that cuts its own operator off goes back by itself, unless somebody confirms in time.
It is armed only where that can work with nobody there: over a path that is not the VPN's, with
credentials that last, and with devices whose old tunnels are still enabled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from vpnmigrate.gates.host import own_path
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Armed, Entry
from vpnmigrate.model.clock import moment, span, time_of_day
from vpnmigrate.model.decisions import OldTunnels
from vpnmigrate.model.gates import Call
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.planning.windows import Expected
from vpnmigrate.ports import Credentials, Path, Renewal

SHORTEST = timedelta(minutes=1)
"""Less is no time to look at anything."""
LONGEST = timedelta(hours=24)
"""More is no safety net, and no credentials last that long."""
LONGEST_QUIET = timedelta(days=1)
"""A watchdog that has seen nothing written for so long watches over nothing."""
SILENCE = timedelta(minutes=2)
"""A process that was told to turn back and has written nothing since for so long does not do it.

One call to AWS may take a minute, and its answer is written at once.
"""
UNARMED = timedelta(minutes=2)
"""Whoever started a watchdog writes that down at once, or has died."""


@dataclass(frozen=True)
class Watching:
    """Nothing to do yet."""


@dataclass(frozen=True)
class GoBack:
    """Nobody has confirmed in time."""

    until: datetime


@dataclass(frozen=True)
class StandDown:
    """There is nothing left to watch over."""

    why: str


def watch(
    state: RunState, *, process: int, named: bool, began: datetime, last: datetime, now: datetime
) -> Watching | GoBack | StandDown:
    """Say what the watchdog *process*, on duty since *began*, does now.

    *named* says whether the journal has ever armed it, and *last* is when that was last written.
    One that was armed and is no more leaves its post to the next at once.  Before traffic was
    verified it only watches, also when the process at work has died: whether a half-done cutover
    goes on or back is for a person, who may be at the device this very moment.
    """
    if state.armed is None or state.armed.process != process:
        awaited = not named and now - began < UNARMED and state.direction is not Direction.BACK
        return Watching() if awaited else StandDown(_why_nothing(state))
    until = state.unconfirmed_until
    if until is not None:
        return GoBack(until) if now >= until else Watching()
    if now - last >= LONGEST_QUIET:
        return StandDown("traffic was not verified, and nothing was written for a day")
    return Watching()


class Move(StrEnum):
    """What a watchdog does once nobody has confirmed in time."""

    ASK = "ask"
    """Tell the process at work to turn back."""
    TAKE = "take"
    """Take the run in hand and go back with it."""
    WAIT = "wait"
    LEAVE = "leave"
    """It is confirmed, has gone back, or is beyond what a watchdog can do."""


def move(
    state: RunState, *, at_work: bool, asked: datetime | None, last: datetime, now: datetime
) -> Move:
    """Say how to bring a run back that may be *at_work* in another process.

    *asked* is when that process was told to turn back.  One that has turned is left alone however
    little it writes: a gateway may take half an hour to detach.
    """
    turned = state.direction is Direction.BACK
    if (turned and state.finished) or (state.armed is None and not turned):
        return Move.LEAVE
    if not at_work:
        return Move.TAKE
    if not turned and asked is None:
        return Move.ASK
    if not turned and asked is not None and now - max(asked, last) >= SILENCE:
        return Move.TAKE
    return Move.LEAVE if now - last >= LONGEST_QUIET else Move.WAIT


def was_armed(entries: Iterable[Entry], process: int, began: datetime) -> bool:
    """Tell whether a journal has named *process*, on duty since *began*, as the watchdog.

    It may do so a moment before that; an earlier process of the same number did not live so late.
    """
    return any(
        isinstance(entry.record, Armed)
        and entry.record.process == process
        and entry.at > began - UNARMED
        for entry in entries
    )


def _why_nothing(state: RunState) -> str:
    if state.armed is not None:
        return f"process {state.armed.process} is the watchdog now"
    if state.direction is Direction.BACK:
        return "the run goes back already"
    return "the migration is confirmed, or was never armed"


def obstacles(
    plan: Plan,
    paths: Sequence[Path],
    credentials: Credentials,
    within: timedelta,
    now: datetime,
    expected: Expected,
) -> tuple[str, ...]:
    """Say why a rollback with nobody there could not work; empty if it can."""
    return (
        *_length(within),
        *_devices(plan),
        *_path(plan, paths),
        *_credentials(credentials, now + expected.cutover + within + expected.rollback),
    )


def _length(within: timedelta) -> Iterator[str]:
    if within < SHORTEST:
        yield f"the time to confirm is shorter than {span(SHORTEST)}"
    if within > LONGEST:
        yield f"the time to confirm is longer than {span(LONGEST)}"


def _devices(plan: Plan) -> Iterator[str]:
    if plan.decisions.old_tunnels is not OldTunnels.LEAVE:
        yield (
            "the plan has the old tunnels disabled, so a way back needs somebody at the devices; "
            "it takes a playbook with old_tunnels: leave"
        )


def _path(plan: Plan, paths: Sequence[Path]) -> Iterator[str]:
    seen = own_path(plan, paths)
    if seen.call is not Call.PASS:
        yield seen.observed


def _credentials(held: Credentials, until: datetime) -> Iterator[str]:
    if held.renewal is not Renewal.BY_A_PERSON:
        return
    if held.until is None:
        yield "the credentials are temporary, and nothing here tells until when they last"
    elif held.until < until:
        yield (
            f"the credentials end at {moment(held.until)}, and a cutover, the time "
            f"to confirm and a rollback may take until {time_of_day(until)}"
        )
