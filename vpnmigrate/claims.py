"""Who says that they migrate a gateway: what a claim tag means for this run.

A claim warns and stops the honest second operator.  It cannot exclude: EC2 checks no token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vpnmigrate.commands import Advice, aws
from vpnmigrate.errors import ClaimedError
from vpnmigrate.model.ec2 import Tag, VpnGatewayId
from vpnmigrate.model.facts import ABSENT, Value

LONGEST_HOLDER: Final = 256
"""EC2's limit of a tag value (domain.md 2.11)."""


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


_HOLDER = re.compile(r"[\w.+][\w.+-]*@[\w.+][\w.+-]*/[\w.+-]+", re.ASCII)


def is_holder_name(text: str) -> bool:
    """Return whether *text* has the form ``user@host/nonce``; anybody may write a tag."""
    return len(text) <= LONGEST_HOLDER and _HOLDER.fullmatch(text) is not None


def shown_holder(text: str) -> str:
    """Return a holder for a message; one that is not a name is escaped and in quotes."""
    return text if is_holder_name(text) else ascii(text)


def taking_over_from(holder: str, gateway: VpnGatewayId) -> Advice:
    """Return how to continue in place of *holder*; only a name is offered as a value."""
    if is_holder_name(holder):
        return f"talk to them; to go on in their place: --take-over {holder}"
    return (
        "no run has such a name; find out who wrote the tag, and if no run needs it, delete it:",
        aws("ec2", "delete-tags", "--resources", gateway, "--tags", f"Key={Tag.CLAIM.value}"),
    )


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
    """Return the refusal that names *holder*, whose claim is on *gateway*, and what to do."""
    return ClaimedError(
        f"{gateway} is being migrated by {shown_holder(holder)}, says its claim tag",
        advice=taking_over_from(holder, gateway),
        holder=holder if is_holder_name(holder) else "",
    )
