"""Commands pause, continue and abort: output, effect and exit code."""

from __future__ import annotations

from datetime import timedelta

import pytest

from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed


@pytest.fixture
def staged(terminal):
    """A staged run that no process works on."""
    run = terminal.planned()
    terminal.run("apply", "plan.json", "--until", "cutover")
    return run


def living_connections(terminal):
    """Return the ids of the connections that are not deleted, oldest first."""
    found = terminal.world.execute("ec2", "DescribeVpnConnections", {})["VpnConnections"]
    return [each["VpnConnectionId"] for each in found if each["State"] != "deleted"]


class TestWithoutAProcess:
    def test_a_pause_holds_until_continue(self, terminal, staged):
        """Apply is held and names who paused; the printed command completes the run."""
        paused = terminal.run("pause", staged)
        held = terminal.run("apply", staged)
        status = terminal.status(staged)
        continued = terminal.run("continue", staged)

        assert (paused.code, held.code, continued.code) == (0, 3, 0)
        assert "apply and finalize are refused" in paused.out
        assert "paused by ann on laptop since" in " ".join(held.err.split())
        assert status["order"]["order"] == "paused"
        assert (status["order"]["by"], status["order"]["host"]) == ("ann", "laptop")
        assert status["waiting_for"].startswith("paused by ann on laptop since")
        assert status["next"] == f"vpnmigrate continue {staged} && vpnmigrate apply {staged}"
        assert terminal.status(staged)["order"] is None
        assert terminal.run("apply", staged).code == 0

    def test_a_pause_holds_a_staging_that_is_done(self, terminal, staged):
        """The run is prepared, but it is paused: staging it again is held like any other."""
        terminal.run("pause", staged)

        again = terminal.run("apply", staged, "--until", "cutover")

        assert again.code == 3
        assert "paused by ann on laptop" in " ".join(again.err.split())

    def test_a_staging_that_is_done_is_verified_again(self, terminal):
        """A new connection that was deleted since is found, with the way back."""
        old = living_connections(terminal)
        run = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")
        made = [each for each in living_connections(terminal) if each not in old]
        gone = {"VpnConnectionId": made[0]}
        terminal.world.execute("ec2", "DeleteVpnConnection", gone)
        terminal.clock.sleep(timedelta(minutes=10))

        again = terminal.run("apply", run, "--until", "cutover")

        assert again.code == 1
        assert "changed outside this run: connection/" in again.err
        assert f"vpnmigrate rollback {run}" in again.err

    def test_status_shows_it_once(self, terminal, staged):
        """Status has a line with who paused the run and since when."""
        terminal.run("pause", staged)

        shown = terminal.run("status", staged).out

        assert shown.count("paused by ann on laptop since") == 1

    @pytest.mark.parametrize("verb", ["pause", "abort"])
    def test_an_order_before_the_first_process_holds_it_until_continue(self, terminal, verb):
        """The run stays planned, and what is true of the traffic can be told afterwards."""
        run = terminal.planned()
        terminal.run_bare("apply", "plan.json")  # Held without consent, it has changed nothing.

        ordered = terminal.run(verb, run)
        held = terminal.run("apply", run)
        status = terminal.status(run)
        terminal.run("continue", run)
        staged = terminal.run("apply", run, "--until", "cutover")
        shown = terminal.run("status", run).out

        assert (ordered.code, held.code, staged.code) == (0, 3, 0)
        assert status["status"] == "planned"
        assert status["next"] == f"vpnmigrate continue {run} && vpnmigrate apply {run}"
        assert "inconsistent" not in shown
        assert "through the old gateway" in shown

    def test_an_abort_leads_to_rollback(self, terminal, staged):
        """An aborted run is not applied; the next command cleans it up."""
        aborted = terminal.run("abort", staged)
        held = terminal.run("apply", staged)

        assert (aborted.code, held.code) == (0, 3)
        assert "nothing was interrupted" in " ".join(aborted.out.split())
        assert terminal.status(staged)["next"] == f"vpnmigrate rollback {staged}"
        assert terminal.run("rollback", staged).code == 0

    def test_json_tells_where_the_run_stands(self, terminal, staged):
        """One JSON document has the order, its outcome and the run."""
        document = terminal.run("pause", staged, "--json").document

        assert document["schema"] == "vpnmigrate/order/1"
        assert (document["verb"], document["taken_up"]) == ("pause", True)
        assert document["run"] == staged
        assert document["order"]["order"] == "paused"

    def test_there_has_to_be_something_to_continue(self, terminal, staged):
        """Continue on a run that is not paused is a usage error."""
        ran = terminal.run("continue", staged)

        assert ran.code == 2
        assert "neither paused nor aborted" in ran.err

    @pytest.mark.parametrize(("verb", "instead"), [("pause", "status"), ("abort", "rollback")])
    def test_a_run_at_its_end_is_refused(self, terminal, staged, verb, instead):
        """A migrated run cannot be paused, and the refusal does not suggest a rollback."""
        terminal.run("apply", staged)

        ran = terminal.run(verb, staged)

        assert ran.code == 4
        assert f"Next: vpnmigrate {instead} {staged}" in ran.err
        assert terminal.status(staged)["order"] is None

    @pytest.mark.parametrize("verb", ["pause", "abort"])
    def test_in_the_outage_of_a_dead_process_the_way_back_is_named(self, terminal, verb):
        """No process is running that could roll back, so abort is refused."""
        run = terminal.planned()
        terminal.inject(Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json")

        ran = terminal.run(verb, run)

        assert ran.code == 4
        assert f"vpnmigrate rollback {run}" in ran.err
        assert terminal.status(run)["order"] is None

    def test_a_pause_in_the_outage_says_which_command_rolls_back(self, terminal):
        """What is pasted after a refused pause must not roll back by surprise."""
        run = terminal.planned()
        terminal.inject(Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json")

        printed = " ".join(terminal.run("pause", run).err.split())

        assert f"to see the status: vpnmigrate status {run}" in printed
        assert f"to roll back instead: vpnmigrate rollback {run}" in printed


@pytest.mark.parametrize("verb", ["pause", "continue", "abort"])
def test_an_unknown_run_is_a_usage_error(terminal, verb):
    """The message lists the existing runs."""
    terminal.planned()

    assert terminal.run(verb, "m-nope").code == 2
