"""Confirmed change: one call at a device that undoes what is not confirmed in time.

The commands are compared and committed with the device's own timer.  Then a new connection, which
proves that the device can still be reached, reads the configuration, and only the state that was
asked for is confirmed.  A file beside the device file names a commit before it is sent, so that the
call after a process that was killed can tell its own commit from another user's, and one that was
interrupted from one that is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from vpnmigrate.devices.configuration_lines import configuration_changes
from vpnmigrate.devices.running_state import (
    missing_neighbours,
    missing_tunnels,
    tunnels_state,
)
from vpnmigrate.local.drivers.initiation import initiate
from vpnmigrate.local.drivers.protocol import FAILED, DriverInput, DriverOutput
from vpnmigrate.local.drivers.verbs import (
    UNCERTAIN,
    DriverError,
    complete,
    due_parts,
    missing_clause,
    spare_tunnels,
    tunnels_of,
)
from vpnmigrate.local.private_files import write_whole
from vpnmigrate.model.clock import Clock, time_of_day
from vpnmigrate.model.device_drivers import (
    ConnectionSide,
    DeviceState,
    DriverVerb,
    TunnelsState,
    goal_of,
)

R = TypeVar("R")

WAITING_COMMIT: Final = "waiting-commit.json"
"""The file's name, in the folder of the device file."""
PAUSE: Final = timedelta(seconds=2)
"""Time between two tries to reach a device."""
LATE: Final = timedelta(minutes=5)
"""How long after its timer a device may still be out of reach: VyOS restores by a reboot."""
SLACK: Final = timedelta(minutes=2)
"""How much later a device's timer may end: it starts with the commit, whose answer takes at most a
quarter of a call's limit."""


_TAKES_AWAY: Final = (DriverVerb.BACK_OUT, DriverVerb.REMOVE)
"""Verbs that end a change: a commit of it that is wrong is undone for them."""


class ContactLostError(Exception):
    """The device does not answer; what it was sent last may have been done."""


class NoTimerError(DriverError):
    """The device has started no timer, and has changed nothing."""


class DeviceConnection(Protocol):
    """An open connection to a device.

    Every method raises ContactLostError if the device does not answer, and DriverError if it
    refuses; a refused change is not made.
    """

    @property
    def atomic(self) -> bool:
        """Whether the device makes all of a commit or nothing, even if contact is lost."""
        ...

    def running(self) -> str:
        """Return the running configuration, or the parts of it that have tunnels."""
        ...

    def waits(self) -> bool:
        """Return whether a commit waits for its confirmation."""
        ...

    def load(self, commands: Sequence[str]) -> str | None:
        """Load *commands* and return what they change; None if only the commit shows that."""
        ...

    def commit(self, timer: timedelta) -> None:
        """Commit what was loaded; the device undoes it after *timer*, unless that is zero.

        Raises:
            NoTimerError: The device starts no timer, so what was loaded is not committed.
        """
        ...

    def undo(self) -> None:
        """Undo the commit that waits, at once."""
        ...

    def confirm(self) -> None:
        """Confirm the commit, if one waits, and save the configuration for the next start."""
        ...

    def ask(self, command: str) -> str:
        """Return what the device prints after a command that changes no configuration."""
        ...

    def close(self) -> None:
        """Discard what was loaded and not committed, and disconnect."""
        ...


class WaitingCommit(msgspec.Struct, frozen=True):
    """A commit that this program has sent, or is about to, and has not verified."""

    verb: DriverVerb
    disable_old: bool
    remove: ConnectionSide | None
    until: datetime | None
    """When the device undoes it; None if it does not."""
    complete: bool
    """Whether all of it was sent.  A device without a candidate may have a part of the commands,
    and the tunnels alone do not show whether the rest of their configuration is there."""

    def is_over(self, now: datetime) -> bool:
        """Return whether its timer has expired: a commit that waits now is another one."""
        return self.until is None or now >= self.until + SLACK

    @property
    def is_part_of_load(self) -> bool:
        """Whether tunnels were loaded, and something may be missing."""
        return self.verb is DriverVerb.LOAD and not self.complete


@dataclass(frozen=True)
class ConfirmedChange:
    """One call at the device that *connect* reaches; *timer* is zero for a device without one."""

    device: Mapping[str, Any]
    connect: Callable[[], DeviceConnection]
    timer: timedelta
    folder: Path
    clock: Clock
    until: datetime
    """When the call stops trying to reach the device."""

    def perform(self, asked: DriverInput) -> DriverOutput:
        """Carry out what is *asked*, where it is not done yet; return the state of the device.

        Raises:
            DriverError: It is not done, or that is not certain.
        """
        with self._reporting():
            before, output = self._connected(lambda device: self._begin(asked, device))
        if before is None:
            return output
        with self._reporting(UNCERTAIN, output.changes):
            return self._connected(lambda device: self._finish(asked, before, output, device))

    def _begin(
        self, asked: DriverInput, device: DeviceConnection
    ) -> tuple[str | None, DriverOutput]:
        """Commit what is due; return the configuration before that, or None if nothing was due."""
        running = device.running()
        state, told = self._state(running, asked.verb), ""
        left, waits = self._left(), self._waits(device)
        if waits and (left is None or left.is_over(self.clock.wall())):
            self._forget()
            raise DriverError(
                "another user's commit waits for its confirmation, so the state may not last"
            )
        if left is not None and waits and asked.verb is not DriverVerb.STATUS:
            told = self._settle(device, asked.verb, left, state)
            running = device.running()
            state, left, waits = self._state(running, asked.verb), None, False
        if left is not None:
            state, told = self._after_earlier(device, asked.verb, left, state, waits=waits)
        if asked.verb is DriverVerb.STATUS or _is_reached(asked, state):
            until = left.until if left is not None and waits else None
            told = _joined(told, self._missing(running), self._initiate(asked, device, running))
            return None, DriverOutput(state.new, state.old, told, pending_until=until)
        commands = self._commands(asked, state)
        changes = device.load(commands) if commands else ""
        if changes == "":
            return None, DriverOutput(state.new, state.old, f"{asked.verb} changes nothing")
        until = self.clock.wall() + self.timer if self._has_timer else None
        commit = WaitingCommit(
            asked.verb, asked.disable_old, asked.remove, until, complete=device.atomic
        )
        self._remember(commit)
        try:
            commit = self._commit(device, commit)
        except ContactLostError:
            pass  # A change of tunnels may end the connection through which it is made.
        except DriverError:
            # Without a timer the commands before the refused one stay, and a load is not complete.
            lasts = commit.is_part_of_load and not self._has_timer
            if not lasts and not self._connected(self._waits):
                self._forget()
            raise
        else:
            self._remember(replace(commit, complete=True))
        return running, DriverOutput(message=told, changes=changes or "")

    def _commit(self, device: DeviceConnection, commit: WaitingCommit) -> WaitingCommit:
        """Send *commit*, and return it as it was sent: ``back-out`` does without a timer."""
        try:
            device.commit(self.timer)
        except NoTimerError:
            # Traffic is down, and the old tunnels are the ones that the device is reached with.
            if commit.verb is not DriverVerb.BACK_OUT:
                raise
            commit = replace(commit, until=None)
            self._remember(commit)
            device.commit(timedelta(0))
        return commit

    def _after_earlier(
        self,
        device: DeviceConnection,
        verb: DriverVerb,
        left: WaitingCommit,
        state: DeviceState,
        *,
        waits: bool,
    ) -> tuple[DeviceState, str]:
        """Return *state* in view of the commit of an earlier call, and what has happened to it.

        A commit that lasts is saved, also by ``status``: its call may have died before it did so.
        """
        lasts = waits or not self._has_timer
        if lasts and left.is_part_of_load:
            new = state.new if verb in _TAKES_AWAY else TunnelsState.ABSENT
            return replace(state, new=new), "an earlier load was interrupted"
        if waits:
            return state, ""
        if _is_reached(left, state):
            return state, self._save(device, left)
        self._forget()
        became = "is undone" if self._has_timer else "was interrupted"
        return state, f"the {left.verb} of an earlier call {became}"

    def _save(self, device: DeviceConnection, left: WaitingCommit) -> str:
        """Save what an earlier call has left; return why that cannot be done."""
        try:
            device.confirm()
        except DriverError as error:
            return f"the {left.verb} of an earlier call may not be saved: {error}"
        self._forget()
        return ""

    def _settle(
        self, device: DeviceConnection, verb: DriverVerb, left: WaitingCommit, state: DeviceState
    ) -> str:
        """Confirm the commit of an earlier call that waits, or undo it; return what was done.

        Raises:
            DriverError: It is complete but not as requested, and *verb* is the same again or builds
                on it: the device undoes it.
        """
        if not left.complete:
            device.undo()
            told = f"an earlier {left.verb} was interrupted, and is undone"
        elif _is_reached(left, state):
            device.confirm()
            told = f"an earlier {left.verb} was waiting, and is confirmed"
        elif verb is left.verb or verb not in _TAKES_AWAY:
            raise self._unconfirmed(state, left)
        else:
            device.undo()
            told = f"an earlier {left.verb} was not as asked, and is undone"
        self._forget()
        return told

    def _finish(
        self, asked: DriverInput, before: str, begun: DriverOutput, device: DeviceConnection
    ) -> DriverOutput:
        """Confirm the commit if the device is as it was asked to be."""
        after = device.running()
        state, left = self._state(after, asked.verb), self._left()
        changes = begun.changes or configuration_changes(before, after)
        waits = self._waits(device)
        if left is not None and not left.complete:
            if waits:
                device.undo()
            if self._has_timer:
                self._forget()
            undone = ", and is undone" if self._has_timer else ""
            raise DriverError(f"{asked.verb} was interrupted{undone}", UNCERTAIN, changes=changes)
        if not _is_reached(asked, state):
            if waits and left is not None:
                raise self._unconfirmed(state, left, changes)
            self._forget()
            told = _joined(f"after {asked.verb} it has {state}", self._missing(after))
            raise DriverError(told, UNCERTAIN, changes=changes)
        device.confirm()
        if waits and device.waits():
            raise DriverError("it still waits for the confirmation", changes=changes)
        self._forget()
        initiated = self._initiate(asked, device, before)
        without = "no timer was running when it was confirmed" if self._has_timer else ""
        how = "confirmed within the device's timer" if waits else without
        told = _joined(begun.message, how, initiated)
        return DriverOutput(state.new, state.old, told, changes)

    def _initiate(self, asked: DriverInput, device: DeviceConnection, before: str) -> str:
        """Initiate old tunnels for ``back-out``, unless enabling them does it.

        They were enabled in the configuration *before* the call.
        """
        if asked.verb is not DriverVerb.BACK_OUT:
            return ""
        if self._state(before, asked.verb).old is not TunnelsState.ENABLED:
            return ""
        spare = spare_tunnels(self.device, ConnectionSide.OLD)
        old = [
            tunnel
            for tunnel in tunnels_of(self.device, ConnectionSide.OLD)
            if tunnel["outside"] not in spare
        ]
        try:
            return initiate(device, self.device["platform"], before, old)
        except (ContactLostError, DriverError) as error:
            # The device is configured as asked, and that is what the result is about.
            return f"initiate the old tunnels at the device: {error}"

    @property
    def _has_timer(self) -> bool:
        return self.timer > timedelta(0)

    def _waits(self, device: DeviceConnection) -> bool:
        return self._has_timer and device.waits()

    def _connected(self, work: Callable[[DeviceConnection], R]) -> R:
        """Call *work* with a connection, and again if contact is lost, as long as there is time."""
        while True:
            try:
                device = self.connect()
                try:
                    return work(device)
                finally:
                    device.close()
            except ContactLostError:
                if self.clock.now() + PAUSE >= self.until:
                    raise
                self.clock.sleep(PAUSE)

    @contextmanager
    def _reporting(self, exit_code: int = FAILED, changes: str = "") -> Iterator[None]:
        """Report a failure with *exit_code*, and when the device undoes a change.

        Every failure leaves the effect open as long as the device may undo the change.
        """
        try:
            yield
        except DriverError as error:
            error.pending_until = error.pending_until or self._pending_until()
            error.changes = error.changes or changes
            if error.pending_until or exit_code != FAILED:
                error.exit_code = UNCERTAIN
            raise
        except ContactLostError as error:
            message, until = f"no contact: {error}", self._pending_until()
            if until:
                message = f"{message}; unless confirmed, {_undone_at(until)}"
            code = UNCERTAIN if until else exit_code
            raise DriverError(message, code, pending_until=until, changes=changes) from None

    def _pending_until(self) -> datetime | None:
        """Return when the device undoes a commit that was not verified; None if it has done so."""
        left = self._left()
        until = left.until if left is not None else None
        return until if until and self.clock.wall() < until + LATE else None

    def _unconfirmed(
        self, state: DeviceState, left: WaitingCommit, changes: str = ""
    ) -> DriverError:
        undone = f": {_undone_at(left.until)}" if left.until else ""
        message = f"it has {state}, which is not confirmed{undone}"
        return DriverError(message, UNCERTAIN, pending_until=left.until, changes=changes)

    def _state(self, running: str, verb: DriverVerb) -> DeviceState:
        """Return the state of the device for *verb*.

        For ``back-out`` the new tunnels need no neighbours: a rollback would otherwise be undone
        because of tunnels that it has disabled.
        """
        platform = self.device["platform"]
        new, old = (
            tunnels_state(
                platform,
                running,
                tunnels_of(self.device, side),
                static=self._is_static(side)
                or (verb is DriverVerb.BACK_OUT and side is ConnectionSide.NEW),
                spare=spare_tunnels(self.device, side),
            )
            for side in (ConnectionSide.NEW, ConnectionSide.OLD)
        )
        return DeviceState(new, old)

    def _is_static(self, side: ConnectionSide) -> bool:
        return bool((self.device[side] or {}).get("static"))

    def _missing(self, running: str) -> str:
        """Return which tunnels and BGP neighbours are missing, in clauses; empty if none is."""
        platform = self.device["platform"]
        tunnels = [
            outside
            for side in ConnectionSide
            for outside in missing_tunnels(platform, running, tunnels_of(self.device, side))
        ]
        neighbours = [
            address
            for side in ConnectionSide
            if not self._is_static(side)
            for address in missing_neighbours(platform, running, tunnels_of(self.device, side))
        ]
        told = f"BGP neighbour missing: {', '.join(neighbours)}" if neighbours else ""
        return _joined(missing_clause(tunnels), told)

    def _commands(self, asked: DriverInput, state: DeviceState) -> list[str]:
        sides = {ConnectionSide.NEW: state.new, ConnectionSide.OLD: state.old}
        texts = [complete(self.device, part) for part in due_parts(asked, sides.__getitem__)]
        first, last = self.device["around"]
        lines = [
            line
            for text in texts
            for line in text.removeprefix(first).removesuffix(last).splitlines()
        ]
        return [line for line in lines if line.strip() and line.lstrip()[0] not in "#!"]

    def _left(self) -> WaitingCommit | None:
        """Return the commit of an earlier call that was not confirmed, as far as is known here."""
        try:
            content = (self.folder / WAITING_COMMIT).read_bytes()
            return msgspec.json.decode(content, type=WaitingCommit)
        except FileNotFoundError:
            return None

    def _remember(self, commit: WaitingCommit) -> None:
        write_whole(self.folder / WAITING_COMMIT, msgspec.json.encode(commit))

    def _forget(self) -> None:
        (self.folder / WAITING_COMMIT).unlink(missing_ok=True)


def _joined(*clauses: str) -> str:
    return "; ".join(filter(None, clauses))


def _undone_at(until: datetime) -> str:
    return f"the device undoes the change at {time_of_day(until)}"


def _is_reached(asked: DriverInput | WaitingCommit, state: DeviceState) -> bool:
    """Return whether *state* is what the verb leads to."""
    goal = goal_of(asked.verb, disable_old=asked.disable_old, remove=asked.remove)
    return goal.reached(state)
