"""Tags: those copied to successors, and resources of other owners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpnmigrate.model.changes import (
    AwsChange,
    DeleteTestSubnet,
    DeleteTestVpc,
    DeleteVpnConnection,
    DeleteVpnGateway,
    Tags,
)
from vpnmigrate.model.decisions import TagChanges
from vpnmigrate.model.ec2 import NAME_TAG, ResourceState, Role
from vpnmigrate.model.errors.commands import aws, cli, option
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.steps.base import Blocked, Lost, Met

RESERVED = ("aws:", "vpnmigrate:")
"""Prefixes not copied: AWS forbids the first (domain.md 2.11); the second is this program's."""

NEW_NAME_SUFFIX = " (AWS VPN)"
"""Suffix that distinguishes new from old while both exist (domain.md 8)."""

LONGEST_VALUE = 256
"""EC2's limit of a tag value (domain.md 2.11)."""


AUTOMATION: Final[Mapping[str, str]] = {
    "transitvpc:": "a transit VPC's poller creates a connection on each gateway that has it",
    "kubernetes.io/cluster/": "a cluster's controllers act on resources that have it",
    "k8s.io/": "a cluster's controllers act on resources that have it",
    "aws-nuke": "a clean-up program selects resources by it",
    "janitor": "a clean-up program selects resources by it",
    "cloud-custodian": "a policy program acts on resources that have it",
    "c7n": "a policy program acts on resources that have it",
    "maid_status": "a policy program acts on resources that have it",
    "auto-delete": "a clean-up program selects resources by it",
    "ttl": "a clean-up program deletes resources by it",
    "expires": "a clean-up program deletes resources by it",
}
"""Beginnings of tag keys that other programs act on, in lower case, with the effect.

The first two were met in public reports (domain.md 14.3), the others are tools' usual keys.
"""


def automation_of(key: str) -> str:
    """Return what another program does with resources that have the tag *key*, or ''."""
    folded = key.casefold()
    return next((why for start, why in AUTOMATION.items() if folded.startswith(start)), "")


def copied_tags(tags: Mapping[str, str], changes: TagChanges) -> Tags:
    """Return the user tags of a successor, sorted; a copied Name gets ``NEW_NAME_SUFFIX``."""
    kept = {k: v for k, v in tags.items() if not k.startswith(RESERVED) and not changes.drops(k)}
    if name := kept.get(NAME_TAG):
        kept[NAME_TAG] = name[: LONGEST_VALUE - len(NEW_NAME_SUFFIX)] + NEW_NAME_SUFFIX
    return tuple(sorted({**kept, **changes.add}.items()))


def duplicate_roles(now: Snapshot) -> Blocked | None:
    """Return a verdict if two existing resources have the tags of one role, or None."""
    if not now.owned.duplicates:
        return None
    role, duplicate = now.owned.duplicates[0]
    return Blocked(
        f"{now.ours[role]} and {duplicate} both have this migration's tags for {role!r}",
        (
            "find out which one this run did not create, and remove the vpnmigrate: tags from it:",
            aws("ec2", "delete-tags", "--resources", duplicate, "--tags", "Key=vpnmigrate:role"),
        ),
    )


def suspected(plan: Plan, now: Snapshot, *roles: Role) -> Blocked | None:
    """Return a verdict if an unanswered create call may have made an untagged resource."""
    for role in roles:
        if role in now.owned.possible and now.state(role) is ResourceState.ABSENT:
            id_ = now.owned.possible[role]
            return Blocked(
                f"{id_} may have been created for {role!r} by a call whose answer was lost: "
                "it fits and did not exist before, but it lacks the tags of that call",
                (
                    "find out who created it; if this run did:",
                    cli("apply", plan.migration, *option("--adopt", id_)),
                    "if it did not:",
                    cli("apply", plan.migration, "--adopt", "none"),
                ),
            )
    return None


def unowned_resources(now: Snapshot) -> Met | Lost:
    """Return Lost with resources that have this run's tags but may not be its own, or Met.

    A clean-up never deletes them.  The runner reports those that are certainly not its own.
    """
    duplicates = [duplicate for _, duplicate in now.owned.duplicates]
    unsure = [now.ours[role] for role in sorted(now.owned.ambiguous_roles)]
    possible = sorted(set(now.owned.possible.values()))
    names = (
        *(
            f"{id_} was not deleted: it has this migration's tags, but this run may not have "
            "created it"
            for id_ in (*duplicates, *unsure)
        ),
        *(
            f"{id_} was not deleted: a create call whose answer was lost may have made it; "
            f"if so, roll back again with --adopt {id_}"
            for id_ in possible
        ),
    )
    left = tuple(_deletion(id_) for id_ in (*duplicates, *unsure, *possible))
    return Lost(names, left) if names else Met()


def _deletion(id_: str) -> AwsChange:
    """Return the change that deletes a resource of a kind that a run creates."""
    if id_.startswith("vgw-"):
        return DeleteVpnGateway(id_, id_)
    if id_.startswith("vpn-"):
        return DeleteVpnConnection(id_, id_)
    return DeleteTestVpc(id_, id_) if id_.startswith("vpc-") else DeleteTestSubnet(id_, id_)
