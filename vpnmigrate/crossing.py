"""From the end of step 6 into step 7: the last look, the gates, the baseline, and a watchdog."""

from __future__ import annotations

from vpnmigrate.arming import Arming
from vpnmigrate.deciding import Deciding
from vpnmigrate.gatekeeping import Gatekeeper
from vpnmigrate.holding import Holding
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.records import BaselineTaken
from vpnmigrate.logbook import Logbook
from vpnmigrate.model.ec2 import Attachment
from vpnmigrate.model.facts import Switch
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.probing import Probing
from vpnmigrate.settling import Settler
from vpnmigrate.steps.traffic import any_device_is_over, baseline_of


class Crossing:
    """Lets a run into its cutover; nothing that traffic can feel is done before it has."""

    def __init__(  # noqa: PLR0913  the parts it puts together
        self,
        plan: Plan,
        *,
        logbook: Logbook,
        settler: Settler,
        gatekeeper: Gatekeeper,
        holding: Holding,
        arming: Arming,
        probing: Probing,
        deciding: Deciding,
        blind: bool,
    ) -> None:
        self._plan = plan
        self._logbook = logbook
        self._settler = settler
        self._gatekeeper = gatekeeper
        self._holding = holding
        self._arming = arming
        self._probing = probing
        self._deciding = deciding
        self._blind = blind

    def cross(self) -> None:
        """Pass the gates, rest if somebody wants that, and have a watchdog if one was asked for.

        A cutover that was begun and has interrupted nothing, because its first call was refused,
        or because it was taken back since, has to pass them again.

        Raises:
            HeldError: A gate is closed, or somebody aborted the run.
            RefusedError: The world has drifted, or there is no watchdog to be had.
        """
        if self._is_under_way:
            return
        self._pass_gates()
        while self._holding.take_in():
            self._pass_gates()  # what was seen before the rest is old
        self._deciding.begin()
        self._arming.arm()

    @property
    def _is_under_way(self) -> bool:
        book = self._logbook
        return book.cutover_is_open and book.state.traffic is not Traffic.OLD

    def _pass_gates(self) -> None:
        if self.is_to_be_seen():
            # Traffic is down, or will be soon: the plan's survey is the baseline.
            if self._old_gateway_is_attached(self._settler.look_for_certain().now):
                self._gatekeeper.continue_cutover()
            return
        baseline = baseline_of(self._plan, self._gatekeeper.begin_cutover().now)
        self._probing.take_baseline()
        self._logbook.write(
            BaselineTaken(
                baseline.taken,
                dict(baseline.tunnels_up),
                {table: tuple(sorted(p)) for table, p in baseline.propagated.items()},
            )
        )

    def is_to_be_seen(self) -> bool:
        """Tell from AWS alone, for a run whose journal is lost, whether step 7 has begun.

        It may have been taken back again as far as its step 10, where only tunnels tell.
        """
        if not self._blind:
            return False
        look = self._settler.look_for_certain()
        old, now = self._plan.old_gateway, look.now
        return (
            not self._old_gateway_is_attached(now)
            or any(now.propagates(t.id, old) is Switch.OFF for t in self._plan.propagating_tables)
            or any_device_is_over(self._plan, look.way, now)
        )

    def _old_gateway_is_attached(self, now: Snapshot) -> bool:
        attached = now.attachment(self._plan.old_gateway, self._plan.vpc)
        return attached is Attachment.ATTACHED
