"""Who says that they migrate a gateway: what a claim tag means for this run.

A claim warns and stops the honest second operator.  It cannot exclude: EC2 checks no token.
"""

from __future__ import annotations

from dataclasses import dataclass

from vpnmigrate.errors import ClaimedError
from vpnmigrate.facts import ABSENT, Value
from vpnmigrate.model import VpnGatewayId


@dataclass(frozen=True)
class Free:
    """Nobody claims it, or only somebody whom the operator has named to take over from."""


@dataclass(frozen=True)
class Ours:
    """This run claims it."""


@dataclass(frozen=True)
class Foreign:
    """Somebody else claims it."""

    holder: str


def holder_name(user: str, host: str, nonce: str) -> str:
    """Name a holder; *nonce* is made once a run and kept in its directory.

    The same person on the same host with another run directory is another holder.
    """
    return f"{user}@{host}/{nonce}"


def claim_of(value: Value, ours: str, take_over: str | None = None) -> Free | Ours | Foreign:
    """Judge the believed *value* of a claim for the run whose holder is *ours*."""
    if value == ours:
        return Ours()
    if value in (ABSENT, take_over):
        return Free()
    return Foreign(str(value))


def require_not_foreign(claim: Free | Ours | Foreign, gateway: VpnGatewayId) -> None:
    """Refuse to go on over somebody else's claim.

    Raises:
        ClaimedError: With who it is, and how to go on in their place.
    """
    if isinstance(claim, Foreign):
        raise claimed(claim.holder, gateway)


def claimed(holder: str, gateway: VpnGatewayId) -> ClaimedError:
    """Return the refusal that names *holder*, whose claim is on *gateway*, and how to take over."""
    return ClaimedError(
        f"{gateway} is being migrated by {holder}, says its claim tag",
        advice=f"talk to them; to go on in their place: --take-over {holder}",
        holder=holder,
    )
