"""Run context: what all parts of one run share."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from vpnmigrate.engine.ports import (
    Calls,
    Ec2,
    NetworkPaths,
    Observer,
    Operator,
    PermissionReader,
)
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.plan import Plan


class ClaimHolder(Struct, frozen=True):
    """The holder that the claim tag names, and the holder that the operator takes over from."""

    holder: str
    takes_over_from: str = ""


@dataclass(frozen=True)
class RunContext:
    """The plan of a run, its recorder, and the ports that more than one part uses.

    *ec2*, *paths* and *permissions* limit how long each answer may take.
    """

    plan: Plan
    recorder: RunRecorder
    clock: Clock
    ec2: Ec2
    paths: NetworkPaths
    calls: Calls
    operator: Operator
    observer: Observer
    claim_holder: ClaimHolder
    permissions: PermissionReader | None = None
    """What tries calls before step 7; None if they are not tried."""
    journal_lost: bool = False
    """An earlier process worked on this plan, and its journal is lost."""
