"""Signatures of documents: ``FILE.sig`` beside FILE, and the signers that a plan allows.

A plan has the path and the hash of its list of allowed signers, so the list cannot be exchanged
without another plan.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from vpnmigrate.journal.state import RunState
from vpnmigrate.local.documents import approval_from, plan_from_text, save_bytes
from vpnmigrate.local.private_files import reading
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.ssh_keygen import SshKeygen, TrustedSigners, key_and_namespace
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.errors import RefusedError, UsageError, VpnMigrateError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.signatures import (
    UNSIGNED,
    CheckedSignature,
    SignatureChecks,
    SignedKind,
    SignedText,
)

LARGEST_SIGNATURE: Final = 64 * 1024
"""Bytes; one with an RSA key of 16,384 bits, the largest of OpenSSH, has about 6,000."""
LARGEST_LIST: Final = 16 * 1024 * 1024
"""Bytes of a list of signers or of revoked keys; a signer has about a hundred."""
_NO_WAIT: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW
_AGAIN: Final = "plan again, with the list of signers that applies now:"


def signature_file(path: Path) -> Path:
    """Return the file of the signature of *path*, where ``ssh-keygen -Y sign`` puts it."""
    return path.with_name(f"{path.name}.sig")


def signature_of(path: Path) -> str | None:
    """Return the signature beside *path*; None if there is none.

    Raises:
        RefusedError: It is a link or not a regular file, or too large, or cannot be read.
    """
    file = signature_file(path)
    try:
        return _regular(file, LARGEST_SIGNATURE).decode(errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RefusedError(
            f"{file}: {_why(error)}", advice="put the signature itself there, as a regular file"
        ) from error


def save_signed(content: bytes, signature: str | None, path: Path) -> Path | None:
    """Write *content* to *path*, with *signature* beside it; return the file of the signature.

    Without a signature, one of a former content is removed, because it would not match.

    Raises:
        UsageError: A file cannot be written.
    """
    beside = signature_file(path)
    if signature is None:
        save_bytes(content, path)
        with suppress(OSError):
            if stat.S_ISREG(beside.lstat().st_mode) and path.is_file():
                beside.unlink()
        return None
    if path.exists() and not path.is_file():
        raise UsageError(
            f"{path} is not a file, so no signature can be beside it",
            advice="choose a file with --output, or leave out --sign-key",
        )
    save_bytes(content, path)
    save_bytes(signature.encode(), beside)
    return beside


def lists_of(decisions: Decisions) -> dict[str, str]:
    """Return the list of allowed signers that *decisions* name, with its SHA-256, for the plan.

    Raises:
        UsageError: Signatures are demanded without a list, or the list cannot be read.
    """
    rule = decisions.approvals
    if not rule.allowed_signers:
        if rule.signed:
            raise UsageError(
                "the playbook demands signatures, but no list of allowed signers is named",
                advice=(
                    "name it in the playbook (approvals: allowed_signers), or with:",
                    cli("plan", "--allowed-signers", "FILE"),
                ),
            )
        return {}
    try:
        content = _regular(Path(rule.allowed_signers), LARGEST_LIST)
    except OSError as error:
        raise UsageError(
            f"the list of allowed signers, {rule.allowed_signers}: {_why(error)}",
            advice="name a regular file in the format of allowed_signers (ssh-keygen(1))",
        ) from error
    return {rule.allowed_signers: sha256(content).hexdigest()}


def trusted_by(decisions: Decisions, pinned: Mapping[str, str]) -> TrustedSigners:
    """Return the signers that *decisions* name; *pinned* has the hash of their list.

    Raises:
        RefusedError: The list was changed or cannot be read, or none is named.
    """
    rule = decisions.approvals
    path = rule.allowed_signers
    if path not in pinned:
        raise RefusedError("the plan does not contain the hash of a list of signers")
    try:
        allowed = _regular(Path(path), LARGEST_LIST)
    except OSError as error:
        raise RefusedError(f"{path}: {_why(error)}", advice=_AGAIN) from error
    if sha256(allowed).hexdigest() != pinned[path]:
        raise RefusedError(f"{path} differs from what it was when the plan was made", advice=_AGAIN)
    return TrustedSigners(path, allowed, _revoked(rule.revoked_keys))


def signers_at(allowed: Path, revoked: Path | None = None) -> TrustedSigners:
    """Return the signers that a person names as the root of trust.

    Raises:
        UsageError: A list cannot be read.
    """
    try:
        listed = _regular(allowed, LARGEST_LIST)
    except OSError as error:
        raise UsageError(
            f"{allowed}: {_why(error)}", advice="name a regular file in the format of ssh-keygen(1)"
        ) from error
    return TrustedSigners(str(allowed), listed, _revoked(str(revoked) if revoked else ""))


@dataclass(frozen=True)
class RunSignatures:
    """Checks the signatures of a run's plan and approvals (``ports.SignatureChecker``)."""

    keygen: SshKeygen
    plan: Plan
    run: Run
    clock: Clock

    def check(self, state: RunState, operator: str) -> SignatureChecks:
        """Return the checked signatures of the plan in force and of the approvals in *state*.

        A key has to be listed now as well, because authors choose the times in their documents.
        """
        now, trust = self.clock.wall(), self._trust()
        checked = self._plan(state.plan_signature, trust, now)
        if isinstance(trust, CheckedSignature):
            return SignatureChecks(checked, dict.fromkeys(state.approvals.signed, trust))
        people = {operator, self.plan.author_arn} - {""}
        terms = SignatureTerms(now, tuple(sorted(people)))
        return SignatureChecks(
            checked,
            {
                each.digest: check_approval(
                    self.keygen, trust, each, state.approvals.signed[each.digest], terms
                )
                for each in state.approvals.added
                if each.digest in state.approvals.signed
            },
        )

    def check_plan(self, state: RunState) -> CheckedSignature:
        """Return the checked signature of the plan in force."""
        return self._plan(state.plan_signature, self._trust(), self.clock.wall())

    def _trust(self) -> TrustedSigners | CheckedSignature:
        """Return the planned list of signers, or why nothing can be checked against it."""
        try:
            return trusted_by(self.plan.decisions, self.plan.programs)
        except RefusedError as error:
            return CheckedSignature(f"cannot be checked: {error.message}", undecided=True)

    def _plan(
        self, signature: str, trust: TrustedSigners | CheckedSignature, now: datetime
    ) -> CheckedSignature:
        if not signature:
            return UNSIGNED
        if isinstance(trust, CheckedSignature):
            return trust
        try:
            text = self.run.plan.read_bytes()
        except OSError as error:
            why = f"cannot be checked: {self.run.plan}: {error.strerror}"
            return CheckedSignature(why, undecided=True)
        signed = SignedText(text.decode(errors="surrogateescape"), signature)
        return check_plan(self.keygen, trust, self.plan, signed, SignatureTerms(now))


@dataclass(frozen=True)
class SignatureTerms:
    """Requirements for a signature, besides that its signer made it at its time."""

    now: datetime | None = None
    """A second time at which the key has to be listed; None in a bundle, which may be old."""
    others: tuple[str, ...] = ()
    """AWS identities of other people; the result names those that the key is listed for."""


def check_plan(
    keygen: SshKeygen,
    trust: TrustedSigners,
    plan: Plan,
    signed: SignedText,
    terms: SignatureTerms,
) -> CheckedSignature:
    """Check that the author of *plan* signed the text of its file."""
    if plan.author is None:
        return CheckedSignature("does not name its author")
    text = signed.text.encode(errors="surrogateescape")
    try:
        same = plan_from_text(text, "the signed text").fingerprint == plan.fingerprint
    except VpnMigrateError:
        same = False
    if not same:
        return CheckedSignature("differs from the file that was signed")
    claim = _Claim(text, signed.signature, SignedKind.PLAN, plan.author.arn, plan.made)
    return _check(keygen, trust, claim, terms)


def check_approval(
    keygen: SshKeygen,
    trust: TrustedSigners,
    approval: Approval,
    signed: SignedText,
    terms: SignatureTerms,
) -> CheckedSignature:
    """Check that the approver signed the text of *approval*."""
    text = signed.text.encode()
    try:
        same = approval_from(text, "the signed text") == approval
    except VpnMigrateError:
        same = False
    if not same:
        return CheckedSignature("differs from the text that was signed")
    claim = _Claim(text, signed.signature, SignedKind.APPROVAL, approval.approver, approval.at)
    return _check(keygen, trust, claim, terms)


@dataclass(frozen=True)
class _Claim:
    """What a signed document claims: that *principal* signed it at the time *at*."""

    content: bytes
    signature: str
    kind: SignedKind
    principal: str
    at: datetime


def _check(
    keygen: SshKeygen, trust: TrustedSigners, claim: _Claim, terms: SignatureTerms
) -> CheckedSignature:
    times = (claim.at,) if terms.now is None else (claim.at, terms.now)
    found = CheckedSignature()
    for at in times:
        found = _verified(keygen, trust, claim, claim.principal, at)
        if found.fault:
            return found
    also = []
    for name in terms.others:
        results = [_verified(keygen, trust, claim, name, at) for at in times]
        if undecided := next((each for each in results if each.undecided), None):
            return undecided
        if any(not each.fault for each in results):
            also.append(name)
    return replace(found, also_for=tuple(also))


def _verified(
    keygen: SshKeygen, trust: TrustedSigners, claim: _Claim, principal: str, at: datetime
) -> CheckedSignature:
    return keygen.check(
        claim.content, claim.signature, trust, kind=claim.kind, principal=principal, at=at
    )


def noted_checks(state: RunState) -> SignatureChecks:
    """Return the checks for a view, without running ``ssh-keygen``.

    Every approval with a signature was checked when it was added, and the gate checks it again.
    """
    return SignatureChecks(
        _noted(state.plan_signature),
        {digest: _noted(signed.signature) for digest, signed in state.approvals.signed.items()},
    )


def _noted(signature: str) -> CheckedSignature:
    if not signature:
        return UNSIGNED
    try:
        return CheckedSignature(key=key_and_namespace(signature)[0])
    except ValueError:
        return CheckedSignature("has a signature that is not in SSH's format")


def _revoked(path: str) -> bytes | None:
    if not path:
        return None
    try:
        return _regular(Path(path), LARGEST_LIST)
    except OSError as error:
        raise RefusedError(
            f"the list of revoked keys, {path}: {_why(error)}",
            advice="restore the file; an empty one revokes nothing",
        ) from error


def _regular(path: Path, limit: int) -> bytes:
    """Read a regular file of at most *limit* bytes; a link at its end is not followed.

    Raises:
        OSError: It cannot be read, or is something else.
    """
    handle = os.open(path, _NO_WAIT)
    with reading(handle) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit // 1024} KB")
    return content


def _why(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "it is a link; give its target instead"
    return error.strerror or "it cannot be read"
