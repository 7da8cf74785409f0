"""Check of a worker that a run's journal was not restored from an earlier backup."""

from __future__ import annotations

from collections.abc import Sequence

from vpnmigrate.aws.account import Account
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.engine.call_limits import OBSERVATION_LIMIT, no_wait_check
from vpnmigrate.engine.journal_age import unknown_to_journal
from vpnmigrate.fleet.database.schema import RunGoal
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import Entry
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Direction, Plan

BACKUPS = "docs/fleet-database.md, Backups"
"""Where the operator reads what to do with the other runs."""


class JournalAge:
    """Compares the journal of each run with AWS before its first session on this worker.

    Later sessions on the same worker compare it with the longest that any has begun with.
    """

    def __init__(self) -> None:
        self._checked: dict[str, int] = {}
        """Runs that were compared with AWS, with the lines of their journals."""

    def require_current(
        self,
        context: CommandContext,
        run: Run,
        plan: Plan,
        entries: Sequence[Entry],
        goal: RunGoal,
        aws: AwsOptions,
    ) -> None:
        """Refuse a run if AWS shows effects of it that its journal of *entries* lacks.

        If the journal has begun the cutover, a run that restores traffic does not wait for the
        check: one in an outage, or a rollback by *goal* or for lack of a confirmation.  The runner
        deletes, attaches and detaches only what the journal proves.

        Raises:
            RefusedError: The journal lacks lines, so nothing is sent.
            AwsError: AWS cannot be read.
        """
        state, before = replay(entries), self._checked.get(run.id)
        if before is not None:
            if len(entries) < before:
                raise _restored(run, f"it had {before} lines, and has {len(entries)}")
            self._checked[run.id] = len(entries)
            return
        going_back = state.direction is Direction.ROLLBACK and not state.finished
        to_roll_back = goal is RunGoal.ROLLBACK or state.confirm.until is not None
        if state.outage.open or going_back or (state.cutover_begun and to_roll_back):
            return
        clients = context.dependencies.clients(aws)
        account = Account(clients, context.dependencies.clock, Vault(run.vault))
        reading = context.dependencies.calls(clients).read(
            "resources of the run", OBSERVATION_LIMIT, lambda: account.observe(plan), no_wait_check
        )
        if found := unknown_to_journal(reading, plan, state, run.holder):
            raise _restored(run, f"AWS shows effects that it lacks: {', '.join(found)}")
        if any(gateway.id == plan.old_gateway for gateway in reading.gateways):
            # In another account, which the session refuses, nothing of the run would be seen.
            self._checked[run.id] = len(entries)


def _restored(run: Run, why: str) -> RefusedError:
    resumes = cli("apply", "PLAN", "--run-dir", "NEW", "--take-over", run.holder)
    return RefusedError(
        f"the journal of run {run.id} is older than the run, as after a restore of the database: "
        f"{why}; nothing was sent; resume it on one machine as a run with a lost journal "
        f"({BACKUPS}): {resumes}"
    )
