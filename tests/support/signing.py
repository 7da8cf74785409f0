"""SSH keys and lists of signers for tests, made with the real ``ssh-keygen``."""

from __future__ import annotations

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
