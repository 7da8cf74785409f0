"""The JSON Schema of playbooks agrees with the program and with the ready playbooks."""

from __future__ import annotations

import json

import pytest

from vpnmigrate.local.documents import PLAYBOOKS
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.planning.playbook import playbook_schema
from vpnmigrate.planning.strict_yaml import document_from


def test_the_schema_knows_every_decision() -> None:
    """The schema has every field, and refuses all others."""
    decisions = playbook_schema()["$defs"]["Decisions"]

    assert set(decisions["properties"]) == set(Decisions.__struct_fields__)
    assert decisions["additionalProperties"] is False


def test_spans_are_written_as_people_do() -> None:
    """The schema has durations such as 30s and 1h30m, not ISO 8601."""
    text = json.dumps(playbook_schema())

    assert "duration" not in text
    assert "([0-9]{1,5})s" in text


@pytest.mark.parametrize("name", PLAYBOOKS.names)
def test_ready_playbooks_say_what_the_schema_knows(name: str) -> None:
    """Every ready playbook is valid by the schema."""
    schema = playbook_schema()
    said = document_from(PLAYBOOKS.read(name).text, name).data

    assert set(said) <= set(schema["$defs"]["Playbook"]["properties"])
    assert set(said["decisions"]) <= set(schema["$defs"]["Decisions"]["properties"])
