"""compose.yaml: what Docker Compose would start, as far as it can be checked without it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_pasted_commands import require_parsed
from vpnmigrate.fleet.database.address import address_from
from vpnmigrate.local.settings import DATABASE_VARIABLE

TEXT = (Path(__file__).parents[2] / "compose.yaml").read_text("utf-8")
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = FILE["services"]
ROLES = {"upgrade": "owner", "worker": "worker", "board": "reader", "operator": "operator"}


@pytest.mark.parametrize("name", ROLES)
def test_each_service_has_the_role_and_the_password_of_its_work(name: str) -> None:
    """The address has no password, and the certificate of the server is checked."""
    service = SERVICES[name]
    address = address_from(service["environment"][DATABASE_VARIABLE])
    secrets = [each for each in service["secrets"] if isinstance(each, dict)]

    assert address.url.username == f"vpnmigrate_{ROLES[name]}"
    assert address.password is None
    assert address.url.query["sslmode"] == "verify-full"
    assert secrets == [{"source": ROLES[name], "target": "password"}]


@pytest.mark.parametrize("name", sorted(ROLES.keys() - {"upgrade"}))
def test_the_command_of_a_service_is_one_of_the_program(name: str) -> None:
    """Compose replaces a variable by its default."""
    words = (re.sub(r"\$\{\w+:-(.*)\}", r"\1", word) for word in SERVICES[name]["command"])

    require_parsed(("vpnmigrate", "fleet", *words))


def test_nothing_is_named_that_is_not_defined() -> None:
    """Secrets, configurations and volumes; and Compose interpolates only what it should."""
    for service in SERVICES.values():
        named = [e["source"] if isinstance(e, dict) else e for e in service.get("secrets", ())]
        assert FILE["secrets"].keys() >= set(named)
        assert FILE["configs"].keys() >= {each["source"] for each in service.get("configs", ())}
    assert re.findall(r"(?<!\$)\$(?!\$|\{[A-Z_]+:-\w*\}).", _without_comments()) == []


def _without_comments() -> str:
    return "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
