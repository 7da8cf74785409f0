"""Drivers over SSH: what a timer undoes, what a killed call leaves, and what is refused."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.driver_bench import NETWORK, VYOS, Bench, NetworkBench, network_bench
from tests.support.fake_routers import PASSWORD, IosRouter, VyosRouter
from vpnmigrate.local.drivers.confirmed_change import SLACK, WAITING_COMMIT, DeviceConnection
from vpnmigrate.local.drivers.extras import require_extras
from vpnmigrate.local.drivers.processes import command_of
from vpnmigrate.local.drivers.program import Connect, DeviceLogin
from vpnmigrate.local.drivers.strongswan import StrongswanRouter
from vpnmigrate.local.drivers.verbs import DriverError
from vpnmigrate.local.program_files import contents_of
from vpnmigrate.model.decisions import Decisions, DeviceDriver, DriverKind
from vpnmigrate.model.device_drivers import (
    DeviceState,
    DriverOutcome,
    DriverVerb,
    TunnelsState,
)
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.errors.extras import install_command
from vpnmigrate.model.redaction import HIDDEN

ABSENT, DISABLED, ENABLED = TunnelsState.ABSENT, TunnelsState.DISABLED, TunnelsState.ENABLED
DONE, FAILED, UNCERTAIN = DriverOutcome.DONE, DriverOutcome.FAILED, DriverOutcome.UNCERTAIN
BARE, LOADED = DeviceState(ABSENT, ENABLED), DeviceState(DISABLED, ENABLED)
SWITCHED = DeviceState(ENABLED, ENABLED)
STATUS, LOAD, ENABLE, BACK_OUT = (
    DriverVerb.STATUS,
    DriverVerb.LOAD,
    DriverVerb.ENABLE,
    DriverVerb.BACK_OUT,
)


class KilledError(BaseException):
    """Stands for SIGKILL: the program cannot catch it."""


@pytest.fixture
def ios(tmp_path: Path) -> Iterator[NetworkBench]:
    """IOS by netmiko."""
    with network_bench(tmp_path, *NETWORK["netmiko-cisco-ios"]) as bench:
        yield bench


@pytest.fixture
def junos(tmp_path: Path) -> Iterator[NetworkBench]:
    with network_bench(tmp_path, *NETWORK["netmiko-juniper-srx"]) as bench:
        yield bench


def failing_at_connection(bench: NetworkBench, number: int, error: BaseException) -> Connect:
    """Return how *bench* connects in a process in which connection *number* fails with *error*."""
    connect, made = bench.connect, 0

    def failing(login: DeviceLogin) -> DeviceConnection:
        nonlocal made
        made += 1
        if made == number:
            raise error
        return connect(login)

    return failing


@contextmanager
def process(bench: NetworkBench, connect: Connect) -> Iterator[None]:
    """Let calls be made by a process that connects in another way."""
    before, bench.connect = bench.connect, connect
    try:
        yield
    finally:
        bench.connect = before


def kill_between_commit_and_confirm(bench: NetworkBench) -> None:
    with process(bench, failing_at_connection(bench, 2, KilledError())), pytest.raises(KilledError):
        bench.call(LOAD)


def waiting_file(bench: Bench) -> Path:
    return bench.vault.root / bench.successor / WAITING_COMMIT


class TestAKilledCall:
    def test_is_confirmed_by_the_next_one(self, ios):
        """The device still waits, so ``status`` reports that, and the verb confirms the commit."""
        kill_between_commit_and_confirm(ios)
        assert ios.router.waits
        status = ios.call(STATUS)
        again = ios.call(LOAD)

        assert (status.outcome, status.state) == (DONE, LOADED)
        assert status.pending_until is not None
        assert (again.outcome, again.state, again.pending_until) == (DONE, LOADED, None)
        assert again.message == "an earlier load was waiting, and is confirmed"
        assert (ios.router.waits, ios.router.undone, ios.router.saved) == (False, 0, 1)
        assert not waiting_file(ios).exists()

    def test_is_undone_by_the_device_if_nothing_confirms_it(self, ios):
        """After the timer the device is as before, and the next call reports it."""
        kill_between_commit_and_confirm(ios)
        ios.router.undo()
        status = ios.call(STATUS)

        assert (status.outcome, status.state, status.pending_until) == (DONE, BARE, None)
        assert status.message == "the load of an earlier call is undone"
        assert ios.call(STATUS).message == ""

    def test_is_not_mistaken_for_a_later_commit(self, ios):
        """After its timer a commit that waits is another user's, and is left alone."""
        kill_between_commit_and_confirm(ios)
        ios.router.undo()
        ios.router.start_timer()
        ios.clock.sleep(ios.driver.confirm_timer + SLACK)
        results = [ios.call(verb) for verb in (STATUS, LOAD)]

        assert [r.outcome for r in results] == [FAILED] * 2
        assert all("another user's commit waits" in r.message for r in results)
        assert (ios.router.waits, ios.router.undone) == (True, 1)

    @pytest.mark.parametrize("name", ["netmiko-cisco-asa", "netmiko-cisco-ios"])
    def test_is_saved_by_the_next_look(self, tmp_path, name):
        """A device that restarts has the change, although the call died before it saved it."""
        with network_bench(tmp_path, *NETWORK[name]) as bench:
            kill_between_commit_and_confirm(bench)
            bench.router.settle()  # As `configure confirm` of the call that died then.
            before = bench.router.saved
            looks = [bench.call(STATUS) for _ in range(2)]

        assert [(look.outcome, look.state, look.message) for look in looks] == [
            (DONE, LOADED, "")
        ] * 2
        assert (before, bench.router.saved) == (0, 1)

    def test_before_the_commit_leaves_nothing(self, ios):
        """A process that dies before it commits has changed nothing, and the verb is done anew."""
        with process(ios, failing_at_connection(ios, 1, KilledError())), pytest.raises(KilledError):
            ios.call(LOAD)

        assert ios.call(STATUS).state == BARE
        assert ios.call(LOAD).state == LOADED


class TestAnInterruptedCommit:
    """IOS takes commands one by one, so a part of them may be in effect."""

    def test_is_undone_at_once(self, ios):
        """What a lost connection has left is not confirmed, even if it looks complete."""
        cut_off_once(ios, "router bgp")
        ios.limit_seconds = 20.0
        result = ios.call(LOAD)
        again = ios.call(LOAD)

        assert (result.outcome, result.pending_until) == (UNCERTAIN, None)
        assert "load was interrupted, and is undone" in result.message
        assert ios.router.undone == 1
        assert (again.outcome, again.state, again.message) == (DONE, LOADED, ios.confirmed)

    def test_is_undone_by_the_call_after_a_killed_one(self, ios):
        """``status`` does not report it as loaded, and the next call starts anew."""
        cut_off_once(ios, "router bgp")
        ios.limit_seconds = 20.0
        kill_between_commit_and_confirm(ios)
        status = ios.call(STATUS)
        again = ios.call(LOAD)

        assert (status.outcome, status.state) == (DONE, BARE)
        assert status.message == f"an earlier load was interrupted; {without_neighbours(ios)}"
        assert status.pending_until is not None
        assert (again.outcome, again.state) == (DONE, LOADED)
        assert "an earlier load was interrupted, and is undone; confirmed" in again.message
        assert f"neighbor {ios.new.tunnels[1].amazon.inside_ip} shutdown" in ios.router.text()

    def test_is_repeated_where_there_is_no_timer(self, tmp_path):
        """An ASA is told again what it may have in part, from the first command to the last."""
        with network_bench(tmp_path, *NETWORK["netmiko-cisco-asa"]) as bench:
            bench.limit_seconds = 20.0
            cut_off_once(bench, "router bgp")
            results = [bench.call(verb) for verb in (LOAD, STATUS, LOAD, ENABLE, BACK_OUT)]

        assert [r.outcome for r in results] == [UNCERTAIN, *[DONE] * 4]
        assert [r.state for r in results[1:]] == [BARE, LOADED, SWITCHED, LOADED]
        assert [r.pending_until for r in results] == [None] * 5
        assert results[1].message == f"an earlier load was interrupted; {without_neighbours(bench)}"
        inside = bench.new.tunnels[1].amazon.inside_ip
        assert f"neighbor {inside} shutdown" in bench.router.text()
        assert not waiting_file(bench).exists()

    def test_by_napalm_is_undone(self, tmp_path):
        """A copy into the running configuration ends anywhere, so a part is not confirmed."""
        with network_bench(tmp_path, *NETWORK["napalm-cisco-ios"]) as bench:
            bench.limit_seconds = 20.0
            cut_off_once(bench, "copy flash:/merge_config.txt running-config")
            result = bench.call(LOAD)

        assert isinstance(bench.router, IosRouter)
        assert result.outcome is UNCERTAIN, result.message
        assert "load was interrupted, and is undone" in result.message
        assert bench.router.files == {}
        assert (bench.router.undone, bench.router.waits) == (1, False)


def without_neighbours(bench: NetworkBench) -> str:
    """Return what is said when the commands after the tunnels' interfaces are missing."""
    inside = [str(tunnel.amazon.inside_ip) for tunnel in bench.new.tunnels]
    return f"BGP neighbour missing: {', '.join(inside)}"


def cut_off_once(bench: NetworkBench, command: str) -> None:
    """End the connection through which a line that begins with *command* is typed first."""
    router, cuts = bench.router, [True]

    def cut_off() -> bool:
        return (
            router.typed[-1:] != []
            and router.typed[-1].startswith(command)
            and bool(cuts and cuts.pop())
        )

    router.cut_off = cut_off


class TestLostContact:
    def test_ends_when_the_device_has_undone_the_change(self, ios):
        """A change that cuts off the device is undone by it, and the driver sees that."""
        assert ios.call(LOAD).outcome is DONE
        cut_off_by_new_tunnels(ios, expires=3)
        ios.limit_seconds = 20.0
        result = ios.call(ENABLE)
        status = ios.call(STATUS)

        assert (result.outcome, result.pending_until) == (UNCERTAIN, None)
        assert "enable was interrupted, and is undone" in result.message
        assert (status.outcome, status.state) == (DONE, LOADED)
        assert ios.router.undone == 1

    def test_is_reported_with_the_time_at_which_it_ends(self, ios):
        """With a timer longer than the call's limit, ``status`` is to be asked again."""
        assert ios.call(LOAD).outcome is DONE
        cut_off_by_new_tunnels(ios, expires=1000)
        ios.limit_seconds = 20.0
        seen = [ios.call(verb) for verb in (DriverVerb.ENABLE, STATUS)]

        assert [result.outcome for result in seen] == [UNCERTAIN] * 2
        assert all(result.pending_until is not None for result in seen)
        assert all("no contact: " in result.message for result in seen)
        assert all("unless confirmed, the device undoes the change" in r.message for r in seen)

    def test_before_a_change_is_a_failure(self, ios):
        """A device that is out of reach was not changed."""
        ios.router.cut_off = lambda: True
        result = ios.call(LOAD)

        assert (result.outcome, result.pending_until) == (FAILED, None)
        assert "no contact: " in result.message


class TestAfterTheCommit:
    """What was not expected then leaves the effect of the commit open."""

    @pytest.mark.parametrize(
        "error",
        [DriverError("the device refuses the login"), RuntimeError("pre-shared-key ab.Cd1234")],
        ids=["refused", "unknown"],
    )
    def test_an_error_is_uncertain(self, ios, error):
        """The device undoes the change unless the next call confirms it; no secret is shown."""
        with process(ios, failing_at_connection(ios, 2, error)):
            result = ios.call(LOAD)
        status = ios.call(STATUS)

        assert result.outcome is UNCERTAIN
        assert ("refuses the login" in result.message) or (
            f"RuntimeError: pre-shared-key {HIDDEN}" in result.message
        )
        assert (status.state, status.pending_until is not None) == (LOADED, True)
        assert ios.call(LOAD).message == "an earlier load was waiting, and is confirmed"

    def test_a_refused_confirmation_is_uncertain(self, junos):
        """Another user's candidate keeps the next call from confirming: the change is undone."""
        kill_between_commit_and_confirm(junos)
        junos.router.rejects = "configure exclusive"
        result = junos.call(LOAD)

        assert (result.outcome, result.pending_until is None) == (UNCERTAIN, False)
        assert "refuses configure exclusive" in result.message


def cut_off_by_new_tunnels(bench: NetworkBench, expires: int) -> None:
    """Let the router be out of reach while the new tunnels are enabled.

    Its timer expires after *expires* tries to reach it.
    """
    outside = bench.new.tunnels[0].outside_ip
    router, tries = bench.router, 0

    def cut_off() -> bool:
        nonlocal tries
        cut = any(
            f"tunnel destination {outside}" in below and "shutdown" not in below
            for below in router.running.values()
        )
        tries += cut
        if cut and tries > expires:
            router.undo()
        return cut

    router.cut_off = cut_off


class TestRefused:
    @pytest.mark.parametrize("wrong", ["empty", "other"])
    def test_a_device_whose_host_key_is_not_known(self, ios, wrong):
        """Neither password nor command is sent to a device that may be another."""
        known = Path(ios.access.known_hosts)
        host, kind, _ = known.read_text(encoding="utf-8").split()
        other = "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9"
        other += "nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg="
        known.write_text("" if wrong == "empty" else f"{host} {kind} {other}\n", encoding="utf-8")
        result = ios.call(LOAD)

        assert result.outcome is FAILED
        assert "host key" in result.message
        assert (ios.router.typed, ios.router.logins) == ([], [])

    def test_another_users_commit_that_waits(self, ios):
        """A commit that this program has not made is neither confirmed nor counted as lasting."""
        ios.router.start_timer()
        results = [ios.call(verb) for verb in (STATUS, LOAD)]

        assert [r.outcome for r in results] == [FAILED] * 2
        assert all("another user's commit waits" in r.message for r in results)
        assert ios.router.waits

    def test_a_password_that_others_can_read(self, ios):
        """A file that others can read is not used, and the message has the command for it."""
        Path(ios.access.password_file).chmod(0o644)
        result = ios.call(STATUS)

        assert result.outcome is FAILED
        assert f"chmod 600 {ios.access.password_file}" in result.message

    def test_a_wrong_password(self, ios):
        """The device refuses it; the message does not have it."""
        Path(ios.access.password_file).write_text("Wrong-horse.8\n", encoding="utf-8")
        result = ios.call(STATUS)

        assert result.outcome is FAILED
        assert "refuses the login" in result.message
        assert "Wrong-horse" not in result.message

    @pytest.mark.parametrize("rejects", ["pre-shared-key", "^interface"])
    def test_a_command_undoes_those_before_it(self, ios, rejects):
        """IOS takes commands one by one, so its timer undoes them at once; no key is shown."""
        ios.router.rejects = rejects
        result = ios.call(LOAD)
        key = ios.new.tunnels[0].key

        assert (result.outcome, result.pending_until) == (FAILED, None)
        assert "the device refuses a command: Invalid input" in result.message
        assert "the commands before it were undone" in result.message
        assert key.hidden_in(result.message) == result.message
        assert (ios.router.undone, ios.router.waits) == (1, False)
        assert not waiting_file(ios).exists()

    def test_an_undo_without_effect(self, ios):
        """The timer still runs, so the call is not reported as undone."""
        ios.router.rejects = "pre-shared-key"
        ios.router.reverts = False
        result = ios.call(LOAD)

        assert (result.outcome, result.pending_until is None) == (UNCERTAIN, False)
        assert "configure revert now had no effect" in result.message

    def test_a_command_of_a_device_without_a_timer(self, tmp_path):
        """The commands before it stay; they are not counted as loaded, and can be removed."""
        with network_bench(tmp_path, *NETWORK["netmiko-cisco-asa"]) as bench:
            part = f"tunnel destination {bench.new.tunnels[0].outside_ip}"
            bench.router.rejects = "router bgp"
            results = [bench.call(verb) for verb in (LOAD, STATUS)]
            assert part in bench.router.text()
            bench.router.rejects = ""
            results.append(bench.call(DriverVerb.REMOVE))
            assert part not in bench.router.text()
            results.append(bench.call(LOAD))

        assert [r.outcome for r in results] == [FAILED, DONE, DONE, DONE]
        assert [r.state.new for r in results[1:]] == [ABSENT, ABSENT, DISABLED]

    def test_a_command_leaves_the_candidate_uncommitted(self, junos):
        """Junos has changed nothing, and another user can configure it."""
        junos.router.rejects = "establish-tunnels"
        before = junos.router.text()
        result = junos.call(LOAD)

        assert result.outcome is FAILED
        assert "the device refuses a command" in result.message
        assert (junos.router.text(), junos.router.waits) == (before, False)

    def test_ios_without_an_archive(self, ios):
        """IOS has no timer without an archive: nothing is typed, and the reason is named."""
        ios.router.archive = False
        before = ios.router.text()
        result = ios.call(LOAD)

        assert result.outcome is FAILED
        assert "it needs `archive` with a `path`" in result.message
        assert ios.router.text() == before


@pytest.mark.parametrize("question", ["Proceed ? [Y/n] ", "Proceed? [confirm]"])
def test_vyos_asks_before_it_starts_its_timer(tmp_path, question):
    """The driver answers the question in either form, and saves after the confirmation."""
    with network_bench(tmp_path, *VYOS) as bench:
        assert isinstance(bench.router, VyosRouter)
        bench.router.question = question
        results = [
            bench.call(LOAD),
            bench.call(ENABLE, disable_old=True),
        ]

    assert [r.outcome for r in results] == [DONE] * 2
    assert [r.message for r in results] == [bench.confirmed] * 2
    assert results[1].state == DeviceState(ENABLED, DISABLED)
    assert results[1].changes.count("\n+ set vpn ipsec site-to-site peer aws-") == 2
    assert bench.router.saved == 2


def test_napalm_leaves_no_file_with_keys(tmp_path):
    """The candidate is deleted on this machine, and what napalm keeps, on the device."""
    with network_bench(tmp_path, *NETWORK["napalm-cisco-ios"]) as bench:
        result = bench.call(LOAD)
        folder = bench.vault.root / bench.successor

    assert result.outcome is DONE, result.message
    assert isinstance(bench.router, IosRouter)
    assert bench.router.files == {}
    assert {path.name for path in folder.iterdir()} == {
        *("configuration.xml", "options.json", "sample.txt", "sheet.md", "driver.json"),
    }


def test_a_driver_is_a_process_that_writes_no_secret(tmp_path):
    """It takes the password from another program; neither that nor a key leaves the vault."""
    asks = tmp_path / "password.py"
    asks.write_text(f"print({PASSWORD!r})\n", encoding="utf-8")
    words = (sys.executable, str(asks))
    with network_bench(tmp_path, *NETWORK["netmiko-cisco-ios"]) as bench:
        access = replace(bench.access, password_file="", password_command=words)
        bench.driver = replace(bench.driver, ssh=access)
        bench.plan = replace(bench.plan, programs=contents_of(words))
        result = bench.answered_by_a_process(bench.call_of(LOAD))

    written = "".join(
        path.read_text(encoding="utf-8") for path in bench.run.path.rglob("*") if path.is_file()
    )
    shown = f"{written}{bench.log.getvalue()}{result.message}{result.changes}"
    keys = [tunnel.key for tunnel in (*bench.new.tunnels, *bench.old.tunnels)]
    assert (result.outcome, result.state) == (DONE, LOADED), shown
    assert f"pre-shared-key {HIDDEN}" in result.changes
    assert PASSWORD not in "".join((shown, *command_of(bench.driver), *os.environ.values()))
    assert [key for key in keys if key is None or key.reveal() in shown] == []


@pytest.mark.parametrize("kind", [DriverKind.NETMIKO, DriverKind.NAPALM, DriverKind.STRONGSWAN])
def test_a_missing_library_is_named_before_there_is_a_plan(kind, monkeypatch):
    """The message has the command that installs it."""
    library = {DriverKind.STRONGSWAN: "vici"}.get(kind, kind.value)
    decisions = Decisions(drivers={"cgw-1": DeviceDriver(kind)})
    require_extras(decisions)
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(UsageError) as refused:
        require_extras(decisions)
    assert f"decisions.drivers.cgw-1: {library} is not installed" in refused.value.message
    assert refused.value.advice_text == str(install_command(kind))


def test_the_library_for_strongswan_is_named_by_the_driver(monkeypatch):
    """Its extra has another name than the library, and the message has the command."""
    monkeypatch.setitem(sys.modules, "vici", None)

    message = f"vici is missing: {install_command('strongswan')}"
    with pytest.raises(DriverError, match=re.escape(message)):
        StrongswanRouter(("unix:///nowhere.vici",), ()).parts(("198.51.100.1",))


@pytest.mark.parametrize("name", NETWORK)
def test_a_library_that_was_removed_is_named_by_the_driver(tmp_path, monkeypatch, name):
    """On a machine without it the call fails, with the command that installs it."""
    with network_bench(tmp_path, *NETWORK[name]) as bench:
        monkeypatch.setitem(sys.modules, bench.driver.kind.value, None)
        result = bench.call(STATUS)

    assert result.outcome is FAILED
    assert str(install_command(bench.driver.kind)) in result.message
