"""Signatures of an evidence bundle, and of the plan and the approvals in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.options import PromptOptions
from vpnmigrate.errors import BundleDamagedError, UsageError
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import Entry
from vpnmigrate.local.signatures import (
    SignatureTerms,
    check_approval,
    check_plan,
    signature_file,
    signature_of,
    signers_at,
)
from vpnmigrate.local.ssh_keygen import SshKeygen, TrustedSigners
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.signatures import CheckedSignature, SignedKind, SignedText
from vpnmigrate.report.verification import BundleSigner

PLAN, APPROVALS = "plan.json", "approvals"

Signing = Callable[[bytes], str]
"""Returns the signature of an archive."""


@dataclass(frozen=True)
class SignatureCheck:
    """The root of trust that a person names, and the program that checks with it."""

    keygen: SshKeygen
    trust: TrustedSigners


def signing(context: CommandContext, key: Path) -> Signing:
    """Return what signs an archive with *key*."""
    attended = context.parts.attended(PromptOptions())
    keygen = context.parts.keygen
    return lambda raw: keygen.sign(raw, key, SignedKind.EVIDENCE, attended=attended)


def signature_check(allowed: Path | None, revoked: Path | None) -> SignatureCheck | None:
    """Return the check with the signers that a person trusts; None if they name none.

    Raises:
        UsageError: A list cannot be read, or revoked keys are named without signers.
    """
    if allowed is None:
        if revoked is not None:
            raise UsageError(
                "--revoked-keys is only for --allowed-signers",
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
        for fingerprint, text in state.plan_signatures.items()
    }
    for number, signed in enumerate(state.signed_approvals.values(), start=1):
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
            raise BundleDamagedError(name, "it is not what the journal has")


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
    """Check the signatures of plan and approvals; return what was proven, a sentence each."""
    if signatures is None:
        return ()
    state, keygen, trust = replay(entries), signatures.keygen, signatures.trust
    proven = []
    if plan.author is not None and state.plan_signature:
        text = SignedText(members[PLAN].decode(errors="surrogateescape"), state.plan_signature)
        found = check_plan(keygen, trust, plan, text, SignatureTerms())
        _require_good(PLAN, found)
        proven.append(f"the plan was signed by its author {plan.author.arn} with {found.key}")
    for number, approval in enumerate(state.approvals, start=1):
        signed = state.signed_approvals.get(approval.digest)
        if signed is not None:
            found = check_approval(keygen, trust, approval, signed, SignatureTerms())
            _require_good(f"approval {number}, by {approval.approver}", found)
            proven.append(
                f"the approval of plan {approval.fingerprint[:12]} was signed by "
                f"{approval.approver} with {found.key}"
            )
    return tuple(proven)


def _require_good(place: str, found: CheckedSignature) -> None:
    if found.fault:
        raise BundleDamagedError(place, f"it {found.fault}")


def is_planned(trust: TrustedSigners, plan: Plan) -> bool:
    """Return whether *trust* is the list of signers that *plan* names."""
    listed = plan.programs.get(plan.decisions.approvals.allowed_signers)
    return listed == sha256(trust.allowed).hexdigest()
