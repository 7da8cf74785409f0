"""Commit-confirm in a run at work: armed before step 7 or not at all, and its watchdog minded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from vpnmigrate.commands import cli
from vpnmigrate.confirming import obstacles
from vpnmigrate.errors import RefusedError
from vpnmigrate.journal.records import Armed, ConfirmWished, WatchdogMissed
from vpnmigrate.logbook import Logbook
from vpnmigrate.model.approval import Rehearsed
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.windows import expected
from vpnmigrate.ports import Ec2, Paths, Watchdog

GLANCE = timedelta(seconds=10)
"""Between two looks at whether the watchdog is at its post."""


@dataclass(frozen=True)
class CommitConfirm:
    """What arming needs.

    *within* is what the operator asks for: None for nothing new, zero to take a wish back.
    """

    within: timedelta | None
    watchdog: Watchdog
    host: str


class Arming:
    """Arms the commit-confirm of a run; without *commit* it does nothing."""

    def __init__(  # noqa: PLR0913  the seams it asks
        self,
        plan: Plan,
        *,
        ec2: Ec2,
        paths: Paths,
        clock: Clock,
        logbook: Logbook,
        rehearsed: Rehearsed | None,
        commit: CommitConfirm | None,
    ) -> None:
        self._plan = plan
        self._logbook = logbook
        self._clock = clock
        self._paths = paths
        self._ec2 = ec2
        self._awaited = expected(plan.fingerprint, rehearsed)
        self._commit = commit
        self._looked = clock.now()
        self._missed = False

    def require_possible(self) -> None:
        """Refuse a wish that could not be kept, before anything is done.

        Raises:
            RefusedError: With every reason.
        """
        commit, state = self._commit, self._logbook.state
        if commit is None or (within := self._within) is None:
            return
        if self._logbook.cutover_is_open:
            if commit.within is None or (state.armed and state.armed.within == within):
                return
            raise self._refusal("it is armed before step 7, and the cutover has begun")
        found = obstacles(
            self._plan,
            self._paths.read(),
            self._ec2.identity().credentials,
            within,
            self._clock.wall(),
            self._awaited,
        )
        if found:
            raise self._refusal("; ".join(found))

    def take_up(self) -> None:
        """Keep a wish for whichever process comes to step 7, and a promise that was made.

        A cutover that is under way gets another watchdog if its own is gone.
        """
        if self._commit is None:
            return
        if not self._logbook.cutover_is_open:
            if self._within != self._logbook.state.confirm_within:
                self._logbook.write(ConfirmWished(self._within))
            return
        self.restore()

    def restore(self) -> None:
        """Have another watchdog at its post where a run is armed and its own is gone or stopped.

        One that cannot be started is told and not waited for: traffic may be down.
        """
        commit, armed = self._commit, self._logbook.state.armed
        if commit is None or armed is None or commit.watchdog.on_duty():
            return
        try:
            self._start(commit, armed.within)
        except RefusedError as error:
            self._miss(error.message)

    def arm(self) -> None:
        """Have a watchdog at its post and in the journal, right before step 7 begins.

        Raises:
            RefusedError: There is none to be had, so the cutover does not begin.
        """
        commit, armed = self._commit, self._logbook.state.armed
        if commit is None or (within := self._within) is None:
            return
        self.require_possible()
        if armed is None or armed.within != within or not commit.watchdog.on_duty():
            self._start(commit, within)

    @property
    def _within(self) -> timedelta | None:
        """What is wanted: by this process's operator, or else by one before."""
        if self._commit is None or self._commit.within is None:
            return self._logbook.state.confirm_within
        return self._commit.within or None

    def mind(self) -> None:
        """Say so, loudly and once, if the watchdog is gone that should be there."""
        commit, now = self._commit, self._clock.now()
        if commit is None or self._logbook.state.armed is None or self._missed:
            return
        if now - self._looked < GLANCE:
            return
        self._looked = now
        if not commit.watchdog.on_duty():
            self._miss("the watchdog is gone or stopped")

    def _start(self, commit: CommitConfirm, within: timedelta) -> None:
        process = commit.watchdog.start()
        self._missed = False
        self._logbook.write(Armed(within, process, commit.host))

    def _miss(self, why: str) -> None:
        self._missed = True
        self._logbook.write(WatchdogMissed(why))

    def _refusal(self, why: str) -> RefusedError:
        return RefusedError(
            f"--confirm-within would not work here: {why}",
            advice=cli("apply", self._plan.migration, "--confirm-within", "off"),
        )
