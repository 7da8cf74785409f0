"""Refusals of single commands: each platform's, through the drivers over SSH."""

from __future__ import annotations

import re

import pytest

from tests.support.driver_bench import NETWORK, VYOS, NetworkBench, network_bench
from vpnmigrate.local.drivers.refusals import REFUSALS, refusal_in
from vpnmigrate.model.device_drivers import DriverOutcome, DriverVerb

PLATFORMS = {name.removeprefix("netmiko-"): entry for name, entry in NETWORK.items()} | {
    "vyos": VYOS
}
MARK = "           ^\n"
CISCO = (
    f"{MARK}% Invalid input detected at '^' marker.\n",
    "% Incomplete command.\n",
    '% Ambiguous command:  "tunnel mo"',
    "% Unrecognized command",
    "%Error: the address is in use",
    "Command authorization failed.",
    "Bad mask /29 for address 169.254.60.3",
    "% 169.254.60.0 overlaps with Tunnel12",
    "% VRF outside not configured",
    "% Specify remote-as or peer-group commands first",
    "BGP is already running; AS is 65001",
)
ANSWERS = {
    "cisco-ios": CISCO,
    "cisco-asa": (
        *CISCO,
        f"{MARK}ERROR: % Invalid input detected at '^' marker.",
        "ERROR: entry for address/mask = 169.254.60.0/255.255.255.252 exists",
        "Removing object not allowed, it is being used",
    ),
    "juniper-srx": (
        f"{MARK}syntax error.",
        f"{MARK}syntax error, expecting <command>.",
        f"{MARK}unknown command.",
        f"{MARK}missing argument.",
        "error: configuration database locked by: ann",
        "'in' is ambiguous.\nPossible completions:",
        "invalid autonomous system value at '0' not in range 1 to 65535",
    ),
    "vyos": (
        "\n  Configuration path: vpn ipsec [x] is not valid\n  Set failed\n",
        "\n  Delete failed\n",
        "\n  Invalid command: [sett]\n",
        "Error: 192.168.1/30 is not a valid IP host\n\n\n  Invalid value\n",
        "  Value validation failed",
        "[[vpn ipsec]] failed\nCommit failed",
        "Cannot load: configuration modified.\nCommit or discard the changes before loading",
        "Configuration system temporarily locked due to another commit in progress",
    ),
    "fortios": (
        "command parse error before 'x'\nCommand fail. Return code -61",
        "node_check_object fail! for interface wan9\n\nvalue parse error before 'wan9'",
        "entry not found in datasource",
        "object set operator error, -56 discard the setting",
        "Attribute 'remote-gw' MUST be set.",
        "Unknown action 0",
        "incomplete command in the end",
    ),
}
"""What the platforms print instead of carrying out a command."""
HARMLESS = {
    "cisco-ios": (
        "%SYS-5-CONFIG_I: Configured from console by ann: the last attempt failed",
        "% Generating 2048 bit RSA keys, keys will be non-exportable...",
        "%BGP-5-ADJCHANGE: neighbor 169.254.60.1 Down, not configured",
        "%SPANTREE-SP-4-PORT_STATE: port 3/1 failed",
        "%ERROR-4-RATE: 3 messages were dropped",
    ),
    "cisco-asa": (
        'INFO: Security level for "aws" set to 0 by default.',
        "WARNING: L2L tunnel-groups that have names which are not an IP",
    ),
    "juniper-srx": ("warning: statement not found", "[edit]"),
    "vyos": ("\n  Configuration path: [vpn ipsec esp-group x] already exists\n",),
    "fortios": ("new entry 'aws-1' added",),
}
"""What they print beside carrying it out."""


def answered(bench: NetworkBench, answer: str) -> str:
    """Return the message of a load of which one command has *answer*; empty if it is done."""
    bench.router.rejects, bench.router.refusal = (
        "remote-gw|tunnel destination|remote-addr|address 19",
        answer,
    )
    result = bench.call(DriverVerb.LOAD)
    return "" if result.outcome is DriverOutcome.DONE else result.message


@pytest.mark.parametrize("platform", REFUSALS)
def test_a_refused_command_fails_the_call(platform, tmp_path):
    """Every answer that refuses a command is recognised, whatever its words are."""
    # An ASA's that are those of IOS are tried with IOS; each takes a second.
    typed = {**ANSWERS, "cisco-asa": ANSWERS["cisco-asa"][len(CISCO) :]}
    with network_bench(tmp_path, *PLATFORMS[platform]) as bench:
        refused = "the device refuses a command"
        taken = [a for a in typed[platform] if refused not in answered(bench, a)]

    assert taken == []


def test_napalm_fails_a_call_with_a_refused_command(tmp_path):
    """Alone it knows "Invalid input", so the driver reads what the device printed."""
    with network_bench(tmp_path, *NETWORK["napalm-cisco-ios"]) as bench:
        message = answered(bench, "% 169.254.60.0 overlaps with Tunnel12")

    refused = "the device refuses a command: % 169.254.60.0 overlaps with Tunnel12; the commands"
    assert refused in message
    assert (bench.router.undone, bench.router.waits) == (1, False)


@pytest.mark.parametrize("platform", REFUSALS)
def test_warnings_and_log_lines_are_no_refusals(platform):
    """A command that was carried out with a warning, or beside a line of the log, counts."""
    assert [a for a in HARMLESS[platform] if refusal_in(platform, a)] == []


@pytest.mark.parametrize("platform", REFUSALS)
def test_every_kind_of_refusal_has_an_answer(platform):
    """Each pattern is needed for one of the answers, and says where it is from."""
    for refusal in REFUSALS[platform]:
        kind = re.compile(rf"^[ \t]*{refusal.pattern}", re.IGNORECASE | re.MULTILINE)
        assert any(map(kind.search, ANSWERS[platform])), refusal.pattern
        assert refusal.source
