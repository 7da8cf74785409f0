"""TLS between a worker and a real PostgreSQL, with a certificate that is its own authority."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.builders import NOON
from tests.support.postgres import PROGRAMS_VARIABLE, a_postgres_server
from vpnmigrate.fleet.database.address import address_from
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.deliveries import install_queue
from vpnmigrate.fleet.database.version import version_of
from vpnmigrate.model.errors import DatabaseError

NAME = "localhost"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def a_certificate() -> tuple[bytes, bytes]:
    """Return a certificate for ``localhost``, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOON.astimezone(UTC) - timedelta(days=3650))
        .not_valid_after(NOON.astimezone(UTC) + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM), secret


def a_free_port() -> int:
    """Return a port of loopback that no process listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.skipif(not PROGRAMS, reason="needs Debian's postgresql: the wheel has no TLS")
def test_the_server_is_checked_by_the_address_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements and the queue need the authority of its certificate; another one is refused."""
    monkeypatch.setenv(PROGRAMS_VARIABLE, str(PROGRAMS[-1]))
    (certificate, key), (other, _) = a_certificate(), a_certificate()
    (tmp_path / "server.crt").write_bytes(certificate)
    (tmp_path / "other.crt").write_bytes(other)
    port = a_free_port()
    settings = {"ssl": "on", "listen_addresses": "127.0.0.1", "port": str(port)}
    files = {"server.crt": certificate, "server.key": key}

    def address(authority: str) -> str:
        trust = f"sslmode=verify-full&sslrootcert={tmp_path / authority}"
        return f"postgresql://postgres@{NAME}:{port}/postgres?{trust}"

    with a_postgres_server(settings=settings, files=files):
        trusted = address_from(address("server.crt"))
        opened = Database(trusted)
        assert version_of(opened) is None
        opened.close()
        asyncio.run(install_queue(trusted))

        with pytest.raises(DatabaseError, match="certificate verify failed"):
            version_of(Database(address_from(address("other.crt"))))
