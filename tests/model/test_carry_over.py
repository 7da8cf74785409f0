"""Options of successors: kept per tunnel, chosen by the playbook, or strong defaults."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.builders import a_connection, a_gateway
from vpnmigrate.model.carry_over import (
    STRONG_OPTIONS,
    OptionSource,
    Selectors,
    carried_options,
    requested_options,
    successor_asn,
    successor_options,
    successor_selectors,
    uses_secrets_manager,
)
from vpnmigrate.model.decisions import Decisions, KeyMode, KeyStorage, Networks, UnsetOptions
from vpnmigrate.model.ec2 import (
    ConnectionRecord,
    KeyExchange,
    KeyVisibility,
    TunnelLogs,
    TunnelOptions,
    TunnelRecord,
    VpnConnectionId,
)
from vpnmigrate.model.tunnel_options import (
    OPTIONS,
    as_requested,
    described_options,
    differing_option,
    unfit_options,
)

EVERYTHING = TunnelOptions(
    ike_versions=("ikev2",),
    phase1_encryption=("AES256-GCM-16",),
    phase1_integrity=("SHA2-512",),
    phase1_dh_groups=(20,),
    phase2_encryption=("AES256-GCM-16",),
    phase2_integrity=("SHA2-512",),
    phase2_dh_groups=(20, 36),
    dpd_timeout_seconds=45,
    dpd_timeout_action="restart",
    phase1_lifetime_seconds=14400,
    phase2_lifetime_seconds=1800,
    rekey_margin_seconds=120,
    rekey_fuzz_percentage=0,
    replay_window_packets=2048,
    phase1_key_exchanges=(KeyExchange(1, (36, 37), "optional"),),
    phase2_key_exchanges=(KeyExchange(2, (36,), "required"),),
    startup_action="start",
    lifecycle_control=True,
    logs=TunnelLogs("arn:activity", "text", "arn:bgp", "json"),
)


def modern(*options: TunnelOptions | None) -> ConnectionRecord:
    """Return an AWS VPN connection with *options* on its tunnels, the higher address first."""
    tunnels = (TunnelRecord("192.0.2.2", options=options[1]), TunnelRecord("192.0.2.1"))
    return replace(
        a_connection(category="VPN"),
        tunnels=(tunnels[0], replace(tunnels[1], options=options[0])),
    )


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
def test_every_option_survives_a_request_and_a_description(option: Any) -> None:
    """Each option has a value away from AWS's default here, which EC2 shows again as sent."""
    value = getattr(EVERYTHING, option.field)
    sent = as_requested(TunnelOptions(**{option.field: value}))

    described = described_options({option.described: sent[option.requested]})

    assert described == TunnelOptions(**{option.field: value})


@pytest.mark.parametrize(
    "row",
    [
        {"StartupAction": "add"},
        {"EnableTunnelLifecycleControl": False},
        {"LogOptions": {"CloudWatchLogOptions": {"LogEnabled": False, "BgpLogEnabled": False}}},
        {"LogOptions": {"CloudWatchLogOptions": {"LogEnabled": False, "LogGroupArn": "arn:x"}}},
        {"IkeVersions": []},
    ],
)
def test_a_default_that_is_described_is_not_chosen(row: dict[str, Any]) -> None:
    """Some answers name AWS's defaults, others omit them."""
    assert described_options(row) == TunnelOptions()


def test_a_row_without_options_shows_none() -> None:
    """A Classic connection's tunnels have addresses alone."""
    assert described_options({"OutsideIpAddress": "192.0.2.1", "PreSharedKey": "x"}) is None


def test_each_tunnel_keeps_its_own_options() -> None:
    """The tunnels are matched by outside address, and AWS must not initiate yet."""
    first, second = TunnelOptions(dpd_timeout_seconds=40), EVERYTHING

    requested = requested_options(Decisions(), modern(first, second))

    assert requested == (first, replace(second, startup_action=None))


def test_a_classic_connection_gets_strong_options() -> None:
    """It has no options to keep, and AWS's defaults accept weak algorithms."""
    assert successor_options(Decisions(), a_connection()) == (STRONG_OPTIONS, STRONG_OPTIONS)


def test_aws_vpn_with_defaults_keeps_them() -> None:
    """An option that was not chosen is not chosen again."""
    assert successor_options(Decisions(), modern(None, None)) == (TunnelOptions(), TunnelOptions())


def test_a_playbook_decides_for_all_for_one_connection_and_for_one_tunnel() -> None:
    """The narrower setting is the one that counts, option by option."""
    old = modern(EVERYTHING, EVERYTHING)
    decisions = Decisions(
        tunnel_options=TunnelOptions(dpd_timeout_seconds=60, rekey_margin_seconds=90),
        tunnel_options_of={
            old.id: TunnelOptions(rekey_margin_seconds=100, replay_window_packets=64),
            "192.0.2.2": TunnelOptions(replay_window_packets=128),
        },
    )

    first, second = successor_options(decisions, old)

    assert first == replace(
        EVERYTHING, dpd_timeout_seconds=60, rekey_margin_seconds=100, replay_window_packets=64
    )
    assert second == replace(first, replay_window_packets=128)


def test_aws_defaults_can_be_chosen() -> None:
    """``unset_options: aws`` loses the old options, and says so for each."""
    decisions = Decisions(unset_options=UnsetOptions.AWS)
    old = modern(EVERYTHING, None)

    lost = [o for o in carried_options(decisions, old) if o.source is OptionSource.LOST]

    assert successor_options(decisions, old) == (TunnelOptions(), TunnelOptions())
    assert {o.option.field for o in lost} == {option.field for option in OPTIONS}
    assert {o.tunnel for o in lost} == {"192.0.2.1"}


@pytest.mark.parametrize(
    ("device", "versions"),
    [
        ("", ("ikev2",)),
        ("Generic/Generic/Vendor Agnostic", ("ikev2",)),
        ("Yamaha/RTX Routers/Rev.10.01.16+", ("ikev2",)),
        ("Barracuda/NextGen Firewall F-series/6.2+", ()),
        ("Fortinet/Fortigate 40+ Series/FortiOS 5.0+", ()),
    ],
)
def test_a_device_type_without_ikev2_may_use_ikev1(device: str, versions: tuple[str, ...]) -> None:
    """AWS has IKEv2 samples for some device types only (domain.md 9.2)."""
    decisions = Decisions(device_types={"default": device} if device else {})

    first, _ = successor_options(decisions, a_connection())

    assert first == replace(STRONG_OPTIONS, ike_versions=versions)


@pytest.mark.parametrize(
    ("old", "decisions", "asn"),
    [
        (7224, Decisions(), None),
        (64555, Decisions(), 64555),
        (4_200_000_001, Decisions(), 4_200_000_001),
        (64555, Decisions(asn=64600), 64600),
        (64555, Decisions(unset_options=UnsetOptions.AWS), None),
        (None, Decisions(), None),
    ],
)
def test_the_asn_is_kept_if_ec2_accepts_it(
    old: int | None, decisions: Decisions, asn: int | None
) -> None:
    """Classic gateways have public ASNs, which EC2 gives to no new gateway."""
    assert successor_asn(decisions, a_gateway(asn=old)) == asn


def test_traffic_selectors_are_kept() -> None:
    """A policy-based device would find out in step 10, with traffic down."""
    old = replace(a_connection(), local_network="10.1.0.0/16", remote_network="0.0.0.0/0")
    one = Decisions(networks={VpnConnectionId(old.id): Networks(remote="10.0.0.0/16")})

    assert successor_selectors(Decisions(), old) == Selectors("10.1.0.0/16", "")
    assert successor_selectors(one, old) == Selectors("10.1.0.0/16", "10.0.0.0/16")
    assert successor_selectors(Decisions(unset_options=UnsetOptions.AWS), old) == Selectors()


@pytest.mark.parametrize(
    ("key", "decisions", "stored"),
    [
        (KeyVisibility.SHOWN, Decisions(), False),
        (KeyVisibility.REDACTED, Decisions(), True),
        (KeyVisibility.REDACTED, Decisions(key_storage=KeyStorage.STANDARD), False),
        (KeyVisibility.SHOWN, Decisions(key_storage=KeyStorage.SECRETS_MANAGER), True),
        (KeyVisibility.SHOWN, Decisions(keys=KeyMode.SECRETS_MANAGER), True),
    ],
)
def test_keys_stay_where_they_are_stored(
    key: KeyVisibility, decisions: Decisions, *, stored: bool
) -> None:
    """Keys in Secrets Manager do not become readable in describe calls."""
    old = replace(a_connection(), tunnels=(TunnelRecord("192.0.2.1", key=key),))

    assert uses_secrets_manager(decisions, old) is stored


class TestComparison:
    """A successor is recognised although AWS's answer differs in form."""

    def test_the_order_of_tunnels_is_amazons(self) -> None:
        """Both orders are the connection that was asked for."""
        one, other = TunnelOptions(dpd_timeout_seconds=40), TunnelOptions(dpd_timeout_seconds=50)

        assert unfit_options((one, other), (other, one)) is None
        assert unfit_options((one, other), (one, one)) is not None

    def test_a_default_need_not_be_described(self) -> None:
        """An option that was asked for with AWS's default may be omitted."""
        asked = TunnelOptions(replay_window_packets=1024, ike_versions=("ikev2", "ikev1"))

        assert differing_option(asked, TunnelOptions()) is None

    def test_integrity_beside_gcm_may_be_omitted(self) -> None:
        """AWS omits the list where the cipher has its own integrity (domain.md 14.1)."""
        gcm = TunnelOptions(phase2_encryption=("AES256-GCM-16",), phase2_integrity=("SHA2-512",))
        cbc = replace(gcm, phase2_encryption=("AES256",))

        assert differing_option(gcm, replace(gcm, phase2_integrity=())) is None
        assert differing_option(cbc, replace(cbc, phase2_integrity=())) is not None

    def test_the_start_up_action_is_set_later(self) -> None:
        """An operator sets it back after the cutover."""
        assert differing_option(TunnelOptions(startup_action="start"), TunnelOptions()) is None
