"""``vpnmigrate report`` on runs that went well, badly, and not at all."""

from __future__ import annotations

import pytest

from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies


class Offline(SandboxDependencies):
    """Fail on any access to AWS."""

    def clients(self, aws):
        pytest.fail("a report asked AWS")


@pytest.fixture
def migrated(terminal):
    """Return the id of a migrated run."""
    run = terminal.planned()
    assert terminal.run("apply", "plan.json").code == 0
    return run


def test_tells_what_was_done_without_asking_aws(terminal, migrated):
    """Outage, calls with request ids, and planned and actual times come from the journal."""
    terminal.parts = Offline(terminal.world)

    report = terminal.run("report", migrated, "--json").document

    assert report["status"] == "cut-over"
    assert [outage["over"] for outage in report["outages"]] == [True]
    assert all(call["request_id"].startswith("sandbox-") for call in report["calls"])
    assert {"DetachVpnGateway", "AttachVpnGateway"} <= {call["call"] for call in report["calls"]}
    (action,) = report["journeys"]
    assert action["finished"]
    assert all(step["planned"] == step["made"] for step in action["steps"])
    assert report["after"] is None


def test_says_the_same_whenever_it_is_made(terminal, migrated):
    """Two reports of the same run are the same text, byte for byte."""
    first = terminal.run("report", migrated).out
    terminal.run("status", migrated)

    assert terminal.run("report", "show", migrated).out == first


@pytest.mark.parametrize(("name", "begins"), [("r.md", "# Migration"), ("r.html", "<!doctype")])
def test_writes_a_document(terminal, migrated, name, begins):
    """The suffix selects Markdown or HTML, and only the owner can read the file."""
    assert terminal.run("report", migrated, "-o", name).code == 0

    file = terminal.place / name
    assert file.read_text().startswith(begins)
    assert file.stat().st_mode & 0o077 == 0


def test_refuses_another_ending(terminal, migrated):
    """An unknown suffix is a usage error, and nothing is written."""
    ran = terminal.run("report", migrated, "-o", "r.pdf")

    assert (ran.code, (terminal.place / "r.pdf").exists()) == (2, False)


def test_a_survey_at_the_end_shows_only_what_the_plan_did_not_predict(terminal, migrated):
    """After a clean migration nothing differs; later external changes are reported and kept."""
    clean = terminal.run("report", migrated, "--survey", "--json").document["after"]
    new = next(
        row["VpnGatewayId"]
        for row in terminal.world.execute("ec2", "DescribeVpnGateways", {})["VpnGateways"]
        if row["VpnGatewayId"] != terminal.gateway
    )
    tag = {"Resources": [new], "Tags": [{"Key": "team", "Value": "other"}]}
    terminal.world.execute("ec2", "CreateTags", tag)
    terminal.run("report", migrated, "--survey")

    kept = terminal.run("report", migrated, "--json").document["after"]
    assert clean["differences"] == []
    assert kept["differences"] == [f"{new}: tag team (other) is new"]
    assert "team" in terminal.run("report", migrated).out


def test_after_a_rollback_the_world_is_compared_with_before(terminal, migrated):
    """A rolled back run is compared with the survey before the migration."""
    terminal.run("report", migrated, "--survey")
    terminal.run("rollback", migrated)

    gone_on = terminal.run("report", migrated, "--json").document
    after = terminal.run("report", migrated, "--survey", "--json").document["after"]

    assert gone_on["after"] is None
    assert [outage["direction"] for outage in gone_on["outages"]] == ["forward", "rollback"]
    assert (after["expected"], after["differences"]) == ("the survey before the migration", [])


def test_in_the_middle_of_things_there_is_no_end_to_compare_with(terminal):
    """A held run can be reported, but --survey is refused with advice."""
    run = terminal.planned()
    terminal.run("apply", "plan.json", "--until", "cutover")

    assert terminal.run("report", run, "--survey").code == 4
    held = terminal.run("report", run)
    assert held.code == 0
    assert "everything is prepared" in held.out
