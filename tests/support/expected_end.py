"""The configuration that a plan's new gateway has after step 10."""

from __future__ import annotations

from collections.abc import Mapping

from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.planner import _chosen_here
from vpnmigrate.planning.prediction import predicted_end


def expected_end(plan: Plan, made: Mapping[Role, str]) -> dict[str, str]:
    """Return the configuration after step 10, as ``drift.configuration`` describes it.

    *made* has the ids of the created resources; a role without one stands for its own id.
    """
    return _chosen_here(predicted_end(plan, made))
