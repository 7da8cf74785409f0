"""The change window and its gates on the command line."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta

TONIGHT = "2026-01-17T23:00/03:00 Europe/Berlin"
OVER = "2025-01-17T23:00/03:00 Europe/Berlin"


def plan(terminal, *words):
    ran = terminal.run(
        "plan", "--vpn-gateway", terminal.gateway, "-o", "plan.json", "--json", *words
    )
    assert ran.code == 0, ran.err
    return ran.document["plan"]


def gates(terminal, run):
    return {each["gate"]: each for each in terminal.status(run)["gates"]["gates"]}


def words_of(command, window=""):
    """Return the words that a shell passes to the program, with *window* for START/END."""
    return [window if word == "START/END" else word for word in shlex.split(command)][1:]


class TestWindow:
    def test_is_frozen_into_the_plan(self, terminal):
        """The fingerprint covers the window, and the plan shows it."""
        without = plan(terminal)
        made = plan(terminal, "--window", TONIGHT)

        assert made["decisions"]["window"] == {
            "start": "2026-01-17T22:00:00Z",
            "end": "2026-01-18T02:00:00Z",
            "written": TONIGHT,
        }
        assert made["fingerprint"] != without["fingerprint"]
        assert (
            TONIGHT
            in terminal.run("plan", "--vpn-gateway", terminal.gateway, "--window", TONIGHT).out
        )

    def test_staging_goes_on_before_it_and_the_cutover_waits(self, terminal):
        """Steps 1 to 6 run before the window; step 7 starts when the window is open."""
        run = plan(terminal, "--window", TONIGHT)["migration"]

        early = terminal.run("apply", "plan.json")
        held = terminal.status(run)

        assert early.code == 3
        assert "opens 2026-01-17 22:00Z" in early.err
        assert (held["step"], held["status"], held["traffic"]) == (6, "held", "old")
        assert gates(terminal, run)["window"]["call"] == "FAIL"
        terminal.clock.sleep(timedelta(hours=20))
        assert terminal.run("apply", run).code == 0
        assert {each["call"] for each in gates(terminal, run).values()} == {"PASS"}

    def test_too_late_is_too_late_but_never_for_the_way_back(self, terminal):
        """If cutover and rollback no longer fit, the gate fails; a rollback needs no window."""
        run = plan(terminal, "--window", TONIGHT)["migration"]
        terminal.run("apply", "plan.json", "--until", "cutover")
        terminal.clock.sleep(timedelta(hours=23, minutes=30))

        late = terminal.run("apply", run)

        assert late.code == 3
        assert "for a rollback by 2026-01-18 02:00Z" in late.err
        terminal.clock.sleep(timedelta(days=3))
        assert terminal.run("rollback", run).code == 0

    def test_another_night_is_another_plan(self, terminal):
        """A held run can be replanned for another window, and keeps its resources."""
        run = plan(terminal, "--window", TONIGHT)["migration"]
        terminal.run("apply", "plan.json", "--until", "cutover")
        terminal.clock.sleep(timedelta(days=2))

        over = terminal.run("plan", "--from", run, "-o", "again.json")
        assert (over.code, "is over" in over.err) == (2, True)
        window = "2026-01-19T02:00/06:00 UTC"
        again = terminal.run("plan", "--from", run, "--window", window, "-o", "again.json")
        assert again.code == 0, again.err
        assert terminal.run("apply", "again.json").code == 0

    def test_following_its_advice_opens_it(self, terminal):
        """The commands are pasted with START/END replaced, again and again: each plan is new."""
        run = plan(terminal, "--window", TONIGHT)["migration"]
        terminal.run("apply", "plan.json", "--until", "cutover")
        applied = ""
        for again in ("2026-01-20T02:00/06:00 UTC", "2026-01-22T02:00/06:00 UTC"):
            terminal.clock.sleep(timedelta(days=2))
            held = terminal.run("apply", run, "--json")
            assert held.code == 3
            planned, applied = held.document["error"]["commands"]
            assert "in place of START/END" in held.document["error"]["next"]
            status = terminal.status(run)
            assert status["next"].endswith(f"apply {run}")
            assert planned in status["to_open"]
            made = terminal.run(*words_of(planned, again))
            assert made.code == 0, made.err
            before = terminal.run(*words_of(applied))
            assert gates(terminal, run)["window"]["observed"].startswith("opens "), before.err

        terminal.clock.sleep(datetime(2026, 1, 22, 2, 5, tzinfo=UTC) - terminal.clock.wall())
        done = terminal.run(*words_of(applied))
        assert done.code == 0, done.err
        assert gates(terminal, run)["window"]["call"] == "PASS"

    def test_one_that_is_no_window_is_a_usage_error(self, terminal):
        """An invalid window is refused with the right form."""
        ran = terminal.run("plan", "--vpn-gateway", terminal.gateway, "--window", "tonight")

        assert ran.code == 2
        assert "write it like 2026-" in ran.err

    def test_one_that_is_over_is_refused_with_a_later_example(self, terminal):
        """The example is after the present, and can be planned with."""
        over = terminal.run("plan", "--vpn-gateway", terminal.gateway, "--window", OVER)
        example = " ".join(over.err.split()).rpartition("such as ")[2]
        later = terminal.run("plan", "--vpn-gateway", terminal.gateway, "--window", example)

        assert (over.code, later.code) == (2, 0)
        assert "is over: it is 2026-" in " ".join(over.err.split())

    def test_one_into_which_nothing_fits_is_warned_of(self, terminal):
        """A window that is too short for the cutover gets a warning."""
        made = plan(terminal, "--window", "2026-01-17T23:00/23:45 UTC")

        assert "VPM-W901" in [finding["code"] for finding in made["findings"]]

    def test_an_outage_under_way_is_not_held_by_a_window(self, terminal):
        """While traffic is down the window is not checked: both directions restore traffic."""
        from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed

        run = plan(terminal, "--window", TONIGHT)["migration"]
        terminal.clock.sleep(timedelta(hours=20))
        terminal.inject(Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)]))
        try:
            terminal.run("apply", "plan.json")
        except Killed:
            terminal.clock.sleep(timedelta(hours=5))

        assert terminal.status(run)["traffic"] == "none"
        assert terminal.run("apply", run).code == 0


class TestRehearsal:
    def asking(self, terminal):
        """Plan with a playbook that requires a rehearsal not older than two days."""
        (terminal.place / "mine.yaml").write_text(
            "name: mine\nsummary: s\ndecisions:\n  rehearsed_within: 2d\n"
        )
        return plan(terminal, "--window", TONIGHT, "--playbook", "./mine.yaml")["migration"]

    def test_a_rehearsal_waits_for_nobody(self, terminal):
        """A rehearsal ignores the plan's window and approvals."""
        self.asking(terminal)

        assert terminal.run("rehearse", "plan.json").code == 0

    def test_is_what_gate_and_window_go_by(self, terminal):
        """Without a rehearsal of the plan the gate fails; with one, its times are used."""
        run = self.asking(terminal)
        terminal.clock.sleep(timedelta(hours=20))
        assert terminal.run("apply", "plan.json").code == 3
        without = gates(terminal, run)

        rehearsed = terminal.run("rehearse", "plan.json", "--json")
        applied = terminal.run("apply", run)

        assert without["rehearsal"]["call"] == "FAIL"
        advice = without["rehearsal"]["advice"]
        assert advice.startswith("vpnmigrate rehearse ")
        assert advice.endswith(f"{run}/plan.json")
        assert "not rehearsed" in without["window"]["required"]
        assert rehearsed.document["kept"].endswith(".json")
        assert applied.code == 0, applied.err
        assert "rehearsed 2026-01-1" in gates(terminal, run)["window"]["required"]

    def test_a_damaged_result_counts_as_none(self, terminal):
        """An invalid rehearsal result is reported, and the gate fails."""
        run = self.asking(terminal)
        terminal.clock.sleep(timedelta(hours=20))
        kept = terminal.run("rehearse", "plan.json", "--json").document["kept"]
        with open(kept, "w", encoding="utf-8") as file:  # noqa: PTH123  the path is a string here
            file.write("{}")

        ran = terminal.run("apply", "plan.json")

        assert (ran.code, "Rehearsal result ignored" in ran.err) == (3, True)
        assert gates(terminal, run)["rehearsal"]["call"] == "FAIL"


def test_a_refused_finalize_keeps_the_gateway_in_its_command(terminal):
    """The printed command deletes the old gateway as well, as was asked for."""
    run = terminal.planned()
    terminal.run("apply", "plan.json")
    named = [word for old in terminal.connections for word in ("--confirm", old)]

    refused = terminal.run_bare("finalize", run, *named, "--delete-old-gateway")
    unnamed = terminal.run_bare("finalize", run, "--delete-old-gateway")

    assert (refused.code, unnamed.code) == (3, 2)
    whole = " ".join(["vpnmigrate finalize", run, *named, "--delete-old-gateway"])
    for ran in (refused, unnamed):
        assert whole in " ".join(ran.err.replace("\\\n", " ").split())
