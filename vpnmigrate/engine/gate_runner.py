"""Gate runner: reads what the gates need, evaluates them, and continues or holds the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from vpnmigrate.engine import gates
from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.gates import GateContext, RollbackProofResult
from vpnmigrate.engine.observe import Observation
from vpnmigrate.engine.operator_tasks import OperatorTasks
from vpnmigrate.engine.ports import (
    Hooks,
    NoHooks,
    NoSignatureChecker,
    PermissionReader,
    SignatureChecker,
    T,
)
from vpnmigrate.engine.preconditions import require_direct_connect_known, require_unchanged
from vpnmigrate.engine.step_loop import StepLoop
from vpnmigrate.journal import finalize_command
from vpnmigrate.journal.records import Forced, GatesSeen, HookRan
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.consistency import CONSISTENCY_DELAY
from vpnmigrate.model.decisions import HookMoment
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.encryption_control import EncryptionControls
from vpnmigrate.model.errors import AwsUnreadableError, HeldError, NotVerifiedError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.gates import (
    Force,
    Gate,
    GateResult,
    GateVerdict,
    Milestone,
    closed_results,
    to_open,
)
from vpnmigrate.model.permissions import MissingPermission
from vpnmigrate.model.plan import Direction, Plan, connection_role
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.model.survey import Survey
from vpnmigrate.model.tunnel_maintenance import TunnelMaintenance, none_known, tunnels_of
from vpnmigrate.planning.drift import drift
from vpnmigrate.planning.permission_checks import checks_before_cutover
from vpnmigrate.planning.permission_checks import missing as missing_permissions

_PARTS_WITHIN: Final = 2 * CONSISTENCY_DELAY - timedelta(minutes=1)
"""For a read with parts that may fail alone: ``StepLoop.read_reliably`` ends a minute later."""


@dataclass(frozen=True)
class GateInputs:
    """What the operator provides for the gates; approvals are in the journal."""

    user: str = ""
    """The operator's login name."""
    rehearsed: RehearsalResult | None = None
    prove: Callable[[], RollbackProofResult] | None = None
    """Tests the rollback, once, before the cutover.  None if it is not tested."""
    forces: tuple[Force, ...] = ()
    """Gates forced for this process only: a later process needs the flags again."""
    hooks: Hooks = field(default_factory=NoHooks)
    permissions: PermissionReader | None = None
    """Tries the calls that may follow step 6; None in a rehearsal, which shows no permissions."""
    signatures: SignatureChecker = field(default_factory=NoSignatureChecker)
    plan_file: str = "PLAN"
    """Path of the plan in force, for commands to paste."""


class GateRunner:
    """Evaluates all gates, records the results, and either continues or holds the run."""

    def __init__(
        self,
        context: RunContext,
        *,
        step_loop: StepLoop,
        tasks: OperatorTasks,
        gate_inputs: GateInputs,
    ) -> None:
        self._plan = context.plan
        self._ec2 = context.ec2
        self._paths = context.paths
        self._clock = context.clock
        self._step_loop = step_loop
        self._tasks = tasks
        self._recorder = context.recorder
        self._gate_inputs = gate_inputs
        self._permissions = context.permissions

    def require_gates_before_cutover(self) -> Observation:
        """Evaluate the gates before the cutover; return the observation if all are open.

        Raises:
            RefusedError: The AWS configuration has changed since planning, or that is unknown.
            HeldError: A gate does not pass and was not forced.
        """
        # These come first: they may be slow, and the other gates need fresh input.
        drivers = self._drivers()
        hook = self._hook(HookMoment.BEFORE_CUTOVER)
        missing = self._missing_permissions()
        maintenance = self._maintenance()
        encryption = self._encryption()
        survey = self._step_loop.read_reliably(self._survey)
        observation = self._step_loop.observe_reliably(self._gates_pass)
        context = replace(
            self._context(),
            drift=drift(self._plan.before, survey),
            proof=self._proof(),
            missing_permissions=missing,
            maintenance=maintenance,
            encryption=encryption,
        )
        results = gates.before_cutover(observation.input, context)
        results = self._record(Milestone.CUTOVER, (*results, *drivers, *hook), context.identity.arn)
        require_unchanged(self._plan, survey)
        self._require_open(results)
        return observation

    def require_gates_to_resume_cutover(self) -> None:
        """Evaluate the gates for resuming a cutover whose journal is lost; return if all are open.

        STS is not called: nothing that ends an outage waits for it.

        Raises:
            HeldError: Resuming the cutover would make the outage worse.
        """
        observation = self._step_loop.observe_reliably(self._gates_pass)
        results = gates.in_the_cutover(observation.input, self._paths.read())
        self._require_open(self._record(Milestone.CUTOVER, results))

    def require_gates_before_finalize(self) -> None:
        """Evaluate the gates before finalize; return if all are open.

        Raises:
            NotVerifiedError: Traffic does not flow through the new connections now.
            HeldError: Another gate does not pass and was not forced.
        """
        hook = self._hook(HookMoment.BEFORE_FINALIZE)
        observation = self._step_loop.observe_reliably(self._reading_final)
        context = self._context()
        results = gates.before_finalize(observation.input, context)
        results = self._record(Milestone.FINALIZE, (*results, *hook), context.identity.arn)
        for each in results:
            if each.gate is Gate.TRAFFIC and each.verdict is not GateVerdict.PASS:
                message = f"traffic does not flow through the new connections: {each.observed}"
                raise NotVerifiedError(message, advice=each.advice)
        if closed := closed_results(results):
            finalize = finalize_command(
                self._plan.migration,
                self._plan.old_connections,
                delete_old_gateway=self._recorder.state.delete_old_gateway,
            )
            raise HeldError(
                f"finalize cannot start: {_listed(closed)}",
                advice=to_open(closed, finalize) or finalize,
            )

    def _hook(self, moment: HookMoment) -> Sequence[GateResult]:
        if changed := self._gate_inputs.hooks.changed():
            return (gates.changed_program(moment, changed),)
        result = self._gate_inputs.hooks.ask(moment)
        if result is None:
            return ()
        self._recorder.write(HookRan(moment, result.program, result.took, fault=result.fault))
        return (gates.hook(moment, result),)

    def _drivers(self) -> Sequence[GateResult]:
        plan = self._plan
        if len(plan.by_hand) == len(plan.old_connections):
            return ()
        seen = self._tasks.check_drivers(self._step_loop.observe_reliably().now)
        return (gates.device_drivers(seen),) if seen else ()

    def _missing_permissions(self) -> tuple[MissingPermission, ...] | None:
        reader = self._permissions
        if reader is None:
            return None
        # The calls name what the run has created.
        made = self._step_loop.observe_reliably().now.ours
        checks = checks_before_cutover(self._plan, made, self._recorder.state.attempt)
        queries = tuple(check.query for check in checks)
        results = self._step_loop.read_reliably(lambda: reader.permissions(queries))
        return missing_permissions(checks, results)

    def _maintenance(self) -> tuple[TunnelMaintenance, ...]:
        now = self._step_loop.observe_reliably().now
        tunnels = tuple(
            tunnel
            for id_ in _connections_of(self._plan, now)
            if id_ in now.connections
            for tunnel in tunnels_of(now.connections[id_])
        )
        known = {each.tunnel: each for each in none_known(tunnels, "")}

        def read() -> tuple[TunnelMaintenance, ...]:
            missing = [tunnel for tunnel, found in known.items() if found.is_temporary]
            known.update((found.tunnel, found) for found in self._ec2.maintenance(missing))
            return tuple(known.values())

        return self._known(read, _unread_maintenance)

    def _known(self, read: Callable[[], T], missing: Callable[[T], str]) -> T:
        """Return the result of *read*, repeated while parts are missing, within ``_PARTS_WITHIN``.

        *missing* returns the parts that a later read may show; the gate evaluates what is missing
        then.
        """
        deadline = self._clock.now() + _PARTS_WITHIN

        def tried() -> T:
            found = read()
            why = missing(found)
            if why and self._clock.now() < deadline:
                raise AwsUnreadableError(why)
            return found

        return self._step_loop.read_reliably(tried)

    def _encryption(self) -> EncryptionControls:
        known = EncryptionControls(vpc_unread="not yet", account_unread="not yet")

        def read() -> EncryptionControls:
            nonlocal known
            known = self._ec2.encryption(self._plan.vpc).completed_by(known)
            return known

        return self._known(read, lambda found: found.unread if found.is_temporary else "")

    def _survey(self) -> Survey:
        survey = self._ec2.survey(self._plan.old_gateway)
        require_direct_connect_known(self._plan, survey)
        return survey

    def _gates_pass(self, observation: Observation) -> bool:
        results = gates.observable_gates(observation.input)
        return not closed_results(results)

    def _reading_final(self, observation: Observation) -> bool:
        return gates.traffic_reading_final(observation.input)

    def _proof(self) -> RollbackProofResult | None:
        return None if self._gate_inputs.prove is None else self._gate_inputs.prove()

    def _context(self) -> GateContext:
        identity = self._step_loop.read_reliably(self._ec2.identity)
        state = self._recorder.state
        # Not adjusted for gaps: of a day, the part in which this host was off counts as well.
        verified = state.soak_begins
        signed = self._plan.decisions.approvals.signed
        checks = self._gate_inputs.signatures.check(state, identity.arn) if signed else None
        return GateContext(
            now=self._clock.wall(),
            identity=identity,
            user=self._gate_inputs.user,
            paths=self._paths.read(),
            approvals=state.approvals.added,
            after=state.approved_after,
            signatures=checks,
            flowed=None if verified is None else self._clock.now() - verified,
            finalizing=state.direction is Direction.FINALIZE,
            journal_lost=state.journal_lost,
            rehearsed=self._gate_inputs.rehearsed,
        )

    def _record(
        self, before: Milestone, results: Sequence[GateResult], operator: str = ""
    ) -> tuple[GateResult, ...]:
        named = gates.ready_to_paste(
            results,
            run=self._plan.migration,
            plan_file=self._gate_inputs.plan_file,
            new_plan=new_plan_file(self._plan),
        )
        final = gates.forced(named, self._gate_inputs.forces)
        forced = (
            Forced(before, each.gate, each.forced, each.observed, self._gate_inputs.user)
            for each in final
            if each.forced
        )
        self._recorder.write(GatesSeen(before, final, operator), *forced)
        return final

    def _require_open(self, results: Sequence[GateResult]) -> None:
        if closed := closed_results(results):
            raise HeldError(
                f"the cutover cannot start: {_listed(closed)}",
                advice=to_open(closed, self._recorder.resuming(self._plan))
                or cli("status", self._plan.migration, "--gates"),
            )


def new_plan_file(plan: Plan) -> str:
    """Return a file name for the plan after *plan*, so that it overwrites none that was applied."""
    return f"plan-{plan.migration}-after-{plan.fingerprint[:8]}.json"


def _connections_of(plan: Plan, now: Snapshot) -> Iterator[VpnConnectionId]:
    """Yield each old connection and its successor, as far as *now* shows one."""
    for old in plan.old_connections:
        yield old
        if successor := now.ours.get(connection_role(old)):
            yield VpnConnectionId(successor)


def _unread_maintenance(found: Sequence[TunnelMaintenance]) -> str:
    return next((each.why for each in found if each.is_temporary), "")


def _listed(closed: Sequence[GateResult]) -> str:
    return "; ".join(str(each) for each in closed)
