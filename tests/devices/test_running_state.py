"""Running configurations: the state of a connection's tunnels, and lines without secrets."""

from __future__ import annotations

import pytest

from tests.devices.device_tasks import ROUTING, a_task, existing_of
from tests.devices.documents import NEW_ENDS
from vpnmigrate.devices.blocks import device_blocks, revealed
from vpnmigrate.devices.configuration_lines import configuration_changes, without_secrets
from vpnmigrate.devices.platforms import platform_named
from vpnmigrate.devices.running_state import missing_neighbours, tunnels_state
from vpnmigrate.model.device_drivers import COMMIT_TIMERS, TunnelsState

ABSENT, DISABLED, ENABLED, UNKNOWN = (
    TunnelsState.ABSENT,
    TunnelsState.DISABLED,
    TunnelsState.ENABLED,
    TunnelsState.UNKNOWN,
)
TUNNELS = (
    {"outside": "198.51.100.1", "inside": "169.254.60.1"},
    {"outside": "198.51.100.2", "inside": "169.254.60.5"},
)

CISCO = """interface Tunnel{number}
 description munich
{off} tunnel source 192.0.2.1
 tunnel destination {outside}
router bgp 65000
 neighbor {inside} remote-as 64512
{down}"""
VYOS = """set vpn ipsec site-to-site peer aws-{number} remote-address '{outside}'
{off}set protocols bgp neighbor {inside} remote-as '64512'
{down}"""
JUNOS = """set security ike gateway gw-{number} address {outside}
set security ipsec vpn vpn-{number} ike gateway gw-{number}
set security ipsec vpn vpn-{number} bind-interface st0.{number}
set protocols bgp group aws-{number} neighbor {inside} peer-as 64512
{off}{down}"""
FORTIOS = """config vpn ipsec phase1-interface
    edit "aws-{number}"
        set ike-version 2
        set remote-gw {outside}
    next
end
config system interface
    edit "aws-{number}"
        set ip 169.254.60.2 255.255.255.255
{off}    next
end
config router bgp
    config neighbor
        edit "{inside}"
            set remote-as 64512
{down}        next
    end
end
"""
OFF = {
    "cisco-ios": (CISCO, " shutdown\n", " neighbor {inside} shutdown\n"),
    "cisco-asa": (CISCO, " shutdown\n", "  neighbor {inside} shutdown\n"),
    "vyos": (
        VYOS,
        "set vpn ipsec site-to-site peer aws-{number} disable\n",
        "set protocols bgp neighbor {inside} shutdown\n",
    ),
    "juniper-srx": (
        JUNOS,
        "deactivate security ipsec vpn vpn-{number}\nset interfaces st0 unit {number} disable\n",
        "deactivate protocols bgp group aws-{number}\n",
    ),
    "fortios": (FORTIOS, "        set status down\n", "            set shutdown enable\n"),
}


def running(platform: str, *states: tuple[bool, bool]) -> str:
    """Return a configuration with a tunnel for each pair: interface off, neighbour off."""
    form, off, down = OFF[platform]
    parts = []
    for number, (tunnel, (is_off, is_down)) in enumerate(zip(TUNNELS, states, strict=False)):
        text = form.replace("{off}", off * is_off).replace("{down}", down * is_down)
        for name, value in {"number": str(number), **tunnel}.items():
            text = text.replace(f"{{{name}}}", value)
        parts.append(text)
    return "".join(parts)


ON, DOWN, HALF = (False, False), (True, True), (False, True)


@pytest.mark.parametrize("platform", COMMIT_TIMERS)
@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), ABSENT),
        ((ON, ON), ENABLED),
        ((DOWN, DOWN), DISABLED),
        ((ON,), UNKNOWN),
        ((ON, DOWN), UNKNOWN),
        ((HALF, HALF), UNKNOWN),
    ],
    ids=["none", "on", "off", "one", "differ", "half"],
)
def test_tunnels_are_found_by_their_outside_address(platform, states, expected):
    """Interface and BGP neighbour have to agree, in both tunnels."""
    assert tunnels_state(platform, running(platform, *states), TUNNELS) is expected


@pytest.mark.parametrize("platform", COMMIT_TIMERS)
@pytest.mark.parametrize(
    ("states", "expected"),
    [((ON, DOWN), ENABLED), ((ON, HALF), ENABLED), ((ON, ON), ENABLED), ((DOWN, DOWN), DISABLED)],
    ids=["as before", "half", "both", "off"],
)
def test_a_tunnel_that_was_disabled_before_need_not_be_enabled(platform, states, expected):
    """The others alone make the tunnels enabled; disabled are only all together."""
    spare = [TUNNELS[1]["outside"]]

    assert tunnels_state(platform, running(platform, *states), TUNNELS, spare=spare) is expected
    assert tunnels_state(platform, running(platform, DOWN, ON), TUNNELS, spare=spare) is UNKNOWN


RANGES = {
    "cisco-ios": " bgp listen range 169.254.0.0/16 peer-group aws\n",
    "cisco-asa": " bgp listen range 169.254.0.0/16 peer-group aws\n",
    "vyos": "set protocols bgp listen range 169.254.0.0/16 peer-group aws\n",
    "juniper-srx": "set protocols bgp group aws allow 169.254.0.0/16\n",
    "fortios": "    config neighbor-range\n",
}


@pytest.mark.parametrize("platform", COMMIT_TIMERS)
def test_a_missing_bgp_neighbour_is_flagged(platform):
    """A tunnel without its neighbour is neither enabled nor disabled, unless it is static."""
    alone = running(platform, ON, ON).replace("169.254.60.5", "169.254.60.50")

    assert tunnels_state(platform, alone, TUNNELS) is UNKNOWN
    assert missing_neighbours(platform, alone, TUNNELS) == ["169.254.60.5"]
    assert tunnels_state(platform, alone, TUNNELS, static=True) is ENABLED
    assert tunnels_state(platform, alone + RANGES[platform], TUNNELS) is ENABLED


@pytest.mark.parametrize(
    ("platform", "begin"),
    [
        ("juniper-srx", "set routing-instances aws "),
        ("juniper-srx", "set groups aws "),
        ("vyos", "set vrf name aws "),
    ],
)
def test_a_neighbour_elsewhere_is_not_missing(platform, begin):
    """It may be in a routing instance, a VRF or a group of configuration."""
    text = running(platform, ON, ON).replace("set protocols bgp", f"{begin}protocols bgp")

    assert begin in text
    assert missing_neighbours(platform, text, TUNNELS) == []


@pytest.mark.parametrize("platform", COMMIT_TIMERS)
def test_an_address_that_begins_alike_is_another(platform):
    """198.51.100.1 is not found in 198.51.100.10."""
    text = running(platform, ON, ON).replace("198.51.100.1", "198.51.100.10")

    assert tunnels_state(platform, text, TUNNELS[:1]) is ABSENT


def test_an_ike_gateway_alone_is_no_tunnel():
    """Junos: a gateway that no VPN uses is neither absent nor disabled."""
    text = "\n".join(
        line for line in running("juniper-srx", ON, ON).splitlines() if "vpn" not in line
    )

    assert tunnels_state("juniper-srx", text, TUNNELS) is UNKNOWN


@pytest.mark.parametrize("name", COMMIT_TIMERS)
@pytest.mark.parametrize("routing", ROUTING)
def test_no_line_of_a_platform_shows_a_key(name, routing):
    """In whatever way a platform of the drivers over SSH writes a key, the line is cut there."""
    platform = platform_named(name)
    task = a_task(routing, existing=existing_of(platform, routing))
    blocks = device_blocks(task, platform, keys=revealed)
    texts = [block.commands for block in blocks.blocks] + [file.text for file in blocks.files]
    keys = [end.key for end in NEW_ENDS]
    assert any(key in text for key in keys for text in texts)

    left = [key for key in keys for text in texts if key in without_secrets(text)]

    assert left == []


@pytest.mark.parametrize(
    "line",
    [
        "snmp-server community s3cret RO",
        "username ann secret 9 $9$abc",
        "  set psksecret ENC abc==",
        'set security ike policy p pre-shared-key ascii-text "$9$abc"; ## SECRET-DATA',
        "set vpn ipsec authentication psk a secret 'abc'",
        " pre-shared-key address 203.0.113.1 key 6 abc",
        " neighbor 169.254.60.1 password 7 abc",
        " key-string 7 abc",
        'set system root-authentication encrypted-password "abc"',
    ],
)
def test_secrets_of_others_are_cut_too(line):
    """A device shows secrets that this program does not know."""
    shown = without_secrets(f"{line}\nnext line")

    assert "abc" not in shown
    assert "s3cret" not in shown
    assert "[key withheld]\nnext line" in shown


@pytest.mark.parametrize(
    "line", ["crypto keyring aws-1", "authentication pre-share", "ip route 10.0.0.0 Tunnel1"]
)
def test_ordinary_lines_are_shown(line):
    """Words that only resemble those of a secret cut nothing."""
    assert without_secrets(line) == line


def test_changes_have_the_section_and_no_clock():
    """A change is shown below its section; the time of the reading is no change."""
    before = (
        "! Last configuration change at 02:00\ninterface Tunnel1\n mtu 1400\n shutdown\n"
        "router bgp 65000\n neighbor 10.0.0.1 remote-as 1\n address-family ipv4\n  activate\n"
    )
    after = before.replace("02:00", "02:05").replace(" shutdown\n", "")
    after = after.replace("  activate", "  activate\n  soft\nend")

    assert configuration_changes(before, after).splitlines() == [
        *(" interface Tunnel1", "- shutdown"),
        *(" router bgp 65000", "  address-family ipv4", "+  soft", "+end"),
    ]
    assert configuration_changes(before, before.replace("02:00", "02:07")) == ""


def test_the_commands_of_a_block_have_their_frame():
    """A driver leaves out what begins and commits a block, to commit by itself."""
    blocks = device_blocks(a_task(), platform_named("cisco-ios"), keys=revealed)
    first, last = blocks.around

    assert (first, last) == ("configure terminal", "end\nwrite memory")
    assert all(
        block.commands.startswith(f"{first}\n") and block.commands.endswith(f"\n{last}")
        for block in blocks.blocks
    )
