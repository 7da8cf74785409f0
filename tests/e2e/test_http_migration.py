"""A whole migration over HTTP, observed with the AWS CLI after every command."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.aws_cli.cli import AwsCli
from tests.e2e.account import Account, after, described
from tests.e2e.shells import Terminal, served
from tests.support.control import DeviceControl

GATEWAY = "vgw-0a300000000000001"
OLD = ("vpn-0a300000000000001", "vpn-0a300000000000002", "vpn-0a300000000000003")
SPEED = 120
PLAYBOOK = """
name: quick
summary: A fast clock needs long limits where a person is waited for.
decisions:
  asn: 64600
  waits:
    tunnels: 12h
  finalize:
    soak: 1d
"""
HELD = 3
"""Exit code of a run that waits for an absent operator."""


class Migration:
    """One operator with several terminals, an engineer at the devices, and the AWS CLI."""

    def __init__(self, environment: Mapping[str, str], aws_program: Path, home: Path) -> None:
        self.aws = AwsCli(aws_program, environment, home)
        self.terminal = Terminal(environment, home)
        self.control = DeviceControl(environment["AWS_ENDPOINT_URL"])
        self.plan_file = home / "plan.json"
        self._playbook = home / "playbook.yaml"

    def plan(self) -> dict[str, Any]:
        """Plan, and return the content of the file."""
        self._playbook.write_text(PLAYBOOK, encoding="utf-8")
        words = ("--vpn-gateway", GATEWAY, "--playbook", str(self._playbook))
        self.terminal.real("plan", *words, "--output", str(self.plan_file))
        plan: dict[str, Any] = json.loads(self.plan_file.read_text(encoding="utf-8"))
        return plan

    def made(self, seen: Account) -> dict[str, str]:
        """Return the id of every living resource that has a role in the migration, by role."""
        tags = self.aws("ec2", "describe-tags", "--filters", "Name=key,Values=vpnmigrate:role")
        living = {*seen.gateways, *seen.connections}
        return {t["Value"]: t["ResourceId"] for t in tags["Tags"] if t["ResourceId"] in living}


@pytest.fixture
def migration(aws_program: Path, tmp_path: Path) -> Iterator[Migration]:
    with served("three-connections", SPEED) as environment:
        yield Migration(environment, aws_program, tmp_path)


def changes(plan: Mapping[str, Any], part: str, upto: int = 11) -> list[dict[str, Any]]:
    """Return the changes that the plan's file predicts for *part*, to the end of step *upto*."""
    return [c for step in plan[part] if step["number"] <= upto for c in step["changes"]]


def test_a_migration_over_http_is_what_the_aws_cli_sees(migration):
    """Planned, applied, rolled back, applied again and finalized, each by another process.

    After every command ``aws ec2 describe-*`` shows what the plan's file predicts: nothing after
    planning, the new resources next to the old ones when staged, the swap when applied, and the
    state before the migration when rolled back.
    """
    aws, terminal = migration.aws, migration.terminal
    before = described(aws)

    plan = migration.plan()
    assert described(aws) == before

    run = terminal.quick("apply", str(migration.plan_file), "--yes", leaves=HELD)["run"]["run"]
    staged = described(aws)
    new = migration.made(staged)
    assert staged == after(before, changes(plan, "forward", upto=6), new)

    # The sandbox's clock is moved on, which the run's processes follow.
    terminal.real("sandbox", "advance", "1s")
    terminal.quick("done", run, "5")
    with terminal.until_said("TO DO: enable", "apply", run, "--yes", leaves=HELD):
        output = terminal.quick("status", run)
        assert (output["traffic"], output["step"]) == ("none", 10)
        for old in OLD:
            migration.control.enable(new[f"connection/{old}"])
        terminal.quick("done", run, "10")
    for old in OLD:
        terminal.real("sandbox", "device", "disable", old)
    terminal.quick("done", run, "10")
    output = terminal.quick("apply", run)
    assert (output["traffic"], output["status"]) == ("new", "cut-over")
    assert output["outage"] > 0
    migrated = described(aws)
    assert migrated == after(before, changes(plan, "forward"), new)
    for old in OLD:
        assert migrated.up[new[f"connection/{old}"]] >= before.up[old]
        assert not migrated.up[old]

    # From here on a robot does the device tasks.
    migration.control.attend_after(timedelta(seconds=20))
    terminal.quick("rollback", run, leaves=HELD)  # It interrupts traffic, so it needs --yes.
    output = terminal.quick("rollback", run, "--yes")
    assert (output["traffic"], output["status"]) == ("old", "rolled-back")
    returned = described(aws)
    assert returned == before
    assert all(returned.up[old] >= before.up[old] for old in OLD)

    terminal.quick("apply", run, "--yes", leaves=HELD)
    terminal.quick("done", run, "5")
    terminal.quick("apply", run, "--yes", leaves=HELD)
    terminal.quick("done", run, "10")
    terminal.quick("apply", run)
    migrated = described(aws)
    again = migration.made(migrated)
    assert set(new.values()).isdisjoint(again.values())
    assert migrated == after(before, changes(plan, "forward"), again)

    terminal.quick("finalize", run, "--confirm", OLD[0], leaves=2)
    named = [word for old in OLD for word in ("--confirm", old)]
    terminal.quick("finalize", run, *named, leaves=HELD)  # The playbook asks for a day.
    terminal.quick("finalize", run, *named, "--force", "soak", "--reason", "a test")
    whole = [*changes(plan, "forward"), *changes(plan, "finalize")]
    assert described(aws) == after(before, whole, again)
