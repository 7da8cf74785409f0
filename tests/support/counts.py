"""Share of a long list of cases that a test runs: a fixed share, or all on request.

``VPNMIGRATE_TEST_FULL=1`` runs all; ``make full-counts`` sets it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

FULL: Final = bool(os.environ.get("VPNMIGRATE_TEST_FULL"))


def share(items: Sequence[T], *, one_in: int) -> Sequence[T]:
    """Return all *items*, or in an ordinary run the first of every *one_in*.

    If the items repeat after some number, *one_in* has no divisor in common with it: otherwise all
    of the share would be alike.
    """
    return items if FULL else items[::one_in]
