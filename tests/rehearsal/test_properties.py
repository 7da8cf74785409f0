"""Properties of whole migrations in drawn worlds: predicted ends, and repeatable results."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.support.builders import snapshot_by_tag
from tests.support.stage import Lookout, Roads, Signal
from vpnmigrate.aws.account import Account
from vpnmigrate.engine.context import ClaimHolder
from vpnmigrate.engine.runner import Runner, RunPorts
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.model.ec2 import Role, Tag, VpnGatewayId
from vpnmigrate.model.errors import PreflightError
from vpnmigrate.model.plan import GATEWAY_ROLE
from vpnmigrate.planning.planner import fingerprint, unexpected
from vpnmigrate.planning.rollback_proof import prove
from vpnmigrate.rehearsal.simulation.invariants import actual_state, configuration
from vpnmigrate.rehearsal.simulation.topology import STOPS_PLANNING, topology
from vpnmigrate.rehearsal.simulation.trial import TrialSetting, setting_of
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.device_engineer import DeviceEngineer

pytestmark = pytest.mark.no_cover

some = settings(max_examples=10, phases=(Phase.explicit, Phase.generate))
"""A failing seed is as small as it gets: there is nothing to shrink."""
seeds = st.integers(min_value=0, max_value=1_000_000)


class NoVault:
    """Keeps only that a device file existed."""

    def keep(self, connection: str, name: str, text: str) -> str:
        return f"hash of {name}"


class Walk:
    """One world with its plan, and runs on it one after the other."""

    def __init__(self, setting: TrialSetting) -> None:
        self.plan = setting.plan
        self.world = setting.world()
        self.reaction = setting.topology.reaction
        self.account = Account(DirectClients(self.world), self.world.clock, NoVault())
        self.journal = MemoryJournal(self.world.clock)

    def go(self, *actions) -> None:
        """Run each action in a process of its own."""
        for action in actions:
            ports = RunPorts(
                ec2=self.account,
                journal=self.journal,
                operator=DeviceEngineer(self.world, self.reaction),
                observer=Lookout(),
                clock=self.world.clock,
                stop_request=Signal(),
                paths=Roads(),
                claim_holder=ClaimHolder("ann@desk"),
            )
            action(Runner(self.plan, ports))
            self.journal = MemoryJournal(self.world.clock, self.journal.entries)

    @property
    def made(self) -> Mapping[Role, str]:
        """The created resources, by role."""
        return snapshot_by_tag(self.account.observe(self.plan), self.plan.migration).ours

    def settle(self) -> None:
        """Wait until every transition has ended and every lag has passed."""
        self.world.clock.sleep(timedelta(hours=2))

    @property
    def configured(self) -> frozenset[str]:
        """The configuration of the world after all transitions."""
        self.settle()
        with self.world.to_be_read() as state:
            lines = configuration(actual_state(state, self.plan.vpc, self.plan.migration))
        # The tunnels depend on the engineer, and the number of the attempt differs on purpose.
        output = (line for line in lines if not line.endswith(" is up"))
        return frozenset(line.partition(f"{Tag.ATTEMPT}=")[0] for line in output)


def a_walk(seed: int) -> Walk | None:
    """Return a drawn world with its plan; None if its behaviour prevents the migration."""
    drawn = topology(seed)
    try:
        setting = setting_of(drawn)
    except PreflightError:
        return None
    return None if drawn.stops else Walk(setting)


@some
@given(seeds)
def test_the_predicted_end_is_the_simulated_one(seed):
    """In any world, apply ends as its plan predicts, fact by fact."""
    walk = a_walk(seed)
    if walk is None:
        return

    walk.go(Runner.apply)

    walk.settle()
    after = walk.account.survey(VpnGatewayId(walk.made[GATEWAY_ROLE]))
    assert unexpected(walk.plan, walk.made, after) == ()


@some
@given(seeds)
def test_apply_rollback_apply_is_the_same_as_apply(seed):
    """A migration that was rolled back and tried again ends like one that was not."""
    once, again = a_walk(seed), a_walk(seed)
    if once is None or again is None:
        return

    once.go(Runner.apply)
    again.go(Runner.apply, Runner.rollback, Runner.apply)

    assert again.configured == once.configured


@some
@given(seeds)
def test_rollback_ends_as_it_began(seed):
    """A rollback leaves nothing of its attempt behind, and nothing is missing."""
    before, walk = a_walk(seed), a_walk(seed)
    if before is None or walk is None:
        return

    walk.go(Runner.apply, Runner.rollback)

    assert walk.configured == before.configured


@settings(max_examples=15)
@given(seeds)
def test_any_drawn_world_gives_a_plan_or_a_named_refusal(seed):
    """Planning gives each drawn world a valid plan with a proven rollback, or a finding."""
    drawn = topology(seed)
    if drawn.stops == STOPS_PLANNING:
        with pytest.raises(PreflightError) as refusal:
            setting_of(drawn)
        assert refusal.value.findings
        return

    plan = setting_of(drawn).plan

    assert plan.fingerprint == fingerprint(plan)
    assert prove(plan).holds
