"""Signatures of an evidence bundle, and of the plan and the approvals in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import Entry, GatesSeen
from vpnmigrate.journal.state import RunState
from vpnmigrate.local.signatures import (
    SignatureTerms,
    check_approval,
    check_plan,
    signature_file,
    signature_of,
    signers_at,
)
from vpnmigrate.local.ssh_keygen import SshKeygen, TrustedSigners
from vpnmigrate.model.errors import BundleDamagedError, UsageError
from vpnmigrate.model.gates import Gate, GateVerdict, Milestone
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.signatures import (
    UNSIGNED,
    CheckedSignature,
    SignatureChecks,
    SignedKind,
    SignedText,
)
from vpnmigrate.planning.approvals import SKEW, ApprovalContext, Approver, count_valid
from vpnmigrate.report.verification import BundleSigner

JOURNAL, PLAN, APPROVALS = "journal.jsonl", "plan.json", "approvals"

Signing = Callable[[bytes], str]
"""Returns the signature of an archive."""


@dataclass(frozen=True)
class SignatureCheck:
    """The root of trust that a person names, and the program that checks with it."""

    keygen: SshKeygen
    trust: TrustedSigners


def signing(context: CommandContext, key: Path) -> Signing:
    """Return the function that signs an archive with *key*."""
    return lambda raw: context.sign(raw, key, SignedKind.EVIDENCE)


def signature_check(allowed: Path | None, revoked: Path | None) -> SignatureCheck | None:
    """Return the check with the signers that a person trusts; None if they name none.

    Raises:
        UsageError: A list cannot be read, or revoked keys are named without signers.
    """
    if allowed is None:
        if revoked is not None:
            raise UsageError(
                "--revoked-keys needs --allowed-signers",
                advice="name the signers that you trust with --allowed-signers",
            )
        return None
    return SignatureCheck(SshKeygen(), signers_at(allowed, revoked))


def signed_documents(entries: Iterable[Entry], in_force: str) -> dict[str, bytes]:
    """Return the signatures of plans, and the signed approvals, as files by name.

    *in_force* is the fingerprint of the plan in force.  The journal has all of them; as files they
    can be verified with ``ssh-keygen`` alone.
    """
    state = replay(entries)
    files = {
        f"{PLAN if fingerprint == in_force else f'plan.{fingerprint[:12]}.json'}.sig": text.encode()
        for fingerprint, text in state.approvals.plan_signatures.items()
    }
    for number, signed in enumerate(state.approvals.signed.values(), start=1):
        files[f"{APPROVALS}/{number}.json"] = signed.text.encode()
        files[f"{APPROVALS}/{number}.json.sig"] = signed.signature.encode()
    return files


def require_signed_documents(
    members: Mapping[str, bytes], entries: Iterable[Entry], plan: Plan
) -> None:
    """Check that the signed files are those of the journal.

    Raises:
        BundleDamagedError: One is missing, differs, or was added.
    """
    expected = signed_documents(entries, plan.fingerprint)
    there = {name for name in members if name.endswith(".sig") or name.startswith(APPROVALS)}
    for name in sorted({*expected, *there}):
        if members.get(name) != expected.get(name):
            raise BundleDamagedError(name, "it differs from the one in the journal")


def signer_of(
    file: Path,
    raw: bytes,
    plan: Plan,
    entries: Sequence[Entry],
    signatures: SignatureCheck | None,
) -> BundleSigner:
    """Return who signed the bundle; without a root of trust only whether it is signed.

    The signature is checked at the time of the last entry, so a key may have expired since.
    """
    signature = signature_of(file)
    if signatures is None:
        return BundleSigner(signed=signature is not None)
    if signature is None:
        raise BundleDamagedError(str(file), f"it is not signed: there is no {signature_file(file)}")
    at = entries[-1].wall if entries else plan.made
    kind, trust = SignedKind.EVIDENCE, signatures.trust
    names = signatures.keygen.principals(signature, trust, at) or ("any name",)
    found = CheckedSignature()
    for name in names:
        found = signatures.keygen.check(raw, signature, trust, kind=kind, principal=name, at=at)
        if not found.fault:
            return BundleSigner(signed=True, name=name, key=found.key)
    raise BundleDamagedError(str(file), f"it {found.fault}")


def signed_inside(
    members: Mapping[str, bytes],
    plan: Plan,
    entries: Sequence[Entry],
    signatures: SignatureCheck | None,
) -> tuple[str, ...]:
    """Check the signatures of plan and approvals; return what was proven, a sentence each.

    If the plan demands signatures, its approvals need one, and every gate of approvals that passed
    has to pass again.  Keys may have expired since, so they are checked at the documents' times.

    Raises:
        BundleDamagedError: One is not good, or is missing although the plan demands it.
    """
    if signatures is None:
        return ()
    state, keygen, trust = replay(entries), signatures.keygen, signatures.trust
    proven, by_plan, by_approval = [], UNSIGNED, {}
    if state.plan_signature:
        text = SignedText(members[PLAN].decode(errors="surrogateescape"), state.plan_signature)
        by_plan = _good(PLAN, check_plan(keygen, trust, plan, text, SignatureTerms()))
        proven.append(f"the plan was signed by its author {plan.author_arn} with {by_plan.key}")
    terms = SignatureTerms(others=_people(plan, entries))
    for number, approval in enumerate(state.approvals.added, start=1):
        place = f"approval {number}, by {approval.approver}"
        signed = state.approvals.signed.get(approval.digest)
        if signed is not None:
            found = _good(place, check_approval(keygen, trust, approval, signed, terms))
            by_approval[approval.digest] = found
            proven.append(
                f"the approval of plan {approval.fingerprint[:12]} was signed by "
                f"{approval.approver} with {found.key}"
            )
        elif plan.decisions.approvals.signed and approval.fingerprint == plan.fingerprint:
            raise BundleDamagedError(place, "it is not signed, but the plan demands signatures")
    if plan.decisions.approvals.signed:
        _require_gates(plan, entries, SignatureChecks(by_plan, by_approval))
    return tuple(proven)


def _people(plan: Plan, entries: Iterable[Entry]) -> tuple[str, ...]:
    """Return the AWS identities of the plan's author and of all operators at gates."""
    operators = (e.record.operator for e in entries if isinstance(e.record, GatesSeen))
    return tuple(sorted({plan.author_arn, *operators} - {""}))


def _require_gates(plan: Plan, entries: Iterable[Entry], checks: SignatureChecks) -> None:
    """Check that every gate of approvals that passed also passes with *checks*."""
    state = RunState()
    for number, entry in enumerate(entries, start=1):
        state = replay((entry,), state)
        record = entry.record
        if not isinstance(record, GatesSeen) or state.fingerprint != plan.fingerprint:
            continue
        if not _approvals_passed(plan, record):
            continue
        place = f"{JOURNAL}, line {number}"
        if not state.plan_signature:
            raise BundleDamagedError(place, "the gate of approvals passed without a signed plan")
        if not _enough(plan, state, entry.wall, record.operator, checks):
            raise BundleDamagedError(
                place, "the gate approvals passed, but it fails with the signed approvals"
            )


def _approvals_passed(plan: Plan, record: GatesSeen) -> bool:
    if record.before is Milestone.FINALIZE and not plan.decisions.finalize.approved:
        return False
    passed = (each.gate for each in record.gates if each.verdict is GateVerdict.PASS)
    return Gate.APPROVALS in passed


def _enough(
    plan: Plan, state: RunState, at: datetime, operator: str, checks: SignatureChecks
) -> bool:
    """Return whether enough approvals counted, at a gate that was recorded at the time *at*."""
    user = state.opened.user if state.opened else ""
    signed = {
        digest: checks.of(digest) for digest in checks.approvals if digest in state.approvals.signed
    }
    # The gates were evaluated shortly before they were recorded; an approval may expire in between.
    for now in (at, at - SKEW):
        context = ApprovalContext(
            Approver(operator, user),
            now,
            state.approved_after,
            SignatureChecks(checks.plan, signed),
            state.journal_lost,
        )
        counted = count_valid(plan, state.approvals.added, context)
        if operator and len(counted.good) >= plan.decisions.approvals.needed:
            return True
    return False


def _good(place: str, found: CheckedSignature) -> CheckedSignature:
    """Return *found*, the check of the signature of *place*.

    Raises:
        BundleDamagedError: It is not good.
    """
    if found.fault:
        raise BundleDamagedError(place, f"it {found.fault}")
    return found


def is_planned(trust: TrustedSigners, plan: Plan) -> bool:
    """Return whether *trust* is the list of signers that *plan* names."""
    listed = plan.programs.get(plan.decisions.approvals.allowed_signers)
    return listed == sha256(trust.allowed).hexdigest()
