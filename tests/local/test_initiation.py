"""Back out of the drivers over SSH: old tunnels that stayed enabled are initiated."""

from __future__ import annotations

import pytest

from tests.support.driver_bench import NETWORK, VYOS, NetworkBench, network_bench
from vpnmigrate.model.device_drivers import DeviceState, DriverOutcome, DriverVerb, TunnelsState

LOADED = DeviceState(TunnelsState.DISABLED, TunnelsState.ENABLED)
BENCHES = {**NETWORK, "netmiko-vyos": VYOS}
COMMANDS = {
    "cisco-ios": "clear crypto session remote {outside}",
    "cisco-asa": "clear crypto ipsec sa peer {outside}",
    "juniper-srx": "clear security ike security-associations {outside}",
    "vyos": "reset vpn ipsec site-to-site peer aws-{number}",
    "fortios": "diagnose vpn ike gateway flush name vpn-old-{number}",
}
UP = {
    "cisco-ios": (
        "show crypto session remote {outside}",
        "Crypto session current status\n\nSession status: UP-ACTIVE\nPeer: {outside} port 500\n",
    ),
    "cisco-asa": (
        "show vpn-sessiondb detail l2l filter ipaddress {outside}",
        "Session Type: LAN-to-LAN Detailed\n\nConnection   : {outside}\nIndex        : 7\n",
    ),
    "juniper-srx": (
        "show security ipsec security-associations | match {outside} | no-more",
        "  <131073 ESP:aes-cbc-256/sha256 8d1b8c24 3590/ unlim - root 500 {outside}\n",
    ),
    "vyos": (
        "show vpn ipsec sa",
        "Connection  State  Uptime\naws-{number}-vti  up  6m2s\naws-9  down  N/A\n",
    ),
    "fortios": (
        "get vpn ipsec tunnel summary",
        "'vpn-old-{number}' {outside}:0  selectors(total,up): 1/1  rx(pkt,err): 4/0\n",
    ),
}
"""What shows that a tunnel is up."""


def named(bench: NetworkBench, text: str, number: int) -> str:
    return text.format(outside=bench.old.tunnels[number].outside_ip, number=number)


@pytest.mark.parametrize("name", BENCHES)
def test_old_tunnels_that_stayed_enabled_are_initiated(name, tmp_path):
    """The configuration is as asked already, so only the tunnel that is down is negotiated anew."""
    with network_bench(tmp_path, *BENCHES[name]) as bench:
        platform = bench.driver.platform
        show, answer = (named(bench, text, 0) for text in UP[platform])
        bench.router.answers[show] = answer
        result = bench.call(DriverVerb.BACK_OUT)
        commands = [named(bench, COMMANDS[platform], number) for number in (0, 1)]

    assert (result.outcome, result.state.old) == (DriverOutcome.DONE, TunnelsState.ENABLED)
    assert result.message == f"initiated: {bench.old.tunnels[1].outside_ip}"
    assert [command in bench.router.typed for command in commands] == [False, True]


def test_a_refused_initiation_is_left_to_the_engineer(tmp_path):
    """The devices are configured as asked, so the call is done; the message names the tunnels."""
    with network_bench(tmp_path, *NETWORK["netmiko-cisco-ios"]) as bench:
        outside = [tunnel.outside_ip for tunnel in bench.old.tunnels]
        for address in outside:
            command = f"clear crypto session remote {address}"
            bench.router.answers[command] = "Command authorization failed."
        result = bench.call(DriverVerb.BACK_OUT)

    assert result.outcome is DriverOutcome.DONE
    assert result.message == f"refused by the device, initiate there: {', '.join(outside)}"


def test_contact_that_is_lost_while_initiating_undoes_nothing(tmp_path):
    """The configuration is as asked, so the call is done, and says what is left to do."""
    with network_bench(tmp_path, *NETWORK["netmiko-cisco-ios"]) as bench:
        bench.limit_seconds = 8.0
        router = bench.router
        router.cut_off = lambda: any(line.startswith("clear crypto") for line in router.typed)
        result = bench.call(DriverVerb.BACK_OUT)

    assert (result.outcome, result.state.old) == (DriverOutcome.DONE, TunnelsState.ENABLED)
    assert result.message.startswith("initiate the old tunnels at the device: ")


def test_tunnels_that_are_enabled_by_the_call_are_not_cleared(tmp_path):
    """Enabling initiates them; a command more would end the negotiation that has begun."""
    with network_bench(tmp_path, *NETWORK["netmiko-juniper-srx"]) as bench:
        for verb in (DriverVerb.LOAD, DriverVerb.ENABLE):
            assert bench.call(verb, disable_old=True).outcome is DriverOutcome.DONE
        result = bench.call(DriverVerb.BACK_OUT)

    assert (result.state, result.message) == (LOADED, bench.confirmed)
    assert not any(line.startswith("clear ") for line in bench.router.typed)


def test_a_missing_neighbour_is_named(tmp_path):
    """A load of which a BGP neighbour was lost is not loaded, and the message names it."""
    with network_bench(tmp_path, *NETWORK["netmiko-cisco-asa"]) as bench:
        inside = bench.new.tunnels[1].amazon.inside_ip
        bench.router.ignores = f"neighbor {inside} "
        results = [bench.call(DriverVerb.LOAD), bench.call(DriverVerb.STATUS)]

    assert [r.outcome for r in results] == [DriverOutcome.UNCERTAIN, DriverOutcome.DONE]
    assert results[1].state.new is TunnelsState.UNKNOWN
    assert all(f"BGP neighbour missing: {inside}" in r.message for r in results)
