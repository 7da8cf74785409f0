"""Putting a run's evidence together, and looking at AWS once more where that is asked for."""

from __future__ import annotations

from pathlib import Path

from vpnmigrate.cli.account_reader import account_reader
from vpnmigrate.cli.desk import Desk
from vpnmigrate.cli.flags import Aws
from vpnmigrate.commands import cli
from vpnmigrate.errors import MalformedFileError, RefusedError, UsageError
from vpnmigrate.journal import replay
from vpnmigrate.journal.history import made_by
from vpnmigrate.journal.records import Entry
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.documents import load_survey, read_plan, save_survey, save_text
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.rehearsals import Rehearsals
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.approval import Rehearsed
from vpnmigrate.model.ec2 import VpnGatewayId
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.drift import differences
from vpnmigrate.planning.planner import unexpected
from vpnmigrate.report.document import Document, html, markdown
from vpnmigrate.report.evidence import After, Evidence
from vpnmigrate.report.text import wrapped

FORMS = {".md": markdown, ".html": html}


def evidence_of(desk: Desk, run: Run) -> Evidence:
    """Read what a report of *run* is made of; asks AWS nothing.

    Raises:
        JournalError: Its journal is damaged or cannot be read.
        UsageError: Its plan or its survey cannot be read.
    """
    plan, entries = read_plan(run.plan), read_journal(run).entries
    after = load_survey(run.after) if run.after.exists() else None
    comparison = None if after is None else compared(plan, entries, after)
    return Evidence(run.id, plan, entries, comparison, rehearsed_for(desk, plan))


def rehearsed_for(desk: Desk, plan: Plan) -> Rehearsed | None:
    """Give what is kept of a rehearsal; what cannot be believed is said, and counts as none."""
    try:
        return Rehearsals(desk.settings.home).of(plan)
    except MalformedFileError as error:
        desk.console.say(wrapped(f"No rehearsal counts: {error.message}"))
        return None


def survey_after(desk: Desk, aws: Aws, run: Run) -> None:
    """Survey the gateway that carries traffic now, and keep that with the run.

    Raises:
        RefusedError: The run is in the middle of something, and would be compared with nothing.
        AwsError: It could not be read.
    """
    plan, entries = read_plan(run.plan), read_journal(run).entries
    gateway = _carrying(plan, entries)
    if gateway is None:
        raise RefusedError(
            f"run {run.id} is {replay(entries).status}: there is no end to compare with yet",
            advice=("report without --survey, or see to the run:", cli("status", run.id)),
        )
    save_survey(account_reader(desk, aws).survey(gateway), run.after)


def compared(plan: Plan, entries: tuple[Entry, ...], after: Survey) -> After | None:
    """Compare *after* with the end that the run came to; None where it has gone on since."""
    if after.gateway.id != _carrying(plan, entries):
        return None
    if after.gateway.id == plan.old_gateway:
        return After(after.taken, "the survey before", differences(plan.before, after))
    found = unexpected(plan, made_by(entries), after)
    return After(after.taken, "the end that the plan leads to", found)


def write(document: Document, file: Path) -> None:
    """Write *document* in the form that *file*'s ending asks for.

    Raises:
        UsageError: No form has such an ending, or the file cannot be written.
    """
    form = FORMS.get(file.suffix)
    if form is None:
        raise UsageError(
            f"{file}: a report is written as {' or '.join(FORMS)}",
            advice="choose another ending with -o, or --json for a program",
        )
    save_text(form(document), file)


def _carrying(plan: Plan, entries: tuple[Entry, ...]) -> VpnGatewayId | None:
    """Give the gateway that the run has left on the VPC; None in the middle of things."""
    match replay(entries).status:
        case RunStatus.ROLLED_BACK | RunStatus.PLANNED:
            return plan.old_gateway
        case RunStatus.CUT_OVER | RunStatus.RETIRING | RunStatus.RETIRED:
            made = made_by(entries).get(GATEWAY_ROLE)
            return VpnGatewayId(made) if made else None
        case _:
            return None
