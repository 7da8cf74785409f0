"""Drivers of devices: one contract for all, and what ends a call."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.builders import OLD_VPN
from tests.support.driver_bench import (
    DEADLINE,
    NETWORK,
    VYOS,
    Bench,
    NetworkBench,
    OldAtDevice,
    SimulatedBench,
    bench_with,
    network_bench,
)
from tests.support.lab import programs, root_and_tun
from vpnmigrate.local.drivers.device_file import DEVICE_FILE
from vpnmigrate.local.drivers.protocol import LONGEST_MESSAGE, result_of
from vpnmigrate.local.program_files import pinned
from vpnmigrate.local.subprocess_limits import ProcessResult
from vpnmigrate.model.decisions import Decisions, DeviceDriver, DriverKind, InsideMode
from vpnmigrate.model.device_drivers import (
    DeviceState,
    DriverOutcome,
    DriverVerb,
    TunnelsState,
)

ABSENT, DISABLED, ENABLED = TunnelsState.ABSENT, TunnelsState.DISABLED, TunnelsState.ENABLED
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "drivers.md"
FAKE_SSH = """#!/bin/sh
# A router on this machine: its files are below ROOT.
sed 's#/etc/#ROOT/etc/#g' | PATH=ROOT/bin:$PATH sh
"""
FAKE_IP = """#!/bin/sh
# Links are files in ROOT/links, with their flags.
cd ROOT/links
case "$*" in
  "link add "*) echo DOWN > "$3" ;;
  "link set "*" up") echo UP > "$3" ;;
  "link set "*" down") echo DOWN > "$3" ;;
  "link delete "*) rm "$3" ;;
  "-o link show") for link in *; do echo "7: $link@eth0: <NOARP,$(cat $link)> mtu 1422"; done ;;
esac
"""
FAKE_SWANCTL = """#!/bin/sh
# The router's files go to the charon of the test; no tunnel is initiated.
[ "$1" = --load-all ] || exit 0
cat ROOT/etc/swanctl/conf.d/*.conf > ROOT/all.conf
exec REAL --load-all --clear --noprompt --file ROOT/all.conf --uri unix://SOCKET
"""
CHARON = """charon-systemd {
  load_modular = no
  load = random nonce aes sha1 sha2 hmac kdf gmp openssl kernel-netlink socket-default vici
  install_routes = no
  plugins { vici { socket = unix://SOCKET } }
}
"""
OLD_TUNNEL = """connections {{
  {name} {{
    remote_addrs = {address}
    children {{
      {name} {{
        start_action = start
      }}
    }}
  }}
}}
"""


def a_router(place: Path, **programs: str) -> Path:
    """Return the folder of a router on this machine, whose programs succeed unless given."""
    root = place / "router"
    (root / "bin").mkdir(parents=True)
    quiet = dict.fromkeys(("ip", "swanctl", "bird", "birdc"), "#!/bin/sh\n")
    for name, script in (quiet | programs).items():
        (root / "bin" / name).write_text(script.replace("ROOT", str(root)), encoding="utf-8")
        (root / "bin" / name).chmod(0o755)
    (root / "etc/swanctl/conf.d").mkdir(parents=True)
    (root / "etc/bird").mkdir()
    (root / "etc/bird/bird.conf").touch()
    return root


def with_old_tunnels(bench: Bench, root: Path, has: OldAtDevice) -> list[str]:
    """Configure the old tunnels on the router, and save its running configuration."""
    outside = [tunnel.outside_ip for tunnel in bench.old.tunnels]
    if has is OldAtDevice.ONE:
        del outside[1:]
    texts = [
        OLD_TUNNEL.format(name=f"old-{number}", address=address)
        for number, address in enumerate(outside)
    ]
    for number, text in enumerate(texts):
        file = root / f"etc/swanctl/conf.d/old-{number}.conf"
        file.write_text(text, encoding="utf-8")
    Path(bench.driver.existing).write_text("\n".join(texts), encoding="utf-8")
    return [f"old-{number}" for number in range(len(texts))]


@pytest.fixture
def has() -> OldAtDevice:
    """Which old tunnels the device has; a test may choose."""
    return OldAtDevice.BOTH


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has: OldAtDevice) -> Bench:
    """The example of the page, with a router on this machine behind its ssh."""
    root = a_router(tmp_path, ssh=FAKE_SSH)
    monkeypatch.setenv("PATH", f"{root}/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    bench = bench_with(tmp_path, script, existing=str(tmp_path / "running.txt"))
    with_old_tunnels(bench, root, has)
    return bench


@pytest.fixture
def strongswan(tmp_path: Path, has: OldAtDevice) -> Iterator[Bench]:
    """The driver for strongSwan, with a running charon; links of the router are files."""
    root_and_tun()
    (real,) = programs("swanctl")
    socket = tmp_path / "charon.vici"
    wrapper = FAKE_SWANCTL.replace("REAL", real).replace("SOCKET", str(socket))
    root = a_router(tmp_path, shell=FAKE_SSH, ip=FAKE_IP, swanctl=wrapper)
    (root / "links").mkdir()
    driver = DeviceDriver(
        DriverKind.STRONGSWAN,
        shell=(str(root / "bin/shell"),),
        sockets=(f"unix://{socket}",),
        existing=str(tmp_path / "running.txt"),
        limit=timedelta(seconds=DEADLINE),
    )
    bench = Bench(tmp_path, driver)
    with charon(tmp_path, socket):
        for name in with_old_tunnels(bench, root, has):
            (root / "links" / name).write_text("UP", encoding="utf-8")
        subprocess.run([root / "bin/swanctl", "--load-all"], check=True, capture_output=True)
        yield bench


@contextmanager
def charon(place: Path, socket: Path) -> Iterator[None]:
    """A charon in a network of its own, which answers at *socket*."""
    (program,) = programs("charon-systemd")
    settings = place / "strongswan.conf"
    settings.write_text(CHARON.replace("SOCKET", str(socket)), encoding="utf-8")
    process = subprocess.Popen(
        ["unshare", "--net", program],
        env={**os.environ, "STRONGSWAN_CONF": str(settings)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + DEADLINE
        while not socket.exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, has: OldAtDevice
) -> Iterator[Bench | SimulatedBench]:
    """The bench of each driver; those over SSH with a router that speaks its command line."""
    network = {**NETWORK, "netmiko-vyos": VYOS}
    if request.param in network:
        with network_bench(tmp_path, *network[request.param], has) as found:
            yield found
    elif request.param == "simulated":
        yield SimulatedBench(tmp_path, has)
    else:
        yield request.getfixturevalue(request.param)


FILES = ("example", "strongswan")
"""Drivers of strongSwan, whose saved files do not show whether an interface is up."""


@pytest.mark.parametrize(
    ("bench", "has"),
    [
        (name, has)
        for name in ("simulated", *FILES, *NETWORK)
        for has in OldAtDevice
        if name not in FILES or has is not OldAtDevice.ONE_SHUT
    ]
    + [("netmiko-vyos", OldAtDevice.ONE_SHUT)],
    indirect=["bench"],
)
def test_a_driver_keeps_the_contract(bench: Bench | SimulatedBench, has: OldAtDevice) -> None:
    """Each verb leads to its state, changes nothing when repeated, and back-out undoes enable.

    The old tunnels are those that the device has had, and back-out enables no other.
    """
    steps = [
        (DriverVerb.STATUS, False, DeviceState(ABSENT, ENABLED), False),
        (DriverVerb.LOAD, False, DeviceState(DISABLED, ENABLED), True),
        (DriverVerb.LOAD, False, DeviceState(DISABLED, ENABLED), False),
        (DriverVerb.ENABLE, False, DeviceState(ENABLED, ENABLED), True),
        (DriverVerb.ENABLE, True, DeviceState(ENABLED, DISABLED), True),
        (DriverVerb.ENABLE, True, DeviceState(ENABLED, DISABLED), False),
        (DriverVerb.BACK_OUT, False, DeviceState(DISABLED, ENABLED), True),
        (DriverVerb.REMOVE, False, DeviceState(ABSENT, ENABLED), True),
        (DriverVerb.REMOVE, False, DeviceState(ABSENT, ENABLED), False),
        (DriverVerb.STATUS, False, DeviceState(ABSENT, ENABLED), False),
    ]
    seen = [bench.call(verb, disable_old=disable) for verb, disable, *_ in steps]
    printed = bench.log.getvalue() + "".join(result.changes for result in seen)

    assert [(r.outcome, r.state, r.message) for r in seen] == [
        (DONE, state, bench.confirmed if changed else "") for *_, state, changed in steps
    ], printed
    assert [bool(r.changes) for r in seen] == [
        changed and bench.shows_changes for *_, changed in steps
    ]
    assert [key for key in bench.keys if key.hidden_in(printed) != printed] == []
    if isinstance(bench, NetworkBench | SimulatedBench):
        second = bench.second_old
        assert (bool(second) and all(second)) is (has is OldAtDevice.BOTH)


SHOWS_ITSELF = """
import json, os, sys
asked = json.load(sys.stdin)
device = json.load(open(asked["device_file"]))
key = device["new"]["tunnels"][0]["key"]
assert key and key not in json.dumps([asked, sys.argv, dict(os.environ)])
assert os.stat(asked["device_file"]).st_mode & 0o777 == 0o600
assert set(device["commands"]) == {
    "load", "enable-new", "disable-old", "back-out", "remove-old", "remove-new"
}
message = " ".join((asked["verb"], asked["site"], device["platform"]))
json.dump({"new": "enabled", "message": message}, sys.stdout)
"""


def test_what_a_driver_reads_and_where_the_keys_are(tmp_path):
    """The document names a private file with the keys; arguments and environment have none."""
    bench = bench_with(tmp_path, SHOWS_ITSELF)
    result = bench.call(DriverVerb.ENABLE)

    assert result.outcome is DONE, result.message
    assert result.message == f"enable at {OLD_VPN} strongswan-bird"
    assert result.state == DeviceState(ENABLED, TunnelsState.UNKNOWN)
    assert result.took > timedelta(0)


DONE, FAILED, UNCERTAIN = DriverOutcome.DONE, DriverOutcome.FAILED, DriverOutcome.UNCERTAIN
UNREADABLE = "its result cannot be read: "
ENDS: list[tuple[int | None, str, str, DriverOutcome, str]] = [
    (0, "", '{"new": "enabled"}\n', DONE, ""),
    (0, "", "", DONE, ""),
    (1, "exit 1", '{"message": "a\\nb"}', FAILED, "exit 1; a b"),
    (255, "exit 255", "", UNCERTAIN, "exit 255"),
    (None, "took over 2 min", "", UNCERTAIN, "took over 2 min"),
    (0, "", "done", UNCERTAIN, UNREADABLE),
    (0, "", '{"new": "up"}', UNCERTAIN, UNREADABLE),
    (0, "", "[]", UNCERTAIN, UNREADABLE),
]


@pytest.mark.parametrize(("exit_", "fault", "output", "outcome", "message"), ENDS)
def test_the_end_of_a_program_is_an_outcome(exit_, fault, output, outcome, message):
    """Exit status 0 is done, 1 is failed, and everything else leaves the effect open."""
    ended = ProcessResult(exit_, fault, timedelta(), output)
    result = result_of(DriverVerb.ENABLE, ended)

    assert (result.outcome, result.message[: len(message)]) == (outcome, message)
    assert bool(result.message) is bool(message)


def test_a_status_without_a_result_is_none():
    """A status that prints nothing does not count, and a long message is cut."""
    nothing = result_of(DriverVerb.STATUS, ProcessResult(0, "", timedelta(), " "))
    long = ProcessResult(0, "", timedelta(), json.dumps({"message": "x" * 2000}))

    assert (nothing.outcome, nothing.message) == (
        UNCERTAIN,
        "it printed no result",
    )
    assert len(result_of(DriverVerb.STATUS, long).message) == LONGEST_MESSAGE


def test_a_driver_that_hangs_is_killed(tmp_path):
    """At its limit a call ends with an uncertain effect, and the process goes on."""
    bench = bench_with(tmp_path, "import time; time.sleep(600)", 0.5)
    result = bench.call(DriverVerb.LOAD)

    assert result.outcome is UNCERTAIN
    assert "and was killed" in result.message


def test_a_program_that_was_changed_is_not_run(tmp_path):
    """A driver whose file differs from the planned one fails without a call."""
    bench = bench_with(tmp_path, "print('{}')")
    (tmp_path / "driver.py").write_text("print(1)", encoding="utf-8")
    result = bench.call(DriverVerb.LOAD)

    assert "differs from what it was when the plan was made" in result.message
    assert result.outcome is UNCERTAIN


@pytest.fixture
def held_lock(tmp_path: Path) -> Iterator[Bench]:
    bench = bench_with(tmp_path, "print('{}')", 0.5)
    bench.run.work.mkdir()
    with (bench.run.work / "cgw-1.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield bench


def test_a_device_that_is_being_changed_is_left_alone(held_lock: Bench) -> None:
    """While a call of a killed process still runs, no other begins for that device."""
    result = held_lock.call(DriverVerb.STATUS)

    assert (result.outcome, result.message) == (
        UNCERTAIN,
        "an earlier call is still running",
    )


def test_a_child_in_the_background_does_not_block_the_next_call(tmp_path):
    """A program that a driver leaves running does not count as a call in flight."""
    leaves = (
        "import json, subprocess, sys\n"
        "subprocess.Popen(['sleep', '30'], close_fds=False, stdout=2, stderr=2, stdin=0)\n"
        "json.dump({'new': 'disabled', 'old': 'enabled'}, sys.stdout)\n"
    )
    bench = bench_with(tmp_path, leaves, 20)
    results = [bench.call(DriverVerb.STATUS) for _ in range(2)]

    assert [r.outcome for r in results] == [DONE] * 2


def test_the_device_file_is_private_and_kept_with_the_connection(tmp_path):
    """The file with the keys is in the folder of the new connection, with mode 0600."""
    bench = bench_with(tmp_path, "print('{}')")
    bench.call(DriverVerb.LOAD)
    path = bench.vault.folder(bench.successor) / DEVICE_FILE

    assert path.stat().st_mode & 0o777 == 0o600
    assert len(json.loads(path.read_text())["new"]["tunnels"]) == 2


def test_commands_with_placeholders_are_not_run(strongswan: Bench) -> None:
    """Without the running configuration the old tunnels have no names, so nothing is disabled."""
    Path(strongswan.driver.existing).write_text("", encoding="utf-8")
    strongswan.call(DriverVerb.LOAD)
    result = strongswan.call(DriverVerb.ENABLE, disable_old=True)

    assert result.outcome is FAILED
    assert "disable-old is not run, it has placeholders: <" in result.message


def test_a_charon_that_does_not_answer_is_named(strongswan: Bench) -> None:
    """A socket without a daemon fails the call, with its name."""
    strongswan.driver = replace(strongswan.driver, sockets=("unix:///nowhere.vici",))
    result = strongswan.call(DriverVerb.STATUS)

    assert result.outcome is FAILED
    assert "charon does not answer at unix:///nowhere.vici" in result.message


def test_tunnels_with_one_inside_address_are_not_enabled_together(tmp_path: Path) -> None:
    """Where a new tunnel has the inside address of an old one, enable disables the old first."""
    shows = (
        "import json, sys\n"
        "asked = json.load(sys.stdin)\n"
        "print(json.dumps({'message': str(asked['disable_old'])}))\n"
    )
    kept = bench_with(tmp_path / "a", shows, inside=InsideMode.KEEP)
    other = bench_with(tmp_path / "b", shows)

    assert kept.call(DriverVerb.ENABLE).message == "True"
    assert kept.call(DriverVerb.LOAD).message == "False"
    assert other.call(DriverVerb.ENABLE).message == "False"


def test_a_call_that_cannot_even_begin_has_a_result(tmp_path: Path) -> None:
    """A fault in this program fails the call, because without a result no engineer is asked."""
    bench = bench_with(tmp_path, "print('{}')")
    bench.driver = replace(bench.driver, platform="no-such-router")
    result = bench.call(DriverVerb.LOAD)

    assert (result.outcome, result.message) == (
        FAILED,
        "was not run: 'no-such-router' is not a platform",
    )


def test_a_state_that_cannot_be_read_after_a_change_is_uncertain(strongswan: Bench) -> None:
    """Once commands were run, a charon that has gone leaves their effect open."""
    shell = Path(strongswan.driver.shell[0])
    gone = shell.read_text() + f"rm -f {strongswan.driver.sockets[0].removeprefix('unix://')}\n"
    shell.write_text(gone, encoding="utf-8")
    strongswan.plan = replace(
        strongswan.plan, programs=pinned(Decisions(drivers={"default": strongswan.driver}))
    )
    result = strongswan.call(DriverVerb.LOAD)

    assert result.outcome is UNCERTAIN
    assert "charon does not answer" in result.message
