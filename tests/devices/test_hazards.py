"""Hazards of AWS's samples."""

from __future__ import annotations

import pytest

from vpnmigrate.devices.sheet import fixed_names, opening_lines

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
    assert fixed_names(IOS + IOS) == (
        "crypto isakmp policy 200",
        "interface Tunnel1",
        "interface Tunnel2",
    )
    assert opening_lines(IOS) == ("no shutdown",)


@pytest.mark.parametrize(
    ("sample", "name"),
    [
        ("set interfaces st0.1 family inet mtu 1436", "st0.1"),
        ("set interfaces st0 unit 2 family inet", "st0 unit 2"),
        ("add vpn tunnel 1 type numbered", None),
        ("set interface vpnt1 state on", "vpnt1"),
        ("set network interface tunnel units tunnel.1 mtu 1427", "tunnel.1"),
        ("set interfaces vti vti0 address '169.254.44.42/30'", "vti0"),
        ("crypto ikev2 policy 201", "crypto ikev2 policy 201"),
        ("! interface Tunnel1 is what you need", None),
    ],
)
def test_other_vendors(sample, name):
    """Names of other vendors' samples are found, and prose is not."""
    assert fixed_names(sample) == (() if name is None else (name,))


def test_check_point_opens_at_once():
    """A line that enables a tunnel is listed."""
    assert opening_lines("set interface vpnt1 state on\n") == ("set interface vpnt1 state on",)
