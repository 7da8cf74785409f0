"""A plan must follow from its survey and decisions, even if its fingerprint is valid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields, replace

import vpnmigrate
from tests.planning.test_playbook import WHOLE
from tests.report.books import a_large_plan
from tests.support.builders import MIGRATION, NOON, a_survey
from vpnmigrate.journal.exit_code import exit_code
from vpnmigrate.local.documents import (
    load_plan,
    load_plan_in_force,
    plan_text,
    read_plan,
    save_bytes,
)
from vpnmigrate.model.decisions import (
    Decisions,
    HookMoment,
    Waits,
)
from vpnmigrate.model.errors import Exit, PlanEditedError, RefusedError
from vpnmigrate.model.plan import fingerprint_of
from vpnmigrate.planning.planner import plan_from
from vpnmigrate.planning.playbook import playbook_from
from vpnmigrate.planning.window_parser import window_from
from vpnmigrate.report import plan

Document = dict[str, Any]
Edit = Callable[[Document], object]


def written(folder: Path, tool: str = vpnmigrate.__version__) -> Path:
    """Write the ordinary plan as made by version *tool*."""
    plan = plan_from(a_survey(), Decisions(), "standard", migration=MIGRATION, made=NOON, tool=tool)
    save_bytes(plan_text(plan), folder / "plan.json")
    return folder / "plan.json"


def edited(file: Path, edit: Edit) -> Path:
    """Edit a plan's file and recompute its fingerprint."""
    document = json.loads(file.read_text())
    edit(document)
    document["fingerprint"] = fingerprint_of(document)
    file.write_text(json.dumps(document))
    return file


def _without_cutover(plan: Document) -> None:
    for step in plan["forward"][6:]:
        step["changes"] = []


def _other_title(plan: Document) -> None:
    plan["forward"][7]["title"] = "Do nothing"


def _shorter(field: str) -> Edit:
    return lambda plan: plan[field].pop()


def _turned_round(plan: Document) -> None:
    plan["forward"].reverse()


def _harmless_outage(plan: Document) -> None:
    plan["outage"]["ends_in"] = 7


FINDING: Document = {"code": "VPM-W999", "name": "n", "evidence": "e", "fix": "f"}
EDITS: dict[str, tuple[Edit, str]] = {
    "no cutover": (_without_cutover, "forward, step 7; forward, step 8"),
    "another title": (_other_title, "forward, step 8"),
    "no way back": (lambda plan: plan["back"].clear(), "back, step 1"),
    "nothing is deleted": (lambda plan: plan["finalize"].clear(), "finalize, step 11"),
    "one step less": (_shorter("forward"), "forward, step 10"),
    "another order": (_turned_round, "forward, their order"),
    "no finding": (lambda plan: plan["findings"].append(FINDING), "findings"),
    "another outage": (_harmless_outage, "outage"),
    "another account": (lambda plan: plan.update(account="999999999999"), "account"),
    "another Region": (lambda plan: plan.update(region="us-east-1"), "region"),
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("load", [load_plan, load_plan_in_force])
def test_a_shown_part_that_does_not_follow_is_refused_and_named(tmp_path, name, load):
    """Each derived part is compared, and the message names the difference."""
    edit, found = EDITS[name]

    with pytest.raises(PlanEditedError) as caught:
        load(edited(written(tmp_path), edit))

    assert found in caught.value.message
    assert exit_code(caught.value) is Exit.REFUSED
    assert "vpnmigrate plan --vpn-gateway vgw-old" in caught.value.advice_text


@pytest.mark.parametrize(
    "edit",
    [
        lambda plan: plan["before"].update(connections=[]),
        lambda plan: plan["before"]["gateway"].update(attachments=[]),
        lambda plan: plan["before"].update(route_tables=[]),
        lambda plan: plan["before"]["gateway"].update(id="vgw-else"),
        lambda plan: plan["decisions"].update(keys="reuse", inside="keep"),
    ],
)
def test_a_survey_or_decisions_that_were_edited_change_what_follows(tmp_path, edit):
    """A plan with a forged survey is refused, whatever error the survey causes."""
    with pytest.raises(PlanEditedError, match="was edited after it was made"):
        load_plan(edited(written(tmp_path), edit))


def test_what_is_decided_is_shown_so_a_hook_can_be_read(tmp_path):
    """Decisions are not derived: an added hook is a decision, and every view shows it."""
    hooks = {"before-cutover": ["/usr/local/bin/ask", "now"]}
    programs = {"/usr/local/bin/ask": "0" * 64}

    def add(document: Document) -> None:
        document["decisions"].update(hooks=hooks)
        document["programs"] = programs

    file = edited(written(tmp_path), add)

    assert "/usr/local/bin/ask now" in plan.decisions_text(load_plan(file).decisions)


def test_a_program_without_its_hash_is_refused(tmp_path):
    """The plan has the content of each program it names, whoever adds one."""
    hooks = {"before-cutover": ["/usr/local/bin/ask", "now"]}
    file = edited(written(tmp_path), lambda plan: plan["decisions"].update(hooks=hooks))

    with pytest.raises(PlanEditedError, match="the hash of /usr/local/bin/ask "):
        load_plan(file)


class TestAnotherVersion:
    def test_that_would_do_the_same_is_taken(self, tmp_path):
        """A plan of another version is accepted if this version derives the same."""
        assert load_plan(written(tmp_path, tool="0.0.1")).tool == "0.0.1"

    def test_that_would_do_something_else_is_named(self, tmp_path):
        """The message names the version that made the plan, and has advice."""
        with pytest.raises(RefusedError) as caught:
            load_plan(edited(written(tmp_path, tool="0.0.1"), _without_cutover))

        assert f"made by vpnmigrate 0.0.1, and this version, {vpnmigrate.__version__}" in str(
            caught.value
        )
        assert caught.value.advice_text.startswith("use the version that made it, or plan again: ")

    def test_strands_no_run_that_it_began(self, tmp_path):
        """A run continues after an upgrade, because it works from survey and decisions."""
        file = edited(written(tmp_path, tool="0.0.1"), _without_cutover)

        assert load_plan_in_force(file) == read_plan(file)


def test_a_large_plan_is_compared_too(tmp_path):
    """Ten connections and sixty tables."""
    plan = a_large_plan()
    save_bytes(plan_text(plan), tmp_path / "plan.json")

    assert load_plan(tmp_path / "plan.json") == plan


@pytest.mark.parametrize(
    "line",
    [
        "apply plan.json",
        "apply plan.json --until cutover",
        "rehearse plan.json",
        "approve plan.json",
        "runbook plan.json",
        "show plan.json",
        "rollback plan.json --take-over ann@desk/1 --yes",
    ],
)
def test_every_command_about_a_plan_refuses_it(terminal, line):
    """Exit code 4, no run started, nothing sent, and no bug report."""
    terminal.planned()
    edited(terminal.place / "plan.json", _without_cutover)
    ran = terminal.run(*line.split())

    assert ran.code == Exit.REFUSED, ran.err
    output = " ".join(ran.err.split())
    assert "forward, step 7" in output
    assert "bug" not in output
    assert terminal.run("status").out.startswith("No runs here yet")


HOOKS: dict[HookMoment, tuple[str, ...]] = {HookMoment.BEFORE_CUTOVER: ("/usr/local/bin/ask",)}
WINDOW = window_from("2026-11-28T02:00/04:00 Europe/Berlin")


@pytest.mark.parametrize("name", Decisions.__struct_fields__)
def test_every_decision_is_shown(name):
    """Each decision is shown in the plan's text, because approvers have to read it."""
    decided = getattr(playbook_from(WHOLE, "mine.yaml").decisions, name)

    shown = plan.decisions_text(replace(Decisions(), **{name: decided}))

    assert shown != plan.decisions_text(Decisions())


@pytest.mark.parametrize("name", Waits.__struct_fields__)
def test_every_wait_is_shown_where_it_matters(name):
    """A margin is shown with a window, and a hook's limit with hooks."""
    base = Decisions(hooks=HOOKS, window=WINDOW)
    longer = replace(base.waits, **{name: getattr(base.waits, name) + timedelta(minutes=7)})

    assert plan.decisions_text(replace(base, waits=longer)) != plan.decisions_text(base)


def test_every_part_of_a_decision_is_shown():
    """A part that a playbook sets changes the plan's text, and the whole playbook sets each."""
    whole = playbook_from(WHOLE, "mine.yaml").decisions
    shown = plan.decisions_text(whole)
    found = list(_parts(whole, ()))
    set_ = {part.field for part in found if part.value != part.default}

    unseen = [
        part.path
        for part in found
        if part.value != part.default
        and plan.decisions_text(_with(whole, part.path, part.default)) == shown
    ]

    assert unseen == [], "add it to report/plan.py"
    assert {part.field for part in found} - set_ == set(), "set it in WHOLE of test_playbook.py"


class Part(Struct, frozen=True):
    """A field of a decision: where it is, its struct and name, and its value and default."""

    path: tuple[Any, ...]
    field: str
    value: Any
    default: Any


def _parts(value: Any, path: tuple[Any, ...]) -> Iterator[Part]:
    """Yield the fields below *value* that have a default."""
    match value:
        case Struct():
            for field in fields(value):
                inner = getattr(value, field.name)
                yield from _parts(inner, (*path, field.name))
                made = field.default_factory
                default = field.default if made is NODEFAULT else made()
                if default is not NODEFAULT:
                    name = f"{type(value).__name__}.{field.name}"
                    yield Part((*path, field.name), name, inner, default)
        case dict():
            for key, each in value.items():
                yield from _parts(each, (*path, key))
        case tuple():
            for place, each in enumerate(value):
                yield from _parts(each, (*path, place))
        case _:
            pass  # It is a value.


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return *value* with *new* at *path*."""
    if not path:
        return new
    first, *rest = path
    match value:
        case Struct():
            return replace(value, **{first: _with(getattr(value, first), tuple(rest), new)})
        case dict():
            return {**value, first: _with(value[first], tuple(rest), new)}
        case _:
            return (*value[:first], _with(value[first], tuple(rest), new), *value[first + 1 :])
