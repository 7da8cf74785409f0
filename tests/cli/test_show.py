"""``show``: a plan at any time, and two plans compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_shows_the_plan_as_plan_did(terminal):
    """``show`` prints what ``plan`` printed."""
    printed = terminal.run("plan", "--vpn-gateway", terminal.gateway, "-o", "plan.json").out

    assert terminal.run("show", "plan.json").out == printed


def test_steps_shows_every_change_and_the_plan_without_it_says_so(terminal):
    """The steps are one printed command away."""
    terminal.planned()
    brief = terminal.run("show", "plan.json").out

    assert "show plan.json --steps" in brief
    assert "detach" not in brief
    whole = terminal.run("show", "plan.json", "--steps").out
    assert f'- detach {terminal.gateway} "production-classic"' in whole
    assert "      undo    " in whole


def test_takes_a_rehearsal_into_account(terminal):
    """After a rehearsal its outage is the expected one, and the next command is another."""
    terminal.planned()
    terminal.run("rehearse", "plan.json")

    document = terminal.run("show", "plan.json", "--json").document

    assert document["summary"]["outage"]["source"].startswith("rehearsed ")
    assert "rehearse:" not in terminal.run("show", "plan.json").out


def test_shows_the_plan_of_a_run_by_its_id(terminal):
    """A started plan leads to the status of its run."""
    run = terminal.planned()
    terminal.run("apply", "plan.json", "--until", "cutover")

    for subject in (run, "plan.json"):
        ran = terminal.run("show", subject)
        assert ran.code == 0
        assert f"vpnmigrate status {run}" in ran.out


def test_diff_shows_what_another_plan_does_differently(terminal):
    """Decisions of the other plan are shown with both values."""
    terminal.planned()
    terminal.run("plan", "--vpn-gateway", terminal.gateway, "--change", "CHG7", "-o", "other.json")

    ran = terminal.run("show", "plan.json", "--diff", "other.json")

    assert ran.code == 0
    assert "+ CHG7" in ran.out
    document = terminal.run("show", "plan.json", "--diff", "other.json", "--json").document
    assert document["schema"] == "vpnmigrate/plan-comparison/1"
    assert [each["field"] for each in document["decisions"]] == ["change"]
    assert not document["same"]


def test_diff_shows_values_as_people_write_them(terminal):
    """Durations as everywhere else, and no empty group; JSON has them as numbers do."""
    (terminal.place / "p.yaml").write_text(
        "name: p\nsummary: s\ndecisions:\n  waits: {soak: 90m}\n"
        "  hooks: {started: [/bin/true]}\n  window: 2026-02-01T02:00/04:00 UTC\n"
    )
    terminal.planned()
    terminal.run(
        *("plan", "--vpn-gateway", terminal.gateway, "--playbook", "./p.yaml", "-o", "other.json")
    )

    ran = terminal.run("show", "plan.json", "--diff", "other.json")
    document = terminal.run("show", "plan.json", "--diff", "other.json", "--json").document

    assert "  waits.soak\n    - 0 s\n    + 1 h 30 min\n" in ran.out
    assert "  window.start\n    - not set\n    + 2026-02-01 02:00:00Z\n" in ran.out
    assert "{}" not in ran.out
    (soak,) = [each for each in document["decisions"] if each["field"] == "waits.soak"]
    assert (soak["before"], soak["now"]) == ("P0D", "PT5400S")


@pytest.mark.parametrize("word", ["plan.json", "nothing-here"])
def test_a_name_that_is_neither_plan_nor_run_is_a_usage_error(terminal, word):
    """Exit code 2, with a next step."""
    ran = terminal.run("show", word)

    assert ran.code == 2
    assert "Next:" in ran.err


class TestOverwriting:
    def test_plan_keeps_a_file_that_a_run_was_begun_with(self, terminal):
        """The file is the operator's copy of what was approved; nothing is surveyed."""
        run = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")
        before = (terminal.place / "plan.json").read_bytes()

        for words in (["--vpn-gateway", terminal.gateway], ["--from", run]):
            ran = terminal.run("plan", *words, "-o", "plan.json")
            assert ran.code == 4
            assert f"run {run} was started with" in " ".join(ran.err.split())

        assert (terminal.place / "plan.json").read_bytes() == before

    def test_the_former_plan_of_a_run_is_kept_as_well(self, terminal):
        """After ``plan --from`` the first file is still the one that the run was started with."""
        run = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")
        terminal.run("plan", "--from", run, "--change", "CHG2", "-o", "second.json")
        terminal.run("apply", "second.json", "--until", "cutover")

        for file in ("plan.json", "second.json"):
            assert terminal.run("plan", "--from", run, "-o", file).code == 4

    def test_a_new_plan_of_a_run_does_not_warn_of_its_own_lock(self, terminal):
        """The holder to ask would be the run itself."""
        run = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")

        again = terminal.run("plan", "--from", run, "-o", "again.json")
        other = terminal.run("plan", "--vpn-gateway", terminal.gateway, "-o", "other.json")

        assert "VPM-W201" not in again.out
        assert "VPM-W201" in other.out + other.err
        assert terminal.run("apply", "again.json", "--until", "cutover").code == 0

    def test_a_plan_without_a_file_name_gets_a_free_one(self, terminal):
        """The command that is printed after an external change has no -o, and works twice."""
        run = terminal.planned()
        terminal.run("apply", "plan.json", "--until", "cutover")
        files = []
        for number in ("CHG2", "CHG3"):
            ran = terminal.run("plan", "--from", run, "--change", number, "--json")
            files.append(ran.document["file"])
            terminal.run("apply", files[-1], "--until", "cutover")

        assert [Path(file).name for file in files] == [f"plan-{run}.json", f"plan-{run}-2.json"]
        assert json.loads(Path(files[0]).read_text())["decisions"]["change"] == "CHG2"

    def test_a_plan_that_no_run_was_begun_with_is_replaced(self, terminal):
        """A plan that was only made may be made again."""
        first = terminal.planned()

        assert terminal.planned() != first
        assert json.loads((terminal.place / "plan.json").read_text())["migration"] != first
