"""VPC encryption control: whether AWS lets a virtual private gateway be attached to a VPC.

A control that enforces encryption refuses a virtual private gateway, unless it excludes them.  The
code of that refusal is unconfirmed (domain.md 14.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from msgspec import Struct, field

NOT_OFFERED: Final = "not-offered"
"""Mode where the endpoint does not know encryption controls, so that none can exist."""


class AttachRule(IntEnum):
    """Effect of a control on attaching a virtual private gateway, from harmless to refused."""

    ALLOWED = 0
    UNKNOWN = 1
    CHANGING = 2
    """AWS is changing the control, or may begin to enforce it."""
    REFUSED = 3


class EncryptionControl(Struct, frozen=True):
    """The encryption control of a VPC, or that of an account, in EC2's words."""

    mode: str
    state: str = ""
    exclusion: str = ""
    """State of the exclusion of virtual private gateways; empty if EC2 names none."""

    def __str__(self) -> str:
        if self.mode == NOT_OFFERED:
            return "not offered by this endpoint"
        text = f"{self.mode} ({self.state})" if self.state else self.mode
        if "enforce" not in text:
            return text
        return f"{text}, exclusion of virtual private gateways: {self.exclusion or 'not named'}"


class EncryptionControls(Struct, frozen=True):
    """The encryption controls that apply to a VPC."""

    vpc: EncryptionControl | None = None
    """None if the VPC has none."""
    account: EncryptionControl | None = None
    """None if EC2 shows none for the account."""
    vpc_unread: str = ""
    """Why the VPC's control could not be read."""
    account_unread: str = ""
    """Why the account's control could not be read."""
    is_temporary: bool = field(default=False, name="passing")
    """Whether a later read of what is unread may succeed."""

    @property
    def unread(self) -> str:
        """Why a control could not be read; empty if both were."""
        return "; ".join(filter(None, (self.vpc_unread, self.account_unread)))

    def completed_by(self, earlier: EncryptionControls) -> EncryptionControls:
        """Return these controls; one that could not be read is that of *earlier*, if it has it."""
        vpc = earlier if self.vpc_unread and not earlier.vpc_unread else self
        account = earlier if self.account_unread and not earlier.account_unread else self
        unread = vpc.vpc_unread or account.account_unread
        return EncryptionControls(
            vpc.vpc,
            account.account,
            vpc.vpc_unread,
            account.account_unread,
            is_temporary=self.is_temporary and bool(unread),
        )


class ControlVerdict(Struct, frozen=True):
    """Effect of one control, or of one that could not be read, on attaching a gateway."""

    rule: AttachRule
    text: str


_VPC_MODES: Final = frozenset({"monitor", "enforce"})
_VPC_STATES: Final = frozenset(
    {
        *("available", "creating", "deleting", "delete-failed"),
        *("enforce-in-progress", "enforce-failed", "monitor-in-progress", "monitor-failed"),
    }
)
_VPC_MOVES: Final = frozenset({"enforce-in-progress", "monitor-in-progress"})
_ENFORCE_ENDS: Final = frozenset({"creating", "deleting", "enforce-failed"})
"""States of a control in the mode ``enforce`` that may not be in force."""
_EXCLUSION_MOVES: Final = frozenset({"enabling", "disabling"})
_ACCOUNT_MODES: Final = frozenset({"unmanaged", "attempt-monitor", "attempt-enforce"})


def verdicts(vpc: str, controls: EncryptionControls) -> Iterator[ControlVerdict]:
    """Yield the effect of each control of *vpc* and its account, also of unread ones."""
    if controls.vpc is not None:
        yield ControlVerdict(_of_vpc(controls.vpc), f"{vpc}: {controls.vpc}")
    elif not controls.vpc_unread:
        yield ControlVerdict(AttachRule.ALLOWED, f"{vpc} has no encryption control")
    if controls.account is not None:
        yield ControlVerdict(_of_account(controls.account), f"the account: {controls.account}")
    if controls.unread:
        yield ControlVerdict(AttachRule.UNKNOWN, f"not read: {controls.unread}")


def _of_vpc(control: EncryptionControl) -> AttachRule:
    mode, state = control.mode, control.state
    if mode == NOT_OFFERED or state == "deleted" or control.exclusion == "enabled":
        return AttachRule.ALLOWED
    if mode not in _VPC_MODES or state not in _VPC_STATES:
        return AttachRule.UNKNOWN
    if state in _VPC_MOVES:
        return AttachRule.CHANGING
    if mode == "monitor":
        return AttachRule.ALLOWED
    moves = state in _ENFORCE_ENDS or control.exclusion in _EXCLUSION_MOVES
    return AttachRule.CHANGING if moves else AttachRule.REFUSED


def _of_account(control: EncryptionControl) -> AttachRule:
    """Return the rule of an account's control.

    ``attempt-enforce`` enforces encryption in each VPC where nothing prevents it.  An attached
    gateway does, so AWS may succeed once step 8 has detached the old one.
    """
    if control.mode == NOT_OFFERED or control.exclusion == "enabled":
        return AttachRule.ALLOWED
    if control.mode not in _ACCOUNT_MODES:
        return AttachRule.UNKNOWN
    enforces = control.mode == "attempt-enforce"
    return AttachRule.CHANGING if enforces else AttachRule.ALLOWED
