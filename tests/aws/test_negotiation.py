"""Reads of negotiated algorithms: what an answer, or a refusal, of EC2 means."""

from __future__ import annotations

import pytest

from tests.aws.answering import NOT_THERE, Answering, Refusal
from vpnmigrate.aws.account import Reader
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import CredentialsExpiredError
from vpnmigrate.model.negotiated import NegotiationStatus, texts_of
from vpnmigrate.model.tunnel_maintenance import QueriedTunnel

CALL = "GetActiveVpnTunnelStatus"
TUNNEL = QueriedTunnel(VpnConnectionId("vpn-1"), "203.0.113.1")


def negotiated(answer):
    (found,) = Reader(Answering({CALL: answer}).clients(), VirtualClock()).negotiated([TUNNEL])
    return found


def test_every_member_is_read():
    """Each algorithm, group and additional key exchange of the answer is kept."""
    found = negotiated(
        {
            "ActiveVpnTunnelStatus": {
                "IkeVersion": "ikev2",
                "Phase1EncryptionAlgorithm": "AES256",
                "Phase1IntegrityAlgorithm": "SHA2-384",
                "Phase1DHGroup": 20,
                "Phase2EncryptionAlgorithm": "AES256-GCM-16",
                "Phase2DHGroup": 21,
                "ProvisioningStatus": "available",
                "Phase1AdditionalKeyExchanges": [
                    {"AdditionalKeyExchangeRound": 1, "KeyExchangeMethod": 36}
                ],
            }
        }
    )

    assert found.status is NegotiationStatus.SHOWN
    assert dict(texts_of(found)) == {
        "IKE versions": "ikev2",
        "IKE encryption": "AES256",
        "IKE integrity": "SHA2-384",
        "IKE DH groups": "20",
        "IPsec encryption": "AES256-GCM-16",
        "IPsec DH groups": "21",
        "IKE additional key exchanges": "round 1: 36",
    }


@pytest.mark.parametrize(
    ("answer", "status", "why"),
    [
        (Refusal("InvalidAction"), NegotiationStatus.NOT_OFFERED, "InvalidAction"),
        (Refusal("UnauthorizedOperation", status=403), NegotiationStatus.UNKNOWN, CALL),
        (Refusal("SomethingNew"), NegotiationStatus.UNKNOWN, "SomethingNew"),
        ({"ActiveVpnTunnelStatus": NOT_THERE}, NegotiationStatus.UNKNOWN, CALL),
        (
            {
                "ActiveVpnTunnelStatus": {
                    "ProvisioningStatus": "failed",
                    "ProvisioningStatusReason": "no proposal",
                }
            },
            NegotiationStatus.UNKNOWN,
            "provisioning is failed: no proposal",
        ),
    ],
)
def test_what_is_not_shown_has_a_reason(answer, status, why):
    """A failed read is a result with its reason."""
    found = negotiated(answer)

    assert found.status is status
    assert why in found.why


def test_expired_credentials_end_the_read():
    """Expired credentials are renewed, as in every other read."""
    with pytest.raises(CredentialsExpiredError):
        negotiated(Refusal("RequestExpired"))
