"""Pause, continue and abort as verbs: what they say, change, and leave the process with."""

from __future__ import annotations

import pytest

from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed


@pytest.fixture
def staged(terminal):
    """A run that is staged and that nobody has in hand."""
    run = terminal.planned()
    terminal.run("apply", "plan.json", "--until", "cutover")
    return run


class TestWithoutAProcess:
    def test_a_pause_holds_until_continue(self, terminal, staged):
        """Apply is held and names who paused; the command it prints goes on to the end."""
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

    def test_status_shows_it_once(self, terminal, staged):
        """Who paused and since when is a line of its own."""
        terminal.run("pause", staged)

        shown = terminal.run("status", staged).out

        assert shown.count("paused by ann on laptop since") == 1

    def test_an_abort_leads_to_rollback(self, terminal, staged):
        """An aborted run is not applied; the next command cleans it up."""
        aborted = terminal.run("abort", staged)
        held = terminal.run("apply", staged)

        assert (aborted.code, held.code) == (0, 3)
        assert "nothing was interrupted" in " ".join(aborted.out.split())
        assert terminal.status(staged)["next"] == f"vpnmigrate rollback {staged}"
        assert terminal.run("rollback", staged).code == 0

    def test_json_tells_where_the_run_stands(self, terminal, staged):
        """One document with the verb, what becomes of it, and the run."""
        document = terminal.run("pause", staged, "--json").document

        assert document["schema"] == "vpnmigrate/order/1"
        assert (document["verb"], document["taken_up"]) == ("pause", True)
        assert document["run"] == staged
        assert document["order"]["order"] == "paused"

    def test_there_has_to_be_something_to_continue(self, terminal, staged):
        """Continue on a run that nobody holds is a mistake of the command line."""
        ran = terminal.run("continue", staged)

        assert ran.code == 2
        assert "neither paused nor aborted" in ran.err

    @pytest.mark.parametrize(("verb", "instead"), [("pause", "status"), ("abort", "rollback")])
    def test_a_run_at_its_end_is_refused(self, terminal, staged, verb, instead):
        """What has arrived cannot rest, and is given up by rollback, which no pause suggests."""
        terminal.run("apply", staged)

        ran = terminal.run(verb, staged)

        assert ran.code == 4
        assert f"Next: vpnmigrate {instead} {staged}" in ran.err
        assert terminal.status(staged)["order"] is None

    @pytest.mark.parametrize("verb", ["pause", "abort"])
    def test_in_the_outage_of_a_dead_process_the_way_back_is_named(self, terminal, verb):
        """Nobody is there to turn back, so the order is refused instead of taken for done."""
        run = terminal.planned()
        terminal.meets(Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json")

        ran = terminal.run(verb, run)

        assert ran.code == 4
        assert f"vpnmigrate rollback {run}" in ran.err
        assert terminal.status(run)["order"] is None


@pytest.mark.parametrize("verb", ["pause", "continue", "abort"])
def test_an_unknown_run_is_a_usage_error(terminal, verb):
    """The runs there are get listed."""
    terminal.planned()

    assert terminal.run(verb, "m-nope").code == 2
