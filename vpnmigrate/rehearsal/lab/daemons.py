"""Daemons of the lab: charon for one tunnel end, BIRD and FRR for one router."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from vpnmigrate.model.clock import Clock
from vpnmigrate.rehearsal.lab.namespaces import LAB, LabError, Namespace, program, ran

START_LIMIT: Final = timedelta(seconds=30)
"""A daemon starts in 0.1 s; a loaded machine may need much longer."""
_MOMENT: Final = timedelta(milliseconds=10)
_PLUGINS: Final = (
    "random nonce aes sha1 sha2 md5 hmac kdf gmp openssl pem pkcs1 x509 pubkey "
    "kernel-libipsec kernel-netlink socket-default vici"
)
"""In user space, because a machine's kernel may have no ESP; libipsec precedes netlink."""
_FIRST_PRIORITY: Final = 40000
"""After the main table (32766): libipsec routes everything into its own device."""
_ANSWER_ENDS: Final = "089"
"""First digits of the last line of an answer of BIRD (its documentation, "Remote control")."""


def wait_for(
    what: str, clock: Clock, is_so: Callable[[], bool], limit: timedelta = START_LIMIT
) -> None:
    """Wait until *is_so* returns True.

    Raises:
        LabError: It has not returned True within *limit*.
    """
    end = clock.now() + limit
    while not is_so():
        if clock.now() > end:
            raise LabError(f"{what}: not within {limit.total_seconds():g} s")
        clock.sleep(_MOMENT)


@dataclass(frozen=True)
class SecurityAssociations:
    """What a tunnel has established, in charon's words (vici, ``list-sas``)."""

    ike: Mapping[str, str]
    child: Mapping[str, str]


class Charon:
    """IKE daemon for one tunnel end.

    One daemon per end: libipsec finds the outgoing security association by its selector alone, so
    of two tunnels with 0.0.0.0/0 in one daemon only the newest would carry packets.
    """

    def __init__(
        self,
        name: str,
        namespace: Namespace,
        clock: Clock,
        *,
        ports: tuple[int, int] = (500, 4500),
        table: int = 220,
    ) -> None:
        self.name, self._namespace, self._clock = name, namespace, clock
        self._folder = LAB / f"charon-{name}"
        self._folder.mkdir()
        self.socket: Final = self._folder / "vici.sock"
        self.log: Final = self._folder / "charon.log"
        settings = self._folder / "strongswan.conf"
        settings.write_text(self._settings(ports, table), encoding="utf-8")
        with (self._folder / "out").open("wb") as out:
            self.process = namespace.start(
                program("charon-systemd"), output=out, env={"STRONGSWAN_CONF": str(settings)}
            )
        self._commands: Any = None

    def _settings(self, ports: tuple[int, int], table: int) -> str:
        return f"""charon-systemd {{
  load_modular = no
  load = {_PLUGINS}
  port = {ports[0]}
  port_nat_t = {ports[1]}
  install_virtual_ip = no
  routing_table = {table}
  routing_table_prio = {_FIRST_PRIORITY + table}
  retransmit_tries = 2
  retransmit_timeout = 0.5
  retransmit_base = 1.5
  filelog {{
    f {{
      path = {self.log}
      default = 1
      flush_line = yes
    }}
  }}
  journal {{
    default = -1
  }}
  plugins {{
    vici {{
      socket = unix://{self.socket}
    }}
  }}
}}
"""

    def wait(self) -> None:
        """Wait until the daemon answers."""
        wait_for(f"charon of {self.name} answers", self._clock, self._answers)

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise LabError(f"charon of {self.name} ended: {self.log.read_text(errors='replace')}")
        with suppress(OSError):
            self._commands = self._session()
            self._commands.version()
            return True
        return False

    def _session(self, limit: float | None = 30) -> Any:
        import vici

        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(limit)
        connection.connect(str(self.socket))
        return vici.Session(connection)

    def adopt(self, router: Namespace, link: str) -> None:
        """Make the daemon's TUN device the link *link* of *router*, shut down.

        Its file descriptor stays with the daemon.  A device of the same name has to stay behind:
        the daemon installs its route on a device of that name, and refuses the tunnel otherwise.
        """
        tun = self._tun()
        self._namespace.ip(
            f"link set {tun} netns {router.name} name {link}",
            f"tuntap add {tun} mode tun",
            f"link set {tun} up",
        )
        router.ip(f"link set {link} down")

    def _tun(self) -> str:
        for file in Path(f"/proc/{self.process.pid}/fdinfo").iterdir():
            with suppress(OSError):
                for line in file.read_text(encoding="ascii").splitlines():
                    if line.startswith("iff:"):
                        return line.split()[1]
        raise LabError(f"charon of {self.name} has no TUN device")

    def load(self, key: str, connections: Mapping[str, Any]) -> None:
        """Load a key and connections; nothing is initiated."""
        self._commands.load_shared({"id": "psk", "type": "IKE", "data": key})
        self._commands.load_conn(dict(connections))

    def unload(self, name: str) -> None:
        """Remove the connection *name* and the keys, and end its security associations."""
        import vici

        self._commands.unload_conn({"name": name})
        self._commands.clear_creds()
        with suppress(vici.exception.CommandException):
            list(self._commands.terminate({"ike": name, "timeout": "3000", "loglevel": "-1"}))

    def rekey(self, name: str, what: str) -> None:
        """Begin to rekey the security association *name* of *what*: ``ike`` or ``child``."""
        self._session().rekey({what: name})

    def associations(self) -> SecurityAssociations | None:
        """Return the newest established security associations; None if there are none.

        A rekeyed one is listed beside its successor, which has the higher number.
        """
        established = [
            (int(sa["uniqueid"]), int(child["uniqueid"]), sa, child)
            for found in self._session().list_sas()
            for sa in found.values()
            if sa["state"] == b"ESTABLISHED"
            for child in sa["child-sas"].values()
            if child["state"] in {b"INSTALLED", b"REKEYING"}
        ]
        if not established:
            return None
        *_, sa, child = max(established, key=lambda each: each[:2])
        return SecurityAssociations(_texts(sa), _texts(child))

    def watch(self, changed: Callable[[SecurityAssociations | None], None]) -> None:
        """Call *changed*, in a thread, whenever a security association begins, ends or is new."""
        session = self._session(None)

        def listen() -> None:
            with suppress(OSError, EOFError):
                for _ in session.listen(["child-updown", "child-rekey", "ike-rekey"]):
                    changed(self.associations())

        threading.Thread(target=listen, daemon=True).start()


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: each.decode() for name, each in values.items() if isinstance(each, bytes)}


class Bird:
    """BIRD of one router, with its own configuration file and control socket."""

    def __init__(
        self, namespace: Namespace, clock: Clock, folder: Path, text: str, etc: Path | None = None
    ) -> None:
        self.configuration: Final = (etc or folder) / "bird.conf"
        self._socket = folder / "bird.ctl"
        self.write(text)
        with (folder / "bird.out").open("wb") as out:
            self.process = namespace.start(
                program("bird"), "-f", "-c", str(self.configuration), "-s", str(self._socket),
                "-P", str(folder / "bird.pid"),
                output=out,
            )  # fmt: skip
        wait_for(f"bird of {namespace.name} answers", clock, self._answers)

    def write(self, text: str) -> None:
        """Write the configuration."""
        self.configuration.write_text(text, encoding="utf-8")

    def _answers(self) -> bool:
        with suppress(OSError):
            return bool(list(self.command("show status")))
        return False

    def command(self, line: str) -> Iterator[str]:
        """Yield the lines of the answer to a control command."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self._socket))
            with connection.makefile("rw") as file:
                file.readline()
                file.write(f"{line}\n")
                file.flush()
                for answer in file:
                    yield answer.rstrip()
                    if answer[:4].isdigit() and answer[4:5] == " " and answer[0] in _ANSWER_ENDS:
                        return

    def is_established(self, protocol: str) -> bool:
        """Return whether the BGP session of *protocol* is established."""
        lines = self.command(f"show protocols {protocol}")
        return any(line.endswith("Established") for line in lines)

    def received(self, protocol: str) -> int:
        """Return the number of routes that *protocol* has received."""
        for line in self.command(f"show route protocol {protocol} count"):
            if " routes for " in line:
                return int(line.partition("-")[2].split()[0])
        return 0


class Frr:
    """FRR's zebra and bgpd of one router, at their usual places."""

    FOLDER: Final = Path("/run/frr")
    SETTINGS: Final = Path("/etc/frr")

    def __init__(self, namespace: Namespace, clock: Clock, text: str) -> None:
        self.FOLDER.mkdir()
        (self.SETTINGS / "frr.conf").write_text(text, encoding="utf-8")
        (self.SETTINGS / "vtysh.conf").write_text("service integrated-vtysh-config\n")
        for folder in (self.FOLDER, self.SETTINGS):
            shutil.chown(folder, "frr", "frr")
        self._processes: list[subprocess.Popen[bytes]] = []
        for name in ("zebra", "bgpd"):
            with (LAB / f"{name}.out").open("wb") as out:
                self._processes.append(
                    namespace.start(program(name), "-A", "127.0.0.1", output=out)
                )
            wait_for(f"{name} answers", clock, (self.FOLDER / f"{name}.vty").exists)
        ran(*namespace.words(program("vtysh"), "-b"))
