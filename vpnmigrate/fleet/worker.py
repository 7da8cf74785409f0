"""Worker: takes runs that are delivered to it, and works on each in a thread of its own.

``Worker`` is independent of plans and AWS: *session* does the work on one run, and returns when the
run is done or waits for an operator.  The worker adds the lease, and the order to end.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

import vpnmigrate
from vpnmigrate.fleet.database.campaigns import FleetCampaigns
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.deliveries import PassOnError, QueueLostError, consume, deliver
from vpnmigrate.fleet.database.leases import Lease, LeaseKeeper, SessionEnd, acquire_lease
from vpnmigrate.fleet.database.run_rows import FleetRun
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.database.schema import FleetState
from vpnmigrate.fleet.database.workers import FleetWorkers
from vpnmigrate.fleet.progress import MemberProgress
from vpnmigrate.model.errors import DatabaseError, JournalError, UsageError, VpnMigrateError

T = TypeVar("T")

_GLANCE: Final = 0.2
"""Seconds between two checks of a run that another worker has."""
_TICK: Final = 1.0
"""Seconds between two searches for runs that are due."""
AFTER_A_DEFECT: Final = timedelta(minutes=1)
"""A defect may come from an answer of AWS that passes; in an outage another try is worth it."""
_RECONNECT: Final = 0.3
"""Seconds before the queue is connected again."""

logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)
# A lost connection is expected; the worker says it once, without tracebacks.


class StopOrder:
    """Whether the sessions of a worker are to end where traffic flows; they read it in threads."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        """The worker was told to end."""
        self.stopped = threading.Event()
        """An operator stopped the fleet."""

    @property
    def reason(self) -> str:
        """The reason in words; empty if the sessions continue."""
        if self.ending.is_set():
            return "the worker was told to end"
        return "the fleet was stopped" if self.stopped.is_set() else ""


Session = Callable[[FleetRun, Lease, StopOrder], SessionEnd]


class Worker:
    """A worker called *name*; *session* works on one run, in a thread, until it blocks.

    *say* prints a line for the log of the worker, *now* returns the time for windows and freezes,
    and *most* is how many runs it works on at a time.  Runs whose traffic may be down, and which no
    worker has, do not wait for room: as many again of them are taken beside the others.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        session: Session,
        *,
        say: Callable[[str], None],
        now: Callable[[], datetime],
        most: int,
    ) -> None:
        self._database = database
        self._name = name
        self._session = session
        self._say = say
        self._most = most
        self._order = StopOrder()
        self._runs = FleetRuns(database)
        self._campaigns = FleetCampaigns(database)
        self._now = now
        self._workers = FleetWorkers(database)
        self._keeper = LeaseKeeper(database, self._beat)
        self._sessions: dict[str, asyncio.Future[None]] = {}
        self._beside: set[str] = set()
        """Those of the sessions that were begun without room, at most *most*."""
        self._told = ""
        """Why no member could be started, as it was said last."""
        self._threads = ThreadPoolExecutor(2 * most, thread_name_prefix="run")
        self._queries = ThreadPoolExecutor(8, thread_name_prefix="database")

    async def serve(self, stopping: asyncio.Event) -> None:
        """Work until *stopping*; then no session begins, and those under way end where they may."""
        self._keeper.start()
        ticking = asyncio.ensure_future(self._tick(stopping))
        ending = asyncio.ensure_future(self._end(stopping))
        try:
            while not stopping.is_set():
                await self._consume(stopping)
            if self._sessions:
                await asyncio.gather(*self._sessions.values(), return_exceptions=True)
        finally:
            for task in (ticking, ending):
                task.cancel()
            self._keeper.end()
            await self._quietly(lambda: self._workers.forget(self._name))
            self._threads.shutdown()
            self._queries.shutdown()

    async def _consume(self, stopping: asyncio.Event) -> None:
        try:
            await consume(self._database.address, self.resume, stopping, most=self._most)
        except QueueLostError as error:
            self._say(f"the database does not answer, trying again: {error}")
            await asyncio.sleep(_RECONNECT)

    async def resume(self, run_id: str) -> None:
        """Work on the run until it wants nothing more.

        Raises:
            PassOnError: This worker ends, and another one is to do it.
        """
        while True:
            if (mine := self._sessions.get(run_id)) is not None:
                await asyncio.wait({mine})
                continue
            if self._order.ending.is_set():
                raise PassOnError("the worker ends")
            if self._is_full:
                await asyncio.sleep(_GLANCE)
                continue
            try:
                run = await self._asked(lambda: self._runs.find(run_id))
            except DatabaseError as error:
                raise PassOnError(error.message) from error
            except UsageError:
                return  # It had not begun, and its plan was replaced since.
            if run.alive:
                await asyncio.sleep(_GLANCE)
                continue
            if not run.wants_work or await self._is_held(run):
                return
            await self._take(run)

    async def _is_held(self, run: FleetRun) -> bool:
        """Return whether a stop or pause of the fleet holds *run*, whose traffic is known to flow.

        A run that is held is delivered again when the fleet is resumed.
        """
        if run.outage or run.lease_owner is not None:
            return False
        match await self._asked(self._runs.state):
            case FleetState.STOPPED:
                return True
            case FleetState.PAUSED:
                return not run.lines
            case FleetState.RUNNING:
                return False

    @property
    def _is_full(self) -> bool:
        """Whether there is room for no further delivery."""
        return len(self._sessions) - len(self._beside) >= self._most

    async def _take(self, run: FleetRun) -> None:
        """Work on *run* if there is room still, unless another worker is quicker."""
        if run.id in self._sessions or self._is_full:
            return
        done = self._start(run)
        await asyncio.wait({done})
        done.result()

    def _start(self, run: FleetRun) -> asyncio.Future[None]:
        """Begin to work on *run* in a thread, and return the future of its end."""
        done = asyncio.get_running_loop().run_in_executor(self._threads, self._work, run)
        self._sessions[run.id] = done
        done.add_done_callback(lambda _done: self._sessions.pop(run.id, None))
        return done

    def _work(self, run: FleetRun) -> None:
        """Hold the lease of *run* around a session."""
        lease = acquire_lease(self._database, run.id, self._name)
        if lease is None:
            return
        if lease.displaced is not None:
            self._say(f"{run.id}: taken over from {lease.displaced}, which did not release it")
        self._keeper.add(lease)
        try:
            end = self._session(run, lease, self._order)
        except JournalError as error:
            # Taken over, or the database does not answer: the lease ends by itself.
            self._say(f"{run.id}: {error.message}")
            return
        except Exception as error:  # noqa: BLE001  a defect must not leave a run without a delivery
            self._say(f"{run.id}: unexpected {type(error).__name__}, tried again in a minute")
            progress = MemberProgress(run.progress, run.progress_since)
            end = SessionEnd(AFTER_A_DEFECT, run.outage, progress)
        finally:
            self._keeper.remove(lease)
        try:
            lease.release(end)
        except DatabaseError as error:
            # Its lease ends by itself, and the run is delivered again.
            self._say(f"{run.id}: {error.message}")

    def _beat(self) -> None:
        self._workers.see(self._name, vpnmigrate.__version__, ending=self._order.ending.is_set())

    async def _tick(self, stopping: asyncio.Event) -> None:
        """Wake the runs that are due, and read whether the fleet was stopped."""
        while not stopping.is_set():
            await self._quietly(lambda: self._runs.wake_due(deliver))
            await self._quietly(self._read_state)
            await self._quietly(self._start_members)
            await self._take_outages()
            await asyncio.sleep(_TICK)

    async def _take_outages(self) -> None:
        """Take runs whose traffic may be down, in addition to the others.

        They neither wait for a worker with room, nor in the queue of a worker without.  Their
        deliveries stay in the queue, and end later without work.
        """
        try:
            left = await self._asked(self._runs.left_in_outage)
        except VpnMigrateError:
            return  # Read again with the next tick.
        for run in left:
            if run.id in self._sessions or len(self._beside) >= self._most:
                continue
            if not self._order.ending.is_set():
                self._beside.add(run.id)
                self._start(run).add_done_callback(partial(self._leave_beside, run.id))

    def _leave_beside(self, run: str, done: asyncio.Future[None]) -> None:
        """Free the place of *run*; it is found again if the database did not answer."""
        self._beside.discard(run)
        if not done.cancelled():
            done.exception()

    def _read_state(self) -> None:
        stopped = self._order.stopped
        (stopped.set if self._runs.state() is FleetState.STOPPED else stopped.clear)()

    def _start_members(self) -> None:
        for run, goal in self._campaigns.start_next(self._now(), deliver):
            self._say(f"{run}: started ({goal})")

    async def _end(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._order.ending.set()
        if self._sessions:
            self._say(f"waits until these reach a safe point: {', '.join(sorted(self._sessions))}")

    async def _asked(self, ask: Callable[[], T]) -> T:
        """Return the database's answer to *ask*, which waits for it in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._queries, ask)

    async def _quietly(self, ask: Callable[[], object]) -> None:
        """Call *ask*; a failure is retried at the next tick.

        A campaign or a calendar that cannot be read must not keep other runs from waking.
        """
        try:
            await self._asked(ask)
        except JournalError:
            return
        except VpnMigrateError as error:
            if error.message != self._told:
                self._say(f"no member of a campaign is started: {error.message}")
            self._told = error.message
