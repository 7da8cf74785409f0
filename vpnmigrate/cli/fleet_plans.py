"""Plans of a campaign: planning and rehearsal of each member; a failure is a result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from vpnmigrate import __version__
from vpnmigrate.aws.accounts import AccountAccess, AccountSource
from vpnmigrate.aws.scan import Work, WorkResult, scan
from vpnmigrate.cli.account_reader import reader_of
from vpnmigrate.cli.commands.plan import (
    DecidedPlaybook,
    PlanDecisions,
    PlanOutput,
    decided_by,
    new_plan,
    proof_of,
    write_plan,
)
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.engine.call_limits import IDENTITY_LIMIT, no_wait_check
from vpnmigrate.fleet.campaign import FleetMember, Wave
from vpnmigrate.fleet.campaign_file import CampaignFile
from vpnmigrate.fleet.grouping import require_planned
from vpnmigrate.fleet.names import first_of
from vpnmigrate.fleet.progress import MemberState
from vpnmigrate.local.documents import load_plan
from vpnmigrate.local.private_files import make_folder, write_whole
from vpnmigrate.local.rehearsals import Rehearsals
from vpnmigrate.model.discovery import AccountTarget
from vpnmigrate.model.ec2 import VpnGatewayId
from vpnmigrate.model.errors import RefusedError, UsageError, VpnMigrateError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.drift import differences
from vpnmigrate.rehearsal.rehearse import rehearse, result_of
from vpnmigrate.report.fleet import MOST_ROWS
from vpnmigrate.report.fleet_results import FleetResult, FleetRow


class _Accounts:
    """Access to the accounts of a campaign; each is opened once, on its first use."""

    def __init__(
        self, context: CommandContext, source: AccountSource, targets: Mapping[str, AccountTarget]
    ) -> None:
        self._context = context
        self._source = source
        self._targets = targets
        self._lock = threading.Lock()
        self._opened: dict[str, Callable[[], AccountAccess]] = {}

    def of(self, account: str) -> AccountAccess:
        """Return access to *account*.

        Raises:
            AwsError: There are no credentials, or AWS refuses the role.
        """
        with self._lock:
            if account not in self._opened:
                self._opened[account] = self._open(account)
        return self._opened[account]()

    def _open(self, account: str) -> Callable[[], AccountAccess]:
        target = self._targets.get(account, AccountTarget(account=account))
        calls = self._context.dependencies.calls(self._source.home)
        try:
            found = calls.read(
                f"access to {target.label}",
                IDENTITY_LIMIT,
                lambda: self._source.open(target),
                no_wait_check,
            )
        except VpnMigrateError as error:
            return partial(_raised, error)
        return lambda: found


def _raised(error: VpnMigrateError) -> AccountAccess:
    raise error


def targets_of(file: CampaignFile, given: Iterable[AccountTarget]) -> dict[str, AccountTarget]:
    """Return how each account is reached; the roles *given* replace those of the campaign."""
    named = {
        number: AccountTarget(role=each.role, profile=each.profile, account=number, name=each.name)
        for number, each in file.campaign.accounts.items()
    }
    return {**named, **{target.account: target for target in given}}


@dataclass(frozen=True)
class StoredPlan:
    """The plan of a run in a database that has begun."""

    run: str
    state: MemberState
    text: bytes | None
    """The text of its file; None if the file has this plan."""


@dataclass(frozen=True)
class PlansInForce:
    """The plans that are kept while others are renewed."""

    runs: Collection[str] = ()
    """Runs that have begun, on this machine or in the database."""
    stored: Mapping[str, StoredPlan] = field(default_factory=dict)
    """Those in the database that belong to this campaign, by the id of the member."""


class _Planning:
    """Makes the plan of one member at a time; any number of threads may do so.

    *begun* are the plans that are kept while others are renewed; None keeps every plan.
    """

    def __init__(
        self,
        context: CommandContext,
        file: CampaignFile,
        accounts: _Accounts,
        begun: PlansInForce | None,
    ) -> None:
        self._context = context
        self._file = file
        self._accounts = accounts
        self._begun = begun

    def work(
        self, member: FleetMember, wave: Wave, decided: DecidedPlaybook
    ) -> WorkResult[FleetRow]:
        """Make the plan of *member*, unless there is one that is kept."""
        row = FleetRow(member, wave.name, FleetResult.DONE, self._file.plan_of(member))
        kept = WorkResult(replace(row, result=FleetResult.KEPT))
        try:
            if self._begun is not None and (stored := self._begun.stored.get(member.id)):
                found = _restored(row, stored)
                if stored.state is MemberState.STAGED:
                    first = cli("fleet", "rollback", stored.run)
                    complete = self._context.invocation.complete(first)
                    found = replace(found, renewed_after=complete)
                return WorkResult(found)
            known = load_plan(row.file) if row.file.exists() else None
            if known is not None and (self._begun is None or known.migration in self._begun.runs):
                require_planned(member, known, str(row.file))
                return kept
            plan = self._planned(member, decided)
            if known is not None and _is_current(known, plan):
                return kept
            make_folder(row.file.parent)
            write_plan(self._context, plan, PlanOutput(row.file))
        except (VpnMigrateError, OSError) as error:
            return WorkResult(_failed(row, error))
        return WorkResult(replace(row, warnings=len(plan.findings)))

    def _planned(self, member: FleetMember, decided: DecidedPlaybook) -> Plan:
        clients = self._accounts.of(member.account).clients(member.region)
        reader = reader_of(self._context, clients)
        found = reader.identity().account
        if found != member.account:
            raise RefusedError(
                f"AWS answers as account {found}, not {member.account}",
                advice="name a role or a profile of the account below accounts:, or --role-arn",
            )
        plan = new_plan(self._context, reader, VpnGatewayId(member.gateway), decided)
        proof_of(plan)
        require_planned(member, plan, "the account")
        return plan


def _restored(row: FleetRow, stored: StoredPlan) -> FleetRow:
    """Return the result for a member that has begun; its file has the plan of the database then."""
    kept = replace(row, result=FleetResult.KEPT)
    if stored.text is not None:
        make_folder(row.file.parent)
        write_whole(row.file, stored.text)
        kept = replace(kept, why=f"{row.file} is the plan of run {stored.run} again")
    return kept


def has_plan(file: Path, fingerprint: str) -> bool:
    """Return whether *file* is a plan with this fingerprint."""
    try:
        return file.exists() and load_plan(file).fingerprint == fingerprint
    except VpnMigrateError:
        return False


def _is_current(known: Plan, new: Plan) -> bool:
    """Return whether *known* is what would be planned now, made by this version."""
    same = (known.decisions, known.programs, known.tool) == (new.decisions, new.programs, new.tool)
    return same and not differences(known.before, new.before)


def make_plans(
    context: CommandContext,
    file: CampaignFile,
    source: AccountSource,
    targets: Mapping[str, AccountTarget],
    change: str | None,
    jobs: int,
    begun: PlansInForce | None = None,
) -> Iterator[FleetRow]:
    """Yield the result for each member as it is done; plans that exist are kept.

    With the plans that have *begun*, the others are renewed if the account, the decisions or the
    program have changed since.

    Raises:
        UsageError: The playbook or a window is invalid.
    """
    planning = _Planning(context, file, _Accounts(context, source, targets), begun)
    works: list[Work[FleetRow]] = []
    for wave in file.campaign.waves:
        window = wave.window.written if wave.window is not None else None
        decided = decided_by(context, PlanDecisions(file.playbook, change, window))
        works += [partial(planning.work, member, wave, decided) for member in wave.members]
    yield from scan(works, jobs)


def require_plan_files(
    context: CommandContext, file: CampaignFile, members: Iterable[FleetMember]
) -> None:
    """Check that *members* of the campaign in *file* have plans.

    Raises:
        UsageError: Some have none.
    """
    missing = [member.id for member in members if not file.plan_of(member).exists()]
    if missing:
        have = "has" if len(missing) == 1 else "have"
        raise UsageError(
            f"{first_of(missing, MOST_ROWS)} {have} no plan",
            advice=("to make the missing plans:", cli("fleet", "plan", context.file(file.path))),
        )


def rehearse_plans(context: CommandContext, file: CampaignFile) -> Iterator[FleetRow]:
    """Yield the result for each member; a plan whose rehearsal has passed is not done again."""
    kept = Rehearsals(context.settings.home)
    for wave in file.campaign.waves:
        for member in wave.members:
            row = FleetRow(member, wave.name, FleetResult.DONE, file.plan_of(member))
            try:
                require_plan_files(context, file, [member])
                yield _rehearsed(context, kept, row)
            except VpnMigrateError as error:
                yield _failed(row, error)


def _rehearsed(context: CommandContext, kept: Rehearsals, row: FleetRow) -> FleetRow:
    plan = load_plan(row.file)
    require_planned(row.member, plan, str(row.file))
    earlier = context.rehearsal_of(plan)
    if earlier is not None and earlier.passed:
        return replace(row, result=FleetResult.KEPT, outage=earlier.outage)
    found = result_of(rehearse(plan, _silent), plan, context.dependencies.clock.wall(), __version__)
    kept.keep(found)
    if not found.passed:
        raise VpnMigrateError(
            "the rehearsal failed", advice=("to see how:", cli("rehearse", context.file(row.file)))
        )
    return replace(row, outage=found.outage)


def _silent(_part: str) -> None:
    """Show nothing: a campaign has a line for each plan, not for each part of it."""


def _failed(row: FleetRow, error: VpnMigrateError | OSError) -> FleetRow:
    if isinstance(error, OSError):
        why = f"{error.filename or row.file}: {error.strerror}"
        return replace(row, result=FleetResult.FAILED, why=why, advice="check the folder's rights")
    return replace(row, result=FleetResult.FAILED, why=error.message, advice=error.advice)
