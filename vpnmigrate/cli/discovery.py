"""Discovery of accounts and Regions: each is read by one of a bounded number of threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from vpnmigrate.aws.account import Reader
from vpnmigrate.aws.accounts import (
    AccountAccess,
    AccountSource,
    enabled_regions,
    require_account,
)
from vpnmigrate.aws.scan import Work, WorkResult, scan
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.engine.call_limits import IDENTITY_LIMIT, SURVEY_LIMIT, no_wait_check
from vpnmigrate.engine.ports import Identity
from vpnmigrate.model.discovery import AccountTarget, Discovery, RegionSurvey, UnreadPlace
from vpnmigrate.model.errors import NoCredentialsError, VpnMigrateError
from vpnmigrate.report.progress_bars import ScanProgress

NOT_ENABLED = (
    "the credentials work in another Region: this one is probably not enabled in the account; "
    "--all-regions reads the enabled ones"
)


@dataclass(frozen=True)
class RegionChoice:
    """Which Regions of an account are read, unless its target names some."""

    named: tuple[str, ...] = ()
    every: bool = False
    """Whether every Region is read that is enabled in the account."""


@dataclass(frozen=True)
class _Read:
    """Result of one piece of work: an account with its number of Regions, or a Region."""

    regions: int = 0
    survey: RegionSurvey | None = None
    unread: UnreadPlace | None = None


class _Places:
    """Reads accounts and Regions; a failure is part of the result."""

    def __init__(
        self, context: CommandContext, source: AccountSource, choice: RegionChoice
    ) -> None:
        self._context = context
        self._source = source
        self._choice = choice

    def account(self, target: AccountTarget) -> WorkResult[_Read]:
        """Open the account of *target*; its Regions follow."""
        calls = self._context.dependencies.calls(self._source.home)
        what = f"access to {target.label or 'the account'}"
        try:
            access, who, regions = calls.read(
                what, IDENTITY_LIMIT, lambda: self._opened(target), no_wait_check
            )
        except VpnMigrateError as error:
            return WorkResult(_Read(unread=_unread(error, target, target.account)))
        more = [partial(self.region, target, access, who, region) for region in regions]
        return WorkResult(_Read(regions=len(more)), more)

    def _opened(self, target: AccountTarget) -> tuple[AccountAccess, Identity, tuple[str, ...]]:
        access = self._source.open(target)
        home = access.clients(self._source.home.region)
        who = Reader(home, self._context.dependencies.clock).identity()
        require_account(target, who)
        if target.regions:
            return access, who, target.regions
        if self._choice.every:
            return access, who, enabled_regions(home)
        return access, who, self._choice.named

    def region(
        self, target: AccountTarget, access: AccountAccess, who: Identity, region: str
    ) -> WorkResult[_Read]:
        """Read *region* of the account of *target*."""
        try:
            clients = access.clients(region)
            reader = Reader(clients, self._context.dependencies.clock)
            found = self._context.dependencies.calls(clients).read(
                f"account {who.account} in {region}",
                SURVEY_LIMIT,
                lambda: reader.region_survey(who),
                no_wait_check,
            )
        except NoCredentialsError as error:
            # STS has accepted them: EC2 refuses all credentials in a Region that is not enabled.
            error.advice = NOT_ENABLED
            return WorkResult(_Read(unread=_unread(error, target, who.account, region)))
        except VpnMigrateError as error:
            return WorkResult(_Read(unread=_unread(error, target, who.account, region)))
        return WorkResult(_Read(survey=replace(found, name=target.name)))


def _unread(
    error: VpnMigrateError, target: AccountTarget, account: str, region: str = ""
) -> UnreadPlace:
    return UnreadPlace(error.message, account, region, target.label, error.advice, target.name)


def read_accounts(
    context: CommandContext,
    source: AccountSource,
    targets: Sequence[AccountTarget],
    choice: RegionChoice,
    jobs: int,
) -> Discovery:
    """Return everything about VPN in the Regions of *targets*, at most *jobs* read at a time."""
    places = _Places(context, source, choice)
    surveys: list[RegionSurvey] = []
    gateways = 0
    unread: list[UnreadPlace] = []
    works: list[Work[_Read]] = [partial(places.account, target) for target in targets]
    with ScanProgress(context.console, len(targets)) as progress:
        for read in scan(works, jobs):
            if read.survey is not None:
                surveys.append(read.survey)
                gateways += len(read.survey.surveys)
            if read.unread is not None:
                unread.append(read.unread)
            progress.advance(more=read.regions, gateways=gateways, unread=len(unread))
    return Discovery(tuple(surveys), tuple(unread))
