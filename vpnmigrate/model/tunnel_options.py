"""Tunnel options: EC2's names, AWS's defaults, and conversion from and to EC2's rows.

``OPTIONS`` lists every field of ``TunnelOptions``; a request, a describe row, the sandbox and the
tables of a report are all made from it, so an option that is added here is carried everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum, auto
from itertools import permutations
from typing import Any, Final

from msgspec import Struct

from vpnmigrate.model.ec2 import KeyExchange, TunnelLogs, TunnelOptions

ANY_NETWORK: Final = "0.0.0.0/0"
"""AWS's default of both networks of a connection's selectors."""

_ENCRYPTION: Final = ("AES128", "AES256", "AES128-GCM-16", "AES256-GCM-16")
_INTEGRITY: Final = ("SHA1", "SHA2-256", "SHA2-384", "SHA2-512")
_PHASE1_GROUPS: Final = (2, *range(14, 25))
_PHASE2_GROUPS: Final = (2, 5, *range(14, 25))
# Groups 35 to 37 (ML-KEM) are allowed, and UNCONFIRMED as defaults (domain.md 14.1).


class OptionKind(Enum):
    """Form of an option in EC2's rows."""

    LIST = auto()
    """A list of mappings with ``Value``."""
    VALUE = auto()
    EXCHANGES = auto()
    LOGS = auto()


class TunnelOption(Struct, frozen=True):
    """One option of a tunnel."""

    field: str
    """Name in ``TunnelOptions`` and in a playbook."""
    requested: str
    """EC2's name in a request."""
    described: str
    """EC2's name in a describe row, which may differ in case."""
    label: str
    kind: OptionKind = OptionKind.VALUE
    default: tuple[Any, ...] | str | int | bool | None = None
    """AWS's default; for a list, everything that AWS then accepts (domain.md 6.5)."""
    allowed: Collection[object] = ()
    """Values that EC2 accepts; empty if they are a range or free."""
    least: int | None = None
    most: int | None = None

    def effective(self, value: Any) -> Any:
        """Return *value*, or AWS's default if it is not chosen."""
        return value if is_chosen(value) else self.default


def _list(
    field: str, name: str, label: str, default: tuple[Any, ...], more: tuple[Any, ...] = ()
) -> TunnelOption:
    return TunnelOption(
        field, name, name, label, OptionKind.LIST, default, allowed=(*default, *more)
    )


def _number(field: str, name: str, label: str, default: int, least: int, most: int) -> TunnelOption:
    return TunnelOption(field, name, name, label, default=default, least=least, most=most)


OPTIONS: Final = (
    TunnelOption(
        "ike_versions",
        "IKEVersions",
        "IkeVersions",
        "IKE versions",
        OptionKind.LIST,
        ("ikev1", "ikev2"),
        allowed=("ikev1", "ikev2"),
    ),
    _list("phase1_encryption", "Phase1EncryptionAlgorithms", "IKE encryption", _ENCRYPTION),
    _list("phase1_integrity", "Phase1IntegrityAlgorithms", "IKE integrity", _INTEGRITY),
    _list("phase1_dh_groups", "Phase1DHGroupNumbers", "IKE DH groups", _PHASE1_GROUPS, (35,)),
    _list("phase2_encryption", "Phase2EncryptionAlgorithms", "IPsec encryption", _ENCRYPTION),
    _list("phase2_integrity", "Phase2IntegrityAlgorithms", "IPsec integrity", _INTEGRITY),
    _list(
        "phase2_dh_groups", "Phase2DHGroupNumbers", "IPsec DH groups", _PHASE2_GROUPS, (35, 36, 37)
    ),
    _number(
        "phase1_lifetime_seconds", "Phase1LifetimeSeconds", "IKE lifetime, s", 28800, 900, 28800
    ),
    _number(
        "phase2_lifetime_seconds", "Phase2LifetimeSeconds", "IPsec lifetime, s", 3600, 900, 3600
    ),
    _number("rekey_margin_seconds", "RekeyMarginTimeSeconds", "rekey margin, s", 270, 60, 1800),
    _number("rekey_fuzz_percentage", "RekeyFuzzPercentage", "rekey fuzz, %", 100, 0, 100),
    _number("replay_window_packets", "ReplayWindowSize", "replay window, packets", 1024, 64, 2048),
    TunnelOption(
        "dpd_timeout_seconds",
        "DPDTimeoutSeconds",
        "DpdTimeoutSeconds",
        "dead peer timeout, s",
        default=30,
        least=30,
    ),
    TunnelOption(
        "dpd_timeout_action",
        "DPDTimeoutAction",
        "DpdTimeoutAction",
        "dead peer action",
        default="clear",
        allowed=("clear", "none", "restart"),
    ),
    TunnelOption(
        "phase1_key_exchanges",
        "Phase1AdditionalKeyExchanges",
        "Phase1AdditionalKeyExchanges",
        "IKE additional key exchanges",
        OptionKind.EXCHANGES,
    ),
    TunnelOption(
        "phase2_key_exchanges",
        "Phase2AdditionalKeyExchanges",
        "Phase2AdditionalKeyExchanges",
        "IPsec additional key exchanges",
        OptionKind.EXCHANGES,
    ),
    TunnelOption(
        "startup_action",
        "StartupAction",
        "StartupAction",
        "start-up action",
        default="add",
        allowed=("add", "start"),
    ),
    TunnelOption(
        "lifecycle_control",
        "EnableTunnelLifecycleControl",
        "EnableTunnelLifecycleControl",
        "endpoint lifecycle control",
        default=False,
    ),
    TunnelOption("logs", "LogOptions", "LogOptions", "logs", OptionKind.LOGS),
)

DESCRIBED: Final = {option.described: option for option in OPTIONS}
BY_FIELD: Final = {option.field: option for option in OPTIONS}
NOT_CHOSEN: Final = TunnelOptions()


def is_chosen(value: object) -> bool:
    """Return whether *value* of an option is set: None and an empty list are AWS's default."""
    return value is not None and value != ()


def as_requested(options: TunnelOptions) -> dict[str, Any]:
    """Return the chosen options with their names in a request, ``StartupAction`` included."""
    return {
        option.requested: _as_row(option, value)
        for option in OPTIONS
        if is_chosen(value := getattr(options, option.field))
    }


def _as_row(option: TunnelOption, value: Any) -> Any:
    match option.kind:
        case OptionKind.LIST:
            return [{"Value": each} for each in value]
        case OptionKind.VALUE:
            return value
        case OptionKind.EXCHANGES:
            return [
                {
                    "AdditionalKeyExchangeRound": each.round,
                    "KeyExchangeMethods": [{"Value": method} for method in each.methods],
                    **({"Requirement": each.requirement} if each.requirement else {}),
                }
                for each in value
            ]
        case OptionKind.LOGS:
            return {"CloudWatchLogOptions": _log_row(value)}


def _log_row(logs: TunnelLogs) -> dict[str, Any]:
    named = {
        "LogGroupArn": logs.group,
        "LogOutputFormat": logs.format,
        "BgpLogGroupArn": logs.bgp_group,
        "BgpLogOutputFormat": logs.bgp_format,
    }
    return {
        "LogEnabled": bool(logs.group),
        "BgpLogEnabled": bool(logs.bgp_group),
        **{name: text for name, text in named.items() if text},
    }


def described_options(row: Mapping[str, Any]) -> TunnelOptions | None:
    """Return the options of a tunnel's describe row, or None if it has addresses and key alone.

    ``add``, disabled logs and disabled lifecycle control are AWS's defaults, which some answers
    name and others omit; they are read as not chosen.
    """
    chosen: dict[str, Any] = {}
    named = False
    for name in row:
        option = DESCRIBED.get(name)
        if option is None:
            continue
        named = True
        value = _from_row(option, row[name])
        if is_chosen(value):
            chosen[option.field] = value
    if chosen:
        return TunnelOptions(**chosen)
    # Most tunnels have no option; an observation reads them every second.
    return NOT_CHOSEN if named else None


def _from_row(option: TunnelOption, row: Any) -> Any:
    match option.kind:
        case OptionKind.LIST:
            return tuple([each["Value"] for each in row or () if "Value" in each])
        case OptionKind.VALUE:
            return None if option.default in ("add", False) and row in ("add", False, "") else row
        case OptionKind.EXCHANGES:
            return tuple(
                KeyExchange(
                    each.get("AdditionalKeyExchangeRound", 0),
                    tuple([m["Value"] for m in each.get("KeyExchangeMethods") or ()]),
                    each.get("Requirement") or "",
                )
                for each in row or ()
            )
        case OptionKind.LOGS:
            return _logs_of((row or {}).get("CloudWatchLogOptions") or {})


def _logs_of(row: Mapping[str, Any]) -> TunnelLogs | None:
    activity, bgp = row.get("LogEnabled"), row.get("BgpLogEnabled")
    logs = TunnelLogs(
        group=row.get("LogGroupArn") or "" if activity else "",
        format=row.get("LogOutputFormat") or "" if activity else "",
        bgp_group=row.get("BgpLogGroupArn") or "" if bgp else "",
        bgp_format=row.get("BgpLogOutputFormat") or "" if bgp else "",
    )
    return None if logs == TunnelLogs() else logs


def option_text(option: TunnelOption, value: Any) -> str:
    """Return the *value* of *option* for an operator; empty if it is not chosen."""
    if not is_chosen(value):
        return ""
    match option.kind:
        case OptionKind.LIST:
            return ", ".join(map(str, value))
        case OptionKind.EXCHANGES:
            return "; ".join(
                f"round {each.round}: {'/'.join(map(str, each.methods))}"
                f"{f' ({each.requirement})' if each.requirement else ''}"
                for each in value
            )
        case OptionKind.LOGS:
            names = (
                ("activity", value.group, value.format),
                ("BGP", value.bgp_group, value.bgp_format),
            )
            return "; ".join(
                f"{name} to {group}{f' as {form}' if form else ''}"
                for name, group, form in names
                if group
            )
        case OptionKind.VALUE if isinstance(value, bool):
            return "on" if value else "off"
        case OptionKind.VALUE:
            return str(value)


def chosen_texts(options: TunnelOptions) -> Iterator[tuple[str, str]]:
    """Yield the label and the value of each chosen option, for an operator."""
    for option in OPTIONS:
        if text := option_text(option, getattr(options, option.field)):
            yield option.label, text


def default_text(option: TunnelOption) -> str:
    """Return AWS's default of *option* for an operator."""
    match option.kind:
        case OptionKind.EXCHANGES:
            return "none"
        case OptionKind.LOGS:
            return "off"
        case _:
            return option_text(option, option.default)


def same_option(option: TunnelOption, one: Any, other: Any) -> bool:
    """Return whether two values of *option* are the same to AWS.

    The order of a list has no meaning, and an option that is not chosen has AWS's default.
    """
    return bool(_normal(option, one) == _normal(option, other))


def differing_option(wanted: TunnelOptions, described: TunnelOptions) -> TunnelOption | None:
    """Return the first option in which a described tunnel is not the *wanted* one, or None.

    An option that is not wanted may be described as AWS's default.  The start-up action is left
    out, because it changes after the cutover, and so is the integrity beside AES-GCM, which AWS
    may omit (domain.md 14.1).
    """
    for option in OPTIONS:
        value = getattr(wanted, option.field)
        if not is_chosen(value) or option.field == "startup_action":
            continue
        seen = getattr(described, option.field)
        if not is_chosen(seen) and option.field in _BESIDE_GCM:
            encryption = getattr(wanted, option.field.replace("integrity", "encryption"))
            if any("GCM" in each for each in encryption):
                continue
        if not same_option(option, value, seen):
            return option
    return None


_BESIDE_GCM: Final = frozenset({"phase1_integrity", "phase2_integrity"})


def unfit_options(
    wanted: Sequence[TunnelOptions], described: Sequence[TunnelOptions]
) -> TunnelOption | None:
    """Return an option in which *described* tunnels, in any order, are not those *wanted*.

    The order of a connection's tunnels in an answer is not that of the request (domain.md 3.3).
    """
    if not wanted:
        return None
    found: TunnelOption | None = None
    for order in permutations(wanted, min(len(described), len(wanted))):
        pairs = zip(order, described, strict=False)
        unfit = next(filter(None, (differing_option(*pair) for pair in pairs)), None)
        if unfit is None:
            return None
        found = found or unfit
    return found


def _normal(option: TunnelOption, value: Any) -> Any:
    value = option.effective(value)
    if option.kind is OptionKind.LIST:
        return frozenset(value or ())
    if option.kind is OptionKind.EXCHANGES:
        return frozenset(
            (each.round, frozenset(each.methods), each.requirement) for each in value or ()
        )
    return value
