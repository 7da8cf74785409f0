"""Names of AWS's samples, compared with running configurations."""

from __future__ import annotations

import time

import pytest

from vpnmigrate.devices.sample import compared_names, hazards_of, running_commands

IOS = """crypto isakmp policy 200
  encryption aes 128
crypto keyring keyring-vpn-0a-0
crypto ipsec profile ipsec-vpn-0a-0
interface Tunnel1
  no shutdown
interface Tunnel2
"""
IOS_RUNNING = """hostname hq
crypto isakmp policy 200
 encr aes
crypto keyring KEYRING-vpn-0a-0
interface Tunnel10
 tunnel destination 203.0.113.10
interface tunnel 1
 description Tunnel2
"""
ASA = """crypto isakmp policy 201
crypto ikev1 policy 200
tunnel-group 198.51.100.1 type ipsec-l2l
interface Tunnel1
  nameif Tunnel-int-vpn-0a-0
access-list acl-amzn extended permit ip any4 10.0.0.0 255.255.0.0
"""
ASA_RUNNING = """hostname hq
interface Tunnel1
 nameif Tunnel-int-vpn-0b-0
access-list acl-amzn extended permit ip any4 10.1.0.0 255.255.0.0
crypto ikev1 policy 201
 hash sha
tunnel-group 203.0.113.10 type ipsec-l2l
"""
JUNOS = """set security ike policy ike-pol-vpn-0a-1 mode main
set security ike gateway gw-1 address 198.51.100.1
set security ipsec vpn vpn-0a-1 bind-interface st0.1
set interfaces st0.2 family inet address 169.254.60.6/30
"""
JUNOS_RUNNING = """set version 21.4R3
set interfaces st0 unit 1 family inet address 169.254.44.42/30
set interfaces st0 unit 20 family inet
set security ike gateway gw-1 address 203.0.113.10
deactivate security ipsec vpn vpn-0a-1
"""
PANOS = """edit network ike gateway ike-vpn-0
set authentication pre-shared-key key abc
top
edit network interface tunnel
set units tunnel.1 mtu 1427
set network tunnel ipsec ipsec-tunnel-1 auto-key ike-gateway ike-vpn-0
"""
PANOS_RUNNING = """set deviceconfig system hostname hq
set network interface tunnel units tunnel.1 ip 169.254.44.42/30
set network tunnel ipsec ipsec-tunnel-10 tunnel-interface tunnel.1
"""
FORTIOS = """config vpn ipsec phase1-interface
 edit vpn-0a-0
  set interface "wan1"
 next
end
config router static
 edit 1
 next
 edit 2
 next
end
"""
FORTIOS_RUNNING = """config vdom
edit root
config firewall policy
    edit 1
        set name "out"
    next
end
config router static
    edit 2
    next
end
config vpn ipsec phase1-interface
    edit "vpn-0a-0"
        set remote-gw 203.0.113.10
    next
end
end
"""
VYOS = """set vpn ipsec ike-group AWS lifetime '28800'
set vpn ipsec esp-group AWS lifetime '3600'
set interfaces vti vti0 address '169.254.60.2/30'
set interfaces vti vti1 address '169.254.60.6/30'
"""
VYOS_RUNNING = """set interfaces vti vti1 address '169.254.44.46/30'
set interfaces vti vti10 address '169.254.44.50/30'
set vpn ipsec esp-group 'AWS' lifetime '3600'
"""
STRONGSWAN = """conn Tunnel1
\tauto=start
\tmark=100
conn Tunnel2
\tmark=200
ip link add Tunnel1 type vti remote 198.51.100.1 key 100
ip link add Tunnel2 type vti remote 198.51.100.2 key 200
"""
IPSEC_CONF = """config setup
conn Tunnel1
\tright=203.0.113.10
\tmark_in = 200
ip link add dev Tunnel2 type vti
"""
SWANCTL = """connections {
  aws-1 {
    remote_addrs = 203.0.113.10
    children {
      aws-1 {
        mark_in = 100
"""
MIKROTIK = """/ip ipsec profile add name=profile-1 enc-algorithm=aes-128
/ip ipsec peer add name=peer-1 address=198.51.100.1 profile=profile-1
/ip address add address=169.254.60.2/30 interface=WAN
"""
EXPORT = """# by RouterOS 6.48
/ip ipsec profile
add dh-group=modp1024 enc-algorithm=aes-128 \\
    name=profile-1
/ip ipsec proposal
add name=peer-1
/ip address
add address=192.0.2.1/24 interface=ether1
"""

CASES = {
    "IOS": (IOS, IOS_RUNNING, [("crypto isakmp policy 200", 2), ("interface Tunnel1", 7)]),
    "ASA": (
        ASA,
        ASA_RUNNING,
        [("access-list acl-amzn", 4), ("crypto isakmp policy 201", 5), ("interface Tunnel1", 2)],
    ),
    "Junos": (JUNOS, JUNOS_RUNNING, [("ike gateway gw-1", 4), ("st0.1", 2)]),
    "PAN-OS": (PANOS, PANOS_RUNNING, [("tunnel.1", 2)]),
    "FortiOS": (
        FORTIOS,
        FORTIOS_RUNNING,
        [
            ("config router static edit 2", 9),
            ("config vpn ipsec phase1-interface edit vpn-0a-0", 13),
        ],
    ),
    "VyOS": (VYOS, VYOS_RUNNING, [("esp-group AWS", 3), ("vti1", 1)]),
    "ipsec.conf": (
        STRONGSWAN,
        IPSEC_CONF,
        [("conn Tunnel1", 2), ("ip link add Tunnel2", 5), ("mark=200", 4)],
    ),
    "swanctl.conf": (STRONGSWAN, SWANCTL, [("mark=100", 6)]),
    "RouterOS": (MIKROTIK, EXPORT, [("/ip ipsec profile name=profile-1", 3)]),
}
"""Samples and running configurations, with the names that both have, and their lines."""


@pytest.mark.parametrize("case", CASES)
def test_names_that_the_device_has(case):
    """Each vendor's names are found as the device itself writes them, with their lines."""
    sample, running, expected = CASES[case]

    compared = compared_names(sample, running)

    assert compared is not None
    assert list(compared.on_device) == expected
    assert len(compared.absent) + len(compared.unknown) > 0


@pytest.mark.parametrize("case", CASES)
def test_every_name_is_listed_once(case):
    """A name that the device has is not called absent too, and none is left out."""
    sample, running, _ = CASES[case]

    compared = compared_names(sample, running)

    assert compared is not None
    found = [name for name, _ in compared.on_device] + [*compared.absent, *compared.unknown]
    assert sorted(found) == sorted(hazards_of(sample).names)


def test_links_of_strongswan_are_not_known_to_be_absent():
    """A file of connections does not show interfaces."""
    compared = compared_names(STRONGSWAN, IPSEC_CONF)

    assert compared is not None
    assert compared.unknown == ("ip link add Tunnel1",)
    assert compared.absent == ("conn Tunnel2", "mark=100")


@pytest.mark.parametrize(
    ("sample", "running"),
    [
        (JUNOS, "interfaces {\n    st0 {\n        unit 1;\n    }\n}\n"),
        (IOS, JUNOS_RUNNING),
        (FORTIOS, IOS_RUNNING),
        (IOS, ""),
        ("tunnel-create --start-now", IOS_RUNNING),
    ],
)
def test_another_form_is_not_compared(sample, running):
    """A name that is not found in another form would be called absent."""
    assert compared_names(sample, running) is None


def test_what_to_save():
    """The command that prints the running configuration is known for each vendor, once."""
    assert running_commands(IOS) == ("show running-config",)
    assert running_commands(ASA + IOS) == ("show running-config",)
    assert running_commands(JUNOS) == ("show configuration | display set",)
    assert running_commands("tunnel select 1\n tunnel enable 1") == ()


def test_a_large_running_configuration():
    """A device with 20,000 lines takes a few seconds at most."""
    text = IOS_RUNNING + "access-list 101 permit ip any any\n" * 20_000
    began = time.process_time()

    assert compared_names(IOS, text) is not None
    assert time.process_time() - began < 5
