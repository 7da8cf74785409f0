"""Logins of the drivers over SSH: a private key in a file, and the SSH agent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.driver_bench import NETWORK, NetworkBench, network_bench
from tests.support.signing import KeyRing
from vpnmigrate.model.device_drivers import DriverOutcome, DriverVerb

DONE, FAILED = DriverOutcome.DONE, DriverOutcome.FAILED
STATUS = DriverVerb.STATUS
BY_KEY = ("netmiko-cisco-ios", "netmiko-fortios", "napalm-cisco-ios")


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys")


def let_in(bench: NetworkBench, keys: KeyRing, name: str) -> None:
    """Let the router accept the key of *name*."""
    bench.router.authorized_keys.append(keys.public(name).split()[1])


def log_in_with(bench: NetworkBench, key_file: str) -> None:
    """Let the driver log in with *key_file*, or with the agent if it is empty."""
    access = replace(bench.access, password_file="", key_file=key_file)
    bench.driver = replace(bench.driver, ssh=access)


@pytest.fixture
def agent(tmp_path: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An SSH agent that has the key of "ann"."""
    socket = tmp_path / "agent"
    words = ["ssh-agent", "-D", "-a", str(socket)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while not socket.exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        add = ["ssh-add", "-q", str(keys.key("ann"))]
        subprocess.run(add, check=True, env=dict(os.environ), timeout=30)
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("name", BY_KEY)
def test_a_private_key_logs_in(name, tmp_path, keys):
    """The file alone decides: neither a password nor an agent is asked."""
    with network_bench(tmp_path, *NETWORK[name]) as bench:
        let_in(bench, keys, "ann")
        log_in_with(bench, str(keys.key("ann")))
        result = bench.call(STATUS)

    assert result.outcome is DONE, result.message


@pytest.mark.parametrize("wrong", ["unknown", "readable", "passphrase"])
def test_a_key_that_does_not_log_in_is_named(wrong, tmp_path, keys, agent):
    """Another key, one that others can read, and one with a passphrase; no agent is asked."""
    with network_bench(tmp_path, *NETWORK["netmiko-cisco-ios"]) as bench:
        let_in(bench, keys, "ann")
        key = keys.key("bob", "secret words" if wrong == "passphrase" else "")
        if wrong != "unknown":
            let_in(bench, keys, "bob")
        if wrong == "readable":
            key.chmod(0o644)
        log_in_with(bench, str(key))
        result = bench.call(STATUS)

    assert result.outcome is FAILED
    expected = {
        "unknown": "the device refuses the login",
        "readable": f"chmod 600 {key}",
        "passphrase": "has a passphrase",
    }
    assert expected[wrong] in result.message


def test_the_agent_logs_in_a_driver_of_its_own_process(tmp_path, keys, agent):
    """The program of the driver finds the agent of the operator's session."""
    with network_bench(tmp_path, *NETWORK["netmiko-cisco-ios"]) as bench:
        let_in(bench, keys, "ann")
        log_in_with(bench, "")
        result = bench.answered_by_a_process(bench.call_of(STATUS))

    assert result.outcome is DONE, result.message


def test_a_missing_agent_is_named(tmp_path, monkeypatch):
    """Without password, key and agent there is no login: the message says what is missing."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with network_bench(tmp_path, *NETWORK["netmiko-cisco-ios"]) as bench:
        log_in_with(bench, "")
        result = bench.call(STATUS)

    assert result.outcome is FAILED
    assert "the SSH agent has no key" in result.message
    assert "ssh-add" in result.message


def test_the_tests_of_drivers_are_collected_without_their_libraries():
    """Where the extras are missing the tests are skipped, so their modules need none of them."""
    script = (
        "import sys\n"
        "for name in ('paramiko', 'netmiko', 'napalm', 'vici'): sys.modules[name] = None\n"
        "import tests.local.test_drivers, tests.local.test_network_drivers\n"
        "import tests.local.test_ssh_logins, tests.local.test_refusals\n"
        "import tests.local.test_initiation, tests.local.test_safe_commits\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
