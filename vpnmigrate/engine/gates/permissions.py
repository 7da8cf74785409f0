"""Gate on permissions: each call after step 6 was tried as a dry run, or simulated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from vpnmigrate.engine.gates.base import failed, passed, unknown
from vpnmigrate.model.errors.commands import Advice, Command, cli
from vpnmigrate.model.gates import Gate, GateResult
from vpnmigrate.model.permissions import MissingPermission, PermissionVerdict
from vpnmigrate.planning.permission_checks import holding, policy_phases, undecided

_REQUIRED = "these credentials may make every call of the cutover, of a rollback and its clean-up"
_TO_GRANT = "grant the actions, then apply again; the policy for them:"
_UNTRIED = "prove these permissions in another way; the policy for them:"
_REMOVED = (
    "or remove the resources in another way later, and force this gate, with your reason in place "
    "of TEXT:"
)
_PROVEN = "once they are proven, force this gate, with your reason in place of TEXT:"


def calls_allowed(missing: Sequence[MissingPermission]) -> GateResult:
    """Check whether every call of the cutover, of a rollback and of its clean-up is allowed.

    A denied call that the cutover or its rollback needs cannot be forced: traffic could stay down.
    What only finalize needs is reported and holds nothing.  What IAM's policy simulation decides is
    named; it does not decide about a session's call without which traffic may stay down.
    """
    held = holding(missing)
    denied = [each for each in held if each.verdict is PermissionVerdict.DENIED]
    needed = [each for each in denied if not each.only_removes]
    observed = "; ".join(_lines(missing))
    forcing = cli("apply", "RUN", "--force", Gate.PERMISSIONS, "--reason", "TEXT")
    to_grant: Advice = (_TO_GRANT, *_policies(needed))
    if needed:
        return failed(
            Gate.PERMISSIONS,
            observed,
            _REQUIRED,
            advice=to_grant,
            unforceable="the cutover or its rollback needs a denied call: traffic could stay down",
        )
    if denied:
        to_remove: Advice = (_TO_GRANT, *_policies(denied), _REMOVED, forcing)
        return failed(Gate.PERMISSIONS, observed, _REQUIRED, advice=to_remove)
    if undecided(missing):
        to_prove: Advice = (_UNTRIED, *_policies(missing), _PROVEN, forcing)
        return unknown(Gate.PERMISSIONS, observed, _REQUIRED, advice=to_prove)
    return passed(Gate.PERMISSIONS, _allowed(missing), _REQUIRED)


def _allowed(missing: Sequence[MissingPermission]) -> str:
    """Return the text of a gate that passes; *missing* has what no dry run shows."""
    if not missing:
        return "every call was tried as a dry run and is allowed"
    simulated = [each for each in missing if each.simulated]
    unproven = [each for each in missing if not each.simulated]
    parts = ["every call of the cutover and of a rollback is allowed"]
    if simulated:
        parts.append(f"not shown by a dry run: {'; '.join(_lines(simulated))}")
    if unproven:
        parts.append(f"not proven: {'; '.join(_lines(unproven))}")
    return "; ".join(parts)


def _policies(missing: Iterable[MissingPermission]) -> tuple[Command, ...]:
    """Return the commands that print the policies with what is missing."""
    phases = policy_phases(missing)
    return tuple(cli("iam-policy", "PLAN", "--phase", phase) for phase in phases)


def _lines(missing: Iterable[MissingPermission]) -> list[str]:
    """Return a text for each reason, with the actions that it applies to."""
    grouped: dict[tuple[PermissionVerdict, str, str], list[MissingPermission]] = {}
    for each in missing:
        key = (each.verdict, each.why, _use(each))
        grouped.setdefault(key, []).append(each)
    order = [
        PermissionVerdict.DENIED,
        PermissionVerdict.UNKNOWN,
        PermissionVerdict.UNPROVEN,
        PermissionVerdict.SIMULATED_ROLE,
        PermissionVerdict.SIMULATED,
    ]
    # What can be done without comes last.
    ordered = sorted(grouped.items(), key=lambda item: (order.index(item[0][0]), item[0][2]))
    return [
        f"{', '.join(dict.fromkeys(map(str, group)))} {_WORDS.get(verdict, verdict)}{use}: {why}"
        for (verdict, why, use), group in ordered
    ]


_WORDS: Final = {PermissionVerdict.SIMULATED_ROLE: "simulated for the role"}


def _use(missing: MissingPermission) -> str:
    """Return which part of a migration needs it, if traffic flows without it."""
    if not holding((missing,)):
        return " (only finalize needs it)"
    return " (only clean-up needs it)" if missing.only_removes else ""
