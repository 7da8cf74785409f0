"""Reads of conditions that AWS sets: what an answer, or a refusal, of EC2 means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.aws.answering import NOT_THERE, Answering, Refusal
from tests.aws.test_survey import WORLD, survey_of
from vpnmigrate.aws.account import Reader
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.encryption_control import NOT_OFFERED, EncryptionControl, EncryptionControls
from vpnmigrate.model.errors import CredentialsExpiredError, NoCredentialsError
from vpnmigrate.model.tunnel_maintenance import MaintenanceStatus, QueriedTunnel

STATUS = "GetVpnTunnelReplacementStatus"
VPCS = "DescribeVpcEncryptionControls"
ACCOUNT = "DescribeAccountVpcEncryptionControl"
TUNNEL = QueriedTunnel(VpnConnectionId("vpn-1"), "203.0.113.1")
CLASSIC = QueriedTunnel(VpnConnectionId("vpn-1"), "203.0.113.1", classic=True)
SOON = datetime(2026, 11, 30, tzinfo=UTC)


def status_of(answer, tunnel=TUNNEL):
    (found,) = Reader(Answering({STATUS: answer}).clients(), VirtualClock()).maintenance([tunnel])
    return found


def details(**members):
    return {"MaintenanceDetails": members}


class TestMaintenance:
    @pytest.mark.parametrize(
        ("answer", "status", "after"),
        [
            (details(PendingMaintenance="NONE"), MaintenanceStatus.NONE, None),
            (details(PendingMaintenance="none", LastMaintenanceApplied=SOON), "none", None),
            (details(), MaintenanceStatus.NONE, None),
            (details(PendingMaintenance="AVAILABLE"), MaintenanceStatus.PENDING, None),
            (
                details(PendingMaintenance="AVAILABLE", MaintenanceAutoAppliedAfter=SOON),
                MaintenanceStatus.PENDING,
                SOON,
            ),
            (details(MaintenanceAutoAppliedAfter=SOON), MaintenanceStatus.PENDING, SOON),
            (details(PendingMaintenance="a word of 2027"), MaintenanceStatus.PENDING, None),
        ],
    )
    def test_what_ec2_announces(self, answer, status, after):
        """A word that means none, or no word and no time, is none; all else is pending."""
        found = status_of(answer)

        assert (found.status, found.applied_after) == (status, after)

    @pytest.mark.parametrize("code", ["InvalidAction", "UnsupportedOperation"])
    def test_an_endpoint_without_the_call_has_no_such_status(self, code):
        """An endpoint that does not know the call announces nothing; its words are kept."""
        found = status_of(Refusal(code))

        assert found.status is MaintenanceStatus.NOT_OFFERED
        assert code in found.why

    def test_not_implemented_is_not_offered(self):
        """An EC2-compatible server may answer with HTTP 501 and a code of an internal failure."""
        assert status_of(Refusal("InternalFailure", status=501)).status == "not-offered"

    @pytest.mark.parametrize(
        ("answer", "is_temporary"),
        [
            (Refusal("UnauthorizedOperation", status=403), False),
            (Refusal("RequestLimitExceeded", status=503), True),
            (Refusal("InternalError", status=500), True),
            (Refusal("InvalidVpnConnectionID.NotFound"), True),
            (Refusal("SomethingNew"), False),
            ({"MaintenanceDetails": NOT_THERE}, True),
        ],
    )
    def test_what_cannot_be_read_is_unknown(self, answer, is_temporary):
        """Any other failure is unknown, and says whether a later read may succeed."""
        found = status_of(answer)

        assert (found.status, found.is_temporary) == (MaintenanceStatus.UNKNOWN, is_temporary)
        assert found.why

    def test_a_classic_connection_may_have_no_status(self):
        """EC2 may refuse to answer for a Classic connection; a denial proves nothing."""
        assert status_of(Refusal("OperationNotPermitted"), CLASSIC).status == "not-offered"
        assert status_of(Refusal("OperationNotPermitted")).status == "unknown"
        assert status_of(Refusal("UnauthorizedOperation"), CLASSIC).status == "unknown"
        assert status_of(details(PendingMaintenance="AVAILABLE"), CLASSIC).status == "pending"

    def test_a_tunnel_without_an_address_is_not_asked(self):
        """Without an outside address there is no call, and the status is unknown."""
        nameless = QueriedTunnel(VpnConnectionId("vpn-1"), "")

        assert status_of(AssertionError("asked"), nameless).status == "unknown"

    def test_expired_credentials_are_not_a_status(self):
        """Expired credentials end the read, so that they are renewed."""
        with pytest.raises(CredentialsExpiredError):
            status_of(Refusal("RequestExpired"))


def controls_of(**answers):
    return survey_of(Answering({**WORLD, **answers})).encryption


def rows(*rows):
    return {"VpcEncryptionControls": [*rows]}


ENFORCED = {
    "VpcId": "vpc-1",
    "Mode": "enforce",
    "State": "available",
    "ResourceExclusions": {"VirtualPrivateGateway": {"State": "enabled"}},
}


class TestEncryptionControl:
    def test_that_of_the_vpc_and_the_account(self):
        """A survey has the control of the attached VPC and that of the account."""
        found = controls_of(
            **{
                VPCS: rows({**ENFORCED, "VpcId": "vpc-2", "Mode": "monitor"}, ENFORCED),
                ACCOUNT: {
                    "AccountVpcEncryptionControl": {
                        "Mode": "attempt-enforce",
                        "State": "transitions-successful",
                        "Exclusions": {"VirtualPrivateGateway": "disabled"},
                    }
                },
            }
        )

        assert found == EncryptionControls(
            EncryptionControl("enforce", "available", "enabled"),
            EncryptionControl("attempt-enforce", "transitions-successful", "disabled"),
        )

    def test_none(self):
        """A VPC without a control, or with a deleted one, has none."""
        assert controls_of() == EncryptionControls()
        assert controls_of(**{VPCS: rows({**ENFORCED, "State": "deleted"})}).vpc is None

    def test_an_endpoint_without_the_calls_has_no_controls(self):
        """Unknown actions are kept as such, and are not failures."""
        absent = EncryptionControl(NOT_OFFERED)

        found = controls_of(**dict.fromkeys((VPCS, ACCOUNT), Refusal("InvalidAction")))

        assert found == EncryptionControls(absent, absent)

    @pytest.mark.parametrize("action", [VPCS, ACCOUNT])
    def test_one_that_cannot_be_read_is_said_so(self, action):
        """A denied read is in the survey with its reason, and a later one may not succeed."""
        found = controls_of(**{action: Refusal("UnauthorizedOperation", status=403)})

        assert action in found.unread
        assert not found.is_temporary

    def test_a_temporary_failure_is_marked(self):
        """A throttled read may succeed later."""
        assert controls_of(**{VPCS: Refusal("RequestLimitExceeded", status=503)}).is_temporary

    def test_missing_credentials_are_not_a_reading(self):
        """Unknown credentials end the survey, as for every other read."""
        with pytest.raises(NoCredentialsError):
            controls_of(**{VPCS: Refusal("AuthFailure", status=401)})
