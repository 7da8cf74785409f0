"""Step 5: configure the customer gateway devices."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.plan import Phase, connection_role
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.steps.base import Met, MissingChanges, NotYet, Step, StepInput, Verdict


class ConfigureDevices(Step):
    """Device configuration: the operator loads the new one on every device, tunnels disabled.

    In AWS: changes nothing.  AWS's samples enable the tunnels and reuse the names of the old ones;
    pasted unchanged they interrupt traffic at once (domain.md 9.2).  The sheet in the device folder
    lists what to change.
    """

    number = 5
    title = "Configure the devices"
    phase = Phase.PREPARE
    precondition = "each device has its folder with the sheet"
    postcondition = (
        "the operator has confirmed that the candidate is on each device, tunnels disabled"
    )
    limit = timedelta(days=30)  # a person's work, ahead of the change window

    def missing_changes(self, view: StepInput) -> MissingChanges:
        if Confirmation.DEVICES_CONFIGURED not in view.journal_facts.confirmations:
            new = ", ".join(
                f"{view.now.ours.get(connection_role(old), '?')} (beside {old})"
                for old in view.plan.old_connections
            )
            yield AskOperator(
                self.number,
                Confirmation.DEVICES_CONFIGURED,
                f"load the candidate configuration for {new}, tunnels DISABLED, "
                "as the sheet in each device folder says",
            )

    def verify(self, view: StepInput) -> Verdict:
        if Confirmation.DEVICES_CONFIGURED in view.journal_facts.confirmations:
            return Met()
        return NotYet("the devices are not configured yet")
