"""Journal age: effects of a run that AWS shows and its journal lacks.

A journal that was restored from an earlier backup is whole, and its chain is correct: it only ends
earlier.  What the run has done since then is in AWS, with the tags of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vpnmigrate.engine.recorder import evidence_of
from vpnmigrate.journal import RunState
from vpnmigrate.model.ec2 import Attachment, VpnGatewayId
from vpnmigrate.model.facts import Claim
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan
from vpnmigrate.model.snapshot import Reading, snapshot_of
from vpnmigrate.planning.ownership import candidates, ownership_of, role_by_tag

_ATTACHED: Final = frozenset({Attachment.ATTACHING, Attachment.ATTACHED})


def unknown_to_journal(
    reading: Reading, plan: Plan, state: RunState, holder: str
) -> tuple[str, ...]:
    """Return the effects of the run of *plan* in *reading* that its journal of *state* lacks.

    These are the resources that a run with a lost journal asks about, as far as they have its tags
    and no unanswered call of the journal may have made them; the claim tag of its *holder*; and the
    new gateway in the place of the old one.
    """
    return tuple(_unknown(reading, plan, state, holder))


def _unknown(reading: Reading, plan: Plan, state: RunState, holder: str) -> Iterator[str]:
    evidence = evidence_of(state, plan.surveyed)
    now = snapshot_of(reading, ownership_of(reading, plan, evidence))
    old = plan.old_gateway
    if state.direction is None and now.value(Claim(old)) == holder:
        yield f"{old} has the claim tag of this run"
    resources = {resource.id: resource for resource in reading.resources}
    in_doubt = {doubt.creation.role for doubt in evidence.doubts}
    for id_, role in candidates(reading, plan, evidence).items():
        is_tagged = role_by_tag(resources[id_], plan.migration) == role
        if is_tagged and role not in in_doubt and id_ not in evidence.refused:
            yield f"{id_} has the tags of this run"
    new = now.ours.get(GATEWAY_ROLE)
    if new is None or state.cutover_begun:
        return
    if now.attachment(VpnGatewayId(new), plan.vpc) in _ATTACHED:
        yield f"{new} is attached to {plan.vpc}"
