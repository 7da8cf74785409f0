"""Parts of the engine, built alone."""

from __future__ import annotations

from tests.support.stage import Lookout, Nobody
from vpnmigrate.engine.call_limits import unattended
from vpnmigrate.engine.context import ClaimHolder, RunContext
from vpnmigrate.engine.execute import ChangeExecutor
from vpnmigrate.engine.ports import Calls, Ec2, NoNetworkPaths
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.plan import Plan


def an_executor(
    ec2: Ec2, recorder: RunRecorder, clock: Clock, plan: Plan, calls: Calls
) -> ChangeExecutor:
    """Build an executor whose run has no operator, no paths and no lock tag."""
    context = RunContext(
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
    return ChangeExecutor(context, unattended)
