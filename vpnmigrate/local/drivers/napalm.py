"""Driver ``napalm``: a router that napalm loads, compares, commits and confirms.

napalm keeps the candidate in a file on the device, which is deleted afterwards because it has keys.
Run as a program; its arguments print the password, if the playbook names a program for that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from vpnmigrate.local.drivers.confirmed_change import (
    ContactLostError,
    DeviceConnection,
    NoTimerError,
)
from vpnmigrate.local.drivers.extras import missing_driver_library
from vpnmigrate.local.drivers.netmiko import NO_TIMER, PROMPT, device_errors, one_line
from vpnmigrate.local.drivers.program import DeviceLogin, run_driver
from vpnmigrate.local.drivers.refusals import refusal_in
from vpnmigrate.local.drivers.verbs import DriverError
from vpnmigrate.local.private_files import write_whole
from vpnmigrate.model.decisions import DriverKind

NAMES: Final[Mapping[str, str]] = {"cisco-ios": "ios"}
"""Platform to the name of napalm's driver."""
CANDIDATE: Final = "candidate.txt"
"""The file that is copied to the device, in the folder of the device file."""
_FILES: Final = ("merge_cfg", "candidate_cfg", "rollback_cfg")


@contextmanager
def _napalm_errors() -> Iterator[None]:
    from napalm.base import exceptions  # noqa: PLC0415  an extra

    try:
        with device_errors():
            yield
    except (exceptions.ConnectionException, exceptions.CommandTimeoutException) as error:
        raise ContactLostError(one_line(str(error))) from None
    except exceptions.CommitConfirmException as error:  # Without an archive there is no timer.
        raise NoTimerError(f"the device refuses: {one_line(str(error))}") from None
    except exceptions.NapalmException as error:
        raise DriverError(f"the device refuses: {one_line(str(error))}") from None


class _NapalmConnection:
    """A connection of napalm, which copies a file into the running configuration, line by line."""

    atomic = False

    def __init__(self, driver: Any, platform: str, folder: Path) -> None:
        self._driver = driver
        self._platform = platform
        self._folder = folder
        self._has_files = False

    def running(self) -> str:
        with _napalm_errors():
            found = self._driver.get_config(retrieve="running")
        return str(found["running"]).replace("\r", "")

    def waits(self) -> bool:
        with _napalm_errors():
            return bool(self._driver.has_pending_commit())

    def load(self, commands: Sequence[str]) -> str | None:
        self._has_files = True
        # Given a text, napalm would write it, with its keys, to a temporary file of its own.
        file = self._folder / CANDIDATE
        write_whole(file, "\n".join((*commands, "end", "")).encode())
        try:
            with _napalm_errors():
                self._driver.load_merge_candidate(filename=str(file))
                return str(self._driver.compare_config())
        finally:
            file.unlink()

    def commit(self, timer: timedelta) -> None:
        with _napalm_errors():
            self._driver.timed = bool(timer)
            self._driver.commit_config(revert_in=int(timer.total_seconds()) or None)
        if refused := refusal_in(self._platform, self._driver.said):
            message = f"the device refuses a command: {one_line(refused)}"
            if not timer:
                raise DriverError(message)
            self.undo()
            raise DriverError(f"{message}; the commands before it were undone")

    def undo(self) -> None:
        self._has_files = True
        with _napalm_errors():
            # Its own rollback replaces the whole configuration if the timer has just expired.
            self._driver.device.send_command("configure revert now", expect_string=PROMPT)
        if self.waits():
            raise DriverError("configure revert now had no effect")

    def confirm(self) -> None:
        self._has_files = True  # Of the connection that committed, which may have been lost.
        with _napalm_errors():
            if self._driver.has_pending_commit():
                self._driver.confirm_commit()
            else:
                self._driver.device.save_config()

    def ask(self, command: str) -> str:
        with _napalm_errors():
            return str(self._driver.device.send_command(command))

    def close(self) -> None:
        with suppress(Exception):  # Nothing depends on it: a lost connection is closed already.
            if self._has_files:
                for name in _FILES:
                    path = f"{self._driver.dest_file_system}/{getattr(self._driver, name)}"
                    self._driver.device.send_command(f"delete /force {path}")
            self._driver.close()


def connect(login: DeviceLogin) -> DeviceConnection:
    """Connect to a device.

    Raises:
        ContactLostError: It does not answer.
        DriverError: It refuses the login, its host key is not the known one, or napalm is missing.
    """
    try:
        from napalm import get_network_driver  # noqa: PLC0415  an extra
    except ImportError:
        raise DriverError(missing_driver_library(DriverKind.NAPALM)) from None
    given = login.arguments
    options = {name: value for name, value in given.items() if name not in _OWN}
    kind = _recording(get_network_driver(NAMES[login.platform]))
    driver = kind(given["host"], given["username"], given["password"], optional_args=options)
    with _napalm_errors():
        driver.open()
    return _NapalmConnection(driver, login.platform, login.folder)


def _recording(kind: type[Any]) -> type[Any]:
    """Return napalm's driver *kind* that looks for the timer before a commit, and keeps its output.

    napalm starts the timer without a check that it runs, recognizes only "Invalid input detected"
    as a refusal, and drops other output.
    """

    class Recording(kind):  # type: ignore[misc]  # napalm has no types
        said = ""
        timed = True

        def _commit_handler(self, cmd: str) -> str:
            if cmd.startswith("copy ") and self.timed and not self.has_pending_commit():
                raise NoTimerError(NO_TIMER.format("configure terminal revert timer"))
            self.said = str(super()._commit_handler(cmd))
            return self.said

    return Recording


_OWN: Final = ("host", "username", "password")
"""What napalm does not take as an option."""


if __name__ == "__main__":
    sys.exit(run_driver(connect, sys.argv[1:]))
