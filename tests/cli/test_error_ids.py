"""Errors have stable ids, in messages, in JSON and on a page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from vpnmigrate.cli.error_catalogue import error_kinds, errors_page
from vpnmigrate.model.errors import VpnMigrateError

PACKAGE = Path(__file__).parents[2] / "vpnmigrate"
ID = re.compile(r"VPM-E\d{3}")


def test_each_kind_has_an_id_of_its_own():
    """An id is written in each class, well formed, and never used twice."""
    ids = [vars(kind).get("id", "") for kind in error_kinds()]

    assert [found for found in ids if not ID.fullmatch(found)] == []
    assert len(set(ids)) == len(ids)
    assert [kind.__name__ for kind in error_kinds() if "remedy" not in vars(kind)] == []


def test_no_kind_is_missing():
    """Every error class of the package is in the catalogue, wherever it is defined."""
    known = {kind.__name__ for kind in error_kinds()}
    written = {
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and {ast.unparse(base) for base in node.bases} & known
    }

    assert written - known == set()


def test_the_page_has_an_anchor_and_a_remedy_for_each():
    """Each id is a heading, so that a link to it works."""
    page = errors_page()

    for kind in error_kinds():
        assert f"\n## {kind.id}\n" in page
        assert kind.remedy in page
    assert "## VPM-E999" in page


def test_message_and_json_have_the_id(terminal):
    """The same id is below the message and in the document."""
    text = terminal.run("apply", "nothing.json")
    document = terminal.run("apply", "nothing.json", "--json").document

    (found,) = ID.findall(text.err)
    assert document["error"]["id"] == found
    assert found in {kind.id for kind in error_kinds()}


def test_a_run_that_fails_has_the_id_of_its_cause(terminal):
    """The wrapper of a failed run has no id of its own in messages."""
    terminal.without_engineer()
    terminal.planned()

    ran = terminal.run("apply", "plan.json", "--json")

    assert ran.code == 3
    assert ran.document["error"]["id"] == "VPM-E301"
    assert issubclass(next(k for k in error_kinds() if k.id == "VPM-E301"), VpnMigrateError)
