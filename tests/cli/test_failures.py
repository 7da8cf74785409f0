"""Every failure is one message with what, where and next, and a documented exit code."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from vpnmigrate.cli.dependencies import RealDependencies
from vpnmigrate.cli.main import run_command
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.local.lock import acquire_lock, this_process
from vpnmigrate.local.run_directory import Runs
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults
from vpnmigrate.sandbox.world import World


class TestUsage:
    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["aply"], "apply"),
            (["apply"], "Missing argument"),
            (["apply", "p.json", "--until", "monday"], "cutover"),
            (["plan", "--frobnicate"], "--frobnicate"),
            (["sandbox", "serve", "--port", "http"], "--port"),
            (["sandbox", "serve", "--port", "70000"], "--port"),
            (["done", "m-1", "five"], "STEP"),
            (["status", "m-1", "m-2"], "m-2"),
        ],
    )
    def test_a_wrong_command_line_is_explained_in_one_message(self, terminal, words, says):
        """A usage error names the fault and the help; exit code 2, nothing on standard output."""
        ran = terminal.run(*words)

        assert ran.code == 2
        assert says in ran.err
        assert "--help" in ran.err
        assert ran.out == ""
        assert "Traceback" not in ran.err

    @pytest.mark.parametrize(
        ("words", "command"),
        [
            (["aply"], "apply"),
            (["sandbox", "serv"], "serve"),
            (["report", "verfy", "b.zip"], "verify"),
        ],
    )
    def test_an_unknown_command_is_answered_with_the_closest_one(self, terminal, words, command):
        """The message asks whether the closest command was meant."""
        ran = terminal.run(*words)

        assert ran.code == 2
        assert f"Did you mean '{command}'?" in ran.err

    def test_with_json_the_message_is_a_document(self, terminal):
        """With --json even a command line that cannot be parsed is answered in JSON."""
        error = terminal.run("plan", "--json", "--frobnicate").document["error"]

        assert error["exit"] == 2
        assert "--frobnicate" in error["what"]
        assert error["where"] == "vpnmigrate plan"
        assert error["next"] == "vpnmigrate plan --help"


class TestUnknownThings:
    @pytest.mark.parametrize(
        "words",
        [
            ["apply", "m-none"],
            ["rollback", "m-none"],
            ["status", "m-none"],
            ["done", "m-none", "5"],
            ["finalize", "m-none", "--confirm", "vpn-1"],
            ["plan", "--from", "m-none"],
        ],
    )
    def test_an_unknown_run_is_named_with_those_there_are(self, terminal, words):
        """For a mistyped run id the message lists the runs of this directory."""
        run_id = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")

        ran = terminal.run(*words)

        assert ran.code == 2
        assert "m-none" in ran.err
        assert run_id in ran.err

    @pytest.mark.parametrize(
        "words", [["--vpn-gateway", "vgw-0123"], ["--vpn-connection", "vpn-0123"]]
    )
    def test_an_unknown_id_is_named_with_account_and_region(self, terminal, words):
        """A wrong id often means a wrong account or Region, so the message has both."""
        ran = terminal.run("plan", *words)

        assert ran.code == 2
        for fact in (words[1], "123456789012", "eu-west-1"):
            assert fact in ran.err

    def test_an_unknown_playbook_is_named_with_those_there_are(self, terminal):
        """The message lists the existing names."""
        ran = terminal.run("plan", "--vpn-gateway", terminal.gateway, "--playbook", "nope")

        assert ran.code == 2
        assert "standard" in ran.err

    def test_an_unknown_scenario_is_named_with_those_there_are(self, terminal):
        """An unknown scenario is refused."""
        ran = terminal.run("sandbox", "serve", "--scenario", "nope")

        assert ran.code == 2
        assert "single-bgp" in ran.err


class TestMalformedFiles:
    @pytest.mark.parametrize("verb", ["apply", "rehearse", "rollback", "runbook"])
    @pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 99}', "\x00"])
    def test_a_file_that_is_no_plan(self, terminal, verb, text):
        """A file that is not a plan is named in the message, and no run is started."""
        (terminal.place / "bad.json").write_text(text)

        ran = terminal.run(verb, "bad.json")

        assert ran.code in {2, 4}
        assert "bad.json" in ran.err
        assert "Traceback" not in ran.err
        assert terminal.run("status", "--json").document["runs"] == []

    def test_a_missing_file(self, terminal):
        """A missing path is a usage error, and is not taken for a run id."""
        ran = terminal.run("apply", "missing.json")

        assert ran.code == 2
        assert "missing.json" in ran.err

    def test_a_playbook_is_answered_with_line_and_field(self, terminal):
        """The message names the line."""
        (terminal.place / "mine.yaml").write_text(
            "name: mine\nsummary: s\ndecisions:\n  keyz: new\n"
        )

        ran = terminal.run("plan", "--vpn-gateway", terminal.gateway, "--playbook", "./mine.yaml")

        assert ran.code == 2
        for fact in ("mine.yaml", "line 4", "keyz"):
            assert fact in ran.err

    def test_a_scenario_is_answered_with_line_and_field(self, terminal):
        """A scenario file is parsed as strictly as a playbook."""
        (terminal.place / "mine.yaml").write_text("title: t\nvpcz: []\n")

        ran = terminal.run("sandbox", "serve", "--scenario", "./mine.yaml")

        assert ran.code == 2
        for fact in ("mine.yaml", "vpcz"):
            assert fact in ran.err


class TestAws:
    @pytest.mark.parametrize(
        ("taken", "says"),
        [
            (["AWS_DEFAULT_REGION"], "Region"),
            (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], "credentials"),
        ],
    )
    def test_missing_credentials_or_region(self, terminal, monkeypatch, taken, says):
        """Without credentials or Region the message says which, and how to give them."""
        for name in taken:
            monkeypatch.delenv(name)
        terminal.parts = None  # An ordinary process.

        ran = terminal.run("plan", "--vpn-gateway", "vgw-1")

        assert ran.code == 2
        assert says in ran.err
        assert "Next:" in ran.err

    def test_another_region_than_the_plans(self, terminal):
        """A plan for one Region does nothing in another."""
        terminal.planned()
        terminal.parts = SandboxDependencies(World(terminal.clock, region="us-east-1"))

        ran = terminal.run("apply", "plan.json")

        assert ran.code == 4
        commands = " ".join(ran.err.replace("\\\n", "").split())
        command = commands.partition("Region: ")[2].partition(" traffic:")[0].split()
        assert command[:2] == ["vpnmigrate", "apply"]
        assert {"plan.json", "--yes", "eu-west-1"} < set(command)
        assert "next:" not in commands

    def test_another_account_than_the_plans(self, terminal):
        """A plan for one account does nothing in another."""
        terminal.planned()
        terminal.parts = SandboxDependencies(World(terminal.clock, account="999999999999"))

        ran = terminal.run("apply", "plan.json")

        assert ran.code == 4
        assert "123456789012" in ran.err

    def test_no_permission_to_plan(self, terminal):
        """A denied describe call names the missing action."""
        terminal.inject(Faults([Fault("DescribeRouteTables", FaultKind.DENIED, times=0)]))

        ran = terminal.run("plan", "--vpn-gateway", terminal.gateway)

        assert ran.code == 1
        assert "DescribeRouteTables" in ran.err
        assert not list(terminal.place.glob("plan*.json"))

    def test_nothing_answers(self, terminal):
        """An endpoint without a server is reported as such."""
        terminal.parts = None

        ran = terminal.run(
            "plan", "--vpn-gateway", "vgw-1", "--endpoint-url", "http://127.0.0.1:9", "--json"
        )

        assert ran.code == 1
        assert "127.0.0.1:9" in ran.document["error"]["what"]


class TestTrafficDown:
    def test_a_permission_that_is_gone_in_the_outage_leaves_the_run_stuck(self, terminal):
        """Any failure of a run while traffic is down has exit code 5."""
        terminal.planned()
        denied = Fault("DescribeVpnGateways", FaultKind.DENIED, nth=40, times=0)
        while_down = Faults([denied, Fault("AttachVpnGateway", FaultKind.THROTTLE, times=0)])
        terminal.inject(while_down)

        ran = terminal.run("apply", "plan.json", "--json")

        assert ran.code == ran.document["error"]["exit"] == 5
        assert ran.document["run"]["traffic"] == "none"
        assert "ec2:DescribeVpnGateways" in ran.document["error"]["what"]


class TestSecondHands:
    def test_a_run_in_other_hands_is_refused(self, terminal: Terminal, tmp_path: Path):
        """Two processes of one run directory do not work on the same run."""
        run_id = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")
        run_of = Runs(Path(os.environ["VPNMIGRATE_HOME"])).find(run_id)
        lock = acquire_lock(run_of, terminal.clock, this_process("bea", socket.gethostname()))

        ran = terminal.run("apply", run_id)

        lock.release()

        assert ran.code == 4
        assert "bea" in ran.err
        assert "--take-over" in ran.err

    def test_a_claim_of_another_directory_is_refused_until_taken_over(self, terminal, tmp_path):
        """The claim tag stops a second operator, and the message has the take-over command."""
        terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")
        elsewhere = str(tmp_path / "elsewhere")

        refused = terminal.run("apply", "plan.json", "--run-dir", elsewhere)
        holder = " ".join(refused.err.split()).split("--take-over ")[1].split()[0]
        taken = terminal.run("apply", "plan.json", "--run-dir", elsewhere, "--take-over", holder)

        assert refused.code == 4
        assert taken.code == 0


class TestDefects:
    def test_a_bug_is_admitted_without_a_traceback(self, capsys, tmp_path):
        """An unexpected exception ends with exit code 1, and its traceback in a private file."""

        class Broken(RealDependencies):
            def clients(self, aws):
                raise ZeroDivisionError

        code = run_command(["plan", "--vpn-gateway", "vgw-1", "--json"], Broken())

        output = capsys.readouterr()
        kept = Path(json.loads(output.out)["error"]["where"])
        assert code == 1
        assert "This is a bug in vpnmigrate: ZeroDivisionError" in output.err
        assert "Traceback" not in output.err + output.out
        assert "ZeroDivisionError" in kept.read_text()
        assert kept.stat().st_mode & 0o077 == 0

    def test_a_bug_in_the_outage_says_that_traffic_is_down(self, terminal: Terminal):
        """The exit code is 5; the output has the traffic and the commands of both directions."""

        class Broken(Faults):
            def before(self, service, action, nth):
                if action == "AttachVpnGateway":
                    raise ZeroDivisionError

        run = terminal.planned()
        terminal.inject(Broken())

        ended = terminal.run("apply", "plan.json", "--json")

        document = json.loads(ended.out)
        assert ended.code == document["error"]["exit"] == 5
        assert document["run"]["traffic"] == "none"
        for each in ("This is a bug", "DOWN", f"vpnmigrate rollback {run}"):
            assert each in ended.err
        terminal.inject(Faults())
        assert terminal.run("rollback", run).code == 0
