"""Gate on permissions: every call that may follow step 6 was tried as a dry run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vpnmigrate.engine.gates.base import failed, passed, unknown
from vpnmigrate.errors.commands import cli
from vpnmigrate.model.gates import Gate, GateResult
from vpnmigrate.model.permissions import MissingPermission, PermissionVerdict

_REQUIRED = "these credentials may make every call of steps 7 to 11, of a rollback and its clean-up"
_TO_GRANT = "grant the actions, then apply again; the policy for them:"
_TO_REMOVE = "grant the actions, or force this gate and remove the resources in another way:"
_UNTRIED = "prove these permissions in another way, then force this gate:"


def calls_allowed(missing: Sequence[MissingPermission]) -> GateResult:
    """Check whether every call that may follow step 6 is allowed.

    A denied call that the cutover or its rollback needs cannot be forced: traffic could stay down.
    """
    denied = [each for each in missing if each.verdict is PermissionVerdict.DENIED]
    needed = [each for each in denied if not each.only_removes]
    observed = "; ".join(_lines(missing))
    forcing = cli("apply", "RUN", "--force", Gate.PERMISSIONS, "--reason", "TEXT")
    if needed:
        return failed(
            Gate.PERMISSIONS,
            observed,
            _REQUIRED,
            advice=(_TO_GRANT, cli("iam-policy", "PLAN", "--phase", "cutover")),
            unforceable="the cutover or its rollback needs a denied call: traffic could stay down",
        )
    if denied:
        return failed(
            Gate.PERMISSIONS,
            observed,
            _REQUIRED,
            advice=(_TO_REMOVE, cli("iam-policy", "PLAN", "--phase", "all"), forcing),
        )
    if missing:
        return unknown(Gate.PERMISSIONS, observed, _REQUIRED, advice=(_UNTRIED, forcing))
    return passed(Gate.PERMISSIONS, "every call was tried as a dry run and is allowed", _REQUIRED)


def _lines(missing: Iterable[MissingPermission]) -> list[str]:
    """Return a text for each reason, with the actions that it applies to."""
    grouped: dict[tuple[PermissionVerdict, str, bool], list[MissingPermission]] = {}
    for each in missing:
        key = (each.verdict, each.why, each.only_removes)
        grouped.setdefault(key, []).append(each)
    order = [PermissionVerdict.DENIED, PermissionVerdict.UNKNOWN, PermissionVerdict.UNPROVEN]
    ordered = sorted(grouped.items(), key=lambda item: order.index(item[0][0]))
    return [
        f"{', '.join(dict.fromkeys(map(str, group)))} {verdict}"
        f"{' (only clean-up and finalize need it)' if removes else ''}: {why}"
        for (verdict, why, removes), group in ordered
    ]
