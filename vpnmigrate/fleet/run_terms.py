"""Run terms: the options of the operator who set the goal of a run."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

from vpnmigrate.model.gates import Force


class RunTerms(Struct, frozen=True, omit_defaults=True):
    """The options of ``apply``, ``rollback`` or ``finalize``, for every session until the goal."""

    who: str = ""
    """The operator and their host."""
    attempt: int = 1
    """The last attempt that they want: after a rollback, no other one begins without a start."""
    forces: tuple[Force, ...] = ()
    probes: tuple[str, ...] | None = ()
    """Probes in addition to the plan's; None turns all probes off."""
    confirm_within: timedelta | None = None
    keep_new: bool = False
    """Whether a rollback keeps the new gateway and connections."""
    delete_old_gateway: bool = False
    """Whether a finalize deletes the old gateway too."""
