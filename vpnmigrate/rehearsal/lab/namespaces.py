"""Network namespaces: an isolated part of this machine that vanishes with its process."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from vpnmigrate.model.errors import UsageError, VpnMigrateError
from vpnmigrate.model.errors.extras import install_command

ISOLATED: Final = "VPNMIGRATE_LAB_ISOLATED"
"""Environment variable of the process that is alone in its namespaces."""
RUN: Final = Path("/run")
LAB: Final = RUN / "vpnmigrate-lab"
"""Everything that a lab writes: a file system in memory that only its processes see."""
SEARCH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/frr"

PROGRAMS: Final[Mapping[str, str]] = {
    "ip": "iproute2",
    "unshare": "util-linux",
    "charon-systemd": "charon-systemd",
    "swanctl": "strongswan-swanctl",
    "bird": "bird2",
}
"""Programs that the lab needs, with their Debian packages; the plugins are in two more."""
PLUGINS: Final = ("libcharon-extra-plugins", "libstrongswan-standard-plugins")
FRR: Final[Mapping[str, str]] = {"zebra": "frr", "bgpd": "frr", "vtysh": "frr"}
"""Programs of a device with FRR."""

_NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNET (sched.h)."""
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
HIDDEN_FOLDERS: Final = ("/run", "/etc/swanctl", "/etc/bird", "/etc/frr")
"""Folders of the machine that lab processes see empty: they write to them as on a device."""


class LabError(VpnMigrateError):
    """The lab failed: a program in it ended with an error, or did not do its work in time."""

    id = "VPM-E951"
    remedy = "Read the output above; `vpnmigrate lab --help` lists what the lab needs."


def program(name: str) -> str:
    """Return the path of a program.

    Raises:
        UsageError: It is not installed.
    """
    found = shutil.which(name, path=SEARCH)
    if found is None:
        package = {**PROGRAMS, **FRR}.get(name, name)
        raise UsageError(
            f"the lab needs {name}, which is not installed",
            advice=f"on Debian: apt-get install {package} {' '.join(PLUGINS)}",
        )
    return found


def require(names: Sequence[str]) -> None:
    """Check that a lab can run on this machine.

    Raises:
        UsageError: It cannot, with the reason.
    """
    if sys.platform != "linux":
        raise UsageError("the lab needs Linux")
    if os.geteuid() != 0:
        raise UsageError("the lab needs root: it creates network namespaces and tunnels")
    if not Path("/dev/net/tun").exists():
        raise UsageError("the lab needs /dev/net/tun", advice="load the module: modprobe tun")
    for name in (*PROGRAMS, *names):
        program(name)
    try:
        import vici  # noqa: F401
    except ImportError:
        raise UsageError("the lab needs the library vici", advice=install_command("lab")) from None


def isolated_command(words: Sequence[str], module: str = "vpnmigrate") -> list[str]:
    """Return the command that runs a module with *words* in namespaces of its own.

    The process is the first of its process namespace: however it ends, the kernel ends every
    process of the lab, and with the last one its networks and its file systems.
    """
    own = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    return [program("unshare"), *own, sys.executable, "-m", module, *words]


def enter() -> None:
    """Prepare the namespaces of this process, which ``isolated_command`` started.

    Raises:
        UsageError: It did not: then the folders of the machine would be hidden.
    """
    if os.getpid() != 1:
        raise UsageError(f"{ISOLATED} is set, but this process is not alone", advice="unset it")
    for folder in HIDDEN_FOLDERS:
        if Path(folder).is_dir():
            ran("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    (RUN / "netns").mkdir()
    LAB.mkdir()
    ran(program("ip"), "link", "set", "lo", "up")


def ran(*words: str, text: str | None = None, check: bool = True) -> str:
    """Run a program and return its output.

    Raises:
        LabError: It ended with an error.
    """
    done = subprocess.run(words, input=text, text=True, capture_output=True, check=False)
    if check and done.returncode:
        raise LabError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Namespace:
    """A network namespace; *forward* makes it a router."""

    def __init__(self, name: str, *, forward: bool = False) -> None:
        self.name: Final = name
        ran(program("ip"), "netns", "add", name)
        settings = {
            "ipv6/conf/all/disable_ipv6": 1,
            "ipv6/conf/default/disable_ipv6": 1,
            "ipv4/conf/all/rp_filter": 0,
            "ipv4/conf/default/rp_filter": 0,
            "ipv4/conf/all/send_redirects": 0,
            "ipv4/ip_forward": int(forward),
        }
        with self.entered():
            for key, value in settings.items():
                Path("/proc/sys/net", key).write_text(str(value), encoding="ascii")
        self.ip("link set lo up")

    def ip(self, *commands: str, check: bool = True) -> str:
        """Run commands of ``ip`` in the namespace."""
        text = "".join(f"{command}\n" for command in commands)
        return ran(program("ip"), "-n", self.name, "-batch", "-", text=text, check=check)

    def words(self, *words: str) -> list[str]:
        """Return the command that runs *words* in the namespace."""
        return [program("ip"), "netns", "exec", self.name, *words]

    def start(
        self,
        *words: str,
        output: IO[bytes] | int,
        errors: IO[bytes] | int = subprocess.STDOUT,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program in the namespace; it ends with this process."""
        return subprocess.Popen(
            self.words(*words),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, **(env or {})},
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - it calls the kernel alone
        )

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Move this thread into the namespace; a socket that it opens stays there."""
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        into = os.open(RUN / "netns" / self.name, os.O_RDONLY)
        try:
            _set_namespace(into)
            yield
        finally:
            _set_namespace(back)
            os.close(into)
            os.close(back)


def _set_namespace(handle: int) -> None:
    if _LIBC.setns(handle, _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


def connect(
    left: Namespace, left_name: str, left_ip: str, right: Namespace, right_name: str, right_ip: str
) -> None:
    """Connect two namespaces with a pair of links."""
    left.ip(
        f"link add {left_name} type veth peer name {right_name} netns {right.name}",
        f"addr add {left_ip} dev {left_name}",
        f"link set {left_name} up",
    )
    right.ip(f"addr add {right_ip} dev {right_name}", f"link set {right_name} up")
