"""What gates advise, with the names of this run in it, so that it can be pasted."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec.structs import replace

from vpnmigrate.go_no_go import Seen


def ready_to_paste(gates: Iterable[Seen], *, run: str, plan_file: str) -> tuple[Seen, ...]:
    """Put *run* and *plan_file* where the advice of a gate says RUN and PLAN."""
    names = {"RUN": run, "PLAN": plan_file}
    return tuple(
        replace(seen, advice=re.sub(r"\b(RUN|PLAN)\b", lambda found: names[found[1]], seen.advice))
        for seen in gates
    )
