"""The change number, from the command line to every resource and document of the run."""

from __future__ import annotations

import json

import pytest

from vpnmigrate.model.ec2 import Tag


def tags_made(terminal):
    """Return kind and change tag of every resource that has a run's tags."""
    rows = terminal.world.execute("ec2", "DescribeTags", {})["Tags"]
    ours = {row["ResourceId"] for row in rows if row["Key"] == Tag.ROLE}
    numbered = {row["ResourceId"]: row["Value"] for row in rows if row["Key"] == Tag.CHANGE}
    return {(made.partition("-")[0], numbered.get(made, "")) for made in ours}


def tags_of(terminal, resource):
    """Return the tags of this program on *resource*."""
    rows = terminal.world.execute("ec2", "DescribeTags", {})["Tags"]
    ours = ((r["Key"], r["Value"]) for r in rows if r["ResourceId"] == resource)
    return {key: value for key, value in ours if key.startswith("vpnmigrate:")}


def plan_file(terminal, name):
    return json.loads((terminal.place / name).read_text())


def test_everything_made_and_written_names_the_change(terminal):
    """The number is on gateway and connections, in the plan, and in the journal."""
    words = ["--vpn-gateway", terminal.gateway, "-o", "plan.json", "--change", "CHG0012345"]
    shown = terminal.run("plan", *words)
    terminal.run("apply", "plan.json", "--until", "cutover")

    assert "CHG0012345" in shown.out
    assert tags_made(terminal) == {("vgw", "CHG0012345"), ("vpn", "CHG0012345")}
    (journal,) = (terminal.place / "home" / "runs").glob("*/journal.jsonl")
    assert json.loads(journal.read_text().splitlines()[0])["record"]["change"] == "CHG0012345"


def test_the_claim_on_the_old_gateway_has_the_number_and_takes_it_along(terminal):
    """The claim carries the change number; a rollback removes both."""
    words = ["--vpn-gateway", terminal.gateway, "-o", "plan.json", "--change"]
    terminal.run("plan", *words, "CHG1")
    terminal.run("apply", "plan.json", "--until", "cutover")
    run = plan_file(terminal, "plan.json")["migration"]
    claimed = tags_of(terminal, terminal.gateway)
    terminal.run("plan", "--from", run, "--change", "CHG2", "-o", "again.json")
    terminal.run("rollback", "again.json")

    assert claimed.pop(Tag.CHANGE) == "CHG1"
    assert set(claimed) == {Tag.CLAIM}
    assert tags_of(terminal, terminal.gateway) == {}


def test_status_names_the_change(terminal):
    """Status shows the change numbers of runs."""
    words = ["--vpn-gateway", terminal.gateway, "-o", "plan.json", "--change", "CHG0012345"]
    terminal.run("plan", *words)
    terminal.run("apply", "plan.json", "--until", "cutover")
    run = plan_file(terminal, "plan.json")["migration"]

    assert "change        CHG0012345" in terminal.run("status", run).out
    assert "change CHG0012345" in " ".join(terminal.run("status").out.split())
    assert terminal.status(run)["change"] == "CHG0012345"


def test_without_a_number_no_tag_is_made(terminal):
    """Without a change number there is no empty tag."""
    terminal.planned()
    terminal.run("apply", "plan.json", "--until", "cutover")

    assert tags_made(terminal) == {("vgw", ""), ("vpn", "")}


def test_planning_again_keeps_the_number_unless_another_is_given(terminal):
    """A held migration keeps its change number with another playbook."""
    terminal.run("plan", "--vpn-gateway", terminal.gateway, "-o", "p.json", "--change", "CHG1")
    terminal.run("apply", "p.json", "--until", "cutover")
    run = plan_file(terminal, "p.json")["migration"]

    terminal.run("plan", "--from", run, "--playbook", "standard", "-o", "kept.json")
    terminal.run("plan", "--from", run, "--change", "CHG2", "-o", "other.json")

    kept, other = plan_file(terminal, "kept.json"), plan_file(terminal, "other.json")
    assert kept["decisions"]["change"] == "CHG1"
    assert other["decisions"]["change"] == "CHG2"
    assert kept["fingerprint"] != other["fingerprint"]


@pytest.mark.parametrize("number", ["two words", "-x", "x" * 65, "sch\u00f6n", "CHG1\n"])
def test_what_is_no_number_is_refused_before_anything_is_read(terminal, number):
    """A number that is not a valid tag value is a usage error."""
    ran = terminal.run("plan", "--vpn-gateway", terminal.gateway, f"--change={number}")

    assert ran.code == 2
    assert "at most 64 letters" in ran.err
