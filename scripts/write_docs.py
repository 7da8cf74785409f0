"""Write the parts of the documentation that are generated from the program and its tests.

usage: write_docs.py [--check]     --check writes nothing, lists stale pages, exit status 1 if any
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import fault_page
import msgspec
import simulate

from vpnmigrate.cli.error_catalogue import errors_page
from vpnmigrate.cli.man_pages import man_pages
from vpnmigrate.cli.reference import markdown
from vpnmigrate.fleet.campaign import campaign_schema_text
from vpnmigrate.local.hooks import HookInput
from vpnmigrate.model.ec2_members import SHAPES, members
from vpnmigrate.model.gates import GATES, UNFORCEABLE, Gate, Milestone
from vpnmigrate.planning.iam_policy import policy_for_any_plan
from vpnmigrate.planning.permissions import RunPhase
from vpnmigrate.planning.playbook import schema_text

ROOT = Path(__file__).parents[1]
CASE = re.compile(r"\b[Cc]ases? (\d+(?:(?:, | and )\d+)*)")
ROW = re.compile(r"^\| (\d+) \| (.*?) \| (.*?) \| (.*?) \|$")
BEGIN = "<!-- transcript of `vpnmigrate demo` -->\n"
END = "<!-- end of transcript -->\n"
SHOWN = ("3", "4", "5")
"""Parts of the demo on its page: killed during the outage, `status`, resumed by another process."""


def tests_by_case(tests: Path) -> dict[int, list[str]]:
    """Return for each case number the test files whose docstrings name it."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for path in sorted(tests.rglob("test_*.py")):
        for docstring in _docstrings(path):
            for numbers in CASE.findall(docstring):
                for number in re.findall(r"\d+", numbers):
                    found[int(number)].add(path.relative_to(tests.parent).as_posix())
    return {number: sorted(paths) for number, paths in found.items()}


def _docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


def cases_page(page: str, tests: dict[int, list[str]]) -> str:
    """Return *page* with the last column of its tables filled from *tests*."""
    return "\n".join(_row(line, tests) for line in page.split("\n"))


def _row(line: str, tests: dict[int, list[str]]) -> str:
    match = ROW.match(line)
    if match is None:
        return line
    number, given, must, _ = match.groups()
    links = ", ".join(
        f"[{path.removeprefix('tests/')}](../{path})" for path in tests.get(int(number), [])
    )
    return f"| {number} | {given} | {must} | {links or '-'} |"


def findings_page(preflight: Path) -> str:
    """Return the page of every finding that planning can report, read from the checks."""
    rows = sorted(row for path in sorted(preflight.glob("*.py")) for row in _findings(path))
    return "\n".join(
        [
            "# Findings",
            "",
            "What planning may report: `VPM-B…` blocks, `VPM-W…` warns.",
            "Codes and names are stable.  Written from the program by `make docs`; do not edit.",
            "",
            "| code | name | the check | what to do |",
            "| --- | --- | --- | --- |",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
        ]
    )


def carried_page() -> str:
    """Return the page of what happens to each member of EC2's descriptions."""
    lines = [
        "# What a successor keeps",
        "",
        "One row for each member of EC2's descriptions in botocore's model: its value is *kept*,",
        "*decided* by the playbook, *told* to the operator, or *not on a virtual private gateway*.",
        "Written from the program by `make docs`; do not edit.",
    ]
    for shape in SHAPES:
        lines += ["", f"## {shape}", "", "| member | value | how |", "| --- | --- | --- |"]
        lines += [
            f"| `{each.name}` | {each.treatment} | {each.how} |"
            for each in members()
            if each.shape == shape
        ]
    return "\n".join([*lines, ""])


def gates_page(page: str) -> str:
    """Return *page* with the tables of the gates before each milestone.

    Raises:
        ValueError: The page has no table for a milestone.
    """
    for milestone, rules in GATES.items():
        head = (
            f"| gate before {_NAMES[milestone]} | requires | can be forced |\n| --- | --- | --- |\n"
        )
        if head not in page:
            raise ValueError(f"docs/how-to/change-window.md lacks the table of {milestone}")
        before, _, rest = page.partition(head)
        after = rest[rest.index("\n\n") :]
        rows = (f"| `{rule.gate}` | {rule.required} | {_forceable(rule.gate)} |" for rule in rules)
        page = f"{before}{head}{chr(10).join(rows)}{after}"
    return page


_NAMES = {Milestone.CUTOVER: "the cutover", Milestone.FINALIZE: "finalize"}


def _forceable(gate: Gate) -> str:
    return f"no: {UNFORCEABLE[gate]}" if gate in UNFORCEABLE else "yes"


def _findings(path: Path) -> Iterator[tuple[str, ...]]:
    module = ast.parse(path.read_text(encoding="utf-8")).body
    constants = {
        name.id: value
        for node in module
        if isinstance(node, ast.Assign)
        for name, value in ((node.targets[0], node.value),)
        if isinstance(name, ast.Name)
    }
    for function in module:
        if not isinstance(function, ast.FunctionDef):
            continue
        check = (ast.get_docstring(function) or "-").split("\n\n")[0]
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Name("Finding"), args=[code, name, _, fix]):
                    names = (f"`{_text(part, constants)}`" for part in (code, name))
                    yield tuple(map(_cell, (*names, check, _text(fix, constants))))
                case _:
                    pass


def _text(node: ast.expr, constants: Mapping[str, ast.expr]) -> str:
    """Return a string as it is written; what is filled in at run time becomes an ellipsis."""
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(parts):
            return "".join(_text(part, constants) for part in parts)
        case ast.BinOp(left, ast.Add(), right):
            return _text(left, constants) + _text(right, constants)
        case ast.Name(name) if name in constants:
            return _text(constants[name], constants)
        case _:
            return "…"


def _cell(text: str, facts: str = "../domain.md") -> str:
    """Return *text* for a table; *facts* is where the page finds the facts about AWS."""
    linked = re.sub(r"domain\.md (\d[\d.]*\d|\d)", rf"[domain.md \1]({facts})", text)
    return re.sub(r"\s+", " ", linked).replace("|", "\\|")


def demo_transcript() -> str:
    """Return the output of `vpnmigrate demo` without a terminal, in an empty home."""
    with tempfile.TemporaryDirectory() as home:
        demo = subprocess.run(
            [sys.executable, "-m", "vpnmigrate", "demo"],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            cwd=home,
            env={"HOME": home, "PATH": os.defpath, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        )
    return demo.stdout


def parts(transcript: str, shown: Collection[str]) -> str:
    """Return the parts of *transcript* whose numbers are *shown*.

    Raises:
        ValueError: The demo has no part with one of these numbers.
    """
    _, *found = re.split(r"^--- (\d+) -+\n", transcript, flags=re.MULTILINE)
    numbered = dict(zip(found[::2], found[1::2], strict=True))
    if missing := set(shown) - set(numbered):
        raise ValueError(f"the demo has no part {', '.join(sorted(missing))}")
    return "\n".join(numbered[number].strip() + "\n" for number in shown)


def with_transcript(page: str, transcript: str) -> str:
    """Return *page* with *transcript* between its marks.

    Raises:
        ValueError: A mark is missing.
    """
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError("docs/demo.md lacks the marks around its transcript")
    return f"{before}{BEGIN}\n```text\n{transcript.rstrip()}\n```\n\n{END}{after}"


def demo_page(page: str) -> str:
    """Return *page* with the current transcript, unless they differ only in random values."""
    today = with_transcript(page, parts(demo_transcript(), SHOWN))
    return page if without_drawn_values(page) == without_drawn_values(today) else today


def without_drawn_values(text: str) -> str:
    """Return *text* without the values that differ from run to run.

    Ids and addresses are random, and so is the duration of a call to the sandbox: it changes which
    waits are shown, the times of day, and each duration.
    """
    entries = _FOLDED.sub(" ", text).split("\n")
    output = "\n".join(entry for entry in entries if not _WAIT.match(entry))
    return " ".join(_DRAWN.sub("#", output).split())


_FOLDED = re.compile(r"\n {10,}")
_WAIT = re.compile(r"\d\d:\d\d:\d\dZ +step \d+ waits ")
_DRAWN = re.compile(
    r"""
    \b(?:
        [0-9a-f]{64}
        | (?:m-|vgw-|vpn-|ann@laptop/)[0-9a-f]{8,17}
        | 198(?:\.\d+){3}
        | (?:\d{4}-\d\d-\d\d[ ])?\d\d:\d\d(?::\d\d)?Z
        | \d+[ ](?:h|min|s)(?:[ ]\d+[ ](?:min|s))*
    )\b
    """,
    re.VERBOSE,
)


_POLICY = re.compile(
    r"(?<=<!-- policy: )(?P<phase>[a-z]+) -->\n.*?(?=<!-- end of policy -->)", re.DOTALL
)


def permissions_page(page: str) -> str:
    """Return *page* with the policy of each phase between its marks.

    Raises:
        ValueError: A phase has no marks, or there is no such phase.
    """
    found = [RunPhase(mark["phase"]) for mark in _POLICY.finditer(page)]
    if missing := set(RunPhase) - set(found):
        raise ValueError(f"docs/how-to/permissions.md lacks {', '.join(sorted(missing))}")
    return _POLICY.sub(_policy_block, page)


def _policy_block(mark: re.Match[str]) -> str:
    policy = policy_for_any_plan({RunPhase(mark["phase"])}).document()
    return f"{mark['phase']} -->\n\n```json\n{json.dumps(policy, indent=2)}\n```\n\n"


_FIELDS = re.compile(r"(?<=<!-- fields of Behaviour -->\n).*?(?=<!-- end of fields -->)", re.DOTALL)


def fidelity_page(page: str, module: Path) -> str:
    """Return *page* with each field of the sandbox's behaviour, read from *module*.

    Raises:
        ValueError: The page lacks the marks around its table, or a field its docstring.
    """
    if not _FIELDS.search(page):
        raise ValueError("docs/sandbox-fidelity.md lacks the marks around the fields of Behaviour")
    rows = "".join(f"| {' | '.join(row)} |\n" for row in _behaviour_fields(module))
    table = f"\n| Field | Default | Meaning |\n| --- | --- | --- |\n{rows}\n"
    return _FIELDS.sub(lambda _: table, page)


def _behaviour_fields(module: Path) -> Iterator[tuple[str, ...]]:
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef) or node.name != "Behaviour":
            continue
        for field, below in pairwise(node.body):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value),
                    ast.Expr(ast.Constant(str(text))),
                ):
                    meaning = _cell(text.replace("``", "`"), "domain.md")
                    yield f"`{name}`", f"`{ast.unparse(value)}`", meaning
                case ast.AnnAssign(target=ast.Name(name)), _:
                    raise ValueError(f"{name} of Behaviour has no docstring")
                case _:
                    pass


def hook_schema() -> str:
    """Return the JSON Schema of the document that a hook reads."""
    return json.dumps(msgspec.json.schema(HookInput), indent=2, sort_keys=True) + "\n"


def pages() -> dict[Path, str]:
    """Return every generated page with the text it should have."""
    docs = ROOT / "docs"
    cases, demo, reference = docs / "cases.md", docs / "demo.md", docs / "reference"
    window = docs / "how-to" / "change-window.md"
    permissions = docs / "how-to" / "permissions.md"
    fidelity = docs / "sandbox-fidelity.md"
    return {
        demo: demo_page(demo.read_text(encoding="utf-8")),
        window: gates_page(window.read_text(encoding="utf-8")),
        reference / "playbook.schema.json": schema_text(),
        reference / "campaign.schema.json": campaign_schema_text(),
        reference / "hook.schema.json": hook_schema(),
        reference / "carried-over.md": carried_page(),
        reference / "cli.md": markdown(),
        reference / "errors.md": errors_page(),
        **{docs / "man" / name: text for name, text in man_pages().items()},
        docs / "faults.md": fault_page.page(),
        fidelity: fidelity_page(
            fidelity.read_text(encoding="utf-8"),
            ROOT / "vpnmigrate" / "sandbox" / "behaviour.py",
        ),
        permissions: permissions_page(permissions.read_text(encoding="utf-8")),
        reference / "findings.md": findings_page(ROOT / "vpnmigrate" / "planning" / "preflight"),
        # A change of the journals is seen in the commit that makes it.
        ROOT / "tests" / "rehearsal" / "journals.sha256": simulate.journals_digest(8) + "\n",
        cases: cases_page(cases.read_text(encoding="utf-8"), tests_by_case(ROOT / "tests")),
    }


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` print which are stale; return the exit status."""
    stale = {
        path: text
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for path, text in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
