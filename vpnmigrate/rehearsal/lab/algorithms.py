"""Algorithms of a tunnel in EC2's words and in charon's: proposals, and what was negotiated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vpnmigrate.rehearsal.lab.daemons import SecurityAssociations

_CIPHERS: Final = {
    "AES128": "aes128",
    "AES256": "aes256",
    "AES128-GCM-16": "aes128gcm16",
    "AES256-GCM-16": "aes256gcm16",
}
_HASHES: Final = {"SHA1": "sha1", "SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"}
_GROUPS: Final = {
    2: "modp1024", 5: "modp1536", 14: "modp2048", 15: "modp3072", 16: "modp4096", 17: "modp6144",
    18: "modp8192", 19: "ecp256", 20: "ecp384", 21: "ecp521", 22: "modp1024s160",
    23: "modp2048s224", 24: "modp2048s256",
}  # fmt: skip
"""Words of charon's proposals."""

_CIPHERS_SHOWN: Final = {
    ("AES_CBC", "128"): "AES128",
    ("AES_CBC", "256"): "AES256",
    ("AES_GCM_16", "128"): "AES128-GCM-16",
    ("AES_GCM_16", "256"): "AES256-GCM-16",
}
_HASHES_SHOWN: Final = {
    "HMAC_SHA1_96": "SHA1",
    "HMAC_SHA2_256_128": "SHA2-256",
    "HMAC_SHA2_384_192": "SHA2-384",
    "HMAC_SHA2_512_256": "SHA2-512",
}
_GROUPS_SHOWN: Final = {
    "MODP_1024": 2, "MODP_1536": 5, "MODP_2048": 14, "MODP_3072": 15, "MODP_4096": 16,
    "MODP_6144": 17, "MODP_8192": 18, "ECP_256": 19, "ECP_384": 20, "ECP_521": 21,
    "MODP_1024_160": 22, "MODP_2048_224": 23, "MODP_2048_256": 24,
}  # fmt: skip
"""Words of charon's list of security associations."""


def proposals(options: Mapping[str, Any], phase: int) -> list[str]:
    """Return the proposals of a phase: GCM, which has no integrity in phase 2, and CBC apart."""
    ciphers = _words(options, f"Phase{phase}EncryptionAlgorithms", _CIPHERS)
    hashes = _words(options, f"Phase{phase}IntegrityAlgorithms", _HASHES)
    groups = _words(options, f"Phase{phase}DHGroupNumbers", _GROUPS)
    cbc = [cipher for cipher in ciphers if "gcm" not in cipher]
    gcm = [cipher for cipher in ciphers if "gcm" in cipher]
    prfs = [f"prf{each}" for each in hashes] if phase == 1 else []
    found = (cbc and [*cbc, *hashes, *groups], gcm and [*gcm, *prfs, *groups])
    return ["-".join(each) for each in found if each]


def listed(options: Mapping[str, Any], name: str) -> list[Any]:
    """Return the values of an option of EC2; none if it is not set."""
    return [each["Value"] if isinstance(each, Mapping) else each for each in options.get(name, ())]


def _words(options: Mapping[str, Any], name: str, known: Mapping[Any, str]) -> list[str]:
    values = listed(options, name)
    return [word for value, word in known.items() if not values or value in values]


def negotiated(found: SecurityAssociations) -> dict[str, Any]:
    """Return what EC2 shows of a tunnel that has negotiated *found* (GetActiveVpnTunnelStatus).

    Without a word of EC2's, charon's own is shown.  The first keys of IPsec come from IKE's
    exchange, so phase 2 has no group before it is rekeyed (RFC 7296, 1.2).
    """
    shown: dict[str, Any] = {"IkeVersion": f"ikev{found.ike['version']}"}
    for phase, values in (("Phase1", found.ike), ("Phase2", found.child)):
        cipher = (values.get("encr-alg", ""), values.get("encr-keysize", ""))
        integrity, group = values.get("integ-alg"), values.get("dh-group")
        shown[f"{phase}EncryptionAlgorithm"] = _CIPHERS_SHOWN.get(cipher, "-".join(cipher))
        if integrity is not None:
            shown[f"{phase}IntegrityAlgorithm"] = _HASHES_SHOWN.get(integrity, integrity)
        if group is not None:
            shown[f"{phase}DHGroup"] = _GROUPS_SHOWN.get(group, group)
    return shown
