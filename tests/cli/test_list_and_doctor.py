"""``list`` and ``doctor``: what there is, and whether this machine can migrate it."""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import suppress

import pytest

from vpnmigrate.model.errors import Exit
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed


class TestList:
    def test_shows_every_gateway_with_connections_and_verdict(self, terminal):
        """Id, name, category and tunnels of each connection, and that it can be migrated."""
        terminal.scenario("three-connections")

        ran = terminal.run("list", "--json")

        (gateway,) = ran.document["gateways"]
        assert ran.code == 0
        assert gateway["gateway"] == terminal.gateway
        assert gateway["can_be_migrated"]
        assert [each["id"] for each in gateway["connections"]] == terminal.connections
        assert {each["category"] for each in gateway["connections"]} == {"VPN-Classic"}
        assert gateway["next"].endswith(f"plan --vpn-gateway {terminal.gateway}")

    @pytest.mark.parametrize(
        ("scenario", "verdict", "why"),
        [
            ("mixed-category", "no", "VPM-B102"),
            ("nothing-classic", "not-needed", "AWS VPN already"),
            ("direct-connect", "no", "VPM-B30"),
        ],
    )
    def test_says_why_a_gateway_cannot_be_migrated(self, terminal, scenario, verdict, why):
        """The reason is the blocking finding of ``plan``, with its evidence."""
        terminal.scenario(scenario)

        (gateway,) = terminal.run("list", "--json").document["gateways"]

        assert (gateway["verdict"], gateway["can_be_migrated"]) == (verdict, False)
        assert why in " ".join(gateway["why"])

    def test_a_migration_under_way_shows_on_both_gateways(self, terminal):
        """After staging, the old gateway is claimed and the new one is the migration's."""
        terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")

        gateways = terminal.run("list", "--json").document["gateways"]

        assert [each["verdict"] for each in gateways] == ["under-way", "under-way"]


def checks_of(ran):
    return {check["name"]: check for check in ran.document["checks"]}


class TestDoctor:
    def test_a_healthy_machine_has_every_check_in_order(self, terminal):
        """Each area is checked by name, and the exit code is 0."""
        ran = terminal.run("doctor", "--json")

        found = checks_of(ran)
        assert ran.code == 0
        assert ran.document["healthy"]
        assert {"credentials", "clock", "permissions", "path", "disk", "versions"} <= set(found)
        assert {"run directory", "runs"} <= set(found)

    def test_a_denied_read_is_named_with_the_policy_that_allows_it(self, terminal):
        """A missing permission fails the check, and the advice prints the policy."""
        terminal.inject(Faults([Fault("DescribeRouteTables", FaultKind.DENIED, times=0)]))

        ran = terminal.run("doctor", "--json")

        permissions = checks_of(ran)["permissions"]
        assert ran.code == Exit.FAILED
        assert permissions["verdict"] == "FAIL"
        assert "ec2:DescribeRouteTables" in permissions["observed"]
        assert permissions["next"] == "vpnmigrate iam-policy --phase discover"

    def test_without_aws_the_rest_is_checked_and_nothing_passes_unseen(self, terminal, monkeypatch):
        """What could not be asked is UNKNOWN, which is no success."""
        terminal.parts = None
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(terminal.place))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

        no_region = checks_of(terminal.run("doctor", "--json", "--run-dir", "home"))
        ran = terminal.run("doctor", "--json", "--run-dir", "home", "--region", "eu-west-1")

        found = checks_of(ran)
        assert ran.code == Exit.FAILED
        assert no_region["Region"]["verdict"] == "FAIL"
        assert "add --region" in no_region["Region"]["next"]
        assert no_region["credentials"]["observed"] == "not checked: no AWS Region is set"
        assert "Region" not in found
        assert found["credentials"]["verdict"] == "FAIL"
        assert {found[name]["verdict"] for name in ("clock", "permissions", "path")} == {"UNKNOWN"}
        assert found["disk"]["verdict"] == "OK"

    def test_a_run_that_left_traffic_down_fails(self, terminal):
        """No process works on it and traffic is down: the advice is its status."""
        run = terminal.planned()
        terminal.inject(Faults([Fault("DetachVpnGateway", FaultKind.KILL_AFTER)]))
        with suppress(Killed):
            terminal.run("apply", "plan.json")
        terminal.inject(Faults())

        ran = terminal.run("doctor", "--json")

        assert ran.code == Exit.FAILED
        check = checks_of(ran)[f"run {run}"]
        assert "TRAFFIC IS DOWN" in check["observed"]
        assert check["next"].endswith(f"status {run}")

    def test_a_directory_that_others_can_write_fails(self, terminal):
        """The advice is the command that corrects it."""
        home = terminal.place / "shared"
        home.mkdir()
        home.chmod(0o777)

        found = checks_of(terminal.run("doctor", "--json", "--run-dir", str(home)))

        assert found["run directory"]["verdict"] == "FAIL"
        assert found["run directory"]["next"] == f"chmod go-w {home}"

    def test_the_bundle_has_journal_and_log_and_no_key(self, terminal):
        """Keys are removed even from a file that they have leaked into."""
        run = terminal.planned()
        home = terminal.place / "home"
        terminal.run("apply", "plan.json", "--until", "cutover", "--run-dir", str(home))
        key = next(iter(terminal.world.keys))
        folder = home / run
        for leak in (folder / "log.jsonl", home / "crash.log"):
            with leak.open("a") as file:
                file.write(f"tunnel: {key} end of line\n")

        ran = terminal.run("doctor", "--bundle", "support.zip", "--run-dir", str(home))

        packed = (terminal.place / "support.zip").read_bytes()
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        text = b"".join(members.values())
        assert "support.zip" in ran.out
        assert {f"{run}/journal.jsonl", f"{run}/plan.json", f"{run}/log.jsonl"} <= set(members)
        assert {"doctor.json", "status.json", "crash.log"} <= set(members)
        assert b"end of line" in members["crash.log"]
        assert [each for each in terminal.world.keys if each.encode() in text] == []
        assert not any("vault" in name for name in members)

    def test_a_run_whose_keys_are_unreadable_is_not_packed(self, terminal):
        """Keys that are not known cannot be removed from its files."""
        run = terminal.planned()
        home = terminal.place / "home"
        terminal.run("apply", "plan.json", "--until", "cutover", "--run-dir", str(home))
        (home / run / "vault").rename(home / "elsewhere")
        (home / run / "vault").write_text("not a folder")

        ran = terminal.run("doctor", "--bundle", "support.zip", "--run-dir", str(home))

        with zipfile.ZipFile(terminal.place / "support.zip") as archive:
            assert not any(name.startswith(run) for name in archive.namelist())
        assert f"run {run} is left out" in ran.err
