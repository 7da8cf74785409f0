"""A run makes the planned changes: plans are predicted, then applied in the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.boto_client import session_for
from tests.support.builders import MIGRATION, snapshot_by_tag
from tests.support.stage import Lookout, Roads, Signal
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.session import Clients
from vpnmigrate.engine.context import ClaimHolder
from vpnmigrate.engine.runner import Runner, RunPorts
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Intended
from vpnmigrate.local.documents import scenario_text
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.changes import AwsChange, Change, DisassociateEdge, PlaceClaim
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import VpnGatewayId
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan
from vpnmigrate.planning.planner import plan_from, unexpected
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.parser import scenario_from_text


class Trial:
    """One scenario: its world, a plan of its survey, and a run of that plan."""

    def __init__(self, name: str, vault: Path) -> None:
        found = scenario_text(name)
        scenario = scenario_from_text(found.text, found.name)
        clock = VirtualClock()
        world = load_world(scenario, clock)
        session = session_for(world)
        self.account = Account(Clients(lambda: session), clock, Vault(vault))
        self.plan: Plan = plan_from(
            self.account.survey(scenario.gateways[0].id),
            Decisions(asn=64600),
            "standard",
            migration=MIGRATION,
            made=clock.now(),
            tool="test",
        )
        journal = MemoryJournal(clock)
        Runner(
            self.plan,
            RunPorts(
                ec2=self.account,
                journal=journal,
                operator=DeviceEngineer(world),
                observer=Lookout(),
                clock=clock,
                stop_request=Signal(),
                paths=Roads(),
                claim_holder=ClaimHolder("ann@desk"),
            ),
        ).apply()
        self.made = snapshot_by_tag(self.account.observe(self.plan), MIGRATION).ours
        self.done = [e.record.change for e in journal.entries if isinstance(e.record, Intended)]

    def by_role(self, change: Change) -> str:
        """Return a change with roles in place of the ids of created resources."""
        text = str(change)
        for role, id_ in self.made.items():
            text = text.replace(id_, role)
        return text


def comparable(change: Change) -> bool:
    """Leave out device tasks, the claim's holder, and disassociations that a detach may include."""
    return isinstance(change, AwsChange) and not isinstance(change, PlaceClaim | DisassociateEdge)


@pytest.mark.parametrize("name", ["single-static", "cloudhub", "three-connections"])
def test_a_plan_comes_true(name: str, tmp_path: Path) -> None:
    """A run makes exactly the planned changes, and ends as the plan expects."""
    trial = Trial(name, tmp_path / "vault")

    planned = [c for step in trial.plan.forward for c in step.changes if comparable(c)]
    done = [trial.by_role(c) for c in trial.done if comparable(c)]
    assert sorted(done) == sorted(str(change) for change in planned)
    after = trial.account.survey(VpnGatewayId(trial.made[GATEWAY_ROLE]))
    assert unexpected(trial.plan, trial.made, after) == ()
