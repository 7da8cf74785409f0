"""Claims: which run migrates a gateway."""

from __future__ import annotations

import pytest

from tests.support.builders import OLD
from vpnmigrate.engine.preconditions import (
    ForeignClaim,
    OwnClaim,
    Unclaimed,
    claim_of,
    require_not_foreign,
)
from vpnmigrate.local.lock import holder_name
from vpnmigrate.model.errors import ClaimedError, Exit
from vpnmigrate.model.facts import ABSENT, UNKNOWN, Value

US = holder_name("alice", "laptop", "77aa")
THEM = holder_name("bob", "desk", "01ff")


@pytest.mark.parametrize(
    ("value", "take_over", "claim"),
    [
        (ABSENT, None, Unclaimed()),
        (US, None, OwnClaim()),
        (US, THEM, OwnClaim()),
        (THEM, None, ForeignClaim(THEM)),
        (THEM, THEM, Unclaimed()),
        (THEM, "bob@desk", ForeignClaim(THEM)),
        (holder_name("alice", "laptop", "01ff"), None, ForeignClaim("alice@laptop/01ff")),
        (UNKNOWN, None, ForeignClaim("unknown")),
    ],
)
def test_a_claim_is_free_ours_or_foreign(
    value: Value, take_over: str | None, claim: Unclaimed | OwnClaim | ForeignClaim
) -> None:
    """A claim is this run's if it is equal, free if absent or named, and else foreign."""
    assert claim_of(value, US, take_over) == claim


def test_a_foreign_claim_is_refused_with_the_take_over_flag() -> None:
    """The error names gateway and holder, and the flag that takes over from the holder."""
    with pytest.raises(ClaimedError) as caught:
        require_not_foreign(ForeignClaim(THEM), OLD)

    assert caught.value.message == "vgw-old is claimed by bob@desk/01ff (tag vpnmigrate:claim)"
    assert "--take-over bob@desk/01ff" in caught.value.advice_text
    assert caught.value.exit is Exit.REFUSED


@pytest.mark.parametrize("claim", [Unclaimed(), OwnClaim()])
def test_any_other_claim_is_no_hindrance(claim: Unclaimed | OwnClaim) -> None:
    """A run continues if it holds the claim, or if there is none."""
    require_not_foreign(claim, OLD)
