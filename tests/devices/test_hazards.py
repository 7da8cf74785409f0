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


@pytest.mark.parametrize(
    ("sample", "weak"),
    [
        ("! for the minimum requirement of AES128, SHA1, and DH Group 2.\n encryption aes-256", ()),
        ("Please note, these are for the minimum requirement of AES128, SHA1.\n - aes-256", ()),
        ("  - Encryption Algorithm : aes-128-cbc", ("aes-128-cbc",)),
        ("ipsec ike encryption 1 aes-cbc", ("encryption 1 aes-cbc",)),
        ("ipsec ike hash 2 sha", ("ike hash 2 sha",)),
        ("ipsec ike hash 2 sha256\nipsec ike encryption 2 aes256-cbc", ()),
        (" c. DH key group :  2\n d. PFS key group :   14", ("dh key group : 2",)),
    ],
)
def test_advice_about_algorithms_is_not_weak(sample, weak):
    """AWS explains above a proposal what else a device may use; that is not proposed."""
    assert hazards_of(sample).weak == weak


NESTED = """config vpn ipsec phase1-interface
edit vpn-44a8938f-0 ! Name must be shorter than 15 chars, best if shorter than 12
 next
end
config router bgp
 config neighbor
  edit 169.254.255.1
  end
config router prefix-list
 edit "default_route"
  config rule
   edit 1
  next
  end
 next
 edit "other"
end
"""
JUNOS = """set security ike
set protocols bgp group ebgp type external
set policy-options policy-statement EXPORT-DEFAULT term default then accept
"""
PANOS = """edit network ike gateway ike-vpn-0
edit peer-group AmazonBGP
 set export rules vr-export action allow
"""
PFSENSE = """Go to VPN-->IPSec. Add a new Phase1 entry (click + button )
 a. Disabled : uncheck
 f. Description: Amazon-IKE-vpn-0a-0
"""


@pytest.mark.parametrize(
    ("sample", "vendor", "names", "openers"),
    [
        (
            NESTED,
            "Fortinet",
            (
                "config router bgp config neighbor edit 169.254.255.1",
                'config router prefix-list edit "default_route"',
                'config router prefix-list edit "default_route" config rule edit 1',
                'config router prefix-list edit "other"',
                "config vpn ipsec phase1-interface edit vpn-44a8938f-0",
            ),
            (),
        ),
        (PFSENSE, "pfSense", ("Amazon-IKE-vpn-0a-0",), ("a. Disabled : uncheck",)),
        (
            "ip sla 100\nip sla schedule 100  life forever\ntrack 100 ip sla 100\ncrypto isakmp x",
            "Cisco IOS",
            ("ip sla 100", "track 100"),
            (),
        ),
        (
            JUNOS,
            "Juniper",
            ("policy-options policy-statement EXPORT-DEFAULT", "protocols bgp group ebgp"),
            (),
        ),
        (
            PANOS,
            "Palo Alto",
            ("export rules vr-export", "ike-vpn-0", "peer-group AmazonBGP"),
            (),
        ),
        (
            "set ike p1-proposal ike-prop-1 preshare\nset vpn IPSEC-vpn-1 gateway gw-1",
            "Juniper ScreenOS",
            ("p1-proposal ike-prop-1", "vpn IPSEC-vpn-1"),
            (),
        ),
        (
            'netsh advfirewall consec add rule Name="VGW-1 Tunnel 1" Enable=Yes ^',
            "Windows",
            ("VGW-1 Tunnel 1",),
            ('netsh advfirewall consec add rule Name="VGW-1 Tunnel 1" Enable=Yes ^',),
        ),
        ("vpn policy tunnel-interface v\nkeep-alive \nenable \n", "SonicWall", None, ("enable",)),
    ],
)
def test_lines_of_samples_that_aws_has_published(sample, vendor, names, openers):
    """Each is recognized as its vendor's alone, although its headings are those of the sheet."""
    hazards = hazards_of(f"! #1: Internet Key Exchange (IKE) Configuration\n{sample}")

    assert hazards.vendors == (vendor,)
    assert names is None or hazards.names == names
    assert [line for line in openers if line not in hazards.openers] == []


@pytest.mark.parametrize(
    "sample",
    [
        "set security ike gateway gw-1 address 198.51.100.1",
        "set network ike gateway ike-vpn-0",
        "config vpn ipsec phase1-interface",
        "set vpn ipsec ike-group AWS lifetime 28800",
        "set interface vpnt1 mtu 1436",
    ],
)
def test_a_tunnel_that_no_line_enables_is_not_disabled(sample):
    """These devices enable what they create, so the sample says what would keep it disabled."""
    hazards = hazards_of(sample)

    assert hazards.openers == ()
    assert len(hazards.disabled) == 1


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
