"""A sandbox of a saved account: refused by name where it would be another account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vpnmigrate.cli.commands.sandbox import DESCRIBED, load
from vpnmigrate.model.errors import MalformedFileError


@pytest.fixture
def saved(terminal, tmp_path) -> Path:
    """Return a folder with the output of each command, as the AWS CLI prints it."""
    folder: Path = tmp_path / "account"
    folder.mkdir()
    for member, ending in DESCRIBED.items():
        document = {member: terminal.world.execute("ec2", f"Describe{member}", {})[member]}
        (folder / f"{ending}.json").write_text(json.dumps(document, default=str))
    return folder


def test_a_complete_folder_is_the_account(terminal, saved):
    """The gateway and its connections have their own ids."""
    loaded = load(str(saved))

    assert terminal.gateway in [gateway.id for gateway in loaded.gateways]
    assert [connection.id for connection in loaded.connections] == terminal.connections


@pytest.mark.parametrize("ending", DESCRIBED.values())
def test_a_missing_output_is_named_with_its_command(saved, ending):
    """Without one of the files the account would be incomplete."""
    (saved / f"{ending}.json").unlink()

    with pytest.raises(MalformedFileError, match="incomplete") as refused:
        load(str(saved))
    assert f"aws ec2 describe-{ending}" in str(refused.value.advice_text)


def test_several_scenarios_are_refused_by_name(terminal):
    """A sandbox serves one account, so the last of several is not taken silently."""
    ran = terminal.run("sandbox", "serve", "--scenario", "a.json", "--scenario", "b.json")

    assert ran.code == 2
    assert "2 times: a.json, b.json" in " ".join(ran.err.split())
    assert "one folder" in ran.err
