"""Whether a run may go on at all: the right account, and a world that is as the plan found it."""

from __future__ import annotations

from vpnmigrate.commands import cli
from vpnmigrate.errors import AwsUnreadableError, DriftError, WrongAccountError
from vpnmigrate.model.decisions import DirectConnect
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.drift import differences


def require_account(plan: Plan, account: str, arn: str) -> None:
    """Refuse another account than the plan's.

    Raises:
        WrongAccountError: With both accounts and who AWS takes us for.
    """
    if account != plan.account:
        message = f"the plan is for account {plan.account}, but these credentials are {arn}"
        raise WrongAccountError(
            message, advice="use --profile, or credentials of the plan's account; then try again"
        )


def require_unchanged(plan: Plan, survey: Survey) -> None:
    """Refuse a world whose configuration differs from the plan's before-survey.

    Raises:
        DriftError: With every difference, field by field.
    """
    found = differences(plan.before, survey)
    if found:
        message = f"AWS is no longer configured as the plan found it ({len(found)} differences)"
        raise DriftError(
            message,
            found,
            advice=(
                "plan again; what the run has built is kept:",
                cli("plan", "--from", plan.migration),
            ),
        )


def require_direct_connect_known(plan: Plan, survey: Survey) -> None:
    """Refuse what can no longer be ruled out: a detach deletes an association for good.

    Raises:
        AwsUnreadableError: Direct Connect could not be read, and nobody has vouched for it.
    """
    vouched_for = plan.decisions.direct_connect is DirectConnect.ABSENT
    for unread in survey.unread:
        if unread.what == "direct_connect" and not vouched_for:
            raise AwsUnreadableError(
                f"whether {plan.old_gateway} carries Direct Connect cannot be read: {unread.why}",
                advice="allow directconnect:DescribeVirtualInterfaces and "
                "directconnect:DescribeDirectConnectGatewayAssociations, then try again",
            )
