"""Write the extract of VyOS's grammar.

``python -m tests.devices.grammar.vyos CHECKOUT COMMIT`` reads the interface definitions of a
checkout of https://github.com/vyos/vyos-1x and prints the extract.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring

from tests.devices.grammar.tree import Subtrees, Word, extract

FILES: Final = ("vpn_ipsec", "interfaces_vti", "protocols_bgp", "protocols_static", "policy")
DEPTHS: Final = {
    "vpn ipsec": 9,
    "interfaces vti": 9,
    "protocols bgp": 1,
    "protocols bgp neighbor": 9,
    "protocols static": 1,
    "protocols static route": 9,
    "policy": 1,
    "policy prefix-list": 9,
}
"""The subtrees that the template touches, and how many levels of each are kept."""
HEADER: Final = """\
Commands of VyOS, extracted by tests/devices/grammar/vyos.py; tree.py describes the format.
Source: the interface definitions of https://github.com/vyos/vyos-1x, branch sagitta (1.4),
commit {commit}, which are under the GNU LGPL 2.1 or later.
Only names, value types and structure are taken.
"""


def tree(definitions: Path) -> Word:
    """Return the commands that a folder of interface definitions describes."""
    root = Word("")
    for name in FILES:
        text = "\n".join(_lines(definitions / f"{name}.xml.in", definitions))
        for element in fromstring(text):
            _merge(root, element)
    return root


def _lines(file: Path, definitions: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if included := re.fullmatch(r"\s*#include\s+<(.+)>\s*", line):
            yield from _lines(definitions / included[1], definitions)
        else:
            yield line


def _merge(above: Word, element: Element) -> None:
    if element.tag not in {"node", "tagNode", "leafNode"}:
        return
    name = element.attrib["name"]
    values = " ".join(_values(element.find("properties"))) or "@text"
    word = above.words.get(name, Word(name, whole=True))
    match element.tag:
        case "tagNode":
            word = replace(word, key=_narrower(word.key, values))
        case "leafNode" if element.find("properties/valueless") is None:
            word = replace(word, value=_narrower(word.value, values), whole=False)
        case _:
            pass
    above.words[name] = word
    for child in element.iterfind("children/*"):
        _merge(word, child)


def _narrower(one: str | None, other: str) -> str:
    """Return the alternatives of a word that is defined twice."""
    return other if one in {None, "@text"} else str(one)


def _values(properties: Element | None) -> Iterator[str]:
    if properties is None:
        return
    for each in properties.iterfind("constraint/*"):
        name, argument = each.attrib.get("name", ""), each.attrib.get("argument", "")
        if each.tag == "regex":
            yield from _words_of(each.text or "")
        elif name == "numeric" and "--range" in argument:
            for least, most in re.findall(r"--range (\d+)-(\d+)", argument):
                yield f"{least}..{most}"
        elif not name.startswith("file-path"):  # whether the interface exists on the router
            yield f"@{name.split()[0]}"


def _words_of(pattern: str) -> Iterator[str]:
    """Yield the words of a pattern that only lists some, else the pattern."""
    listed = re.fullmatch(r"\(([\w|-]+)\)", pattern)
    if listed or re.fullmatch(r"[\w-]+", pattern):
        yield from (listed[1] if listed else pattern).split("|")
    else:
        yield f"@text~^({pattern})$".replace(" ", r"\x20")


def main(checkout: str, commit: str) -> None:
    """Print the extract."""
    root = tree(Path(checkout) / "interface-definitions")
    sys.stdout.write(extract(root, Subtrees(DEPTHS), HEADER.format(commit=commit)))


if __name__ == "__main__":
    main(*sys.argv[1:])
