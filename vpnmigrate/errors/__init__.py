"""Errors: every exception with its advice, and every exit code.

Begin with this file; ``commands`` has the commands that advice prints.

- ``VpnMigrateError``
    - ``UsageError`` (2): the command line, a file's text, an unknown run
        - ``MalformedFileError``: plan, playbook, scenario or saved describe output
    - ``RefusedError`` (4): nothing was changed, on purpose
        - ``PreflightError``: findings that block
        - ``PlanEditedError``, ``DriftError``, ``WrongAccountError``, ``NotVerifiedError``
        - ``HeldByOthersError``: ``ClaimedError``, ``LockedError``
    - ``NothingToMigrateError`` (6)
    - ``HeldError`` (3): at a gate or waiting for a person
        - ``StagedError`` (0): prepared as ``apply --until cutover`` asks
    - ``InterruptedRunError`` (7): an operator's signal, resumable
    - ``StepError`` (1)
        - ``DidNotSettleError``, ``ChangeRefusedError``, ``ExternalChangeError``
        - ``ResidueError`` (5), ``IncompleteRemovalError``
    - ``RollbackRequestedError`` (1): internal; the runner rolls back and raises the next one
    - ``RolledBackError`` (1): the plan's back-out policy, or an abort, has rolled back
    - ``JournalError`` (1): ``JournalDamagedError``
        - ``TakenOverError`` (4): another process has the run now
    - ``BundleDamagedError`` (1)
    - ``VaultError`` (1, ``vault``), ``ConfigurationError`` (1, ``devices.configuration``)
    - ``AwsError`` (1)
        - ``AwsUnreadableError``: a retry may succeed
            - ``UnreachableError``, ``CredentialsExpiredError``
        - ``NotAuthorizedError``
        - ``NoCredentialsError``, ``NotFoundError`` (2)

The number is the exit code; 1 becomes 5 while traffic is down (``journal.exit_code``).
Messages say what happened; ``advice`` says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar

from vpnmigrate.errors.commands import Advice, one_line


class Exit(IntEnum):
    """Exit codes: the process never ends with any other."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    HELD = 3
    REFUSED = 4
    STUCK = 5
    NOTHING_TO_MIGRATE = 6
    INTERRUPTED = 7


class VpnMigrateError(Exception):
    """Base class of all errors shown to a person; *advice* says what to do next."""

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
    """The command line is invalid."""

    exit = Exit.USAGE


class MalformedFileError(UsageError):
    """A file has invalid content; the message names file, line where known, and field."""


class RefusedError(VpnMigrateError):
    """The program refused on purpose, before it changed anything."""

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
    """Another process or operator holds the run; ``--take-over`` takes the name in ``holder``."""

    def __init__(self, message: str, *, advice: Advice = "", holder: str = "") -> None:
        super().__init__(message, advice=advice)
        self.holder = holder


class NotVerifiedError(RefusedError):
    """Finalize would delete connections that may be the only path for traffic."""


class ClaimedError(HeldByOthersError):
    """The old gateway has the claim tag of another holder."""


class LockedError(HeldByOthersError):
    """Another process holds the lock of this run directory."""


class NothingToMigrateError(VpnMigrateError):
    """The gateway has no Classic connection: all are AWS VPN already, or there is none."""

    exit = Exit.NOTHING_TO_MIGRATE


class HeldError(VpnMigrateError):
    """The run waits at a gate, or for a person who is not present."""

    exit = Exit.HELD


class StagedError(HeldError):
    """The run holds before the cutover, as requested, and everything is prepared."""

    exit = Exit.DONE


class UnreliableReadError(HeldError):
    """AWS could not be read reliably before the cutover; the same command resumes the run."""


class InterruptedRunError(VpnMigrateError):
    """The operator stopped the process; the run can be resumed."""

    exit = Exit.INTERRUPTED


class StepError(VpnMigrateError):
    """A step failed.  ``step`` is its number; ``outage`` says that traffic is down."""

    def __init__(self, message: str, *, step: int, outage: bool, advice: Advice = "") -> None:
        super().__init__(message, advice=advice)
        self.step = step
        self.outage = outage


class DidNotSettleError(StepError):
    """A step made its changes, but its goal did not hold in time; nothing is rolled back."""


class ChangeRefusedError(StepError):
    """AWS refused a change, and a retry would not help; the change had no effect."""


class ExternalChangeError(StepError):
    """A resource of this run was changed outside it; the run stops making changes."""


class ResidueError(StepError):
    """A cutover is done except for changes that AWS did not make; an operator must act now."""

    exit = Exit.STUCK


class IncompleteRemovalError(StepError):
    """Finalize is done except for changes that AWS did not make; traffic flows."""


class RollbackRequestedError(VpnMigrateError):
    """A rollback of the cutover was requested at a safe point, not by a failed step."""


class RolledBackError(VpnMigrateError):
    """The cutover was rolled back by policy or on request; traffic is as before."""


class JournalError(VpnMigrateError):
    """The journal cannot be read or written; nothing is sent to AWS without it."""


class JournalDamagedError(JournalError):
    """A line of the journal was altered, lost or reordered; ``line`` is its number from 1."""

    def __init__(self, message: str, *, line: int, advice: Advice = "") -> None:
        super().__init__(message, advice=advice)
        self.line = line


class BundleDamagedError(VpnMigrateError):
    """A bundle was altered since it was packed; ``place`` is where this first shows."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(
            f"the bundle does not verify: {place}: {why}",
            advice="do not rely on it; ask the operator of the run for a new bundle",
        )
        self.place = place


class TakenOverError(JournalError):
    """Another process has this run now; this one writes no records and sends no calls."""

    exit = Exit.REFUSED


class AwsError(VpnMigrateError):
    """AWS could not be reached, or answered with an error."""


class AwsUnreadableError(AwsError):
    """A describe call failed and a later one may succeed: throttling, expired token, no route."""


class UnreachableError(AwsUnreadableError):
    """No connection to the endpoint."""


class CredentialsExpiredError(AwsUnreadableError):
    """The credentials have expired; new ones are loaded before the next call.

    Its advice is the command that renews them.
    """


class NoCredentialsError(AwsError):
    """There are no credentials, or no Region."""

    exit = Exit.USAGE


class NotAuthorizedError(AwsError):
    """The role lacks a permission; the message names the missing action."""


class NotFoundError(AwsError):
    """No such resource in this account and Region."""

    exit = Exit.USAGE


class VaultError(VpnMigrateError):
    """A device file could not be written or read safely."""
