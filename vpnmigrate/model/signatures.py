"""Signatures: which documents are signed, and the results of checking them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct, field

from vpnmigrate.model.errors.commands import Command


class SignedKind(StrEnum):
    """Kind of a signed document, by the namespace of its signature (``ssh-keygen -n``).

    A signature is valid in its namespace only: that of a plan cannot be used for an approval.
    """

    PLAN = "vpnmigrate-plan"
    APPROVAL = "vpnmigrate-approval"
    EVIDENCE = "vpnmigrate-evidence"


def signing_command(kind: SignedKind, file: str) -> Command:
    """Return the command that signs *file* by hand."""
    return Command(("ssh-keygen", "-Y", "sign", "-n", kind.value, "-f", "KEY", file))


class SignedText(Struct, frozen=True):
    """The exact text of a document, and its detached signature in SSH's armour."""

    text: str
    signature: str


class CheckedSignature(Struct, frozen=True):
    """Result of checking one signature."""

    fault: str = ""
    """Why it proves nothing, as a clause about the document; empty if it is good."""
    key: str = ""
    """Fingerprint of the key, as ``ssh-keygen -l`` shows it; empty if unknown."""
    undecided: bool = False
    """Whether it could not be checked, for example because there is no ``ssh-keygen``."""
    also_for: tuple[str, ...] = ()
    """Other people for whom the list of signers has this key, of those that were asked about."""


UNSIGNED = CheckedSignature("is not signed")


class SignatureChecks(Struct, frozen=True):
    """The checked signatures of a plan and of the approvals of its run."""

    plan: CheckedSignature = UNSIGNED
    approvals: Mapping[str, CheckedSignature] = field(default_factory=lambda: MappingProxyType({}))
    """By the digest of the approval; one that is missing is not signed."""

    def of(self, digest: str) -> CheckedSignature:
        """Return the check of the approval with *digest*."""
        return self.approvals.get(digest, UNSIGNED)
