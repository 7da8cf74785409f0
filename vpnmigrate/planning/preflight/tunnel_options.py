"""Preflight: the options and keys that the successors' tunnels get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from typing import Any

from vpnmigrate.model.carry_over import (
    CarriedOption,
    OptionSource,
    carried_options,
    device_has_ikev2,
    successor_options,
    uses_secrets_manager,
)
from vpnmigrate.model.decisions import CryptoFloor, Decisions, KeyMode, UnsetOptions
from vpnmigrate.model.ec2 import (
    CLASSIC,
    ConnectionRecord,
    CustomerGatewayId,
    KeyVisibility,
    TunnelOptions,
)
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.model.tunnel_options import (
    BY_FIELD,
    OPTIONS,
    OptionKind,
    TunnelOption,
    is_chosen,
    option_text,
)
from vpnmigrate.planning.preflight.base import Findings, listed

ROUNDS = range(1, 8)
"""Rounds of additional key exchanges (RFC 9370)."""


def tunnel_options_are_valid(survey: Survey, decisions: Decisions) -> Findings:
    """Check that tunnel options are in EC2's lists and ranges: step 3 would fail otherwise."""
    for where, fault in _faults(survey, decisions):
        yield Finding(
            "VPM-B701",
            "tunnel-option-invalid",
            f"{where}: {fault}",
            "Correct the playbook; omit an option to keep the old tunnel's.",
        )


def _faults(survey: Survey, decisions: Decisions) -> Iterator[tuple[str, str]]:
    layers = {"tunnel_options": decisions.tunnel_options} | {
        f"tunnel_options_of.{name}": options
        for name, options in sorted(decisions.tunnel_options_of.items())
    }
    for where, options in layers.items():
        for option in OPTIONS:
            for fault in _value_faults(option, getattr(options, option.field)):
                yield f"{where}.{option.field}", fault
    for field in CryptoFloor.__struct_fields__:
        for fault in _value_faults(BY_FIELD[field], getattr(decisions.crypto_floor, field)):
            yield f"crypto_floor.{field}", fault
    for connection, networks in sorted(decisions.networks.items()):
        for field, text in (("local", networks.local), ("remote", networks.remote)):
            if text and not _is_network(text):
                yield f"networks.{connection}.{field}", f"{text} is not an IPv4 network"
    seen: set[TunnelOptions] = set()
    for old in survey.living:
        for options in successor_options(decisions, old):
            if options not in seen:
                seen.add(options)
                yield from ((f"the successor of {old.id}", fault) for fault in _conflicts(options))


def _is_network(text: str) -> bool:
    try:
        return str(IPv4Network(text)) == text
    except ValueError:
        return False


def _value_faults(option: TunnelOption, value: Any) -> Iterator[str]:
    if not is_chosen(value):
        return
    match option.kind:
        case OptionKind.LIST | OptionKind.VALUE:
            for each in value if isinstance(value, tuple) else (value,):
                if fault := _out_of_range(option, each):
                    yield fault
        case OptionKind.EXCHANGES:
            rounds = [each.round for each in value]
            if len(set(rounds)) < len(rounds) or not set(rounds) <= set(ROUNDS):
                yield f"rounds {listed(rounds)}: each must be different, and 1 to 7"
            yield from (
                f"{each.requirement} is not one of required, optional"
                for each in value
                if each.requirement not in ("", "required", "optional")
            )
        case OptionKind.LOGS:
            formats = (value.format, value.bgp_format)
            yield from (
                f"{text} is not one of json, text"
                for text in formats
                if text not in ("", "json", "text")
            )
            if (value.format and not value.group) or (value.bgp_format and not value.bgp_group):
                yield "a format without a log group"


def _out_of_range(option: TunnelOption, value: Any) -> str:
    if option.allowed and value not in option.allowed:
        return f"{value} is not one of {listed(option.allowed)}"
    if option.least is not None and value < option.least:
        return f"{value} is less than {option.least}"
    if option.most is not None and value > option.most:
        return f"{value} is more than {option.most}"
    return ""


def _conflicts(options: TunnelOptions) -> Iterator[str]:
    """Yield contradictions between options of one tunnel (domain.md 6.5)."""
    phase1, phase2, margin = (
        BY_FIELD[field].effective(getattr(options, field))
        for field in ("phase1_lifetime_seconds", "phase2_lifetime_seconds", "rekey_margin_seconds")
    )
    if phase2 >= phase1:
        yield f"phase2_lifetime_seconds {phase2} is not less than phase1_lifetime_seconds {phase1}"
    if margin > phase2 // 2:
        yield (
            f"rekey_margin_seconds {margin} is more than half of phase2_lifetime_seconds {phase2}"
        )
    if options.ike_versions != ("ikev1",):
        return
    if options.startup_action == "start":
        yield "startup_action start needs ikev2 in ike_versions"
    exchanges = (*options.phase1_key_exchanges, *options.phase2_key_exchanges)
    if any(each.requirement == "required" for each in exchanges):
        yield "a required additional key exchange needs ikev2 in ike_versions"


def named_tunnels_exist(survey: Survey, decisions: Decisions) -> Findings:
    """Check that the playbook's options are for connections and tunnels of this gateway."""
    connections = {connection.id for connection in survey.living}
    outside = {t.outside_ip for c in survey.living for t in c.tunnels if t.outside_ip}
    known: dict[str, set[str]] = {
        "tunnel_options_of": {*connections, *outside},
        "networks": {*connections},
    }
    for field, allowed in known.items():
        named: Iterable[str] = getattr(decisions, field)
        unknown = sorted(name for name in named if name not in allowed)
        if unknown:
            yield Finding(
                "VPM-B706",
                "named-tunnel-unknown",
                f"{field} names {listed(unknown)}, on {survey.gateway.id} there is no such "
                "connection or tunnel",
                f"Name one of {listed(sorted(allowed))}.",
            )


def no_option_is_lost(survey: Survey, decisions: Decisions) -> Findings:
    """Check that no option of an old tunnel is replaced by AWS's default."""
    for old in survey.living:
        lost = [o for o in carried_options(decisions, old) if o.source is OptionSource.LOST]
        if lost:
            yield Finding(
                "VPM-W107",
                "tunnel-option-lost",
                f"{old.id} loses {listed(dict.fromkeys(_was(option) for option in lost))}",
                "The successor's tunnels have AWS's defaults there: a device that is configured "
                "for the old values may bring up no tunnel in step 10.  Set unset_options: keep, "
                "or the options in tunnel_options.",
            )


def _was(option: CarriedOption) -> str:
    return f"{option.option.label} {option.old_text}"


def no_weak_algorithm_is_accepted(survey: Survey, decisions: Decisions) -> Findings:
    """Check that no new tunnel accepts an algorithm that RFC 8247 advises against."""
    for old in survey.living:
        weak = {
            f"{option.option.label}: {option_text(option.option, option.weak)}": None
            for option in carried_options(decisions, old)
            if option.weak
        }
        if weak:
            yield Finding(
                "VPM-W108",
                "weak-algorithm",
                f"the successor of {old.id} accepts {'; '.join(weak)}",
                "Nothing, if the device needs them: traffic flows as before.  Otherwise set "
                "stronger ones in tunnel_options; changing them later interrupts each tunnel.",
            )


def devices_have_ikev2(survey: Survey, decisions: Decisions) -> Findings:
    """Check that the device of a Classic connection has IKEv2, the strong default's version."""
    for old in survey.living:
        strong = decisions.unset_options is UnsetOptions.KEEP and old.category == CLASSIC
        unset = any(not options.ike_versions for options in successor_options(decisions, old))
        if strong and unset and not device_has_ikev2(decisions, old):
            yield Finding(
                "VPM-W109",
                "device-without-ikev2",
                f"AWS has no IKEv2 sample for the device type of {old.id}",
                "The successor's tunnels accept ikev1 too.  Set ike_versions in tunnel_options if "
                "the device has IKEv2.",
            )


def start_up_is_told(survey: Survey, decisions: Decisions) -> Findings:
    """Check for tunnels that AWS is to initiate: the setting is left to the operator.

    A successor is created with ``add``, because AWS must not initiate before step 10, and changing
    it interrupts the tunnel for up to several minutes (domain.md 1.6).
    """
    for old in survey.living:
        number = sum(o.startup_action == "start" for o in successor_options(decisions, old))
        if number:
            yield Finding(
                "VPM-W110",
                "start-up-action-later",
                f"{number} of the tunnels of {old.id} have start-up action start: AWS initiates",
                "Traffic does not depend on it.  The successor is created with add; after the "
                "migration, vpnmigrate report RUN --survey prints a command for each tunnel, which "
                "interrupts it for some minutes.  Without them a tunnel stays DOWN after "
                "AWS replaces its endpoint, until the device initiates.",
            )


def keys_can_be_reused(survey: Survey, decisions: Decisions) -> Findings:
    """Check that EC2 shows keys that it accepts again, if the playbook reuses them."""
    if decisions.keys is not KeyMode.REUSE:
        return
    certified = {g.id for g in survey.customer_gateways if g.certificate}
    for connection in survey.living:
        if why := _no_key(connection, certified):
            yield Finding(
                "VPM-B108",
                "no-key-to-reuse",
                f"{connection.id}: {why}",
                "Use keys: new in the playbook.",
            )


def _no_key(connection: ConnectionRecord, certified: set[CustomerGatewayId]) -> str:
    if connection.customer_gateway in certified:
        return "it authenticates with a certificate, so AWS generates no key"
    seen = {tunnel.key for tunnel in connection.tunnels}
    if KeyVisibility.REDACTED in seen:
        return "EC2 shows REDACTED in place of a key: Secrets Manager has it"
    if KeyVisibility.UNFIT in seen:
        return (
            "a key is not one that EC2 accepts for a new tunnel: 8 to 64 letters, digits, periods "
            "and underscores, not beginning with 0"
        )
    return "" if seen == {KeyVisibility.SHOWN} else "EC2 does not show its keys"


def keys_stay_in_secrets_manager(survey: Survey, decisions: Decisions) -> Findings:
    """Check that keys which Secrets Manager has do not become readable in describe calls."""
    moving = [
        old.id
        for old in survey.living
        if old.keys_in_secrets_manager and not uses_secrets_manager(decisions, old)
    ]
    if moving:
        yield Finding(
            "VPM-W111",
            "keys-leave-secrets-manager",
            f"{listed(moving)}: Secrets Manager has the keys now, and would not have the new ones",
            "Everyone who may call DescribeVpnConnections can then read the new keys.  Remove "
            "key_storage: standard from the playbook to keep them in Secrets Manager.",
        )


def certificates_are_reported(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for connections that authenticate with certificates: the new endpoints have new ones.

    EC2 shows an endpoint's certificate only once the connection exists.
    """
    certified = {g.id for g in survey.customer_gateways if g.certificate}
    connections = [c.id for c in survey.living if c.customer_gateway in certified]
    if connections:
        yield Finding(
            "VPM-W112",
            "certificate-authentication",
            f"{listed(connections)} authenticate with certificates",
            "The new tunnel endpoints have certificates of their own: in step 5, check that each "
            "device trusts their authority and accepts their names.",
        )
