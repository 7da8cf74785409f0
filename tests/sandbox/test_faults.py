"""Faults affect the named call, before or after it takes effect."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from tests.sandbox.worlds import a_world, ask
from tests.support.boto_client import session_for
from vpnmigrate.sandbox.client.call import LATENCY
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed

CREATE = "CreateVpnGateway"
RAISED: dict[FaultKind, tuple[type[BaseException], str, bool]] = {
    FaultKind.UNREACHABLE: (EndpointConnectionError, "", False),
    FaultKind.THROTTLE: (ClientError, "RequestLimitExceeded", False),
    FaultKind.SERVER_ERROR: (ClientError, "InternalError", False),
    FaultKind.UNAVAILABLE: (ClientError, "ServiceUnavailable", False),
    FaultKind.TIMED_OUT: (ReadTimeoutError, "", False),
    FaultKind.EXPIRED_TOKEN: (ClientError, "RequestExpired", False),
    FaultKind.DENIED: (ClientError, "UnauthorizedOperation", False),
    FaultKind.REFUSED: (ClientError, "TagPolicyViolation", False),
    FaultKind.KILL_BEFORE: (Killed, "", False),
    FaultKind.LOST_ANSWER: (ReadTimeoutError, "", True),
    FaultKind.TRUNCATED: (ResponseParserError, "", True),
    FaultKind.SERVER_ERROR_AFTER: (ClientError, "InternalError", True),
    FaultKind.KILL_AFTER: (Killed, "", True),
}


def _client(world, *faults):
    config = Config(retries={"total_max_attempts": 1})
    return session_for(world, faults=Faults(faults)).client("ec2", config=config)


def _gateways(world):
    return len(ask(world, "DescribeVpnGateways")["VpnGateways"])


def test_every_kind_but_two_raises():
    """A late answer and a foreign answer are answers; every other fault raises an error."""
    assert set(FaultKind) - set(RAISED) == {FaultKind.SLOW, FaultKind.FOREIGN}


@pytest.mark.parametrize("kind", RAISED)
def test_each_kind_raises_what_a_client_would_meet_and_has_its_effect_or_not(kind):
    """After a lost answer or a kill after the call the effect remains; otherwise there is none."""
    raised, code, effect = RAISED[kind]
    world = a_world()
    ec2 = _client(world, Fault(CREATE, kind, code="TagPolicyViolation", message="no"))
    with pytest.raises(raised) as caught:
        ec2.create_vpn_gateway(Type="ipsec.1")
    if isinstance(caught.value, ClientError):
        assert caught.value.response["Error"]["Code"] == code
    assert _gateways(world) == (2 if effect else 1)


def test_a_late_answer_is_the_same_answer():
    """A slow call takes the given extra time, and has its effect."""
    world = a_world()
    faults = Faults([Fault(CREATE, FaultKind.SLOW, late=timedelta(seconds=9))], world.clock.sleep)
    began = world.clock.now()

    session_for(world, faults=faults).client("ec2").create_vpn_gateway(Type="ipsec.1")

    assert world.clock.now() - began == timedelta(seconds=9) + LATENCY
    assert _gateways(world) == 2


def test_an_answer_that_is_not_awss_has_nothing_of_it():
    """A foreign answer has no resource and no request id, and the call has no effect."""
    world = a_world()

    answer = _client(world, Fault(CREATE, FaultKind.FOREIGN)).create_vpn_gateway(Type="ipsec.1")

    assert "VpnGateway" not in answer
    assert "RequestId" not in answer["ResponseMetadata"]
    assert _gateways(world) == 1


def test_it_strikes_the_nth_call_only():
    """The calls before and after the affected one succeed."""
    world = a_world()
    ec2 = _client(world, Fault(CREATE, FaultKind.DENIED, nth=2))
    ec2.create_vpn_gateway(Type="ipsec.1")
    with pytest.raises(ClientError):
        ec2.create_vpn_gateway(Type="ipsec.1")
    ec2.create_vpn_gateway(Type="ipsec.1")
    assert _gateways(world) == 3


def test_it_can_last():
    """A fault may affect several calls, or all calls from one on."""
    some = Fault(CREATE, FaultKind.DENIED, nth=2, times=2)
    assert [some.matches("ec2", CREATE, nth) for nth in range(1, 5)] == [
        False,
        True,
        True,
        False,
    ]
    ever = Fault(CREATE, FaultKind.DENIED, times=0)
    assert all(ever.matches("ec2", CREATE, nth) for nth in (1, 2, 1000))


def test_other_services_are_named_with_their_name():
    """A fault of another service is written service:operation."""
    world = a_world()
    faults = Faults([Fault("service-quotas:GetServiceQuota", FaultKind.DENIED, times=0)])
    session = session_for(world, faults=faults)
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        session.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode="L-1")
    assert session.client("ec2").describe_vpn_gateways()["VpnGateways"]
