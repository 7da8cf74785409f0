"""Step 4: archive the device configuration."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.model.carry_over import successor_options
from vpnmigrate.model.changes import ArchiveConfiguration
from vpnmigrate.model.ec2 import ConnectionRecord, VpnConnectionId
from vpnmigrate.model.plan import Phase, Plan, connection_role
from vpnmigrate.steps.base import Met, MissingChanges, NotYet, Step, StepInput, Verdict


class FetchConfiguration(Step):
    """Archive the configuration of all connections, old and new, and write the device folders.

    In AWS: changes nothing; it only reads.  EC2 returns a configuration only while its connection
    is pending or available (domain.md 2.3), so the old ones are archived long before step 11.
    """

    number = 4
    title = "Fetch the configuration"
    phase = Phase.PREPARE
    precondition = "old and new connections are available"
    postcondition = "the configuration of each connection is in the run's vault"
    limit = timedelta(minutes=10)  # plain reads, retried; generous for ten connections

    def missing_changes(self, view: StepInput) -> MissingChanges:
        for old in view.plan.before.living:
            if old.id not in view.journal_facts.files:
                yield ArchiveConfiguration(old.id)
            new = view.now.ours.get(connection_role(old.id))
            if new is not None and new not in view.journal_facts.files:
                yield _device_folder(view.plan, old, VpnConnectionId(new))

    def verify(self, view: StepInput) -> Verdict:
        for old in view.plan.old_connections:
            new = view.now.ours.get(connection_role(old))
            if new is None:
                return NotYet(f"the successor of {old} does not exist")
            for connection in (old, new):
                if connection not in view.journal_facts.files:
                    return NotYet(f"the configuration of {connection} is not archived")
        return Met()


def _device_folder(plan: Plan, old: ConnectionRecord, new: VpnConnectionId) -> ArchiveConfiguration:
    versions = {options.ike_versions for options in successor_options(plan.decisions, old)}
    return ArchiveConfiguration(
        new,
        replaces=old.id,
        device_type=plan.decisions.device_type_of(old.customer_gateway),
        ike_version="ikev1" if versions == {("ikev1",)} else "ikev2",
    )
