"""Evidence of a run: what its report is made of, and the survey after it."""

from __future__ import annotations

from pathlib import Path

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.journal import replay
from vpnmigrate.journal.history import made_by
from vpnmigrate.journal.records import Entry
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.documents import load_survey, read_plan, save_survey, save_text
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.rehearsals import Rehearsals
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.ec2 import VpnGatewayId
from vpnmigrate.model.errors import MalformedFileError, RefusedError, UsageError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan
from vpnmigrate.model.survey import Survey
from vpnmigrate.report.document import ReportDocument, html, markdown
from vpnmigrate.report.evidence import AfterComparison, RunEvidence
from vpnmigrate.report.text import wrapped

FORMS = {".md": markdown, ".html": html}


def evidence_of(context: CommandContext, run: Run) -> RunEvidence:
    """Read the evidence for a report of *run*, without any call to AWS.

    Raises:
        JournalError: Its journal is damaged or cannot be read.
        UsageError: Its plan or its survey cannot be read.
    """
    plan, entries = read_plan(run.plan), read_journal(run).entries
    after = load_survey(run.after) if run.after.exists() else None
    comparison = None if after is None else compared(plan, entries, after)
    return RunEvidence(run.id, plan, entries, comparison, rehearsed_for(context, plan))


def rehearsed_for(context: CommandContext, plan: Plan) -> RehearsalResult | None:
    """Return the kept rehearsal result; an invalid one is reported and counts as none."""
    try:
        return Rehearsals(context.settings.home).of(plan)
    except MalformedFileError as error:
        context.console.print_line(wrapped(f"Rehearsal result ignored: {error.message}"))
        return None


def survey_after(context: CommandContext, aws: AwsOptions, run: Run) -> None:
    """Survey the gateway that carries traffic now, and keep the survey with the run.

    Raises:
        RefusedError: The run is between two end states, so there is nothing to compare with.
        AwsError: The gateway could not be read.
    """
    from vpnmigrate.cli.account_reader import account_reader

    plan, entries = read_plan(run.plan), read_journal(run).entries
    gateway = _carrying(plan, entries)
    if gateway is None:
        raise RefusedError(
            f"run {run.id} is {replay(entries).status}: there is no final state to compare yet",
            advice=("leave out --survey, or finish the run:", cli("status", run.id)),
        )
    save_survey(account_reader(context, aws).survey(gateway), run.after)


def compared(plan: Plan, entries: tuple[Entry, ...], after: Survey) -> AfterComparison | None:
    """Compare *after* with the end state of the run; None if the run has continued since."""
    from vpnmigrate.planning.drift import differences
    from vpnmigrate.planning.planner import unexpected
    from vpnmigrate.planning.start_up import tunnels_to_start

    if after.gateway.id != _carrying(plan, entries):
        return None
    if after.gateway.id == plan.old_gateway:
        found = differences(plan.before, after)
        return AfterComparison(after.taken, "the survey before the migration", found)
    made = made_by(entries)
    found = unexpected(plan, made, after)
    to_start = tunnels_to_start(plan, made, after)
    return AfterComparison(after.taken, "the planned end state", found, to_start)


def write_document(document: ReportDocument, file: Path) -> None:
    """Write *document* in the form that the suffix of *file* selects.

    Raises:
        UsageError: No form has this suffix, or the file cannot be written.
    """
    form = FORMS.get(file.suffix)
    if form is None:
        raise UsageError(
            f"{file}: a report is written as {' or '.join(FORMS)}",
            advice="choose a file name with such a suffix, or --json for use by a program",
        )
    save_text(form(document), file)


def _carrying(plan: Plan, entries: tuple[Entry, ...]) -> VpnGatewayId | None:
    """Return the gateway that carries traffic after the run; None between two end states."""
    match replay(entries).status:
        case RunStatus.ROLLED_BACK | RunStatus.PLANNED:
            return plan.old_gateway
        case RunStatus.CUT_OVER | RunStatus.FINALIZING | RunStatus.FINALIZED:
            made = made_by(entries).get(GATEWAY_ROLE)
            return VpnGatewayId(made) if made else None
        case _:
            return None
