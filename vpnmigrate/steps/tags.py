"""Tags: those copied to successors, and resources of other owners."""

from __future__ import annotations

from collections.abc import Mapping

from vpnmigrate.commands import aws, cli, option
from vpnmigrate.model.changes import Tags
from vpnmigrate.model.ec2 import ResourceState, Role
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.steps.base import Blocked, Lost, Met

RESERVED = ("aws:", "vpnmigrate:")
"""Prefixes that are not copied: AWS forbids the first (domain.md 2.11), the second is ours."""

NEW_NAME_SUFFIX = " (AWS VPN)"
"""Keeps old and new apart while both exist (domain.md 8)."""

LONGEST_VALUE = 256
"""EC2's limit of a tag value (domain.md 2.11)."""


def copied_tags(tags: Mapping[str, str]) -> Tags:
    """Return the user tags of a successor, sorted; its Name says that it is the new one."""
    kept = {k: v for k, v in tags.items() if not k.startswith(RESERVED)}
    if name := kept.get("Name"):
        kept["Name"] = name[: LONGEST_VALUE - len(NEW_NAME_SUFFIX)] + NEW_NAME_SUFFIX
    return tuple(sorted(kept.items()))


def duplicate_roles(now: Snapshot) -> Blocked | None:
    """Stop where two living resources carry the tags of one role: one of them is not ours."""
    if not now.owned.twins:
        return None
    role, twin = now.owned.twins[0]
    return Blocked(
        f"{now.ours[role]} and {twin} both carry this migration's tags for {role!r}",
        (
            "find out which one is a copy and take the vpnmigrate: tags off it:",
            aws("ec2", "delete-tags", "--resources", twin, "--tags", "Key=vpnmigrate:role"),
        ),
    )


def suspected(plan: Plan, now: Snapshot, *roles: Role) -> Blocked | None:
    """Stop where an unanswered call may have made a resource that lacks the tags of that call."""
    for role in roles:
        if role in now.owned.suspects and now.state(role) is ResourceState.ABSENT:
            id_ = now.owned.suspects[role]
            return Blocked(
                f"{id_} may be what a create call of this run without an answer made for {role!r}: "
                "it fits and was not there before, and does not carry the tags of that call",
                (
                    "find out who made it; if this run did:",
                    cli("apply", plan.migration, *option("--adopt", id_)),
                    "if it did not:",
                    cli("apply", plan.migration, "--adopt", "none"),
                ),
            )
    return None


def unowned_resources(now: Snapshot) -> Met | Lost:
    """Name what carries our tags and may be a stranger's: a clean-up never deletes it.

    What is known to be a stranger's is named by the runner in every step.
    """
    twins = (twin for _, twin in now.owned.twins)
    unsure = (now.ours[role] for role in sorted(now.owned.contested))
    names = (
        *(f"{id_} carries our tags and was left" for id_ in (*twins, *unsure)),
        *(
            f"{id_} was left: a create call without an answer may have made it; "
            f"if so, roll back again with --adopt {id_}"
            for id_ in sorted(set(now.owned.suspects.values()))
        ),
    )
    return Lost(names) if names else Met()
