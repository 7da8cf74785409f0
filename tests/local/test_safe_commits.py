"""Safe commits of the drivers over SSH: timers that do not run, and wrong commits."""

from __future__ import annotations

import pytest

from tests.support.driver_bench import NETWORK, VYOS, NetworkBench, network_bench
from tests.support.fake_routers import IosRouter, JunosRouter, VyosRouter
from vpnmigrate.local.drivers.confirmed_change import WAITING_COMMIT, DeviceConnection
from vpnmigrate.local.drivers.program import DeviceLogin
from vpnmigrate.model.device_drivers import DeviceState, DriverOutcome, DriverVerb, TunnelsState

DONE, FAILED, UNCERTAIN = DriverOutcome.DONE, DriverOutcome.FAILED, DriverOutcome.UNCERTAIN
BARE = DeviceState(TunnelsState.ABSENT, TunnelsState.ENABLED)
LOADED = DeviceState(TunnelsState.DISABLED, TunnelsState.ENABLED)
WITH_TIMER = {
    "netmiko-cisco-ios": NETWORK["netmiko-cisco-ios"],
    "netmiko-juniper-srx": NETWORK["netmiko-juniper-srx"],
    "netmiko-vyos": VYOS,
    "napalm-cisco-ios": NETWORK["napalm-cisco-ios"],
}


@pytest.mark.parametrize("name", ["netmiko-cisco-ios", "napalm-cisco-ios"])
def test_ios_is_not_changed_without_a_running_timer(name, tmp_path):
    """IOS enters configuration mode though it started no timer: no command is typed."""
    with network_bench(tmp_path, *NETWORK[name]) as bench:
        assert isinstance(bench.router, IosRouter)
        bench.router.starts_timers = False
        before = bench.router.text()
        result = bench.call(DriverVerb.LOAD)

    assert (result.outcome, result.pending_until) == (FAILED, None)
    assert "started no timer, so nothing was changed and traffic is as before" in result.message
    assert "`show archive`" in result.message
    assert bench.router.text() == before


def disable_old_tunnels(bench: NetworkBench) -> None:
    """Shut down the old tunnels of an IOS router, which a rollback enables."""
    for number in range(len(bench.old.tunnels)):
        bench.router.running[f"interface Tunnel{number}"]["shutdown"] = {}


@pytest.mark.parametrize("name", ["netmiko-cisco-ios", "napalm-cisco-ios"])
@pytest.mark.parametrize("lacks", ["archive", "starts_timers"])
def test_a_rollback_needs_no_timer(name, lacks, tmp_path):
    """While traffic is down ``back-out`` is carried out although IOS starts no timer."""
    with network_bench(tmp_path, *NETWORK[name]) as bench:
        disable_old_tunnels(bench)
        setattr(bench.router, lacks, False)
        result = bench.call(DriverVerb.BACK_OUT)

    assert (result.outcome, result.state, result.pending_until) == (DONE, BARE, None)
    assert result.message == "no timer was running when it was confirmed"
    assert not (bench.vault.root / bench.successor / WAITING_COMMIT).exists()


def test_a_rollback_does_not_need_the_new_neighbours(tmp_path):
    """A new tunnel whose neighbour was lost is disabled like the other, and that is confirmed."""
    with network_bench(tmp_path, *NETWORK["netmiko-juniper-srx"]) as bench:
        for verb in (DriverVerb.LOAD, DriverVerb.ENABLE):
            assert bench.call(verb, disable_old=True).outcome is DONE
        lost = f" neighbor {bench.new.tunnels[1].amazon.inside_ip} "
        bench.router.running = [line for line in bench.router.running if lost not in line]
        result = bench.call(DriverVerb.BACK_OUT)

    assert (result.outcome, result.state, result.pending_until) == (DONE, LOADED, None)
    assert not bench.router.waits


def test_a_refused_rollback_without_a_timer_keeps_what_was_typed(tmp_path):
    """IOS keeps the commands before the refused one, and the message does not promise more."""
    with network_bench(tmp_path, *NETWORK["netmiko-cisco-ios"]) as bench:
        assert isinstance(bench.router, IosRouter)
        disable_old_tunnels(bench)
        bench.router.starts_timers = False
        bench.router.rejects = "^no shutdown"
        result = bench.call(DriverVerb.BACK_OUT)

    assert (result.outcome, result.pending_until) == (FAILED, None)
    assert "the device refuses a command: " in result.message
    assert "undone" not in result.message


def test_vyos_undoes_a_commit_that_fails_in_part(tmp_path):
    """Its timer runs before the commit, and would reboot the router after the failure."""
    with network_bench(tmp_path, *VYOS) as bench:
        assert isinstance(bench.router, VyosRouter)
        before = bench.router.text()
        bench.router.commit_failure = "[[vpn ipsec]] failed\nCommit failed"
        result = bench.call(DriverVerb.LOAD)

    assert (result.outcome, result.pending_until) == (FAILED, None)
    refused = "the device refuses the commit: [[vpn ipsec]] failed; what was committed is undone"
    assert result.message.endswith(refused)
    assert (bench.router.text(), bench.router.waits) == (before, False)


def test_junos_does_not_commit_what_its_timer_has_undone(tmp_path):
    """Once the timer has expired, ``rollback 1`` is the wrong commit, which stays undone."""
    with network_bench(tmp_path, *NETWORK["netmiko-juniper-srx"]) as bench:
        router = bench.router
        assert isinstance(router, JunosRouter)
        assert bench.call(DriverVerb.LOAD).outcome is DONE
        router.ignores = _enables_a_neighbour(bench)
        assert bench.call(DriverVerb.ENABLE).outcome is UNCERTAIN
        router.typed.clear()

        def expires() -> bool:
            if router.waits and "configure exclusive" in router.typed:
                router.undo()
            return False

        router.cut_off = expires
        result = bench.call(DriverVerb.BACK_OUT)

    assert (result.outcome, result.state, result.pending_until) == (DONE, LOADED, None)
    assert "commit comment" not in " ".join(router.typed)


def test_a_commit_that_another_user_confirmed_is_reported(tmp_path):
    """A timer that has ended before the driver looked again protected nothing, which is said."""
    with network_bench(tmp_path, *NETWORK["netmiko-cisco-ios"]) as bench:
        connect, made = bench.connect, 0

        def confirmed_by_another(login: DeviceLogin) -> DeviceConnection:
            nonlocal made
            made += 1
            if made == 2:
                bench.router.settle()
            return connect(login)

        bench.connect = confirmed_by_another
        result = bench.call(DriverVerb.LOAD)

    assert (result.outcome, result.state) == (DONE, LOADED)
    assert result.message == "no timer was running when it was confirmed"


@pytest.mark.parametrize("name", WITH_TIMER)
def test_a_wrong_commit_does_not_delay_a_rollback(name, tmp_path):
    """A commit that is complete and not as asked is undone by ``back-out``, before its timer."""
    with network_bench(tmp_path, *WITH_TIMER[name]) as bench:
        assert bench.call(DriverVerb.LOAD).outcome is DONE
        bench.router.ignores = _enables_a_neighbour(bench)
        wrong = bench.call(DriverVerb.ENABLE)
        again = bench.call(DriverVerb.ENABLE)
        waited = bench.router.waits
        bench.router.ignores = ""
        back = bench.call(DriverVerb.BACK_OUT)

    assert [r.outcome for r in (wrong, again)] == [UNCERTAIN] * 2
    assert wrong.pending_until is not None
    assert "which is not confirmed: the device undoes the change at" in wrong.message
    assert (back.outcome, back.state, back.pending_until) == (DONE, LOADED, None)
    old = ", ".join(str(tunnel.outside_ip) for tunnel in bench.old.tunnels)
    undone = "an earlier enable was not as asked, and is undone"
    assert back.message == f"{undone}; initiated: {old}"
    assert (waited, bench.router.waits) == (True, False)
    assert not (bench.vault.root / bench.successor / WAITING_COMMIT).exists()


def test_a_wrong_load_is_not_undone_by_what_goes_on_from_it(tmp_path):
    """Without the tunnels ``enable`` would make empty ones, so it waits for the timer."""
    with network_bench(tmp_path, *NETWORK["netmiko-juniper-srx"]) as bench:
        inside = bench.new.tunnels[1].amazon.inside_ip
        bench.router.ignores = f"neighbor {inside} "
        results = [bench.call(verb) for verb in (DriverVerb.LOAD, DriverVerb.ENABLE)]

    assert [r.outcome for r in results] == [UNCERTAIN] * 2
    assert all("which is not confirmed" in r.message for r in results)
    assert bench.router.waits


def _enables_a_neighbour(bench: NetworkBench) -> str:
    """Return a pattern of the command that enables the BGP session of the second tunnel."""
    inside = bench.new.tunnels[1].amazon.inside_ip
    return rf"^(no neighbor {inside} shutdown|delete .* neighbor {inside} shutdown|activate .*-2$)"
