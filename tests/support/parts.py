"""Parts of the engine, built alone."""

from __future__ import annotations

from tests.support.stage import Lookout, Nobody
from vpnmigrate.engine.call_limits import no_wait_check
from vpnmigrate.engine.context import ClaimHolder, RunContext
from vpnmigrate.engine.execute import ChangeExecutor
from vpnmigrate.engine.ports import Calls, Ec2, NoNetworkPaths
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.plan import Plan


def an_executor(
    ec2: Ec2, recorder: RunRecorder, clock: Clock, plan: Plan, calls: Calls
) -> ChangeExecutor:
    """Build an executor in a context of its own."""
    return ChangeExecutor(a_context(ec2, recorder, clock, plan, calls), no_wait_check)


def a_context(
    ec2: Ec2, recorder: RunRecorder, clock: Clock, plan: Plan, calls: Calls
) -> RunContext:
    """Build the context of a run that has no operator, no paths and no claim tag."""
    return RunContext(
        plan=plan,
        recorder=recorder,
        clock=clock,
        ec2=ec2,
        paths=NoNetworkPaths(),
        calls=calls,
        operator=Nobody(),
        observer=Lookout(),
        claim_holder=ClaimHolder(""),
    )
