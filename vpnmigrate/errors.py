"""Errors: every exception with its advice, and every exit code.

- ``VpnMigrateError``
    - ``UsageError`` (2): the command line, a file's text, an unknown run
        - ``MalformedFileError``: plan, playbook, scenario or saved describe output
    - ``RefusedError`` (4): nothing was changed, on purpose
        - ``PreflightError``: findings that block
        - ``PlanEditedError``, ``DriftError``, ``WrongAccountError``, ``NotVerifiedError``
        - ``HeldByOthersError``: ``ClaimedError``, ``LockedError``
    - ``NothingToMigrateError`` (6)
    - ``HeldError`` (3): at a gate or waiting for a person
    - ``InterruptedRunError`` (7): an operator's signal, resumable
    - ``StepError`` (1, or 5 while traffic is down)
        - ``DidNotSettleError``, ``ChangeRefusedError``, ``ExternalChangeError``
    - ``RollbackRequestedError`` (1): internal: the runner rolls back and raises the next
    - ``RolledBackError`` (1): the plan's back-out policy, or an abort, has rolled back
    - ``JournalError`` (1): ``JournalDamagedError``
        - ``TakenOverError`` (4): somebody else has the run now
    - ``BundleDamagedError`` (1)
    - ``VaultError`` (1, ``vault``), ``ConfigurationError`` (1, ``devices.configuration``)
    - ``AwsError`` (1)
        - ``AwsUnreadableError``: a later try may do better; ``CredentialsExpiredError`` (``aws``)
            - ``UnreachableError``
        - ``NotAuthorizedError``
        - ``NoCredentialsError``, ``NotFoundError`` (2)

The number is the exit code.  Messages say what happened; ``advice`` says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar

from vpnmigrate.commands import Advice, one_line


class Exit(IntEnum):
    """The exit codes; no other ever leaves the process."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    HELD = 3
    REFUSED = 4
    STUCK = 5
    NOTHING_TO_MIGRATE = 6
    INTERRUPTED = 7


class VpnMigrateError(Exception):
    """Something a person has to know.  *advice* says what to do next."""

    exit: ClassVar[Exit] = Exit.FAILED

    def __init__(self, message: str, *, advice: Advice = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = advice

    @property
    def advice(self) -> str:
        """The next step as one line of text."""
        return one_line(self.next_step)


class UsageError(VpnMigrateError):
    """The command line asks for something that cannot be."""

    exit = Exit.USAGE


class MalformedFileError(UsageError):
    """A file does not say what its kind must say; names file, line where known, and field."""


class RefusedError(VpnMigrateError):
    """Refused on purpose before anything was changed."""

    exit = Exit.REFUSED


class PreflightError(RefusedError):
    """The survey cannot be planned; ``findings`` are the blockers and warnings."""

    def __init__(self, message: str, findings: Sequence[object], *, advice: Advice = "") -> None:
        super().__init__(message, advice=advice)
        self.findings = tuple(findings)


class PlanEditedError(RefusedError):
    """A plan's text no longer matches its fingerprint."""


class DriftError(RefusedError):
    """AWS is configured differently from the plan's before-survey; ``differences`` says where."""

    def __init__(self, message: str, differences: Sequence[str], *, advice: Advice = "") -> None:
        super().__init__(message, advice=advice)
        self.differences = tuple(differences)


class WrongAccountError(RefusedError):
    """The credentials or Region are not those of the plan."""


class HeldByOthersError(RefusedError):
    """Somebody else works on it; ``holder`` is the name that ``--take-over`` asks for."""

    def __init__(self, message: str, *, advice: Advice = "", holder: str = "") -> None:
        super().__init__(message, advice=advice)
        self.holder = holder


class NotVerifiedError(RefusedError):
    """Finalize was asked to delete what may still be the only path."""


class ClaimedError(HeldByOthersError):
    """Somebody else's claim tag is on the old gateway."""


class LockedError(HeldByOthersError):
    """Another process of this run directory is at work."""


class NothingToMigrateError(VpnMigrateError):
    """Every connection on the gateway is AWS VPN already, or there is none."""

    exit = Exit.NOTHING_TO_MIGRATE


class HeldError(VpnMigrateError):
    """The run waits at a gate, or for a person who is not here."""

    exit = Exit.HELD


class InterruptedRunError(VpnMigrateError):
    """The operator stopped the process; the run resumes."""

    exit = Exit.INTERRUPTED


class StepError(VpnMigrateError):
    """A step failed.  ``step`` is its number; ``outage`` says that traffic is down."""

    def __init__(self, message: str, *, step: int, outage: bool, advice: Advice = "") -> None:
        super().__init__(message, advice=advice)
        self.step = step
        self.outage = outage


class DidNotSettleError(StepError):
    """A step's changes were made and its goal did not hold in time; nothing is rolled back."""


class ChangeRefusedError(StepError):
    """AWS refused a change for good; it had no effect."""


class ExternalChangeError(StepError):
    """Somebody else alters what this run works on; nothing more is done."""


class RollbackRequestedError(VpnMigrateError):
    """Something other than a failed step asks to turn a cutover back, at a safe point."""


class RolledBackError(VpnMigrateError):
    """The cutover was rolled back, as the plan or a person decided; traffic is as before."""


class JournalError(VpnMigrateError):
    """The journal cannot be read or written; nothing is sent to AWS without it."""


class JournalDamagedError(JournalError):
    """A line of the journal was altered, lost or reordered; ``line`` is its number from 1."""

    def __init__(self, message: str, *, line: int, advice: Advice = "") -> None:
        super().__init__(message, advice=advice)
        self.line = line


class BundleDamagedError(VpnMigrateError):
    """A bundle is not as it was packed; ``place`` is the first place at which that shows."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(
            f"the bundle does not verify: {place}: {why}",
            advice="do not rely on it: ask for it again from whoever has the run",
        )
        self.place = place


class TakenOverError(JournalError):
    """Another process has this run now; this one journals and sends nothing more."""

    exit = Exit.REFUSED


class AwsError(VpnMigrateError):
    """AWS could not be asked or would not answer."""


class AwsUnreadableError(AwsError):
    """A look failed and a later one may not: throttling, an expired token, no route."""


class UnreachableError(AwsUnreadableError):
    """No connection to the endpoint."""


class NoCredentialsError(AwsError):
    """There are no credentials, or no Region."""

    exit = Exit.USAGE


class NotAuthorizedError(AwsError):
    """The role may not do this; the message names the missing action."""


class NotFoundError(AwsError):
    """No such resource in this account and Region."""

    exit = Exit.USAGE


class VaultError(VpnMigrateError):
    """A device file could not be kept or read safely."""
