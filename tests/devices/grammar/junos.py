"""Write the extract of the grammar of Junos on SRX devices.

``python -m tests.devices.grammar.junos MODELS COMMIT`` reads ``junos-es-conf-*.yang`` of the folder
``RELEASE/native/conf-and-rpcs/junos-es/conf-with-extensions/models`` of a checkout of
https://github.com/Juniper/yang and prints the extract.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tests.devices.grammar.tree import NAMELESS, Subtrees, Word, extract

FILES: Final = ("security", "interfaces", "protocols", "policy-options", "routing-options")
DEPTHS: Final = {
    "security ike": 4,
    "security ipsec": 4,
    "security flow tcp-mss": 3,
    "security zones security-zone": 5,
    "interfaces * unit": 1,
    "interfaces * unit family inet": 1,
    "interfaces * unit family inet address": 1,
    "protocols bgp group": 1,
    "protocols bgp group local-as": 1,
    "protocols bgp group neighbor": 1,
    "protocols bgp group neighbor local-as": 1,
    "policy-options policy-statement": 1,
    "policy-options policy-statement from": 2,
    "policy-options policy-statement then": 1,
    "policy-options policy-statement term": 1,
    "policy-options policy-statement term from": 2,
    "policy-options policy-statement term then": 1,
    "routing-options static": 3,
}
"""The subtrees that the template touches, and how many levels of each are kept."""
HEADER: Final = """\
Commands of Junos on SRX devices, extracted by tests/devices/grammar/junos.py; tree.py
describes the format. Source: {release} of the YANG models of
https://github.com/Juniper/yang, commit {commit},
Copyright (c) 2025 Juniper Networks, Inc., under the Apache License 2.0.
Only names, value types and structure are taken.
Statements about groups (apply-groups, <*>) are left out.
"""


@dataclass
class Statement:
    """A statement of YANG: a keyword, its argument, and the statements in its braces."""

    keyword: str
    argument: str = ""
    inner: list[Statement] = field(default_factory=list)

    def argument_of(self, keyword: str) -> str | None:
        """Return the argument of the first statement inside that has *keyword*."""
        return next((each.argument for each in self.inner if each.keyword == keyword), None)

    @property
    def has_no_keyword(self) -> bool:
        """Whether the command line has the value alone."""
        return any(
            each.keyword == "junos:cli-feature" and each.argument == "nokeyword"
            for each in self.inner
        )


_TOKEN: Final = re.compile(
    r'/\*.*?\*/|//[^\n]*|"((?:[^"\\]|\\.)*)"|([{};])|([^\s{};"]+)', re.DOTALL
)


def parsed(text: str) -> Statement:
    """Return the statement of a module."""
    above, parts = [Statement("")], list[str]()
    for token in _TOKEN.finditer(text):
        quoted, sign, bare = token.groups()
        if sign in {"{", ";"}:
            keyword, *arguments = parts
            statement, parts = Statement(keyword, "".join(arguments)), []
            above[-1].inner.append(statement)
            if sign == "{":
                above.append(statement)
        elif sign == "}":
            above.pop()
        elif quoted is not None:
            parts.append(re.sub(r"\\(.)", _unescaped, quoted))
        elif bare is not None:
            parts.append(bare)
    return above[0].inner[0]


def _unescaped(escape: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t"}.get(escape[1], escape[1])


class Module:
    """A module, whose groupings are expanded where they are used."""

    def __init__(self, text: str) -> None:
        self._statements = parsed(text).inner
        self._groupings = {
            each.argument: each for each in self._statements if each.keyword == "grouping"
        }

    @property
    def release(self) -> str:
        """The release of Junos that the module is of."""
        revision = next(each for each in self._statements if each.keyword == "revision")
        return revision.argument_of("description") or ""

    def add_to(self, root: Word, subtrees: Subtrees) -> None:
        """Add to the configuration what the module adds to it."""
        for each in self._statements:
            if each.keyword == "augment" and each.argument.endswith("configuration"):
                self._add(root, self._expanded(each), subtrees, ())

    def _expanded(self, statement: Statement) -> Iterator[Statement]:
        """Yield the nodes in a statement, those of groupings and choices too."""
        for each in statement.inner:
            match each.keyword:
                case "uses" if each.argument != "apply-advanced":
                    yield from self._expanded(self._groupings[each.argument])
                case "choice" | "case":
                    yield from self._expanded(each)
                case "container" | "list" | "leaf" | "leaf-list":
                    yield each
                case _:
                    pass

    def _add(
        self,
        above: Word,
        nodes: Iterable[Statement],
        subtrees: Subtrees,
        path: tuple[str, ...],
    ) -> None:
        for each in nodes:
            word = self._word(each)
            at = (*path, word.name)
            if each.keyword in {"container", "list"}:
                keys = (each.argument_of("key") or "").split()
                inner = list(self._expanded(each))
                if subtrees.includes(at) and not word.hidden:
                    self._add(word, [i for i in inner if i.argument not in keys], subtrees, at)
                else:
                    word = replace(word, hidden=True)
            above.words[word.name] = _both(above.words.get(word.name), word)

    def _word(self, node: Statement) -> Word:
        name = NAMELESS if node.has_no_keyword else node.argument
        match node.keyword:
            case "container":
                return Word(name, whole=node.argument_of("presence") is not None)
            case "list":
                return self._list(name, node)
            case _:
                (kind,) = (each for each in node.inner if each.keyword == "type")
                if kind.argument == "empty":
                    return Word(name, whole=True)
                return Word(name, value=" ".join(_alternatives(kind)))

    def _list(self, name: str, node: Statement) -> Word:
        keys = (node.argument_of("key") or "").split()
        leaves = {each.argument: each for each in self._expanded(node) if each.argument in keys}
        first = self._word(leaves[keys[0]]).value
        match keys[1:]:
            case []:
                return Word(name, key=first, whole=True)
            case ["choice-ident", "choice-value"]:  # a route filter: how prefixes match it
                idents = (self._word(leaves["choice-ident"]).value or "").split()
                words = {
                    each: Word(each, whole=True) if each in ALONE else Word(each, value="@text")
                    for each in idents
                }
                return Word(name, key=first, words=words)
            case _:
                return Word(name, key=first, whole=True, hidden=True)


ALONE: Final = frozenset({"exact", "longer", "orlonger"})
"""Ways of matching a route filter that need no further value."""


def _both(one: Word | None, other: Word) -> Word:
    """Return one word for two values that stand at the same place."""
    if one is None or one.value is None or other.value is None:
        return other
    return replace(other, value=f"{one.value} {other.value}")


def _alternatives(kind: Statement) -> Iterator[str]:
    """Yield the alternatives of a type."""
    name = kind.argument
    if name == "union":
        members = [each for each in kind.inner if each.keyword == "type"]
        for each in members:
            if each.argument_of("pattern") not in OF_GROUPS:
                yield from _alternatives(each)
    elif name == "enumeration":
        yield from (each.argument for each in kind.inner if each.keyword == "enum")
    elif name == "string":
        yield _text(kind)
    elif sized := re.fullmatch(r"(u?)int(\d+)", name):
        bits = int(sized[2])
        limits = kind.argument_of("range") or (
            f"0 .. {2**bits - 1}" if sized[1] else f"{-(2 ** (bits - 1))} .. {2 ** (bits - 1) - 1}"
        )
        yield from limits.replace(" ", "").split("|")
    else:
        yield f"@{name.removeprefix('jt:')}"


OF_GROUPS: Final = frozenset({"<.*>|$.*", "$.*", "<.*>"})
"""Patterns of values that only configuration groups may have."""


def _text(kind: Statement) -> str:
    length = (kind.argument_of("length") or "").replace(" ", "")
    pattern = kind.argument_of("junos:posix-pattern") or kind.argument_of("pattern") or ""
    negated = pattern.startswith("!")
    shown = f"{'!' * negated}~{pattern.removeprefix('!')}" if pattern else ""
    return f"@text{{{length}}}{shown}".replace("{}", "").replace(" ", r"\x20").replace("\n", r"\n")


def main(models: str, commit: str) -> None:
    """Print the extract."""
    root, release, subtrees = Word(""), "", Subtrees(DEPTHS)
    for name in FILES:
        (file,) = Path(models).glob(f"junos-es-conf-{name}@*.yang")
        module = Module(file.read_text(encoding="utf-8"))
        module.add_to(root, subtrees)
        release = module.release
    sys.stdout.write(extract(root, subtrees, HEADER.format(release=release, commit=commit)))


if __name__ == "__main__":
    main(*sys.argv[1:])
