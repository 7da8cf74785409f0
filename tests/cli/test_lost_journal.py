"""A run whose journal is lost: detected, reported, and resumed without it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from vpnmigrate.local.documents import load_plan
from vpnmigrate.local.run_directory import Runs
from vpnmigrate.sandbox.faults import FaultKind


@pytest.fixture
def killed(terminal):
    """Return the directory of a run whose process was killed in the cutover."""
    return terminal.killed_at("AttachVpnGateway", FaultKind.KILL_AFTER)


def with_new_home(error: Mapping[str, Any], verb: str) -> list[str]:
    """Return the command in an error, with another *verb* and a new run directory."""
    (command,) = error["commands"]
    return [verb, *shlex.split(command.replace("NEW", "spare"))[2:]]


@pytest.mark.parametrize(("verb", "traffic"), [("apply", "new"), ("rollback", "old")])
def test_a_journal_that_was_removed_is_missed_and_the_advice_works(terminal, killed, verb, traffic):
    """The run does not start again from the beginning; the printed command resumes it."""
    (killed / "journal.jsonl").unlink()

    refused = terminal.run("apply", killed.name, "--json")
    gone_on = terminal.run(*with_new_home(refused.document["error"], verb), "--json")

    assert refused.code == 1
    assert "it is missing, with all its" in refused.document["error"]["what"]
    assert gone_on.code == 0, gone_on.err
    assert gone_on.document["traffic"] == traffic


@pytest.mark.parametrize(("verb", "traffic"), [("apply", "new"), ("rollback", "old")])
def test_a_run_without_journal_and_mark_is_gone_on_with_by_what_aws_shows(
    terminal, killed, verb, traffic
):
    """Without journal and mark, the run counts as started, not as new."""
    (killed / "journal.jsonl").unlink()
    (killed / "journal.head").unlink()

    ran = terminal.run(verb, killed.name)

    assert ran.code == 0, ran.err
    assert "The journal of an earlier process is missing" in " ".join(ran.err.split())
    assert terminal.status(killed.name)["traffic"] == traffic


def test_a_run_that_was_made_and_never_set_out_has_lost_nothing(terminal):
    """A process that died before the first journal line leaves an ordinary run."""
    run = terminal.planned()
    plan = terminal.place / "plan.json"
    Runs(terminal.place / "home" / "runs").create(load_plan(plan), plan.read_bytes(), "ann@desk/1")

    ran = terminal.run("apply", run)

    assert ran.code == 0
    assert "is not here" not in ran.err


def test_a_blocked_step_shows_the_outage_of_a_lost_journal(terminal):
    """With no gateway of the plan on the VPC traffic is down, whatever this journal has seen."""
    folder = terminal.killed_at("AttachVpnGateway", FaultKind.KILL_BEFORE)
    run = folder.name
    (folder / "journal.jsonl").unlink()
    (folder / "journal.head").unlink()
    vpc = load_plan(terminal.place / "plan.json").vpc
    made = terminal.world.execute("ec2", "CreateVpnGateway", {"Type": "ipsec.1"})["VpnGateway"]
    third = {"VpnGatewayId": made["VpnGatewayId"], "VpcId": vpc}
    terminal.clock.sleep(timedelta(minutes=3))
    terminal.world.execute("ec2", "AttachVpnGateway", third)
    terminal.clock.sleep(timedelta(minutes=3))

    blocked = terminal.run("apply", run)

    assert blocked.code == 5
    assert "NONE: on-premises traffic is DOWN" in blocked.err
    assert terminal.status(run)["traffic"] == "none"
    terminal.world.execute("ec2", "DetachVpnGateway", third)
    terminal.clock.sleep(timedelta(minutes=3))
    assert terminal.run("apply", run).code == 0
    assert terminal.status(run)["traffic"] == "new"
