"""Man pages, generated from the commands: the same text as ``--help``.

Typer carries its own copy of Click, which no generator of man pages reads; so this is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import typer

import vpnmigrate
from vpnmigrate.cli.app import NAME, app
from vpnmigrate.cli.reference import EXITS

SECTION = 1


def man_pages() -> dict[str, str]:
    """Return the man pages by file name: one of the program, and one of each command."""
    root = typer.main.get_command(app)
    pages = dict(_pages(root, (NAME,)))
    return {f"{'-'.join(path)}.{SECTION}": text for path, text in pages.items()}


def _pages(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    children: Any = getattr(command, "commands", {})
    yield path, _page(command, path)
    for name in children:
        yield from _pages(children[name], (*path, name))


def _page(command: Any, path: tuple[str, ...]) -> str:
    context = command.make_context(" ".join(path), [], resilient_parsing=True)
    title, _, rest = (command.help or "").partition("\n\n")
    children = getattr(command, "commands", {})
    lines = [
        f'.TH "{"-".join(path).upper()}" "{SECTION}" "" "{NAME} {vpnmigrate.__version__}"',
        ".SH NAME",
        f"{'-'.join(path)} \\- {_plain(title).rstrip('.')}",
        ".SH SYNOPSIS",
        f".B {_plain(' '.join(path))}",
        _plain(" ".join(command.collect_usage_pieces(context))),
    ]
    if rest:
        lines += [".SH DESCRIPTION", *_paragraphs(rest)]
    lines += _section("ARGUMENTS", _parameters(command, context, "argument"))
    lines += _section("OPTIONS", _parameters(command, context, "option"))
    names = [(name, children[name].get_short_help_str(limit=200)) for name in children]
    lines += _section("COMMANDS", [(f"\\fB{_plain(n)}\\fR", text) for n, text in names])
    codes = [(str(code.value), meaning) for code, meaning in sorted(EXITS.items())]
    lines += _section("EXIT STATUS", codes)
    lines += [".SH SEE ALSO", _see_also(path, list(children))]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        lines += [".PP", _plain(" ".join(paragraph.split()))]
    return lines


def _section(title: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    lines = [f".SH {title}"]
    for name, text in rows:
        lines += [".TP", name, _plain(" ".join(text.split()))]
    return lines


def _parameters(command: Any, context: Any, kind: str) -> list[tuple[str, str]]:
    """Return the rows of ``--help`` about the parameters of one *kind*: argument or option."""
    found = [each for each in command.get_params(context) if each.param_type_name == kind]
    records = [record for each in found if (record := each.get_help_record(context))]
    return [(f"\\fB{_plain(name)}\\fR", text) for name, text in records]


def _see_also(path: Sequence[str], children: Sequence[str]) -> str:
    related = [(*path, name) for name in children] or [tuple(path[:-1])]
    return ", ".join(f"\\fB{_plain('-'.join(each))}\\fR({SECTION})" for each in related)


_CONTROL = re.compile(r"^(?=[.'])")


def _plain(text: str) -> str:
    """Return *text* with roff's special characters escaped."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return _CONTROL.sub(r"\\&", escaped)
