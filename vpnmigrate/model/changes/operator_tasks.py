"""Operator tasks: work at a device, and the connectivity test command."""

from __future__ import annotations

from msgspec import field

from vpnmigrate.model.changes.base import BaseChange
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.facts import ConfirmationGiven, Fact, Switch, Value
from vpnmigrate.model.snapshot import Confirmation


class AskOperator(BaseChange, frozen=True, tag="ask-operator", omit_defaults=True):
    """A task for a person at a device; done when they confirm it, or when telemetry shows it."""

    step: int
    confirmation: Confirmation = field(name="word")
    task: str
    only: tuple[VpnConnectionId, ...] = ()
    """The old connections whose devices have the task; empty for all."""

    @property
    def fact(self) -> Fact:
        return ConfirmationGiven(self.confirmation)

    @property
    def becomes(self) -> Value:
        return Switch.ON

    @property
    def call(self) -> str:
        return ""

    def __str__(self) -> str:
        return self.task


class RunTest(BaseChange, frozen=True, tag="run-test"):
    """A command that tests whether the test VPC is reachable: exit status 0 means it is."""

    command: tuple[str, ...]

    @property
    def fact(self) -> Fact:
        return ConfirmationGiven(Confirmation.TEST_PASSED)

    @property
    def becomes(self) -> Value:
        return Switch.ON

    @property
    def call(self) -> str:
        return ""

    def __str__(self) -> str:
        return f"run the test: {' '.join(self.command)}"
