"""The summary of a plan: its first screen."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.report.test_plan import shown
from tests.support.builders import MIGRATION, NOON, a_connection, a_survey
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.decisions import (
    Approvals,
    BackOut,
    Decisions,
    DeviceDriver,
    DriverKind,
    OldTunnels,
    Waits,
)
from vpnmigrate.model.plan import Finding
from vpnmigrate.planning.outage_estimate import outage_estimate, rollback_estimate
from vpnmigrate.planning.planner import plan_from
from vpnmigrate.planning.windows import BY_DEFAULT
from vpnmigrate.report import plan as view
from vpnmigrate.report.plan_summary import LINE, summary_json, summary_text

ORDINARY = Decisions()


def a_plan(decisions=ORDINARY, **survey):
    return plan_from(
        a_survey(**survey), decisions, "standard", migration=MIGRATION, made=NOON, tool="0.1.0"
    )


def rehearsed(plan, **more):
    return RehearsalResult(
        fingerprint=plan.fingerprint,
        at=NOON,
        tool="0.1.0",
        passed=True,
        cutover=timedelta(minutes=4),
        outage=timedelta(minutes=2, seconds=10),
        back={10: timedelta(minutes=1)},
        **more,
    )


def test_is_the_first_screen():
    """The summary begins the text, and fits a terminal of 24 lines and 80 columns."""
    text = view.text(shown(a_plan()))

    summary = text[: text.rindex(LINE)].splitlines()
    assert len(summary) <= 22
    assert max(map(len, summary)) <= 80


@pytest.mark.parametrize(
    "fact",
    [
        "vpc-1",
        "creates   1 gateway, 1 connection",
        "changes   the VPC's gateway, 2 propagations, 1 static route, the tunnels of 1 site",
        "removes   1 old connection (finalize",
        "about 20 min expected (not rehearsed",
        "2 h 15 min at worst",
        "next      rehearse: vpnmigrate rehearse plan.json ----",
    ],
)
def test_answers_what_happens_how_long_and_what_is_next(fact):
    """What is created, changed and removed, the outage with its source, and the next command."""
    folded = re.sub(r"\n +", " ", summary_text(shown(a_plan()))).replace("\n", " ")

    assert fact in folded


def test_counts_findings_and_names_their_codes():
    """Findings are counted by severity; a plan has warnings only."""
    plan = replace(a_plan(), findings=(Finding("VPM-W103", "n", "e", "f"),) * 2)

    assert "none blocks, 2 warn: VPM-W103" in summary_text(shown(plan))
    assert summary_json(shown(plan))["findings"] == {"blocks": 0, "warns": 2}


def test_takes_the_outage_from_a_rehearsal():
    """The measured time replaces AWS's times, and its source is shown."""
    plan = a_plan()
    outage = outage_estimate(plan, rehearsed(plan))

    assert outage.expected == timedelta(minutes=2, seconds=10)
    assert outage.source == f"rehearsed {NOON:%Y-%m-%d %H:%M}Z"
    other = a_plan(Decisions(asn=64900))
    assert outage_estimate(other, rehearsed(plan)).source != outage.source


def test_soak_time_is_no_outage():
    """Traffic flows while step 10 waits for the end of the soak time."""
    plain, soaked = a_plan(), a_plan(Decisions(waits=Waits(soak=timedelta(hours=5))))

    assert outage_estimate(soaked, None) == outage_estimate(plain, None)


def test_a_rollback_that_follows_is_part_of_the_worst():
    """Where the plan rolls back by itself, its limits count too; else the run waits then."""
    asks, rolls_back = (a_plan(Decisions(back_out=each)) for each in BackOut)

    waits, back = outage_estimate(asks, None), outage_estimate(rolls_back, None)

    assert back.worst == 2 * waits.worst == timedelta(hours=4, minutes=30)
    assert waits.at_worst.endswith("waits for an operator")
    assert back.at_worst.endswith("those of the rollback that follows")
    assert summary_json(shown(rolls_back))["outage"]["at_worst"] == back.at_worst


def test_a_plan_made_without_limits_has_those_of_its_steps():
    """An earlier plan has no limits; a run goes by those of the steps."""
    plan = a_plan()
    bare = replace(plan, forward=tuple(replace(s, limit=None) for s in plan.forward))

    assert outage_estimate(bare, None).worst == outage_estimate(plan, None).worst


def test_the_next_command_follows_what_is_done():
    """Sign, rehearse, approve, stage, apply; a started plan leads to its run."""
    signed = Approvals(required=1, signed=True, allowed_signers="/etc/signers")
    plan = a_plan(Decisions(approvals=signed))

    def labels(**more):
        return [label for label, _ in shown(plan, **more).next_commands]

    assert labels()[:3] == ["sign:", "rehearse:", "approve:"]
    assert labels(signed=True, rehearsed=True)[0] == "approve:"
    assert labels(started="m-1") == ["status:"]


def test_names_each_site_with_its_tunnels():
    """A site is shown by its name, and how many of its tunnels are UP."""
    connection = replace(a_connection(up=1), tags={"Name": "Munich"})

    assert '"Munich", 1 of 2 tunnels up' in summary_text(shown(a_plan(connections=(connection,))))


def test_a_rollback_that_leaves_the_old_tunnels_enabled_counts_no_time_at_the_devices():
    """The plan that disables them needs an engineer, whose time is in the defaults."""
    leaving = a_plan(Decisions(old_tunnels=OldTunnels.LEAVE))
    disabling = a_plan(Decisions(old_tunnels=OldTunnels.DISABLE))

    assert rollback_estimate(leaving, None)[0] == timedelta(minutes=6)
    assert rollback_estimate(disabling, None) == (BY_DEFAULT.rollback, BY_DEFAULT.source)


def test_a_rollback_with_drivers_counts_a_call():
    """With a driver for each device, a rollback takes AWS's times and one call."""
    command = ("/usr/local/bin/tunnels",)
    driver = DeviceDriver(DriverKind.COMMAND, command, limit=timedelta(seconds=90))
    driven = a_plan(Decisions(drivers={"default": driver}))

    assert rollback_estimate(driven, None)[0] == timedelta(minutes=7, seconds=30)
