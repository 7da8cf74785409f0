"""Hazards of AWS's samples."""

from __future__ import annotations

import time

import pytest

from vpnmigrate.devices.sample import hazards_of

IOS = """
crypto isakmp policy 200
  encryption aes 128
interface Tunnel1
  ip address 169.254.44.42 255.255.255.252
  no shutdown
exit
interface  Tunnel2
  no shutdown
"""


def test_cisco_ios():
    """The tunnel interfaces and policies of an IOS sample are listed, each once (case 39)."""
    assert hazards_of(IOS + IOS).names == (
        "crypto isakmp policy 200",
        "interface Tunnel1",
        "interface Tunnel2",
    )
    assert hazards_of(IOS).openers == ("no shutdown",)


@pytest.mark.parametrize(
    ("sample", "name"),
    [
        ("set interfaces st0.1 family inet mtu 1436", "st0.1"),
        ("set interfaces st0 unit 2 family inet", "st0 unit 2"),
        ("add vpn tunnel 1 type numbered", "add vpn tunnel 1"),
        ("set interface vpnt1 state on", "vpnt1"),
        ("set network interface tunnel units tunnel.1 mtu 1427", "tunnel.1"),
        ("set interfaces vti vti0 address '169.254.44.42/30'", "vti0"),
        ("crypto ikev2 policy 201", "crypto ikev2 policy 201"),
        ("crypto ikev2 keyring KEYRING1", "crypto ikev2 keyring KEYRING1"),
        ("crypto isakmp profile isakmp-0", "crypto isakmp profile isakmp-0"),
        ("set security ike policy ike-pol-1 mode main", "ike policy ike-pol-1"),
        ("set security ipsec policy p perfect-forward-secrecy keys group2", "ipsec policy p"),
        ("! interface Tunnel1 is what you need", None),
        ("conn Tunnel1\n\tauto=add", "conn Tunnel1"),
        (
            "config vpn ipsec phase1-interface\n edit vpn-0abc-0\n",
            "config vpn ipsec phase1-interface edit vpn-0abc-0",
        ),
        ("sla monitor 1\nsysopt connection tcpmss 1379", "sla monitor 1"),
        ("set network tunnel ipsec ipsec-tunnel-1 auto-key", "ipsec-tunnel-1"),
        (
            "/ip ipsec policy add name=ipsec-vpn-1 disabled=yes",
            "/ip ipsec policy name=ipsec-vpn-1",
        ),
        ("vpn policy tunnel-interface vpn-0abc-1", "vpn policy tunnel-interface vpn-0abc-1"),
    ],
)
def test_other_vendors(sample, name):
    """Names of other vendors' samples are found, and prose is not."""
    assert hazards_of(sample).names == (() if name is None else (name,))


def test_check_point_opens_at_once():
    """A line that enables a tunnel is listed."""
    assert hazards_of("set interface vpnt1 state on\n").openers == ("set interface vpnt1 state on",)


YAMAHA = """
tunnel select 1
 ipsec tunnel 201
  ipsec sa policy 201 1 esp aes-cbc sha-hmac
  ipsec ike pre-shared-key 1 text SomeKey_of_aws
 ip tunnel address 169.254.10.2/30
 tunnel enable 1
bgp neighbor 1 64512 169.254.10.1 hold-time=30
"""
STRONGSWAN = """
conn Tunnel1
\tauto=start
\tleftid=203.0.113.10
\tmark=100
\tike=aes128-sha1-modp1024
ip link add Tunnel1 type vti local 203.0.113.10 remote 198.51.100.1 key 100
"""


def test_yamaha():
    """Numbered objects and the line that enables a tunnel are listed, and no key is."""
    hazards = hazards_of(YAMAHA)

    assert {"tunnel select 1", "ipsec tunnel 201", "bgp neighbor 1"} <= set(hazards.names)
    assert hazards.openers == ("tunnel enable 1",)
    assert "SomeKey" not in str(hazards)


def test_strongswan():
    """Connections, marks and links are listed, beside the line that starts a tunnel."""
    hazards = hazards_of(STRONGSWAN)

    assert hazards.names == ("conn Tunnel1", "ip link add Tunnel1", "mark=100")
    assert hazards.openers == ("auto=start",)
    assert {"modp1024"} <= set(hazards.weak)


def test_lines_that_end_as_windows_does():
    """A sample with carriage returns has the same form and the same hazards."""
    assert hazards_of("conn Tunnel1\r\n\r\n") == hazards_of("conn Tunnel1\n\n")
    assert hazards_of(STRONGSWAN.replace("\n", "\r\n")) == hazards_of(STRONGSWAN)


def test_weak_algorithms():
    """AWS's weakest proposals are listed as the sample writes them, and strong ones are not."""
    text = "group 2\nencryption aes 128\nhash sha1\ngroup 14\naes-256-cbc sha256 group20 dhgrp 21"

    assert hazards_of(text).weak == ("aes 128", "group 2", "sha1")


@pytest.mark.parametrize(
    ("text", "weak"),
    [
        ("encryption aes 128\n hash sha\n group 2\n", ("aes 128", "group 2", "hash sha")),
        ("crypto ikev1 policy 201\n encryption aes\n hash sha\n", ("encryption aes", "hash sha")),
        (
            "encryption aes\n integrity sha\n prf sha",
            ("encryption aes", "integrity sha", "prf sha"),
        ),
        ("encryption aes 256\n integrity sha256\n hash sha384\n prf sha512", ()),
        ("encryption aes-gcm-256\nencryption aes 192", ()),
        ("set vpn ipsec ike-group AWS proposal 1 dh-group '2'", ("dh-group '2'",)),
        ("set vpn ipsec ike-group AWS proposal 1 dh-group '20'", ()),
        ("ipsec ike group 1 modp1024\nipsec ike group 2 modp2048", ("modp1024",)),
    ],
)
def test_weak_algorithms_in_the_words_of_a_vendor(text, weak):
    """Cisco's words without a number, VyOS's quotes, and Yamaha's numbers of peers."""
    assert hazards_of(text).weak == weak


@pytest.mark.parametrize("sample", ["", "tunnel-create --peer 198.51.100.1 --start-now", "{}"])
def test_an_unknown_vendor_is_not_clean(sample):
    """A sample of an unknown form has no vendor, which the sheet says."""
    assert hazards_of(sample).vendors == ()


@pytest.mark.parametrize(
    ("sample", "vendor"),
    [
        (IOS, "Cisco IOS"),
        (YAMAHA, "Yamaha"),
        (STRONGSWAN, "strongSwan, Openswan and Libreswan"),
        ("set security ike gateway gw-1 address 198.51.100.1", "Juniper"),
        ("! Vendor: Generic\n#1: Internet Key Exchange Configuration", "a sheet for any device"),
        ("netsh advfirewall consec add rule name=aws enable=yes", "Windows"),
        ("set interface vpnt1 state on", "Check Point"),
        ("config vpn ipsec phase1-interface", "Fortinet"),
        ("/ip ipsec peer add name=a", "MikroTik"),
        ("set vpn ipsec ike-group AWS lifetime 28800", "VyOS and Vyatta"),
    ],
)
def test_the_vendor_is_recognized(sample, vendor):
    """The form of a sample shows its vendor."""
    assert vendor in hazards_of(sample).vendors


def test_every_pattern_ends_soon():
    """A long line, as an EC2-compatible server may send, takes no noticeable time."""
    line = "set " + "tunnel name=a disabled=no " * 4000
    began = time.process_time()
    hazards_of("\n".join([line] * 5))

    assert time.process_time() - began < 5
