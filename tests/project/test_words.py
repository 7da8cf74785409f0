"""One list of words that no sentence of the project uses, and how docstrings begin.

The words hide who acts or stand for a term of the field.  CONTRIBUTING has the rules for prose.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.support.sources import MODULES, ROOT, SCRIPTS, TESTS, tree

BANNED = re.compile(
    r"\b(whoever|whosoever|nobody|somebody|anybody|(by )?another hand|other hands?|heed(s|ed|ing)?"
    r"|aloud|this very|shall|forerunner|turn(s|ed|ing)? (round|back)|way back|goes? back"
    r"|go(?:es|ing)? back to|gone back|going back|hardship|mishaps?|deeds?|all the same"
    r"|whatever interrupts|held against|tak(?:es|en|ing) up(?! to)|take up(?! to)|lock tag"
    r"|is no (?:case|platform|connection))\b",
    re.IGNORECASE,
)
FIRST_WORDS = re.compile(r"(Give|Tell|Say|Let|Put|Have|Be|Admit|Mind|Forget|Hear) ")
LONGEST_FIRST_LINE = 90
MOST_WORDS = 30
"""Entries of the glossary."""
QUOTED = re.compile(r"`[^`]*`")
"""Names and output, such as the gate ``way-back``."""

PAGES = ("README.md", "CONTRIBUTING.md", "docs", "playbooks")
OTHERS = ("docs/domain.md",)
"""It quotes AWS and others."""


def sentences(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the text of *path* by line: of a module its comments and strings, of a page all.

    A string without a blank is a key or a name.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), start=1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING) and " " in token.string:
            yield from enumerate(token.string.splitlines(), start=token.start[0])


def files() -> Iterator[Path]:
    """Yield the modules of the program and the pages for people."""
    yield from MODULES
    yield from sorted((ROOT / "vpnmigrate").rglob("*.j2"))
    for place in PAGES:
        path = ROOT / place
        found = (
            [path] if path.is_file() else sorted(path.rglob("*.md")) + sorted(path.rglob("*.yaml"))
        )
        yield from (f for f in found if not str(f.relative_to(ROOT)).startswith(OTHERS))


def test_no_sentence_has_a_banned_word() -> None:
    """The subject is named, and one thing has one word."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in files()
        for number, line in sentences(path)
        for match in BANNED.finditer(QUOTED.sub("", line))
    ]

    assert found == []


def test_docstrings_of_functions_begin_with_what_they_do() -> None:
    """A function that returns something says Return, Read, Create and so on (PEP 257)."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {docstring.splitlines()[0]}"
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef)
        if (docstring := ast.get_docstring(node)) and FIRST_WORDS.match(docstring)
    ]

    assert found == []


def test_no_text_for_operators_cites_a_page_that_an_installation_lacks() -> None:
    """The facts about AWS are cited in comments and docstrings; a message says its source."""
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in MODULES
        for text in _texts(tree(path))
        if "domain.md" in text
    ]

    assert found == []


def _texts(module: ast.Module) -> Iterator[str]:
    """Yield the strings of a module that are no docstrings."""
    docstrings = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                yield text


def test_a_module_begins_with_a_short_line() -> None:
    """The first line says what the module holds, in at most 90 characters."""
    found = [
        f"{path.relative_to(ROOT)}: {len(line)}"
        for path in (*MODULES, *TESTS, *SCRIPTS)
        if (docstring := ast.get_docstring(tree(path)))
        if len(line := docstring.splitlines()[0]) > LONGEST_FIRST_LINE
    ]

    assert found == []


def test_the_glossary_is_short_and_sorted() -> None:
    """It defines at most 30 words, and only once."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\*\*(.+?)\*\*:", text, re.MULTILINE)

    assert words == sorted(set(words))
    assert len(words) <= MOST_WORDS
