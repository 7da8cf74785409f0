"""``device sample`` of each vendor, with the sandbox's sample of its form."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

HAZARDS = {
    "Cisco Systems, Inc./ISR Series Routers/IOS 12.4+": (
        ["Cisco IOS"],
        ("interface Tunnel1", "crypto isakmp policy 200", "crypto keyring keyring-2"),
        ("no shutdown",),
        ("aes 128", "group 2", "hash sha"),
    ),
    "Cisco Systems, Inc./ASA 5500 Series/ASA 9.7+ VTI": (
        ["Cisco IOS", "Cisco ASA"],
        ("interface Tunnel2", "nameif AWS-1", "crypto ikev2 policy 200"),
        ("no shutdown",),
        ("encryption aes", "group 2", "integrity sha"),
    ),
    "Juniper Networks, Inc./SRX Routers/JunOS 11.0+": (
        ["Juniper"],
        ("st0.1", "ike policy ike-pol-1", "ike gateway gw-1", "ipsec vpn vpn-2"),
        ("establish-tunnels immediately",),
        ("aes-128-cbc", "group2"),
    ),
    "Palo Alto Networks/PA Series/PANOS 7.0+": (
        ["Palo Alto"],
        ("tunnel.1", "ipsec-tunnel-2", "ike-vpn-0", "ike-crypto-profiles vpn-0"),
        ("commit",),
        ("aes-128-cbc", "sha1", "group2"),
    ),
    "Fortinet/Fortigate 40+ Series/FortiOS 5.0+": (
        ["Fortinet"],
        ('config system interface edit "aws-0"',),
        ("set status up",),
        ("aes128", "dhgrp 2"),
    ),
    "strongSwan/Ubuntu 16.04/strongSwan 5.5.1+": (
        ["strongSwan, Openswan and Libreswan"],
        ("conn Tunnel1", "mark=100", "ip link add Tunnel2"),
        ("auto=start", "ip link set Tunnel1 up mtu 1419"),
        ("aes128", "modp1024", "sha1"),
    ),
    "Vyatta/Vyatta Network OS/6.5+": (
        ["VyOS and Vyatta"],
        ("ike-group AWS", "esp-group AWS", "vti0"),
        ("commit",),
        ("aes128", "dh-group '2'", "sha1"),
    ),
    "MikroTik/RouterOS/6.44.3": (
        ["MikroTik"],
        ("/ip ipsec profile name=profile-vpn-0", "/ip ipsec peer name=AWS-VPN-Peer-1"),
        ("disabled=no",),
        ("aes-128", "modp1024"),
    ),
    "Netgate/pfSense/2.2.5+ (GUI)": (
        ["pfSense"],
        ("Amazon-IKE-vpn-0", "Amazon-IPSec-vpn-1"),
        ("Disabled : uncheck",),
        ("aes128", "group 2", "sha1"),
    ),
    "Yamaha/RTX Routers/Rev.10.01.16+": (
        ["Yamaha"],
        ("tunnel select 1", "ipsec sa policy 200", "ipsec ike remote address 1"),
        ("tunnel enable 2",),
        ("sha-hmac",),
    ),
    "Check Point/Gaia/R80.10+": (
        ["Check Point"],
        ("add vpn tunnel 1", "vpnt2"),
        ("set interface vpnt1 state on",),
        ("aes-128", "group 2", "sha1"),
    ),
    "Generic/Generic/Vendor Agnostic": (
        ["a sheet for any device"],
        (),
        (),
        ("aes-128-cbc", "group 2", "sha1"),
    ),
}
"""By the kind of device: vendors, some names, lines that open a tunnel, and weak algorithms."""


def sampled(terminal, kind):
    """Return a run in step 5 with a sample for *kind*, and its connection."""
    Path("kind.yaml").write_text(
        f"name: kind\nsummary: Devices.\ndecisions:\n  device_types: {{default: '{kind}'}}\n",
        encoding="utf-8",
    )
    terminal.without_engineer()
    run = terminal.planned("--playbook", "kind.yaml")
    terminal.run("apply", "plan.json", "--until", "cutover")
    (site,) = terminal.connections
    return run, site


@pytest.mark.parametrize("kind", HAZARDS)
def test_the_hazards_of_a_vendors_sample_are_shown(kind, terminal):
    """From the fetched sample to the page: its vendor, names, opening lines and algorithms."""
    vendors, names, openers, weak = HAZARDS[kind]
    run, site = sampled(terminal, kind)
    ran = terminal.run("device", "sample", run, site)
    found = terminal.run("device", "sample", run, site, "--json").document
    shown = " ".join(ran.out.split())

    assert (ran.code, ran.err) == (0, "")
    assert found["vendors"] == vendors
    assert [each for each in names if each not in found["names"]] == []
    assert [each for each in openers if not any(each in line for line in found["openers"])] == []
    assert [each for each in weak if each not in found["weak"]] == []
    assert [each for each in (*names, *openers, *weak) if each not in shown] == []
    assert [each for each in found["disabled"] if each not in shown] == []
    assert not any("pre-shared" in name for name in found["names"])
    assert "CANARY" in Path(found["file"]).read_text(encoding="utf-8")
    assert "CANARY" not in ran.out


IOS, JUNOS = (kind for kind in HAZARDS if "ISR" in kind or "SRX" in kind)
RUNNING = """hostname hq
interface Tunnel1
 tunnel destination OUTSIDE
crypto keyring keyring-2
 pre-shared-key address OUTSIDE key s3cret
"""


def test_names_that_the_device_has_are_told_from_possible_ones(terminal):
    """With the running configuration a name is on the device, by its line, or is not in it."""
    run, site = sampled(terminal, IOS)
    sheet = terminal.run("device", "sheet", run, site).out
    (outside,) = re.findall(r"^\| AWS outside address \| `(\S+)`", sheet, re.MULTILINE)[:1]
    Path("running.txt").write_text(RUNNING.replace("OUTSIDE", outside), encoding="utf-8")

    before = terminal.run("device", "sample", run, site)
    ran = terminal.run("device", "sample", run, site, "--existing", "running.txt")
    found = terminal.run(
        "device", "sample", run, site, "--existing", "running.txt", "--json"
    ).document["existing"]

    assert "--existing FILE shows which" in before.out
    assert (ran.code, ran.err) == (0, "")
    assert found["on_device"] == [
        {"name": "crypto keyring keyring-2", "line": 4},
        {"name": "interface Tunnel1", "line": 2},
    ]
    assert {"crypto keyring keyring-1", "interface Tunnel2"} <= set(found["absent"])
    assert found["notes"] == []
    there, _, absent = ran.out.partition("not in running.txt")
    assert "WOULD OVERWRITE: the device has it already" in there
    assert "interface Tunnel1, line 2 of running.txt" in there
    assert "interface Tunnel2" in absent
    assert "s3cret" not in ran.out
    (command,) = re.findall(r"^ +vpnmigrate (.*(?:\n .*)*)$", ran.out, re.MULTILINE)
    assert terminal.run(*shlex.split(command.replace("\\\n", ""))).code == 0


def test_a_sample_without_an_opening_line_is_not_called_harmless(terminal):
    """Its device enables what it creates, and what prevents that is said, on the screen as here."""
    run, site = sampled(terminal, IOS)
    file = Path(terminal.run("device", "sample", run, site, "--json").document["file"])
    file.write_text("config vpn ipsec phase1-interface\n edit aws-0\n", encoding="utf-8")

    shown = " ".join(terminal.run("device", "sample", run, site).out.split())

    assert "no separate line: what the sample creates is enabled" in shown
    assert "a tunnel stays disabled only with - set status down" in shown
    assert "weak algorithms - none found" in shown


def test_a_running_configuration_of_another_device_is_said_to_be_so(terminal):
    """It mentions no old tunnel, so a name that it lacks proves nothing."""
    run, site = sampled(terminal, IOS)
    Path("running.txt").write_text("hostname other\n", encoding="utf-8")

    ran = terminal.run("device", "sample", run, site, "--existing", "running.txt")

    assert ran.code == 0
    assert "may be that of another device" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("kind", "why"),
    [(JUNOS, "show configuration | display set"), ("Yamaha/RTX Routers/Rev.10.01.16+", "leave")],
)
def test_what_cannot_be_compared_is_refused(kind, why, terminal):
    """A file in another form, or a vendor whose form is not known, is no proof of absence."""
    run, site = sampled(terminal, kind)
    Path("running.txt").write_text(RUNNING, encoding="utf-8")

    ran = terminal.run("device", "sample", run, site, "--existing", "running.txt")

    assert ran.code == 2
    assert why in ran.err
    assert ran.out == ""
