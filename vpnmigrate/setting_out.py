"""Before a journey: whose account this is, who else migrates the gateway, what has changed."""

from __future__ import annotations

from vpnmigrate.admission import require_account, require_direct_connect_known, require_unchanged
from vpnmigrate.claims import claim_of, require_not_foreign
from vpnmigrate.errors import AwsUnreadableError
from vpnmigrate.facts import Claim
from vpnmigrate.logbook import Logbook
from vpnmigrate.looking import Claimant
from vpnmigrate.plan import Plan
from vpnmigrate.ports import Ec2
from vpnmigrate.records import Direction, Noted
from vpnmigrate.snapshot import snapshot_of


class SettingOut:
    """What has to hold before the first change of a process, and again before step 7."""

    def __init__(self, plan: Plan, ec2: Ec2, book: Logbook, claimant: Claimant) -> None:
        self._plan = plan
        self._ec2 = ec2
        self._book = book
        self._claimant = claimant

    def respect_account(self, direction: Direction) -> None:
        """Refuse another account than the plan's.

        No way out of an outage waits for STS: the ids of what was there before exist in no other
        account.

        Raises:
            WrongAccountError: It is another one.
            AwsError: It could not be found out, and nothing has been interrupted yet.
        """
        try:
            identity = self._ec2.identity()
        except AwsUnreadableError as error:
            if direction is not Direction.BACK and not self._book.cutover_is_open:
                raise
            self._book.write(Noted(f"the account could not be checked: {error.message}"))
            return
        require_account(self._plan, identity.account, identity.arn)

    def respect_claims(self) -> None:
        """Refuse to set out on a gateway that somebody else migrates.

        Raises:
            ClaimedError: Their claim is on it.
        """
        try:
            reading = self._ec2.look(self._plan)
        except AwsUnreadableError:
            return  # step 1 looks again, patiently, and blocks on a foreign claim as well
        seen = snapshot_of(reading, self._plan.migration).value(Claim(self._plan.old_gateway))
        claim = claim_of(seen, self._claimant.holder, self._claimant.outranks)
        require_not_foreign(claim, self._plan.old_gateway)

    def require_unchanged(self) -> None:
        """Refuse a world that is not as the plan found it.

        Raises:
            DriftError: With every difference, field by field.
            AwsError: It could not be read.
        """
        survey = self._ec2.survey(self._plan.old_gateway)
        require_unchanged(self._plan, survey)
        require_direct_connect_known(self._plan, survey)
