"""Negotiated algorithms: the floor of a tunnel, and the verdict on it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.builders import a_connection, with_tunnels
from vpnmigrate.model.decisions import CryptoFloor, Decisions, UnsetOptions
from vpnmigrate.model.ec2 import AWS_VPN, TunnelOptions, VpnConnectionId
from vpnmigrate.model.negotiated import (
    CryptoVerdict,
    NegotiatedTunnel,
    NegotiationStatus,
    floors_of,
    judged,
)

STRONG = NegotiatedTunnel(
    VpnConnectionId("vpn-new"),
    "203.0.113.1",
    NegotiationStatus.SHOWN,
    ike_version="ikev2",
    phase1_encryption="AES256",
    phase1_integrity="SHA2-256",
    phase1_dh_group=14,
    phase2_encryption="AES256-GCM-16",
    phase2_dh_group=20,
)
CLASSIC = a_connection()
KEPT = with_tunnels(
    a_connection(category=AWS_VPN),
    options=TunnelOptions(phase1_integrity=("SHA1", "SHA2-512"), phase1_encryption=("AES128",)),
)
"""An AWS VPN connection that accepts SHA-1 and AES-128."""


def verdict_on(found=STRONG, old=CLASSIC, **decisions):
    """Return the verdict on *found* as the successor of *old*."""
    return judged(found, floors_of(Decisions(**decisions), old))


def test_strong_algorithms_meet_the_floor():
    """The strong defaults of a Classic connection are its floor."""
    assert verdict_on().verdict is CryptoVerdict.MET


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ike_version", "ikev1"),
        ("phase1_encryption", "AES128"),
        ("phase1_integrity", "SHA1"),
        ("phase1_dh_group", 2),
        ("phase2_encryption", "AES128"),
        ("phase2_dh_group", 5),
    ],
)
def test_each_weak_value_is_below_the_floor(field, value):
    """Each value below its floor is named with the floor."""
    found = verdict_on(replace(STRONG, phase2_integrity="SHA2-256", **{field: value}))

    assert found.verdict is CryptoVerdict.BELOW
    assert str(value) in found.text
    assert ", floor " in found.text


@pytest.mark.parametrize("spelling", ["IKEv2", "ike_v2", "IKE-V2"])
def test_spellings_may_differ(spelling):
    """Case and separators of EC2's answer do not matter."""
    assert verdict_on(replace(STRONG, ike_version=spelling)).verdict is CryptoVerdict.MET


@pytest.mark.parametrize(
    ("field", "value"), [("phase1_integrity", ""), ("phase1_encryption", "AES-2048")]
)
def test_what_is_not_shown_or_not_understood_is_unknown(field, value):
    """A value that is missing or unknown is neither met nor below."""
    assert verdict_on(replace(STRONG, **{field: value})).verdict is CryptoVerdict.UNKNOWN


def test_nothing_is_negotiated_for_some_options():
    """AES-GCM has no other integrity, and IPsec has no group before its first rekeying."""
    fresh = replace(STRONG, phase2_integrity="", phase2_dh_group=None)

    assert verdict_on(fresh).verdict is CryptoVerdict.MET
    assert verdict_on(replace(fresh, phase2_dh_group=0)).verdict is CryptoVerdict.MET


def test_what_the_playbook_sets_is_a_decision():
    """A weak value that the playbook names is its floor; one that was only kept is not."""
    weak = replace(STRONG, phase1_integrity="SHA1")
    chosen = TunnelOptions(phase1_integrity=("SHA1",))

    assert verdict_on(weak, tunnel_options=chosen).verdict is CryptoVerdict.MET
    assert verdict_on(weak, KEPT).verdict is CryptoVerdict.BELOW


def test_kept_options_are_the_floor_without_what_is_weak():
    """A kept option accepts what the old tunnel did, without what RFC 8247 advises against."""
    kept = replace(STRONG, phase1_encryption="AES128", phase1_integrity="SHA2-512")

    assert verdict_on(kept, KEPT).verdict is CryptoVerdict.MET
    assert verdict_on(STRONG, KEPT).verdict is CryptoVerdict.BELOW


def test_aws_defaults_are_the_floor_without_what_is_weak():
    """With AWS's defaults a tunnel may have AES-128, and not SHA-1."""
    weak = replace(STRONG, phase1_encryption="AES128")
    aws = {"unset_options": UnsetOptions.AWS}

    assert verdict_on(weak, **aws).verdict is CryptoVerdict.MET
    assert verdict_on(replace(weak, phase1_integrity="SHA1"), **aws).verdict == "below the floor"


def test_the_playbooks_floor_decides():
    """An explicit floor holds for its options, over everything else."""
    floor = CryptoFloor(phase1_dh_groups=(20,), ike_versions=("ikev1", "ikev2"))
    chosen = TunnelOptions(phase1_dh_groups=(14,))
    old = replace(STRONG, ike_version="ikev1", phase1_dh_group=20)

    assert verdict_on(crypto_floor=floor, tunnel_options=chosen).verdict is CryptoVerdict.BELOW
    assert verdict_on(old, crypto_floor=floor).verdict is CryptoVerdict.MET


def test_a_device_without_ikev2_has_no_floor_of_versions():
    """Where AWS has no IKEv2 sample of the device type, IKEv1 is no verdict."""
    old = replace(STRONG, ike_version="ikev1")

    assert verdict_on(old, device_types={"default": "Acme/Box/1.0"}).verdict is CryptoVerdict.MET
    assert verdict_on(old).verdict is CryptoVerdict.BELOW


def test_a_tunnel_has_to_meet_the_floor_of_either_tunnel():
    """EC2 lists tunnels in no known order, so the better fit of the two floors counts."""
    first = CLASSIC.tunnels[0].outside_ip
    options = {first: TunnelOptions(phase1_integrity=("SHA1",))}

    both = verdict_on(replace(STRONG, phase1_integrity="SHA1"), tunnel_options_of=options)
    neither = verdict_on(replace(STRONG, phase1_encryption="AES128"), tunnel_options_of=options)
    assert (both.verdict, neither.verdict) == (CryptoVerdict.MET, CryptoVerdict.BELOW)


@pytest.mark.parametrize("status", [s for s in NegotiationStatus if s != "shown"])
def test_what_was_not_read_is_unknown(status):
    """Without an answer the verdict is unknown, with the reason."""
    found = verdict_on(NegotiatedTunnel(STRONG.connection, "203.0.113.1", status, why="denied"))

    assert found.verdict is CryptoVerdict.UNKNOWN
    assert found.text == "vpn-new 203.0.113.1: unknown (denied)"
