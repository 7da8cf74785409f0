"""Mutants of a file: each is the file with one small change, made by mutmut's operators.

Only the operators are mutmut's.  Its own runner keeps all mutants of a function side by side behind
a switch, leaves out what is decorated or runs at import, and chooses tests by what called what in
a first run; here each mutant is a whole file, and the tests are chosen by line.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

ROOT = Path(__file__).parents[1]

Key = tuple[str, str, int]

OF_NO_USE = {"len", "isinstance"}
"""Most of what can be done to their arguments raises; mutmut leaves them alone as well."""


@dataclass(frozen=True)
class Place:
    """Where in a file a mutant changes something."""

    definition: str = ""
    """Class, function or method, with dots; nothing for the module itself."""
    lines: tuple[int, int] = (1, 1)
    """First and last line of the statement: who executes it may notice."""
    runs_at_import: bool = True


@dataclass(frozen=True)
class Mutant:
    """One small change to one file."""

    path: str
    digest: str
    """Of the file: as long as it is the same, so are the numbers."""
    number: int
    place: Place
    old: cst.CSTNode = field(repr=False)
    new: cst.CSTNode = field(repr=False)
    module: cst.Module = field(repr=False)

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.path, self.digest, self.number

    @property
    def line(self) -> str:
        """The first line of the statement it changes."""
        line: str = self.module.code.splitlines()[self.place.lines[0] - 1]
        return line.strip()

    @property
    def before(self) -> str:
        """What it changes."""
        code: str = self.module.code_for_node(self.old)
        return code

    @property
    def after(self) -> str:
        """What that becomes."""
        code: str = self.module.code_for_node(self.new)
        return code

    @property
    def source(self) -> str:
        """The whole file with the change."""
        changed = self.module.deep_replace(self.old, self.new)
        code: str = changed.code
        return code

    @property
    def is_another_program(self) -> bool:
        """Whether the change is Python, and other Python than before."""
        try:
            changed = ast.parse(self.source)
            compile(changed, self.path, "exec")
        except SyntaxError:
            return False
        return ast.dump(changed) != ast.dump(ast.parse(self.module.code))


def mutants_of(path: str) -> Iterator[Mutant]:
    """Return all mutants of the file at *path*, in their order in it."""
    source = (ROOT / path).read_text(encoding="utf-8")
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    wrapper = MetadataWrapper(cst.parse_module(source))
    positions = wrapper.resolve(PositionProvider)
    changes = (
        (place, node, changed)
        for node, place in _walk(wrapper.module, Place(), positions)
        for kind, operator in mutation_operators
        if isinstance(node, kind)
        for changed in operator(node)
    )
    for number, (place, node, changed) in enumerate(changes):
        yield Mutant(path, digest, number, place, node, changed, wrapper.module)


def _walk(
    node: cst.CSTNode, place: Place, positions: dict[cst.CSTNode, CodeRange]
) -> Iterator[tuple[cst.CSTNode, Place]]:
    match node:
        case cst.Annotation() | cst.Decorator():
            return  # annotations are postponed; without their decorators most things do not import
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value="__all__"))]):
            return  # nobody imports a star; ruff compares the names with what is there
        case cst.Call(func=cst.Name(value=name)) if name in OF_NO_USE:
            return
        case cst.ClassDef() | cst.FunctionDef():
            definition = f"{place.definition}.{node.name.value}".lstrip(".")
            place = replace(place, definition=definition)
        case _:
            pass
    if isinstance(node, cst.SimpleStatementLine | cst.BaseCompoundStatement):
        where = positions[node]
        place = replace(place, lines=(where.start.line, where.end.line))
    yield node, place
    for child in node.children:
        inside = isinstance(node, cst.FunctionDef) and child is node.body
        yield from _walk(
            child, replace(place, runs_at_import=False) if inside else place, positions
        )
