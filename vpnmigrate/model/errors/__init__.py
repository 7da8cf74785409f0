"""Errors: every exception with its advice, and every exit code.

Begin with this file; ``commands`` has the commands that advice prints.

Each class has a stable id (``VPM-E...``), which is never used for another kind of error.

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
        - ``DatabaseError``: the database of a fleet does not answer
    - ``BundleDamagedError`` (1)
    - ``DeviceDriverError`` (1): a driver did not do what a command asked
    - ``VaultError`` (1, ``vault``), ``ConfigurationError`` (1, ``devices.configuration``)
    - ``LabError`` (1, ``rehearsal.lab``)
    - ``AwsError`` (1)
        - ``AwsUnreadableError``: a retry may succeed
            - ``UnreachableError``, ``CredentialsExpiredError``
        - ``NotAuthorizedError``, ``ActionNotOfferedError`` (``aws.read_errors``)
        - ``NoCredentialsError``, ``NotFoundError`` (2)
            - ``NoRegionError``

The number is the exit code; 1 becomes 5 while traffic is down (``journal.exit_code``).
Messages say what happened; ``advice`` says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar

from vpnmigrate.model.errors.commands import Advice, one_line


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

    id: ClassVar[str] = "VPM-E900"
    """Stable id of this kind of error; ``docs/reference/errors.md`` explains it."""
    remedy: ClassVar[str] = "Follow the advice of the message."
    """What an operator can do about errors of this kind, for that page."""
    exit: ClassVar[Exit] = Exit.FAILED

    def __init__(self, message: str, *, advice: Advice = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    @property
    def advice_text(self) -> str:
        """The advice as one line, for a text in which its commands are not completed."""
        return one_line(self.advice)


class UsageError(VpnMigrateError):
    """The command line is invalid."""

    id = "VPM-E101"
    remedy = "Correct the command line or the named file; `--help` lists the options of a command."
    exit = Exit.USAGE


class MalformedFileError(UsageError):
    """A file has invalid content; the message names file, line where known, and field."""

    id = "VPM-E102"
    remedy = (
        "Correct the named line and field, or write the file again with the command that made it."
    )


class RefusedError(VpnMigrateError):
    """The program refused on purpose, before it changed anything."""

    id = "VPM-E201"
    remedy = "Correct what the message names, then repeat the command."
    exit = Exit.REFUSED


class PreflightError(RefusedError):
    """The survey cannot be planned; ``findings`` are its blockers and warnings."""

    id = "VPM-E202"
    remedy = "Correct what each blocking finding names, then plan again; see the page of findings."

    def __init__(
        self,
        message: str,
        findings: Sequence[object],
        survey: object = None,
        *,
        advice: Advice = "",
    ) -> None:
        super().__init__(message, advice=advice)
        self.findings = tuple(findings)
        self.survey = survey


class PlanEditedError(RefusedError):
    """A plan's text no longer matches its fingerprint."""

    id = "VPM-E203"
    remedy = "Plan again. To change decisions, edit a playbook, not the plan."


class DriftError(RefusedError):
    """AWS is configured differently from the plan's before-survey; ``differences`` says where."""

    id = "VPM-E204"
    remedy = "Find out who changed the listed fields, then plan again."

    def __init__(self, message: str, differences: Sequence[str], *, advice: Advice = "") -> None:
        super().__init__(message, advice=advice)
        self.differences = tuple(differences)


class WrongAccountError(RefusedError):
    """The credentials or Region are not those of the plan."""

    id = "VPM-E205"
    remedy = "Use the credentials and the Region of the plan."


class HeldByOthersError(RefusedError):
    """Another process or operator holds the run; ``--take-over`` takes the name in ``holder``."""

    id = "VPM-E206"
    remedy = "Ask the holder first; then take over with the printed `--take-over`."

    def __init__(self, message: str, *, advice: Advice = "", holder: str = "") -> None:
        super().__init__(message, advice=advice)
        self.holder = holder


class NotVerifiedError(RefusedError):
    """Finalize would delete connections that may be the only path for traffic."""

    id = "VPM-E207"
    remedy = "Restore traffic on the new connections first, then finalize."


class ClaimedError(HeldByOthersError):
    """The old gateway has the claim tag of another holder."""

    id = "VPM-E208"
    remedy = "Ask the holder that the claim tag names; take over only if that run has ended."


class LockedError(HeldByOthersError):
    """Another process holds the lock of this run directory."""

    id = "VPM-E209"
    remedy = "Wait for the other process, or take the run over from it."


class NothingToMigrateError(VpnMigrateError):
    """The gateway has no Classic connection: all are AWS VPN already, or there is none."""

    id = "VPM-E601"
    remedy = (
        "Nothing. To replace a gateway with AWS VPN connections anyway, set `recreate_aws_vpn: "
        "true` in a playbook; if the gateway has no connection, name another one."
    )
    exit = Exit.NOTHING_TO_MIGRATE


class HeldError(VpnMigrateError):
    """The run waits at a gate, or for a person who is not present."""

    id = "VPM-E301"
    remedy = "Do the named task or open the named gate, then run the printed command."
    exit = Exit.HELD


class StagedError(HeldError):
    """The run holds before the cutover, as requested, and everything is prepared."""

    id = "VPM-E303"
    remedy = "Nothing is wrong: start the cutover with the printed command when its time has come."
    exit = Exit.DONE


class UnreliableReadError(HeldError):
    """AWS could not be read reliably before the cutover; the same command resumes the run."""

    id = "VPM-E302"
    remedy = "Run the same command again; nothing was interrupted."


class InterruptedRunError(VpnMigrateError):
    """The operator stopped the process; the run can be resumed."""

    id = "VPM-E602"
    remedy = "Resume with the printed command, or roll back."
    exit = Exit.INTERRUPTED


class StepError(VpnMigrateError):
    """A step failed.  ``step`` is its number; ``outage`` says that traffic is down."""

    id = "VPM-E401"
    remedy = "Follow the advice; while traffic is down, resume or roll back at once."

    def __init__(self, message: str, *, step: int, outage: bool, advice: Advice = "") -> None:
        super().__init__(message, advice=advice)
        self.step = step
        self.outage = outage


class DidNotSettleError(StepError):
    """A step made its changes, but its goal did not hold in time; nothing is rolled back."""

    id = "VPM-E402"
    remedy = "Find out why AWS or a device has not followed; resume, or roll back."


class ChangeRefusedError(StepError):
    """AWS refused a change, and a retry would not help; the change had no effect."""

    id = "VPM-E403"
    remedy = (
        "Remove the reason that AWS gives, for example a missing permission; resume, or roll back."
    )


class ExternalChangeError(StepError):
    """A resource of this run was changed outside it; the run stops making changes."""

    id = "VPM-E404"
    remedy = "Find out who changed it; roll back, or restore it and resume."


class ResidueError(StepError):
    """A cutover is done except for changes that AWS did not make; an operator must act now."""

    id = "VPM-E405"
    remedy = "Remove the cause, or make the printed calls by hand; then run the same command again."
    exit = Exit.STUCK


class IncompleteRemovalError(StepError):
    """Finalize is done except for changes that AWS did not make; traffic flows."""

    id = "VPM-E408"
    remedy = "Remove the reason that AWS gives; then run finalize again, or make the printed calls."


class RollbackRequestedError(VpnMigrateError):
    """A rollback of the cutover was requested at a safe point, not by a failed step."""

    id = "VPM-E406"
    remedy = "Nothing: the run handles it."


class RolledBackError(VpnMigrateError):
    """The cutover was rolled back by policy or on request; traffic is as before."""

    id = "VPM-E407"
    remedy = "Read why in `vpnmigrate report`; clean up with the printed command, or try again."


class JournalError(VpnMigrateError):
    """The journal cannot be read or written; nothing is sent to AWS without it."""

    id = "VPM-E501"
    remedy = "Free disk space, or restore the access to the run directory; then resume."


class JournalDamagedError(JournalError):
    """A line of the journal was altered, lost or reordered; ``line`` is its number from 1."""

    id = "VPM-E502"
    remedy = "Keep the files; roll back with `--adopt`, or restore the journal from a copy."

    def __init__(self, message: str, *, line: int, advice: Advice = "") -> None:
        super().__init__(message, advice=advice)
        self.line = line


class DeviceDriverError(VpnMigrateError):
    """A driver did not do what a command asked of it at a device."""

    id = "VPM-E603"
    remedy = (
        "Read the log of the run for what the driver printed; an engineer can do the work with "
        "the commands of `device config`."
    )


class BundleDamagedError(VpnMigrateError):
    """A bundle was altered since it was packed; ``place`` is where this first shows."""

    id = "VPM-E503"
    remedy = "Do not rely on the bundle; ask for a new one."

    def __init__(self, place: str, why: str) -> None:
        super().__init__(
            f"the bundle does not verify: {place}: {why}",
            advice="do not rely on it; ask the operator of the run for a new bundle",
        )
        self.place = place


class TakenOverError(JournalError):
    """Another process has this run now; this one writes no records and sends no calls."""

    id = "VPM-E210"
    remedy = "Nothing: another process has the run. `vpnmigrate status` shows it."
    exit = Exit.REFUSED


class DatabaseError(JournalError):
    """The database of the fleet cannot be reached, or refuses a statement."""

    id = "VPM-E507"
    remedy = (
        "Check that PostgreSQL is running and that this host reaches it, then run the same command "
        "again; a worker tries again by itself."
    )


class AwsError(VpnMigrateError):
    """AWS could not be reached, or answered with an error."""

    id = "VPM-E701"
    remedy = "Read AWS's own words in the message; check endpoint, Region and permissions."


class AwsUnreadableError(AwsError):
    """A describe call failed and a later one may succeed: throttling, expired token, no route."""

    id = "VPM-E702"
    remedy = "Try again later; a run retries it."


class UnreachableError(AwsUnreadableError):
    """No connection to the endpoint."""

    id = "VPM-E703"
    remedy = "Check DNS, proxy and firewall between this host and the endpoint."


class CredentialsExpiredError(AwsUnreadableError):
    """The credentials have expired; new ones are loaded before the next call.

    Its advice is the command that renews them.
    """

    id = "VPM-E704"
    remedy = "Renew the credentials with the printed command; a run continues then."


class NoCredentialsError(AwsError):
    """There are no credentials, or no Region."""

    id = "VPM-E103"
    remedy = "Log in, or set a profile and a Region, as for the AWS CLI."
    exit = Exit.USAGE


class NoRegionError(NoCredentialsError):
    """No AWS Region is set; renewing credentials does not help."""

    id = "VPM-E105"
    remedy = "Add `--region`, or set `AWS_DEFAULT_REGION`, as for the AWS CLI."


class NotAuthorizedError(AwsError):
    """The role lacks a permission; the message names the missing action."""

    id = "VPM-E705"
    remedy = "Allow the named action; `vpnmigrate iam-policy` prints the policy of a plan."


class NotFoundError(AwsError):
    """No such resource in this account and Region."""

    id = "VPM-E104"
    remedy = "Check the id, `--profile` and `--region`; `vpnmigrate list` shows what there is."
    exit = Exit.USAGE


class VaultError(VpnMigrateError):
    """A device file could not be written or read safely."""

    id = "VPM-E504"
    remedy = "Restore the access to the vault in the run directory; then resume."
