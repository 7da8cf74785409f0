"""The accepted part of YAML, with a line number for every error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpnmigrate.model.errors import MalformedFileError
from vpnmigrate.planning.strict_yaml import DEEPEST, document_from


def test_reads_plain_yaml() -> None:
    """Mappings, lists, numbers, booleans and texts are read as in YAML."""
    text = "a: 1\nb:\n  - x\n  - true\nc: {d: 'no'}\n"

    assert document_from(text, "f.yaml").data == {"a": 1, "b": ["x", True], "c": {"d": "no"}}


def test_an_empty_text_is_nothing() -> None:
    """An empty file has no data, and is valid YAML."""
    assert document_from("# only a comment\n", "f.yaml").data is None


def test_knows_the_line_of_every_value() -> None:
    """A path in the file has its line; another path has the line of the nearest value around it."""
    document = document_from("a:\n  b:\n    - x\n    - y\n", "f.yaml")

    assert document.line_of(("a", "b", 1)) == 4
    assert document.line_of(("a", "b", 1, "z")) == 4
    assert document.line_of(("a", "q")) == 1


def test_a_fault_names_file_line_and_field() -> None:
    """An error found later also has the line of the value."""
    document = document_from("a:\n  b:\n    - x\n", "f.yaml")

    fault = document.fault(("a", "b", 0), "not good", advice="do better")

    assert str(fault) == "f.yaml, line 3: a.b[0]: not good"
    assert fault.advice == "do better"


@pytest.mark.parametrize(
    ("text", "output"),
    [
        (
            "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n",
            "f.yaml, line 5: b.c is a duplicate key, first in line 3",
        ),
        ("a: &x 1\nb: *x\n", "f.yaml, line 2: an alias is not allowed; repeat the value instead"),
        ("a: [\n", "f.yaml, line 2: not YAML: "),
        ("? [a]\n: 1\n", "f.yaml, line 1: a key that is not plain text"),
        ("1: a\n", "f.yaml, line 1: a key that is not plain text"),
        ("a: 2001-99-99\n", "f.yaml, line 1: not YAML: a value that cannot be read"),
        ("a: 1\nb: !!python/object:os.system x\n", "f.yaml, line 2: not YAML: "),
        ("a: 1\n---\nb: 2\n", "f.yaml, line 2: not YAML: "),
        ("a: \x00\n", "f.yaml: not YAML text"),
    ],
)
def test_refuses_what_would_surprise(text: str, output: str) -> None:
    """Duplicate keys, aliases, odd keys, tags and broken text are refused by line."""
    with pytest.raises(MalformedFileError) as caught:
        document_from(text, "f.yaml")

    assert str(caught.value).startswith(output)


def test_refuses_what_is_nested_without_end() -> None:
    """A deeply nested text cannot exhaust the parser."""
    assert document_from("[" * DEEPEST + "]" * DEEPEST, "f.yaml").data

    with pytest.raises(MalformedFileError, match="nested more than"):
        document_from("[" * 5000, "f.yaml")


def test_quotes_nothing() -> None:
    """A broken line may contain a secret, so no message repeats it."""
    with pytest.raises(MalformedFileError) as caught:
        document_from("a: 1\nkey: 'hunter2\n", "f.yaml")

    assert "hunter2" not in str(caught.value)


@given(st.text("ab1: -[]{},'\"\n#./~", max_size=40))
def test_a_text_without_anything_unusual_is_read_as_by_the_slower_parser(text: str) -> None:
    """The parser in C is used for such texts alone; values, lines and faults are the same."""

    def read(comment: str) -> object:
        try:
            found = document_from(f"{comment}\n{text}", "f.yaml")
        except MalformedFileError as error:
            return error.message
        return repr(found.data), found.lines

    # A tab, also in a comment, makes it the slower one.
    assert read("# ") == read("#\t")
