"""Results of commands: outcome, confirmation, order, approval, bundle and listings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from vpnmigrate.journal import RunState
from vpnmigrate.journal.orders import pause_extends_outage
from vpnmigrate.journal.records import OrderVerb, Record
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.clock import moment
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors.commands import Advice, Command, cli, one_line, option, quoted
from vpnmigrate.model.signatures import SignedKind, signing_command
from vpnmigrate.report import gates
from vpnmigrate.report.crypto import crypto_open
from vpnmigrate.report.device_progress import devices_text, site_of, tunnels_left_text
from vpnmigrate.report.residue import residue_rows
from vpnmigrate.report.status import RunStatusView, traffic
from vpnmigrate.report.status_json import fields
from vpnmigrate.report.text import advised, columns, command, item, wrapped
from vpnmigrate.report.tunnel_progress import ENABLING, down_text

OUTCOME_SCHEMA = "vpnmigrate/outcome/1"

_ARRIVED = {
    RunStatus.CUT_OVER: "Migrated. The old connections still exist; finalize deletes them.",
    RunStatus.ROLLED_BACK: "Rolled back: the state before the migration is restored.",
    RunStatus.FINALIZED: (
        "Finalized: the old connections are deleted. Rollback is no longer possible."
    ),
}


_STAGED = (
    "Staged: everything is prepared; the cutover has not started and traffic is not interrupted."
)


def outcome_text(view: RunStatusView) -> str:
    """Return the result of a command that succeeded."""
    lines = []
    arrived = _ARRIVED.get(view.state.status)
    if view.state.status is RunStatus.ROLLED_BACK and (
        view.state.deviations.differs or view.state.deviations.lost
    ):
        arrived = "Rolled back, but NOT everything is as it was before:"
    elif view.state.status is RunStatus.ROLLED_BACK and view.state.residue.changes:
        arrived = "Rolled back: traffic flows as before, but the clean-up is NOT complete."
    elif view.state.status is RunStatus.ROLLED_BACK and view.state.keep_new:
        arrived = "Rolled back: traffic has the old path; the new gateway and connections are kept."
    if view.state.is_prepared:
        arrived = _STAGED
    if arrived:
        lines.append(wrapped(arrived))
    state = view.state
    unlike = state.deviations.differs if state.status is RunStatus.ROLLED_BACK else ()
    found = [
        *(f"not as before: {what}" for what in unlike),
        *(f"DEGRADED: {what}" for what in state.shortages.degraded),
        *(f"algorithms of {what}" for what in crypto_open(state.crypto)),
        *(f"changed outside this run: {what}" for what in state.deviations.lost),
        *filter(None, (tunnels_left_text(view.new_tunnels_left),)),
    ]
    lines += [item(view.names.text(text)) for text in found]
    lines.append(now(view))
    return "\n".join(lines)


def now(view: RunStatusView, *, with_next: bool = True) -> str:
    """Return the current state and the commands; shown after failures too.

    *with_next* is False where the next command is shown elsewhere.
    """
    elsewhere = {view.observe, view.watch_advice, view.rollback_command, view.clean_up}
    on = None if view.next_step in elsewhere else view.next_step
    task = "" if view.state.task is None or view.rolling_back else str(view.state.task)
    rows: list[tuple[str, Advice | None]] = [
        *(("forced:", gates.forced_line(each)) for each in view.state.gates.forced),
        *(("accepted:", gates.accepted_line(each)) for each in view.state.shortages.accepted),
        ("traffic:", traffic(view)),
        *((f"{name}:", text) for name, text in residue_rows(view.state, view.invocation)),
        ("confirm:", view.unconfirmed),
        ("to do:", task),
        ("done at:", devices_text(view.devices) if task else ""),
        ("when done:", view.when_done),
        ("try again:" if view.tries_again else "next:", on if with_next else None),
        ("accept:", view.accept_advice),
        ("read again:", view.crypto_advice),
        ("blocks:", view.device_blocks),
        ("clean up:", view.clean_up),
        ("roll back:", view.rollback_advice),
        ("devices:", view.device_files if view.state.task is not None else ""),
        ("status:", view.observe),
    ]
    names = view.names
    return columns([(name, names.text(v) if isinstance(v, str) else v) for name, v in rows if v])


def outcome_json(view: RunStatusView) -> dict[str, Any]:
    """Return the result as a JSON document: the state of the run now."""
    return {"schema": OUTCOME_SCHEMA, **fields(view)}


class AfterOrder(Struct, frozen=True):
    """What follows an order to the workers of a fleet."""

    obstacles: tuple[str | Command, ...]
    """Why no worker begins it, with the commands that change that."""
    observe: Command
    """The command that shows its progress."""

    def text(self) -> str:
        """Return the lines below the order."""
        next_ = command(self.observe, first="next: ")
        return f"{advised(self.obstacles)}\n{next_}" if self.obstacles else next_

    def fields(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {"note": one_line(self.obstacles), "next": str(self.observe)}


DONE_SCHEMA = "vpnmigrate/done/1"


_CONTINUES = "The running process will continue now."


def done_text(
    view: RunStatusView,
    task: AskOperator,
    at: Sequence[VpnConnectionId] = (),
    continues: str = _CONTINUES,
) -> str:
    """Return what was recorded; *view* is the run before a process has read it.

    *at* are the connections whose devices were reported; none stands for the whole task.
    *continues* is what happens while a process works on the run.
    """
    recorded = f"Recorded for run {view.run}, step {task.step}: done"
    if (still_open := _open_after(view, at)) and view.plan is not None:
        where = ", ".join(site_of(each, view.plan) for each in at)
        rest = ", ".join(site_of(each, view.plan) for each in still_open)
        return f"{wrapped(f'{recorded} at {where}')}\n{wrapped(f'Still open: {rest}', first='  ')}"
    noted = wrapped(f"{recorded}: {view.names.text(str(task))}")
    if view.alive and task.confirmation in ENABLING and (down := down_text(view.sight, view.names)):
        seen = f"{down}, as last observed; the running process waits until they are UP."
        return f"{noted}\n{wrapped(seen, first='  ', rest='  ')}"
    if view.alive:
        return f"{noted}\n  {continues}"
    on = advised(("No process is running. Resume with:", _next_after_done(view)), first="  ")
    return f"{noted}\n{on}"


def _open_after(view: RunStatusView, at: Sequence[VpnConnectionId]) -> tuple[VpnConnectionId, ...]:
    """Return the connections whose devices are open once *at* are done."""
    if not at:
        return ()
    return tuple(
        each.connection for each in view.devices if not each.done and each.connection not in at
    )


def done_json(
    view: RunStatusView, task: AskOperator, at: Sequence[VpnConnectionId] = ()
) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": DONE_SCHEMA,
        "run": view.run,
        "step": task.step,
        "word": task.confirmation.value,
        "connections": list(at),
        "open": list(_open_after(view, at)),
        "task": str(task),
        "alive": view.alive,
        "next": "" if view.alive else str(_next_after_done(view)),
    }


def _next_after_done(view: RunStatusView) -> Command:
    """Return the command that resumes the run; the process that it starts reads the message."""
    return view.next or view.observe


ORDER_SCHEMA = "vpnmigrate/order/1"


class OrderResult(Struct, frozen=True):
    """An order; *answer* is its record in the journal, None until a process has read it."""

    verb: OrderVerb
    answer: Record | None
    view: RunStatusView
    unread: str = (
        "its process has not read it yet. It reads it after its current AWS call; if it does not, "
        "the process hangs or runs on another host."
    )
    """The text while there is no answer."""


def order_text(given: OrderResult) -> str:
    """Return the effect of the order, and the state of the run."""
    return f"{wrapped(_effect(given))}\n{now(given.view)}"


def order_json(given: OrderResult) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": ORDER_SCHEMA,
        "verb": given.verb.value,
        "taken_up": given.answer is not None,
        "told": _effect(given),
        **fields(given.view),
    }


def _effect(given: OrderResult) -> str:
    if given.answer is None:
        return f"Order left for run {given.view.run}: {given.unread}"
    found = _with_process(given) if given.view.alive else _without_process(given)
    return f"Run {given.view.run} {found}"


def _with_process(given: OrderResult) -> str:
    state = given.view.state
    match given.verb:
        case OrderVerb.PAUSE:
            return "is paused: its process finishes the current change, then waits."
        case OrderVerb.CONTINUE if _past_deadline(state):
            return "continues past its back-out deadline; abort still rolls it back."
        case OrderVerb.CONTINUE:
            return "continues after checking AWS for changes."
        case OrderVerb.CONFIRM:
            return _CONFIRMED
        case OrderVerb.ACCEPT:
            return "accepts the tunnels that are UP, once they have been stable."
        case OrderVerb.ABORT if state.cutover_begun or pause_extends_outage(state):
            return "is aborted: its process rolls back at the next safe point."
        case OrderVerb.ABORT:
            return "is aborted: its process stops at the next safe point."


def _without_process(given: OrderResult) -> str:
    match given.verb:
        case OrderVerb.PAUSE:
            return "is paused: apply and finalize are refused until it is continued."
        case OrderVerb.CONTINUE:
            return "may continue; no process is running."
        case OrderVerb.CONFIRM:
            return _CONFIRMED
        case OrderVerb.ACCEPT:
            return "will accept the tunnels that are UP; no process is running."
        case OrderVerb.ABORT:
            return "is aborted before its cutover: nothing was interrupted."


_CONFIRMED = "is confirmed: automatic rollback is off."


def _past_deadline(state: RunState) -> bool:
    return state.deadline is not None and state.deadline.passed


APPROVAL_SCHEMA = "vpnmigrate/approval/1"


class ApprovalResult(Struct, frozen=True):
    """An approval that was written; *on* is the command that uses it."""

    approval: Approval
    file: str
    signature: str
    """File of the signature; empty if there is none."""
    key: str
    demanded: bool
    """Whether the plan demands a signature."""
    on: Command


NOT_PROVEN = (
    "who wrote it: any person who can write the file may have given this approval in the name of "
    "another"
)
"""What an approval without a signature does not prove."""


def approval_text(given: ApprovalResult) -> str:
    """Return the approval for its receiver to check."""
    approval = given.approval
    rows = [
        ("plan", approval.fingerprint),
        ("migration", approval.migration),
        *([("attempt after", approval.after)] if approval.after else []),
        ("approved by", approval.approver),
        ("user", f"{approval.user} on {approval.host}"),
        ("at", moment(approval.at)),
        ("valid until", moment(approval.expires)),
        ("file", given.file),
    ]
    if given.signature:
        rows += [("signature", given.signature), ("key", given.key)]
        note = "Give both files to the operator who applies the plan; they contain no secret."
        return f"{columns(rows)}\n\n{wrapped(note)}\n{command(given.on, first='  ')}"
    note = (
        "Give the file to the operator who applies the plan; it contains no secret. It is not "
        f"signed, so it does not prove {NOT_PROVEN}."
    )
    signing = []
    if given.demanded:
        by_hand = signing_command(SignedKind.APPROVAL, given.file)
        signing = [wrapped("The plan demands a signature. Sign it:"), command(by_hand, first="  ")]
        signing += [wrapped("Then the operator can use it:")]
    return "\n".join([columns(rows), "", wrapped(note), *signing, command(given.on, first="  ")])


def approval_json(given: ApprovalResult) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": APPROVAL_SCHEMA,
        "file": given.file,
        "signature": given.signature or None,
        "key": given.key or None,
        "cannot_prove": [] if given.signature else [NOT_PROVEN],
        "approval": msgspec.to_builtins(given.approval),
        "next": str(given.on),
    }


BUNDLE_SCHEMA = "vpnmigrate/bundle/1"


class BundleResult(Struct, frozen=True):
    """A bundle that was written."""

    file: str
    sha256: str
    files: tuple[str, ...]
    signature: str = ""
    """File of the signature; empty if there is none."""
    key: str = ""


def bundle_text(packed: BundleResult) -> str:
    """Return the bundle's file and hash."""
    note = "Record the hash in the change record, where the run's host cannot alter it."
    rows: list[tuple[str, Advice]] = [
        ("bundle", packed.file),
        ("sha256", packed.sha256),
    ]
    if packed.signature:
        signed = option("--allowed-signers", "FILE")
        rows += [
            ("signature", packed.signature),
            ("key", packed.key),
            ("verify", cli("report", "verify", packed.file, *signed)),
        ]
    else:
        sign = signing_command(SignedKind.EVIDENCE, packed.file)
        rows += [("verify", cli("report", "verify", packed.file)), ("sign", sign)]
        note += " The bundle is not signed, so it does not prove who wrote it."
    return f"{columns(rows, indent=0)}\n{wrapped(note)}"


def bundle_json(packed: BundleResult) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": BUNDLE_SCHEMA,
        "file": packed.file,
        "sha256": packed.sha256,
        "files": list(packed.files),
        "signature": packed.signature or None,
        "key": packed.key or None,
    }


SANDBOX_SCHEMA = "vpnmigrate/sandbox/1"

ASTRAY = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
"""Variables that direct a client to another endpoint or account, whatever else is set."""


class ServerResult(Struct, frozen=True):
    """A running sandbox server, and the environment that a client needs."""

    scenario: str
    url: str
    environment: Mapping[str, str]
    unset: tuple[str, ...] = ()
    """Variables of ``ASTRAY`` that are set here, and therefore probably in the next shell."""


def sandbox_text(served: ServerResult) -> str:
    """Return the settings as lines of shell."""
    exports = [f"export {name}={quoted(value)}" for name, value in served.environment.items()]
    unset = [f"unset {' '.join(served.unset)}"] if served.unset else []
    about = f"{served.scenario} at {served.url} until Ctrl-C; in another shell:"
    return "\n".join([wrapped(about, first="# ", rest="# "), *unset, *exports])


def sandbox_json(served: ServerResult) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": SANDBOX_SCHEMA,
        "scenario": served.scenario,
        "url": served.url,
        "environment": dict(served.environment),
        "unset": list(served.unset),
    }


def listing_text(named: Mapping[str, str]) -> str:
    """Return each name with its summary."""
    return columns(named.items(), indent=0)


def listing_json(kind: str, named: Mapping[str, str]) -> dict[str, Any]:
    """Return the same as a JSON document; *kind* is the plural noun of the items."""
    listed = [{"name": name, "summary": summary} for name, summary in named.items()]
    return {"schema": f"vpnmigrate/{kind}/1", kind: listed}
