"""Open sites: the devices at which a task is left to people, and to drivers."""

from __future__ import annotations

from vpnmigrate.journal.state import RunState
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.plan import Plan
from vpnmigrate.sandbox.site_engineers import OpenSites


def open_sites(plan: Plan, state: RunState, task: AskOperator) -> OpenSites:
    """Return where *task* is not done, as far as *state* shows."""
    done = state.journal_facts.devices.get(task.word, frozenset())
    left = set(task.only) or set(plan.old_connections) - done
    gave_up = {old for old, each in state.drivers.given_up.items() if each.word is task.word}
    people = {old for old in left if old in gave_up or not plan.driver_of(old).automatic}
    return OpenSites(frozenset(people), frozenset(left - people))


def is_driven(plan: Plan) -> bool:
    """Return whether a driver does the work at some device of *plan*."""
    return len(plan.by_hand) < len(plan.old_connections)
