"""Driver ``netmiko``: a router or firewall, by its command line over SSH.

Each platform has a class with the commands of its commit.  Run as a program; its arguments print
the password, if the playbook names a program for that.
"""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, ClassVar, Final

from vpnmigrate.devices.configuration_lines import without_secrets
from vpnmigrate.local.drivers.confirmed_change import (
    ContactLostError,
    DeviceConnection,
    NoTimerError,
)
from vpnmigrate.local.drivers.extras import missing_driver_library
from vpnmigrate.local.drivers.program import DeviceLogin, run_driver
from vpnmigrate.local.drivers.refusals import refusal_in, refusal_pattern
from vpnmigrate.local.drivers.verbs import DriverError
from vpnmigrate.model.decisions import DriverKind

_HOST_KEY: Final = re.compile(r"not found in known_hosts|Host key for server .* does not match")
"""What paramiko says in netmiko's errors, which do not tell its own apart."""
PROMPT: Final = r"[#>]\s*$"
NO_TIMER: Final = (
    "{} started no timer, so nothing was changed and traffic is as before; it needs `archive` with "
    "a `path` to which the device can write, see `show archive`"
)
"""What is said of IOS, whose commands take effect as they are typed: with the command."""


@contextmanager
def device_errors() -> Iterator[None]:
    """Turn netmiko's errors into those of a connection.

    Raises:
        ContactLostError: The device does not answer.
        DriverError: It refuses the login or a command.
    """
    from netmiko.exceptions import (  # noqa: PLC0415  an extra
        ConfigInvalidException,
        NetmikoAuthenticationException,
        NetmikoBaseException,
    )
    from paramiko.ssh_exception import PasswordRequiredException, SSHException  # noqa: PLC0415

    try:
        yield
    except NetmikoAuthenticationException as error:
        if isinstance(error.__context__, PasswordRequiredException):
            raise DriverError(
                "the key file has a passphrase, so nothing was sent: add the key to the SSH agent "
                "(`ssh-add KEY_FILE`), and leave `key_file` out of the playbook"
            ) from None
        raise DriverError("the device refuses the login") from None
    except ConfigInvalidException as error:
        raise DriverError(f"the device refuses a command: {_first_line(error)}") from None
    except (SSHException, NetmikoBaseException, OSError, EOFError) as error:
        if _HOST_KEY.search(str(error)):
            raise DriverError(
                "the device's host key is not the known one, so nothing was sent"
            ) from None
        raise ContactLostError(_first_line(error)) from None
    except ValueError as error:  # Of netmiko, for an answer that it did not expect.
        raise DriverError(f"the device refuses: {one_line(str(error))}") from None


def one_line(said: str) -> str:
    """Return what a device *said* in one line, without secrets."""
    return " ".join(without_secrets(said).split())


def _refused(what: str, said: str) -> DriverError:
    return DriverError(f"the device refuses {what}: {one_line(said)}")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in without_secrets(str(error)).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


class _Shell(ABC):
    """A command line; subclasses have the commands of their platform."""

    device_type: ClassVar[str]
    show: ClassVar[tuple[str, ...]]
    """What shows the running configuration."""
    first_prompt: ClassVar[str] = ""
    """Pattern of the end of what a login prints; empty where netmiko has one."""
    options: ClassVar[Mapping[str, Any]] = {}
    """netmiko's arguments for this platform alone."""
    atomic: bool = False

    def __init__(self, link: Any, platform: str) -> None:
        self._link = link
        self._refused = refusal_pattern(platform)
        self._loaded: list[str] = []

    def running(self) -> str:
        return "\n".join(map(self._shown, self.show)).replace("\r", "")

    def waits(self) -> bool:
        return False

    def load(self, commands: Sequence[str]) -> str | None:
        self._loaded = list(commands)
        return None

    @abstractmethod
    def commit(self, timer: timedelta) -> None:
        """Commit what was loaded."""

    def undo(self) -> None:
        """Raise DriverError: this platform has no timer, so no commit waits."""
        raise DriverError("this platform undoes no commit")

    @abstractmethod
    def confirm(self) -> None:
        """Confirm the commit, and save the configuration."""

    def ask(self, command: str) -> str:
        return self._shown(command)

    def close(self) -> None:
        with suppress(Exception):  # Nothing depends on it: a lost connection is closed already.
            # The end of the session discards a candidate; typing `exit` would take some seconds.
            self._link.paramiko_cleanup()

    def _shown(self, command: str, expected: str | None = None) -> str:
        """Return what *command* prints, up to the prompt or the pattern *expected*."""
        with device_errors():
            how = {"expect_string": expected, "strip_prompt": False} if expected else {}
            return str(self._link.send_command(command, **how))

    def _type(self, commands: Sequence[str], **how: Any) -> None:
        with device_errors():
            self._link.send_config_set(commands, error_pattern=self._refused, **how)


class _CiscoIos(_Shell):
    """Cisco IOS and IOS-XE: commands take effect as they are typed; the timer runs before."""

    device_type = "cisco_ios"
    show = ("show running-config",)

    def waits(self) -> bool:
        return "Timer value" in self._shown("show archive config rollback timer")

    def commit(self, timer: timedelta) -> None:
        if timer:
            self._start(timer)
        try:
            self._type(self._loaded)
        except DriverError as error:
            with device_errors():
                self._link.exit_config_mode()
            if not timer:
                raise
            self.undo()
            raise DriverError(f"{error}; the commands before it were undone") from None

    def _start(self, timer: timedelta) -> None:
        enter = f"configure terminal revert timer {_minutes(timer)}"
        with suppress(DriverError), device_errors():
            self._link.config_mode(config_command=enter)
        with device_errors():
            self._link.exit_config_mode()
        if not self.waits():
            raise NoTimerError(NO_TIMER.format(enter))

    def undo(self) -> None:
        said = self._shown("configure revert now", PROMPT)
        if self.waits():
            raise DriverError(f"configure revert now had no effect: {one_line(said)}")

    def confirm(self) -> None:
        with device_errors():
            if self.waits():
                self._link.send_command("configure confirm")
            self._link.save_config()


class _CiscoAsa(_Shell):
    """Cisco ASA: without a timer."""

    device_type = "cisco_asa"
    show = ("show running-config",)

    def commit(self, timer: timedelta) -> None:
        self._type(self._loaded)

    def confirm(self) -> None:
        with device_errors():
            self._link.save_config()


class _FortiOs(_Shell):
    """FortiOS: without a timer, and it saves each entry itself."""

    device_type = "fortinet"
    # Unless told what to disable, netmiko offers a FortiGate only the key exchanges of old ones.
    options: ClassVar = {"disabled_algorithms": {"kex": ["diffie-hellman-group1-sha1"]}}
    show = ("show vpn ipsec phase1-interface", "show system interface", "show router bgp")

    def commit(self, timer: timedelta) -> None:
        self._type(self._loaded)

    def confirm(self) -> None:
        """Return at once: there is no timer, and FortiOS saves each entry itself."""


class _Candidate(_Shell):
    """A device with a candidate configuration, which is compared before it is committed."""

    atomic = True
    enter: ClassVar[str] = "configure"
    compare: ClassVar[str]

    def load(self, commands: Sequence[str]) -> str | None:
        self._configure()
        self._type(commands, enter_config_mode=False, exit_config_mode=False)
        return "\n".join(filter(_is_change, self._shown(self.compare).splitlines()))

    def _configure(self) -> None:
        said = self._shown(self.enter, PROMPT)
        if "#" not in self._shown("", PROMPT):
            raise _refused(self.enter, said)

    def _leave(self) -> None:
        """Leave configuration mode, in which `show` shows the candidate."""
        with device_errors():
            self._link.exit_config_mode()


class _Junos(_Candidate):
    """Junos: the session locks the configuration; a commit confirms the one before."""

    device_type = "juniper_junos"
    show = ("show configuration | display set | no-more",)
    enter = "configure exclusive"
    compare = "show | compare | no-more"

    def waits(self, run: str = "") -> bool:
        """Return whether a commit waits; *run* precedes the command in configuration mode."""
        commits = self._shown(f"{run}show system commit | no-more").strip()
        return "rollback in" in commits.partition("\n")[0]

    def commit(self, timer: timedelta) -> None:
        with device_errors():
            self._link.commit(confirm=True, confirm_delay=_minutes(timer), comment="vpnmigrate")

    def undo(self) -> None:
        self._configure()
        self._load_revision(1)
        # The timer may have expired: then the commit is undone, and is itself revision 1.
        if self.waits(run="run "):
            with device_errors():
                self._link.commit(comment="vpnmigrate")
        else:
            self._load_revision(0)
        self._leave()

    def _load_revision(self, number: int) -> None:
        self._type([f"rollback {number}"], enter_config_mode=False, exit_config_mode=False)

    def confirm(self) -> None:
        self._configure()
        with device_errors():
            self._link.commit()
        self._leave()


class _Vyos(_Candidate):
    """VyOS 1.4: it undoes a change by a reboot."""

    device_type = "vyos"
    first_prompt = r"[$#>]\s*$"
    show = ("show configuration commands",)
    compare = "compare"

    def waits(self) -> bool:
        return self._shown("systemctl is-active commit-confirm.timer").strip() == "active"

    def commit(self, timer: timedelta) -> None:
        question = r"\[(?:Y/n|confirm)\]\s*$"
        said = self._shown(f"commit-confirm {_minutes(timer)}", f"{question}|{PROMPT}")
        if not re.search(question, said):
            raise _refused("the commit", said)
        said = self._shown("y", PROMPT)
        if refusal := refusal_in("vyos", said):
            # The timer runs already, and other parts of the configuration may be committed.
            self.undo()
            raise DriverError(f"{_refused('the commit', refusal)}; what was committed is undone")

    def undo(self) -> None:
        """Commit the saved configuration, which a reboot would load, and end the timer."""
        self._configure()
        self._shown("discard", PROMPT)
        for command in ("load /config/config.boot", "commit"):
            said = self._shown(command, PROMPT)
            if refusal := refusal_in("vyos", said):
                raise _refused(command, refusal)
        said = self._shown("confirm", PROMPT)
        self._leave()
        if self.waits():
            raise _refused("confirm", said)

    def confirm(self) -> None:
        self._configure()
        self._shown("confirm", PROMPT)
        self._shown("save", PROMPT)
        self._leave()

    def _leave(self) -> None:
        # netmiko's own waits three times until the router is silent: six seconds.
        self._shown("exit", self.first_prompt)


_SHELLS: Final[Mapping[str, type[_Shell]]] = {
    "cisco-ios": _CiscoIos,
    "cisco-asa": _CiscoAsa,
    "juniper-srx": _Junos,
    "vyos": _Vyos,
    "fortios": _FortiOs,
}


def _minutes(timer: timedelta) -> int:
    return timer // timedelta(minutes=1)


def _is_change(line: str) -> bool:
    """Return whether *line* of a comparison shows a change or where it is, and no prompt."""
    return line.startswith(("[", "+", "-", "!", ">")) and line.strip() != "[edit]"


def connect(login: DeviceLogin) -> DeviceConnection:
    """Connect to a device.

    Raises:
        ContactLostError: It does not answer.
        DriverError: It refuses the login, its host key is not the known one, or netmiko is missing.
    """
    shell = _SHELLS[login.platform]
    try:
        kind = _kind_of(shell)
    except ImportError:
        raise DriverError(missing_driver_library(DriverKind.NETMIKO)) from None
    with device_errors():
        link = kind(device_type=shell.device_type, **{**shell.options, **login.arguments})
        return shell(link, login.platform)


def _kind_of(shell: type[_Shell]) -> Callable[..., Any]:
    """Return netmiko's class for *shell*, without the waits that would prolong an outage.

    netmiko alone reads a closed connection until its time limit, and a first prompt of which it has
    no pattern for two seconds.
    """
    from netmiko import ssh_dispatcher  # noqa: PLC0415  an extra

    kind: type[Any] = ssh_dispatcher(shell.device_type)

    class Link(kind):  # type: ignore[misc]  # its type is known at run time
        def _test_channel_read(self, count: int = 40, pattern: str = "") -> str:
            return str(super()._test_channel_read(count, pattern or shell.first_prompt))

        def read_channel(self) -> str:
            closed = self.remote_conn is not None and self.remote_conn.closed
            said = str(super().read_channel())
            if closed and not said:
                raise EOFError("the device closed the connection")
            return said

    return Link


if __name__ == "__main__":
    sys.exit(run_driver(connect, sys.argv[1:]))
