"""Every place of CONTRIBUTING's "Where do I add" exists for each gate, finding and so on."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from functools import cache
from pathlib import Path

from msgspec.structs import fields, replace

from tests.cli.test_surface import FLAGS
from tests.support.sources import PACKAGE, ROOT
from vpnmigrate.cli.app import CommandEntry, Program
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.errors.commands import Invocation, cli
from vpnmigrate.model.gates import Gate, Milestone, gates_before
from vpnmigrate.planning import preflight
from vpnmigrate.rehearsal.simulation.behaviours import KEPT
from vpnmigrate.sandbox.behaviour import Behaviour

EVIDENCE = re.compile(r"\b(documented|reported|assumed|conflict)\b", re.IGNORECASE)
"""What is said of each behaviour of EC2 in the sandbox; docs/sandbox-fidelity.md defines it."""
NOT_DRAWN = {
    "detach_with_direct_connect": "simulated gateways have no Direct Connect",
    "vpc_creation": "settles before a test VPC is used",
    "tunnel_modification": "no step modifies a tunnel",
    "lagging": "with none named, every describe lags",
}
"""Behaviour that a simulated world keeps at its default, with the reason."""
GROUPS = {
    "device",
    "device_driver",
    "device_sample",
    "fleet",
    "fleet_control",
    "fleet_views",
    "fleet_worker",
    "playbook",
    "report",
    "sandbox",
}
"""Files of commands that are in a group."""
OWN_REGION = {"iam-policy"}
"""Commands whose option ``--region`` is a value of their document."""
BUILDERS = {
    *("base.failed", "base.passed", "base.unknown", "base.unless"),
    *("change_control.changed_program", "change_control.hook", "devices.device_drivers"),
}
"""Parts of gates, and those of programs: the runner evaluates them first, as they may be slow."""
ANSWERS_UNCHANGED = {
    "workflow_ends_after": "only changes are refused",
    "read_lag": "a lagging answer is never kept",
    "detached_lingers": "the end of a row is a moment of its life",
    "deleted_lingers": "the end of a row is a moment of its life",
}
"""Delays after which no kept answer changes, with the reason."""


def text_of(*places: str) -> str:
    """Return the text of files and folders below the root."""
    paths = [ROOT / place for place in places]
    files = [f for p in paths for f in (sorted(p.rglob("*.py")) if p.is_dir() else [p])]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_a_gate_has_its_check_and_its_rule() -> None:
    """Each gate is evaluated, and has a rule for the runbook and for the page of the gates."""
    checks = text_of("vpnmigrate/engine/gates")
    ruled = {gate for milestone in Milestone for gate in gates_before(milestone)}

    evaluated = text_of("vpnmigrate/engine/gates/__init__.py")
    written = {
        f"{file.stem}.{node.name}"
        for file in (PACKAGE / "engine" / "gates").glob("[!_]*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and node.returns is not None
        and ast.unparse(node.returns) == "GateResult"
    }

    uncalled = {name for name in written if f"{name}(" not in evaluated} - BUILDERS
    assert uncalled == set(), "call it in engine/gates/__init__.py"
    assert [g.name for g in Gate if f"Gate.{g.name}" not in checks] == [], "no check of this name"
    assert set(Gate) == ruled, "a rule is missing in GATES of model/gates.py"


def test_a_finding_is_checked_listed_and_tested() -> None:
    """Each check of a preflight file is in CHECKS, and each code is on the page and in a test."""
    listed = {check.__name__ for check in preflight.CHECKS}
    written = set[str]()
    for file in (PACKAGE / "planning" / "preflight").glob("[!_]*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and _is_check(node):
                written.add(node.name)
    codes = set(re.findall(r"VPM-[BW]\d{3}", text_of("vpnmigrate/planning/preflight")))
    page, tests = text_of("docs/reference/findings.md"), text_of("tests")

    assert written - listed == set(), "add it to CHECKS of planning/preflight/__init__.py"
    assert {code for code in codes if code not in page} == set(), "run make docs"
    assert {code for code in codes if code not in tests} == set(), "no test has it"


def test_an_option_is_shown_and_used() -> None:
    """Each option of a playbook is used outside its definition, and is shown with a plan."""
    view = text_of("vpnmigrate/report/plan.py")
    names = [field.name for field in fields(Decisions)]
    files = [f for f in PACKAGE.rglob("*.py") if f.name not in ("decisions.py", "plan.py")]
    used = "\n".join(file.read_text(encoding="utf-8") for file in files)

    unseen = [name for name in names if f"decisions.{name}" not in view]
    assert unseen == [], "add its line to _rows or _exceptional of report/plan.py"
    assert [name for name in names if f"decisions.{name}" not in used] == [], "nothing uses it"


def test_a_command_has_its_file_its_flags_and_its_reference() -> None:
    """Each file of commands is in the table, and each command in the tests and the reference."""
    places = {entry.place.partition(":")[0] for entry in _entries().values()}
    found = {f.stem for f in (PACKAGE / "cli" / "commands").glob("[!_]*.py")}
    page = text_of("docs/reference/cli.md")

    untested = {name for name in _entries() if not any(p.split()[0] == name for p in FLAGS)}
    assert found - places - GROUPS == set(), "add it to Program.entries of cli/app.py"
    unwritten = {name for name in _entries() if f"vpnmigrate {name}" not in page}
    assert unwritten == set(), "run make docs"
    assert untested == set(), "add it to FLAGS of tests/cli/test_surface.py"
    assert [path for path in FLAGS if not _is_run(path)] == [], "no test runs it"


def test_a_printed_command_has_the_options_that_it_takes() -> None:
    """A command to paste names run directory, profile, Region and server if it has the options."""
    here = Invocation("runs", "prod", "eu-west-1", "http://127.0.0.1:1")
    given = {"--run-dir", "--profile", "--region", "--endpoint-url"}
    added = {path: given & set(here.complete(cli(*path.split())).words) for path in FLAGS}

    wrong = {
        path: given & flags
        for path, flags in FLAGS.items()
        if path not in OWN_REGION and given & flags != added[path]
    }
    assert wrong == {}, "TAKES of model/errors/commands.py has other options"


def test_a_behaviour_is_used_drawn_and_explained() -> None:
    """Each field is read by the sandbox and drawn in simulations; a rehearsal keeps few of them."""
    names = [field.name for field in fields(Behaviour)]
    model = text_of(
        "vpnmigrate/sandbox/ec2", "vpnmigrate/sandbox/world.py", "vpnmigrate/sandbox/state.py"
    )
    drawn = text_of("vpnmigrate/rehearsal/simulation/behaviours.py")
    page = text_of("docs/sandbox-fidelity.md").partition("<!-- fields of Behaviour -->")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| .*? \| (.*) \|$", page, re.MULTILINE))
    tests = text_of("tests/sandbox")

    unread = [n for n in names if not re.search(rf"behaviour\.{n}\b", model)]
    assert unread == [], "no file of sandbox/ec2 reads it"
    fixed = [n for n in names if n not in NOT_DRAWN and f"        {n}=" not in drawn]
    assert fixed == [], "draw it in _drawn_later of rehearsal/simulation/behaviours.py"
    assert set(KEPT) - set(names) == set(), "KEPT names fields that do not exist"
    unsaid = [n for n in names if not EVIDENCE.search(rows.get(n, ""))]
    assert unsaid == [], "its docstring has the evidence, and `make docs` writes the page"
    assert [n for n in names if n not in tests] == [], "no test of the sandbox sets it"


def test_a_delay_is_among_the_next_changes() -> None:
    """Each fixed delay that changes an answer later is known to the sandbox's next change."""
    delays = [f.name for f in fields(Behaviour) if f.type is timedelta or f.type == "timedelta"]
    long = timedelta(days=1)

    assert delays
    assert [
        delay
        for delay in delays
        if delay not in ANSWERS_UNCHANGED
        and max(replace(Behaviour(), **{delay: long}).attachment_delays) < long
    ] == []


def _entries() -> dict[str, CommandEntry]:
    return dict(Program.entries)


@cache
def _run_commands() -> str:
    """Return the text of the tests, without the tables of commands."""
    files = [f for f in (ROOT / "tests").rglob("*.py") if f != Path(__file__)]
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(files))
    return re.sub(r"\nFLAGS = \{.*?\n\}\n", "", text, flags=re.DOTALL)


def _is_run(path: str) -> bool:
    """Return whether a test has the words of *path* as the first of a command line."""
    group, name = path.rpartition(" ")[::2]
    words = '",\\s*"'.join(map(re.escape, path.split()))
    ways = [rf'(run|quick|real|start|command|launch|process)\w*\(\s*(\w+,\s*)?[(\[]?\s*"{words}"']
    if group:
        ways += [rf'fleet\(\s*"{name}"', rf'[\s(\[]"{words}"']
    return any(re.search(way, _run_commands()) for way in ways)


def _is_check(node: ast.FunctionDef) -> bool:
    """Return whether *node* is a public function of a survey and decisions that finds."""
    names = [arg.arg.lstrip("_") for arg in node.args.args]
    found = node.returns is not None and "Finding" in ast.unparse(node.returns)
    return not node.name.startswith("_") and names == ["survey", "decisions"] and found
