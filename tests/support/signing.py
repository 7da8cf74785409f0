"""SSH keys and lists of signers for tests, made with the real ``ssh-keygen``."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from vpnmigrate.local.ssh_keygen import TrustedSigners


class KeyRing:
    """SSH keys by name, in a folder of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def key(self, name: str, passphrase: str = "") -> Path:
        """Return the private key of *name*; create it if it is missing."""
        file = self.folder / name
        if not file.exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f"]
            subprocess.run([*words, str(file)], check=True, timeout=30)
        return file

    def rsa_key(self, name: str) -> Path:
        """Return a new private key of *name* with RSA, whose numbers have many encodings."""
        file = self.folder / name
        words = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", name, "-f"]
        subprocess.run([*words, str(file)], check=True, timeout=120)
        return file

    def certificate(self, name: str, principal: str, *, by: str, serial: int) -> bytes:
        """Return a certificate of *name*'s key for *principal*, by the authority *by*."""
        authority, public = str(self.key(by)), f"{self.key(name)}.pub"
        words = ["ssh-keygen", "-q", "-s", authority, "-I", name, "-n", principal]
        subprocess.run([*words, "-z", str(serial), public], check=True, timeout=30)
        text = (self.folder / f"{name}-cert.pub").read_text()
        return base64.b64decode(text.split()[1])

    def public(self, name: str) -> str:
        """Return the public key of *name*, without its comment."""
        self.key(name)
        return " ".join((self.folder / f"{name}.pub").read_text().split()[:2])

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of *name*'s key, as ``ssh-keygen -l`` shows it."""
        words = ["ssh-keygen", "-l", "-f", str(self.key(name))]
        shown = subprocess.run(words, check=True, timeout=30, capture_output=True, text=True)
        fingerprint: str = shown.stdout.split()[1]
        return fingerprint

    def line(self, principal: str, name: str, options: str = "") -> str:
        """Return a line of allowed_signers."""
        return " ".join(filter(None, (principal, options, self.public(name)))) + "\n"

    def trust(self, *lines: str, revoked: bytes | None = None) -> TrustedSigners:
        """Return *lines* as the root of trust."""
        return TrustedSigners("allowed_signers", "".join(lines).encode(), revoked)


def a_program(folder: Path, text: str) -> tuple[str]:
    """Write a shell script named ``ssh-keygen``, and return the places to find it in."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "ssh-keygen"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return (str(folder),)


def key_of(signature: str) -> bytes:
    """Return the encoded public key in *signature*."""
    raw = _raw(signature)
    return raw[14 : 14 + int.from_bytes(raw[10:14], "big")]


def with_key(signature: str, key: bytes) -> str:
    """Return *signature* with another encoding of its public key, which it does not cover."""
    raw = _raw(signature)
    rest = raw[14 + len(key_of(signature)) :]
    made = raw[:10] + len(key).to_bytes(4, "big") + key + rest
    body = base64.encodebytes(made).decode()
    return f"-----BEGIN SSH SIGNATURE-----\n{body}-----END SSH SIGNATURE-----\n"


def with_zeros(key: bytes) -> bytes:
    """Return an RSA public key with two zero bytes before its exponent."""
    at = 4 + int.from_bytes(key[:4], "big")
    length = int.from_bytes(key[at : at + 4], "big")
    return key[:at] + (length + 2).to_bytes(4, "big") + b"\0\0" + key[at + 4 :]


def _raw(signature: str) -> bytes:
    """Return the decoded signature: six bytes of magic, a version, the key, and the rest."""
    return base64.b64decode("".join(signature.split("\n")[1:-2]))
