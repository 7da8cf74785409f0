"""Comparison of two plans."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.support.builders import MIGRATION, NOON, a_survey
from vpnmigrate.model.decisions import Decisions, Waits
from vpnmigrate.model.ec2 import MigrationId
from vpnmigrate.planning.plan_comparison import compare_plans
from vpnmigrate.planning.planner import plan_from
from vpnmigrate.report import plan_comparison as view

ORDINARY = Decisions()


def a_plan(decisions=ORDINARY, survey=None, migration=MIGRATION):
    return plan_from(
        survey or a_survey(), decisions, "standard", migration=migration, made=NOON, tool="1"
    )


def text_of(first, second):
    return view.text(compare_plans(first, second), ("a.json", first), ("b.json", second))


def test_plans_that_do_the_same_are_the_same():
    """The migration's id and the date of the plan are no difference."""
    first, second = a_plan(), a_plan(migration=MigrationId("m-other"))

    assert compare_plans(first, second).same
    assert "same configuration" in text_of(first, second)
    assert "the same plan" in text_of(first, first)


def test_a_decision_is_shown_with_both_values_and_its_effect():
    """A decision that changes a step shows the decision, and the change that it replaces."""
    first, second = a_plan(), a_plan(Decisions(asn=64600, waits=Waits(soak=timedelta(minutes=5))))

    found = compare_plans(first, second)

    assert {each.field for each in found.decisions} == {"asn", "waits.soak"}
    assert [(step.part, step.number) for step in found.steps] == [("forward", 2)]
    text = text_of(first, second)
    assert "    - not set\n    + 64600" in text
    assert "    - create virtual private gateway (the default ASN 64512)" in text


def test_each_difference_has_the_names_of_its_resources():
    """A table is named in the configuration that differs, and in the changes that follow."""
    survey = a_survey()
    table = replace(survey.route_tables[0], tags={"Name": "main"})
    named = replace(survey, route_tables=(table, *survey.route_tables[1:]))
    without = replace(named, route_tables=(replace(table, propagating=()), *named.route_tables[1:]))

    text = " ".join(text_of(a_plan(survey=named), a_plan(survey=without)).split())

    assert f'in {table.id} "main"' in text.partition("CHANGES")[2]
    assert f'{table.id} "main"' in text.partition("CHANGES")[0]


def test_a_changed_configuration_is_named_field_by_field():
    """What was surveyed differently is shown as drift is, and the steps that follow from it."""
    survey = a_survey()
    table = replace(survey.route_tables[0], propagating=())
    other = replace(survey, route_tables=(table, *survey.route_tables[1:]))

    found = compare_plans(a_plan(), a_plan(survey=other))

    assert any("propagation" in line and "is gone" in line for line in found.configuration)
    assert ("forward", 7) in [(step.part, step.number) for step in found.steps]


def test_findings_that_come_and_go_are_told_apart():
    """A finding of one plan only is marked with its side."""
    plan = a_plan()
    warned = replace(plan, findings=plan.findings[:-1])

    assert compare_plans(warned, plan).findings_new == plan.findings[-1:]
    assert compare_plans(plan, warned).findings_gone == plan.findings[-1:]
