"""VPC encryption control: which one keeps AWS from attaching a virtual private gateway."""

from __future__ import annotations

import pytest

from vpnmigrate.model.encryption_control import (
    NOT_OFFERED,
    AttachRule,
    EncryptionControl,
    EncryptionControls,
    verdicts,
)

ALLOWED, UNKNOWN, CHANGING, REFUSED = AttachRule


def rule(**controls):
    return max(each.rule for each in verdicts("vpc-1", EncryptionControls(**controls)))


@pytest.mark.parametrize(
    ("mode", "state", "exclusion", "expected"),
    [
        ("monitor", "available", "", ALLOWED),
        ("monitor", "creating", "", ALLOWED),
        ("monitor", "enforce-failed", "disabled", ALLOWED),
        ("monitor", "enforce-in-progress", "disabled", CHANGING),
        ("enforce", "monitor-in-progress", "disabled", CHANGING),
        ("enforce", "available", "disabled", REFUSED),
        ("enforce", "available", "", REFUSED),
        ("enforce", "monitor-failed", "disabled", REFUSED),
        ("enforce", "delete-failed", "disabled", REFUSED),
        ("enforce", "available", "enabled", ALLOWED),
        ("enforce", "enforce-in-progress", "enabled", ALLOWED),
        ("enforce", "available", "disabling", CHANGING),
        ("enforce", "available", "enabling", CHANGING),
        ("enforce", "deleting", "disabled", CHANGING),
        ("enforce", "deleted", "disabled", ALLOWED),
        ("a mode of 2027", "available", "disabled", UNKNOWN),
        ("enforce", "a state of 2027", "disabled", UNKNOWN),
        ("", "", "", UNKNOWN),
        (NOT_OFFERED, "", "", ALLOWED),
    ],
)
def test_the_control_of_a_vpc(mode, state, exclusion, expected):
    """Enforcement without an exclusion refuses; what AWS is changing may; the rest does not."""
    assert rule(vpc=EncryptionControl(mode, state, exclusion)) is expected


@pytest.mark.parametrize(
    ("mode", "exclusion", "expected"),
    [
        ("unmanaged", "disabled", ALLOWED),
        ("attempt-monitor", "disabled", ALLOWED),
        ("attempt-enforce", "enabled", ALLOWED),
        ("attempt-enforce", "disabling", CHANGING),
        ("attempt-enforce", "disabled", CHANGING),
        ("a mode of 2027", "disabled", UNKNOWN),
        (NOT_OFFERED, "", ALLOWED),
    ],
)
def test_the_control_of_an_account(mode, exclusion, expected):
    """An account that attempts to enforce may succeed once the old gateway is detached."""
    control = EncryptionControl(mode, "transitions-successful", exclusion)

    assert rule(account=control) is expected


def test_the_worst_control_decides():
    """Each control is judged alone, and one that could not be read is unknown."""
    enforced = EncryptionControl("enforce", "available", "disabled")

    assert rule() is ALLOWED
    assert rule(vpc_unread="denied") is UNKNOWN
    assert rule(vpc=enforced, account_unread="denied") is REFUSED
    texts = [each.text for each in verdicts("vpc-1", EncryptionControls(enforced))]
    assert "vpc-1: enforce (available), exclusion of virtual private gateways: disabled" in texts


def test_what_was_read_before_completes_what_is_read_now():
    """Each control is kept for itself, also that a VPC has none; the newest reason stays."""
    none_there = EncryptionControls(account_unread="first", is_temporary=True)
    control = EncryptionControl("unmanaged", "default-state")
    lost = EncryptionControls(None, control, vpc_unread="second", is_temporary=True)

    assert lost.completed_by(none_there) == EncryptionControls(None, control)
    assert none_there.completed_by(lost) == EncryptionControls(None, control)
    again = EncryptionControls(account_unread="third", is_temporary=True)
    assert again.completed_by(none_there) == again
