"""compose.yaml: what Docker Compose would start, as far as it can be checked without it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
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


def parsed(document: dict[str, Any]) -> Any:
    """Return *document*, whose merge keys YAML has resolved, as the specification reads it."""
    given = pytest.importorskip("compose_spec", reason="compose-spec is not installed")
    found = given.PyCompose.from_json(json.dumps(document))
    found.validate()
    return found


def test_it_follows_the_compose_specification() -> None:
    """A strict parser of the specification accepts each key, value and reference."""
    assert set(parsed(FILE).service_names()) == SERVICES.keys()


@pytest.mark.parametrize(
    ("changed", "said"), [({"restrat": "always"}, "restrat"), ({"secrets": ["other"]}, "other")]
)
def test_the_parser_of_the_specification_is_strict(changed: dict[str, Any], said: str) -> None:
    """An unknown key, or a secret that is not defined, is refused."""
    services = {**SERVICES, "worker": {**SERVICES["worker"], **changed}}

    with pytest.raises(ValueError, match=said):
        parsed({**FILE, "services": services})


def test_docker_compose_accepts_it(tmp_path: Path) -> None:
    """Its own parser interpolates the variables, and names the first fault."""
    words = [shutil.which("docker") or "docker", "compose"]
    try:
        subprocess.run([*words, "version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("docker compose is not installed")
    file = tmp_path / "compose.yaml"
    file.write_text(TEXT)

    done = subprocess.run(
        [*words, "--file", file, "config", "--quiet"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def _without_comments() -> str:
    return "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
