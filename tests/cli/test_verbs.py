"""Commands end to end, in this process, against a sandbox in virtual time."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, time, timedelta

import pytest

from vpnmigrate.model.consistency import CONSISTENCY_DELAY
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed


class TestPlan:
    def test_writes_the_file_and_shows_the_plan(self, terminal):
        """The printed plan names its file, and the file exists."""
        ran = terminal.run("plan", "--vpn-gateway", terminal.gateway, "-o", "plan.json")

        assert ran.code == 0
        assert ran.out.startswith("Plan to replace")
        assert "vpnmigrate apply plan.json" in ran.out
        assert (terminal.place / "plan.json").is_file()

    def test_a_connection_names_its_gateway(self, terminal):
        """A connection is enough to find its gateway."""
        ran = terminal.run("plan", "--vpn-connection", terminal.connections[0], "--json")

        assert ran.document["plan"]["before"]["gateway"]["id"] == terminal.gateway

    def test_without_a_name_the_file_is_called_after_the_migration(self, terminal):
        """Planning twice does not overwrite the first plan."""
        first, second = (
            terminal.run("plan", "--vpn-gateway", terminal.gateway, "--json").document
            for _ in range(2)
        )

        assert first["file"] == f"plan-{first['plan']['migration']}.json"
        assert first["file"] != second["file"]

    @pytest.mark.parametrize("words", [[], ["--vpn-gateway", "vgw-1", "--vpn-connection", "vpn-1"]])
    def test_wants_exactly_one_subject(self, terminal, words):
        """A plan needs exactly one target."""
        ran = terminal.run("plan", *words)

        assert ran.code == 2
        assert "exactly one" in ran.err

    def test_blockers_are_refused_with_evidence_and_fix(self, terminal):
        """A gateway that cannot be migrated is refused, with named findings, and no file."""
        terminal.scenario("mixed-category")

        ran = terminal.run("plan", "--vpn-gateway", terminal.gateway, "-o", "p.json", "--json")

        error = ran.document["error"]
        assert ran.code == 4
        assert error["findings"][0]["severity"] == "blocks"
        assert error["findings"][0]["fix"]
        assert not (terminal.place / "p.json").exists()

    def test_nothing_to_migrate_has_a_code_of_its_own(self, terminal):
        """A gateway without Classic connections has its own exit code, 6."""
        terminal.scenario("nothing-classic")

        assert terminal.run("plan", "--vpn-gateway", terminal.gateway).code == 6


class TestApply:
    def test_migrates_and_says_how_to_go_on_and_back(self, terminal):
        """A finished migration prints traffic, the finalize command and the rollback command."""
        run = terminal.planned()

        ran = terminal.run("apply", "plan.json")

        assert ran.code == 0
        assert "Migrated." in ran.out
        assert "through the new gateway" in ran.out
        assert "observe until 2026-01-18" in ran.out
        assert f"vpnmigrate rollback {run}" in ran.out
        assert terminal.status(run)["next"] == f"vpnmigrate status {run}"
        terminal.clock.sleep(timedelta(days=1))
        finalize = f"vpnmigrate finalize {run} --confirm {terminal.connections[0]}"
        assert terminal.status(run)["next"] == finalize

    def test_again_after_the_end_does_nothing(self, terminal):
        """Applying a migrated run does not start a new attempt."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")

        assert terminal.run("apply", "plan.json").code == 0
        assert terminal.status(run)["attempt"] == 1

    def test_until_cutover_holds_without_outage_however_often(self, terminal):
        """A staged run stays staged, and traffic is not affected."""
        run = terminal.planned()

        codes = [terminal.run("apply", "plan.json", "--until", "cutover").code for _ in range(3)]

        status = terminal.status(run)
        assert codes == [0, 0, 0]
        assert (status["traffic"], status["outage_since"]) == ("old", None)
        assert status["status"] == "held"
        assert status["next"] == f"vpnmigrate apply {run}"

    def test_goes_on_from_a_hold(self, terminal):
        """The command that a held run prints completes the migration."""
        run = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")

        assert terminal.run("apply", run).code == 0
        assert terminal.status(run)["traffic"] == "new"

    def test_a_killed_run_is_resumed(self, terminal):
        """A run whose process died in step 8 can be finished by another process."""
        run = terminal.planned()
        terminal.inject(Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json")

        down = terminal.status(run)
        terminal.inject(Faults())
        resumed = terminal.run("apply", run)

        assert (down["traffic"], down["step"], down["phase"]) == ("none", 8, "cutover")
        assert resumed.code == 0
        assert resumed.err.count("  attach ") == 0

    def test_an_edited_plan_is_refused(self, terminal):
        """An edited plan is refused."""
        terminal.planned()
        file = terminal.place / "plan.json"
        file.write_text(file.read_text().replace('"standard"', '"my-own"'))

        ran = terminal.run("apply", "plan.json")

        assert ran.code == 4
        assert "was edited" in ran.err
        assert terminal.run("status", "--json").document["runs"] == []

    def test_a_world_that_differs_is_refused_field_by_field(self, terminal):
        """Drift is reported with values, and nothing is sent."""
        terminal.planned()
        terminal.world.execute(
            "ec2",
            "CreateTags",
            {"Resources": [terminal.gateway], "Tags": [{"Key": "team", "Value": "other"}]},
        )

        ran = terminal.run("apply", "plan.json", "--json")

        assert ran.code == 4
        assert any("team" in line for line in ran.document["error"]["differences"])
        assert ran.document["run"]["direction"] is None

    def test_without_a_person_it_holds_and_names_the_word(self, terminal):
        """Without a terminal a device task holds the run; done and apply resume it."""
        terminal.without_engineer()
        run = terminal.planned()

        held = terminal.run("apply", "plan.json")
        said = terminal.run("done", run, "5", "--json")
        staged = terminal.run("apply", run, "--until", "cutover")

        assert held.code == 3
        assert f"vpnmigrate done {run} 5" in held.err
        assert "&&" not in held.err
        assert said.document["word"] == "devices-configured"
        assert said.document["next"] == f"vpnmigrate apply {run}"
        assert staged.code == 0
        assert "everything is prepared" in staged.out

    def test_aws_saying_no_stops_with_what_is_missing(self, terminal):
        """A refusal names the action, the step, and that traffic is where it was."""
        run = terminal.planned()
        terminal.inject(Faults([Fault("CreateVpnGateway", FaultKind.DENIED, times=0)]))

        ran = terminal.run("apply", "plan.json", "--json")

        assert ran.code == 1
        assert ran.document["error"]["where"] == "step 2"
        assert "CreateVpnGateway" in ran.document["error"]["what"]
        assert ran.document["run"]["traffic"] == "old"
        assert ran.document["run"]["next"] == f"vpnmigrate apply {run}"


class TestBackOut:
    """A failed cutover, and the plan's back-out policy."""

    def refused_in_step_8(self, terminal, policy):
        (terminal.place / "p.yaml").write_text(
            f"name: p\nsummary: s\ndecisions:\n  back_out: {policy}\n"
        )
        planned = ["plan", "--vpn-gateway", terminal.gateway, "--playbook", "./p.yaml"]
        run = terminal.run(*planned, "-o", "plan.json", "--json").document["plan"]["migration"]
        terminal.inject(Faults([Fault("AttachVpnGateway", FaultKind.DENIED)]))
        return run, terminal.run("apply", "plan.json")

    def test_unasked_nothing_is_rolled_back(self, terminal):
        """While traffic is down the exit code is 5, and both commands are printed."""
        run, ran = self.refused_in_step_8(terminal, "ask")

        assert ran.code == 5
        assert "on-premises traffic is DOWN" in " ".join(ran.err.split())
        assert f"next:       vpnmigrate apply {run}" in ran.err
        assert f"roll back:  vpnmigrate rollback {run}" in ran.err

    def test_a_policy_takes_it_back(self, terminal):
        """A rolled back failure is still a failure; the output has traffic and kept resources."""
        run, ran = self.refused_in_step_8(terminal, "rollback")

        output = " ".join(ran.err.split())
        assert ran.code == 1
        assert "the plan's back-out policy has rolled it back" in output
        assert "traffic: UP through the old gateway" in output
        assert f"try again: vpnmigrate apply {run}" in output
        assert f"clean up: vpnmigrate rollback {run}" in output

    def test_what_it_kept_can_be_taken_away(self, terminal):
        """The clean-up command removes everything of the run, and is not printed again."""
        run, _ = self.refused_in_step_8(terminal, "rollback")

        ran = terminal.run("rollback", run)

        assert ran.code == 0
        assert "delete virtual private gateway" in ran.err
        assert "clean up" not in ran.out


class TestRollback:
    @pytest.mark.parametrize("begun", ["staged", "migrated"])
    def test_brings_back_what_was_there(self, terminal, begun):
        """From any point one command rolls back, and a new plan finds no change."""
        run = terminal.planned()
        before = json.loads((terminal.place / "plan.json").read_text())["before"]
        terminal.run("apply", "plan.json", *(["--until", "cutover"] if begun == "staged" else []))

        ran = terminal.run("rollback", run)

        again = terminal.run("plan", "--vpn-gateway", terminal.gateway, "--json").document
        assert ran.code == 0
        assert "Rolled back" in ran.out
        assert terminal.status(run)["traffic"] == "old"
        assert again["plan"]["before"]["gateway"] == before["gateway"]

    def test_then_apply_is_a_new_attempt(self, terminal):
        """A rolled back run can be tried again with its own plan."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")
        terminal.run("rollback", run)

        assert terminal.run("apply", "plan.json").code == 0
        assert terminal.status(run)["attempt"] == 2

    def test_keep_new_leaves_the_new_side_for_a_retry(self, terminal):
        """The next attempt reuses the kept resources."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")
        terminal.run("rollback", run, "--keep-new")

        again = terminal.run("apply", run)

        assert again.code == 0
        assert "create virtual private gateway" not in again.err


class TestWithoutTheJournal:
    """After the loss of the run directory, plan file and tags are enough."""

    def dead_in_step_8(self, terminal):
        run = terminal.planned()
        terminal.inject(Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json")
        shutil.rmtree(terminal.place / "home" / "runs")
        terminal.inject(Faults())
        refused = terminal.run("apply", "plan.json")
        assert refused.code == 4
        return run, " ".join(refused.err.split()).split("--take-over ")[1].split()[0]

    @pytest.mark.parametrize(("verb", "traffic"), [("apply", "new"), ("rollback", "old")])
    def test_either_way_can_be_gone(self, terminal, verb, traffic):
        """Another machine resumes or rolls back from the plan file, and asks for no task again."""
        run, holder = self.dead_in_step_8(terminal)

        ran = terminal.run(verb, "plan.json", "--take-over", holder)

        assert ran.code == 0
        assert terminal.status(run)["traffic"] == traffic
        assert "load the candidate" not in ran.err

    def test_and_be_interrupted_again(self, terminal):
        """If the process that took over dies, the next one asks for no early task either."""
        run, holder = self.dead_in_step_8(terminal)
        terminal.inject(Faults([Fault("EnableVgwRoutePropagation", FaultKind.KILL_BEFORE)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json", "--take-over", holder)
        terminal.inject(Faults())

        ran = terminal.run("apply", run)

        assert ran.code == 0
        assert "load the candidate" not in ran.err
        assert terminal.status(run)["traffic"] == "new"

    def test_without_waiting_twice_in_the_outage(self, terminal):
        """The run waits for the consistency delay once and visibly, and evaluates no gate then."""
        _, holder = self.dead_in_step_8(terminal)
        began = terminal.clock.now()

        ran = terminal.run("apply", "plan.json", "--take-over", holder)

        output = next(line for line in ran.err.splitlines() if "step 7 of 11" in line)
        taken = datetime.combine(began.date(), time.fromisoformat(output.split("Z")[0]), UTC)
        assert taken - began < CONSISTENCY_DELAY + timedelta(seconds=30)
        assert " of 4 min: without a journal" in ran.err

    def test_and_stopped_before_the_claim_was_ours(self, terminal):
        """The printed command resumes, although the tag still names the previous holder."""
        run, holder = self.dead_in_step_8(terminal)
        terminal.inject(Faults([Fault("CreateTags", FaultKind.KILL_BEFORE)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json", "--take-over", holder)
        terminal.inject(Faults())

        ran = terminal.run("apply", run)

        assert ran.code == 0
        assert "please wait" in ran.err
        assert terminal.status(run)["traffic"] == "new"

    def test_whoever_takes_it_back_is_not_overruled(self, terminal):
        """A take-over counts until this run has the claim, and no longer."""
        _, holder = self.dead_in_step_8(terminal)
        terminal.inject(Faults([Fault("EnableVgwRoutePropagation", FaultKind.KILL_BEFORE)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json", "--take-over", holder)
        terminal.inject(Faults())
        tags = [{"Key": "vpnmigrate:claim", "Value": holder}]
        terminal.world.execute("ec2", "CreateTags", {"Resources": [terminal.gateway], "Tags": tags})

        assert terminal.run("apply", "plan.json").code == 4

    def test_and_found_done_already(self, terminal):
        """A finished cutover that was taken over can be rolled back fully, with device tasks."""
        (terminal.place / "leave.yaml").write_text(
            "name: leave\nsummary: s\ndecisions:\n  old_tunnels: leave\n"
        )
        plan = ["plan", "--vpn-gateway", terminal.gateway, "--playbook", "./leave.yaml"]
        terminal.run(*plan, "-o", "plan.json")
        run = json.loads((terminal.place / "plan.json").read_text())["migration"]
        terminal.run("apply", "plan.json")
        shutil.rmtree(terminal.place / "home" / "runs")
        refused = terminal.run("rollback", "plan.json")
        holder = " ".join(refused.err.split()).split("--take-over ")[1].split()[0]
        terminal.run("apply", "plan.json", "--take-over", holder)

        ran = terminal.run("rollback", run)

        assert ran.code == 0
        assert "step 10 of 11" in ran.err
        assert terminal.status(run)["traffic"] == "old"


class TestFinalize:
    def test_wants_every_connection_by_name(self, terminal):
        """Case 67: nothing is deleted that was not named."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")

        ran = terminal.run("finalize", run)

        assert ran.code == 2
        assert f"not named: {terminal.connections[0]}" in " ".join(ran.err.split())

    def test_refuses_a_name_that_is_none_of_its_own(self, terminal):
        """A connection of another gateway is never deleted by mistake."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")

        ran = terminal.run("finalize", run, "--confirm", "vpn-0f00")

        assert ran.code == 2
        assert "vpn-0f00" in ran.err

    @pytest.mark.parametrize("verb", [[], ["apply", "plan.json", "--until", "cutover"]])
    def test_refuses_what_was_never_verified(self, terminal, verb):
        """Case 67: only a migration whose traffic was verified can be finalized."""
        run = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")

        ran = terminal.run("finalize", run, "--confirm", terminal.connections[0])

        assert ran.code == 4
        assert "verified" in ran.err

    def test_deletes_and_says_that_nothing_leads_back(self, terminal):
        """After finalize neither apply nor rollback does anything."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")

        ran = terminal.run(
            "finalize", run, "--confirm", terminal.connections[0], "--delete-old-gateway"
        )

        assert ran.code == 0
        assert "Rollback is no longer possible." in ran.out
        assert terminal.status(run)["next"] == ""
        assert terminal.run("rollback", run).code == 4
        assert terminal.run("apply", run).code == 4

    def test_killed_while_deleting_it_goes_on_by_the_printed_command(self, terminal):
        """The printed command repeats the options of finalize, and nothing else."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")
        finalize = ["finalize", run, "--confirm", terminal.connections[0], "--delete-old-gateway"]
        terminal.inject(Faults([Fault("DeleteVpnConnection", FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run(*finalize)
        terminal.inject(Faults())

        status = terminal.status(run)
        back = terminal.run("rollback", run)
        again = terminal.run(*status["next"].split()[1:])

        assert status["next"].split()[1:] == finalize
        assert status["way_back"] == ""
        assert back.code == 4
        assert again.code == 0
        assert "delete virtual private gateway" in again.err
        assert terminal.status(run)["next"] == ""

    def test_as_long_as_nothing_is_deleted_the_way_back_is_open(self, terminal):
        """A finalize that AWS refused can still be rolled back."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")
        terminal.inject(Faults([Fault("DeleteVpnConnection", FaultKind.DENIED)]))

        refused = terminal.run("finalize", run, "--confirm", terminal.connections[0])
        applied = terminal.run("apply", run)
        back = terminal.run("rollback", run)

        assert refused.code == 1
        assert f"roll back:  vpnmigrate rollback {run}" in refused.err
        assert applied.code == 4
        assert "nothing is deleted yet" in applied.err
        assert back.code == 0
        assert terminal.status(run)["traffic"] == "old"

    def test_refuses_when_the_new_side_carries_nothing_any_more(self, terminal):
        """Traffic that was verified earlier is observed again before anything is deleted."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")
        with terminal.world.alone() as state:
            new = set(state.connections) - set(terminal.connections)
        for connection in new:
            terminal.world.devices.disable(connection)
        terminal.clock.sleep(timedelta(hours=1))

        ran = terminal.run("finalize", run, "--confirm", terminal.connections[0])

        assert ran.code == 4
        assert "delete connection" not in ran.err
        assert terminal.run("rollback", run).code == 0

    def test_yes_is_no_flag_of_it(self, terminal):
        """No option replaces naming the connections."""
        assert terminal.run("finalize", "m-1", "--yes").code == 2


class TestDone:
    def test_a_word_nobody_waits_for_is_refused(self, terminal):
        """Done is refused before the run asks for the task."""
        run = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")

        ran = terminal.run("done", run, "10")

        assert ran.code == 2
        assert "does not wait" in ran.err


class TestReplan:
    def test_a_held_run_that_drifted_goes_on_with_a_new_plan(self, terminal):
        """The run's resources are kept, and the current state of AWS is accepted."""
        run = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")
        terminal.world.execute(
            "ec2",
            "CreateTags",
            {"Resources": [terminal.gateway], "Tags": [{"Key": "team", "Value": "other"}]},
        )

        refused = terminal.run("apply", run)
        planned = terminal.run("plan", "--from", run, "-o", "new.json", "--json")
        applied = terminal.run("apply", "new.json")

        assert (refused.code, planned.code, applied.code) == (4, 0, 0)
        assert planned.document["plan"]["migration"] == run
        assert "create virtual private gateway" not in applied.err
        assert terminal.status(run)["plan"] == planned.document["plan"]["fingerprint"]

    def test_a_run_in_its_cutover_keeps_its_plan(self, terminal):
        """A rollback uses the plan that the cutover started with."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")

        assert terminal.run("plan", "--from", run).code == 4


class TestRehearse:
    def test_reports_every_boundary_and_touches_no_world(self, terminal):
        """A rehearsal rolls back from each of ten steps, and changes nothing outside."""
        terminal.planned()
        calls = terminal.clock.now()

        ran = terminal.run("rehearse", "plan.json", "--json")

        assert ran.code == 0
        assert [timing["boundary"] for timing in ran.document["back"]] == list(range(1, 11))
        assert all(timing["differences"] == [] for timing in ran.document["back"])
        assert ran.document["forward"]["outage"] > 0
        assert terminal.clock.now() == calls


class TestOthersAtWork:
    def test_a_claim_leaves_the_traffic_to_its_holder(self, terminal):
        """A second machine does not report traffic as up while the first one's outage is open."""
        run = terminal.planned()
        terminal.inject(Faults([Fault("AttachVpnGateway", FaultKind.DENIED)]))
        terminal.run("apply", "plan.json")

        refused = terminal.run("apply", "plan.json", "--run-dir", "elsewhere")
        status = terminal.run("status", run, "--run-dir", "elsewhere", "--json").document

        assert refused.code == 4
        assert "traffic:    unknown here" in refused.err
        assert "through the old gateway" not in refused.err
        assert status["traffic"] == "unknown"

    def test_the_command_to_take_over_can_be_pasted(self, terminal):
        """The command line was refused, with the missing name."""
        terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")

        refused = terminal.run("rollback", "plan.json", "--run-dir", "elsewhere")
        output = refused.err.split("take over:")[1].replace("\\\n", " ").split()
        taken = terminal.run(*output[1:])

        assert output[:3] == ["vpnmigrate", "rollback", "plan.json"]
        assert taken.code == 0


class TestStatus:
    def test_lists_every_run(self, terminal):
        """Status lists all runs of a directory."""
        first = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")

        ran = terminal.run("status")

        assert ran.code == 0
        assert first in ran.out

    def test_a_damaged_journal_is_named_and_hides_no_other_run(self, terminal):
        """One damaged run does not hide the others."""
        run = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")
        journal = next((terminal.place / "home" / "runs").glob("*/journal.jsonl"))
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join([*lines[:3], *lines[4:]]))

        listed = terminal.run("status", "--json")
        shown = terminal.run("status")
        one = terminal.run("status", run, "--json")

        assert (listed.code, shown.code) == (1, 1)
        assert run in shown.out
        assert listed.document["unreadable"][0]["run"] == run
        assert one.code == 1
        assert one.document["error"]["where"] == "line 3 of the journal"


class TestProbes:
    def test_a_probe_that_cannot_be_sent_is_refused_before_anything_begins(self, terminal):
        """A mistyped probe is a usage error, and the run does not start."""
        run = terminal.planned()

        piped = terminal.run("apply", "plan.json", "--probe", "ping x | grep y")
        both = terminal.run("apply", "plan.json", "--probe", "10.1.0.5:22", "--no-probes")

        assert (piped.code, both.code) == (2, 2)
        assert terminal.run("status", run).code == 2

    def test_going_on_without_probes_is_written_down(self, terminal):
        """The status shows that probes are off."""
        run = terminal.planned()

        ran = terminal.run("apply", "plan.json", "--no-probes")

        assert ran.code == 0
        assert any("--no-probes" in note for note in terminal.status(run)["notes"])
