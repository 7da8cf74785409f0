"""Algorithms of the lab's tunnels, in EC2's words and in charon's."""

from __future__ import annotations

from vpnmigrate.rehearsal.lab.algorithms import negotiated, proposals
from vpnmigrate.rehearsal.lab.daemons import SecurityAssociations


def test_what_charon_lists_is_shown_in_words_of_ec2():
    """Version, cipher with its key size, integrity and group are those of the tunnel."""
    ike = {"version": "2", "encr-alg": "AES_CBC", "encr-keysize": "256"}
    ike |= {"integ-alg": "HMAC_SHA2_384_192", "dh-group": "ECP_384"}
    child = {"encr-alg": "AES_CBC", "encr-keysize": "128", "integ-alg": "HMAC_SHA1_96"}

    assert negotiated(SecurityAssociations(ike, child)) == {
        "IkeVersion": "ikev2",
        "Phase1EncryptionAlgorithm": "AES256",
        "Phase1IntegrityAlgorithm": "SHA2-384",
        "Phase1DHGroup": 20,
        "Phase2EncryptionAlgorithm": "AES128",
        "Phase2IntegrityAlgorithm": "SHA1",
    }


def test_gcm_has_no_integrity_and_an_unknown_word_is_shown_as_it_is():
    """Nothing is left out because the lab has no word of EC2's for it."""
    ike = {"version": "1", "encr-alg": "CAMELLIA_CBC", "encr-keysize": "256"}
    child = {"encr-alg": "AES_GCM_16", "encr-keysize": "256", "dh-group": "MODP_2048"}
    shown = negotiated(SecurityAssociations(ike | {"dh-group": "CURVE_25519"}, child))

    assert shown["Phase1EncryptionAlgorithm"] == "CAMELLIA_CBC-256"
    assert shown["Phase1DHGroup"] == "CURVE_25519"
    assert shown["Phase2EncryptionAlgorithm"] == "AES256-GCM-16"
    assert "Phase2IntegrityAlgorithm" not in shown


def test_proposals_keep_gcm_and_cbc_apart():
    """GCM needs a pseudo-random function in phase 1, and no integrity."""
    options = {
        "Phase1EncryptionAlgorithms": [{"Value": "AES256"}, {"Value": "AES256-GCM-16"}],
        "Phase1IntegrityAlgorithms": [{"Value": "SHA2-256"}],
        "Phase1DHGroupNumbers": [{"Value": 14}],
    }

    assert proposals(options, 1) == [
        "aes256-sha256-modp2048",
        "aes256gcm16-prfsha256-modp2048",
    ]
