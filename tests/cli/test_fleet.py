"""``fleet``: a campaign from discovery, its plans over HTTP, and its status from local runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.test_discover import HOME, OTHER, ROLE, a_server, runner
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.fleet_local_view import LocalFleet
from vpnmigrate.fleet.campaign import campaign_from
from vpnmigrate.fleet.campaign_file import load_campaign
from vpnmigrate.fleet.progress import CampaignProgress, MemberProgress, MemberState
from vpnmigrate.fleet.schedule import schedule
from vpnmigrate.local.settings import settings_of
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors import Exit
from vpnmigrate.model.errors.commands import Invocation, cli
from vpnmigrate.report.console import Console, TextResults
from vpnmigrate.report.fleet import (
    FleetStatus,
    MemberView,
    status_json,
    status_text,
)
from vpnmigrate.report.fleet_results import FleetResult, FleetRow, results_json, results_text

DISCOVERED = ("discover", "--organization", "Read", "--all-regions", "-o", "found.json")


def campaign_file() -> str:
    return Path("campaign.yaml").read_text(encoding="utf-8")


def change_campaign(*changes: tuple[str, str]) -> None:
    text = campaign_file()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("campaign.yaml").write_text(text, encoding="utf-8")


# ---------------------------------------------------------------- two accounts, over HTTP


@pytest.fixture(scope="module")
def served():
    with a_server() as server:
        yield server


@pytest.fixture
def run(served, monkeypatch, tmp_path, capsys):
    """Return a function that runs a command as an ordinary process would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VPNMIGRATE_HOME", str(tmp_path / "runs"))
    call = runner(served, monkeypatch, capsys)
    return lambda *words: call(*words[1:], command=words[0])


def test_two_accounts_are_planned_until_nothing_fails(run) -> None:
    """What cannot be planned is a row and the exit code is 1; plans that exist are kept."""
    _, discovered, _ = run(*DISCOVERED)
    code, out, _ = run("fleet", "new", "found.json", "--json")
    written = json.loads(out)
    again, _, refused = run("fleet", "new", "found.json")

    assert code == 0
    assert [wave["name"] for wave in written["waves"]] == ["canary", "wave-1"]
    assert {row["group"] for row in written["left_out"]} == {"cannot", "not-needed"}
    assert "vpnmigrate fleet plan " in written["next"][0]
    assert (again, "is not overwritten" in refused) == (Exit.REFUSED, True)
    following = discovered.partition("to migrate them in waves:")[2].replace("\\\n", " ")
    assert " ".join(following.split()) == (
        f"vpnmigrate fleet new {Path('found.json').absolute()} --organization Read"
    )

    # No role leads to the second account.
    code, out, err = run("fleet", "plan", "campaign.yaml", "--change", "CHG-1")
    assert code == Exit.FAILED
    assert "2 members: 1 planned, 0 planned before, 1 FAILED" in out
    assert f"AWS answers as account {HOME}, not {OTHER}" in " ".join(out.split())
    assert "next:" not in out
    # A word of a command is never broken, such as the path of the runs here.
    words = [line.removesuffix("\\").split() for line in out.splitlines() if len(line) > 80]
    assert [line for line in words if len(line) > 1] == []
    assert "planned" in err
    (kept,) = Path("plans").glob("*.json")
    before = kept.read_bytes()
    assert json.loads(before)["account"] == HOME
    assert json.loads(before)["decisions"]["change"] == "CHG-1"

    # A device that was added since discovery could be another member's.
    whole, device = campaign_file(), '"203.0.113.31", '
    Path("campaign.yaml").write_text(_without_last(whole, device), encoding="utf-8")
    code, out, _ = run("fleet", "plan", "campaign.yaml", "--role-arn", ROLE, "--json")
    rows = json.loads(out)["members"]
    assert (code, [row["result"] for row in rows]) == (Exit.FAILED, ["kept", "failed"])
    assert "has 203.0.113.31, which the campaign does not name" in rows[1]["why"]
    assert len(list(Path("plans").glob("*.json"))) == 1

    Path("campaign.yaml").write_text(whole, encoding="utf-8")
    code, out, _ = run("fleet", "plan", "campaign.yaml", "--role-arn", ROLE, "--json")
    rows = json.loads(out)["members"]
    assert (code, [row["result"] for row in rows]) == (0, ["kept", "done"])
    assert [(row["account"], row["wave"]) for row in rows] == [(HOME, "canary"), (OTHER, "wave-1")]
    assert json.loads(Path(rows[1]["file"]).read_text(encoding="utf-8"))["account"] == OTHER
    assert kept.read_bytes() == before


def _without_last(text: str, part: str) -> str:
    head, _, tail = text.rpartition(part)
    assert head
    return head + tail


def test_an_incomplete_discovery_makes_a_campaign_and_says_so(run) -> None:
    """What could not be read is listed, and the exit code is 1."""
    run("discover", "--role-arn", ROLE, "--role-arn", ROLE.replace(OTHER, "9" * 12),
        "--region", "us-east-1", "-o", "found.json")  # fmt: skip
    code, out, _ = run("fleet", "new", "found.json", "--organization", "Change")

    assert code == Exit.FAILED
    assert "COULD NOT BE READ (1)" in out
    assert "999999999999 in every Region" in out
    found = campaign_from(campaign_file(), "c")
    assert found.accounts[OTHER].role == f"arn:aws:iam::{OTHER}:role/Change"


# ---------------------------------------------------------------- status, from local runs


@pytest.fixture
def fleet(terminal):
    """A terminal with a planned campaign of one gateway."""
    region = load("single-bgp").region
    terminal.run("discover", "--region", region, "-o", "found.json")
    assert terminal.run("fleet", "new", "found.json").code == 0
    assert terminal.run("fleet", "plan", "campaign.yaml").code == 0
    (plan,) = Path("plans").glob("*.json")
    terminal.plan = str(plan)
    return terminal


def state(terminal) -> str:
    ran = terminal.run("fleet", "status", "campaign.yaml", "--json")
    (member,) = ran.document["members"]
    found: str = member["state"]
    return found


def test_a_member_goes_from_waiting_to_done(fleet) -> None:
    """Its printed commands carry it on, and each is the right one for what the run is."""
    waiting = fleet.run("fleet", "status", "campaign.yaml").out
    assert "MAY BE STARTED NOW (1)" in waiting
    command = fleet.run("fleet", "status", "campaign.yaml", "--json").document["members"][0]
    assert command["start"] == "prepare"
    assert command["next"].startswith(f"vpnmigrate apply {fleet.plan} --until cutover")

    fleet.run(*command["next"].split()[1:])
    staged = fleet.run("fleet", "status", "campaign.yaml", "--json").document["members"][0]
    assert (staged["state"], staged["start"]) == ("staged", "cutover")
    assert staged["traffic"] == "old"

    fleet.run(*staged["next"].split()[1:])
    done = fleet.run("fleet", "status", "campaign.yaml", "--json").document
    (member,) = done["members"]
    assert (member["state"], member["traffic"], member["start"]) == ("done", "new", None)
    assert member["since"] is not None
    assert 30 < member["outage"] < 300
    assert [wave["status"] for wave in done["waves"]] == ["passed"]


def test_plans_are_rehearsed_once(fleet) -> None:
    """A missing plan is a row and the exit code is 1; a rehearsal that has passed is kept."""
    aside = Path(fleet.plan).rename("aside.json")
    missing = fleet.run("fleet", "rehearse", "campaign.yaml")
    aside.rename(fleet.plan)
    first = fleet.run("fleet", "rehearse", "campaign.yaml", "--json").document
    again = fleet.run("fleet", "rehearse", "campaign.yaml")

    assert missing.code == Exit.FAILED
    assert "FAILED vgw-" in missing.out
    assert "has no plan" in missing.out
    assert "vpnmigrate fleet plan campaign.yaml" in " ".join(
        missing.out.replace("\\\n", " ").split()
    )
    assert [row["result"] for row in first["members"]] == ["done"]
    assert 30 < first["members"][0]["outage"] < 300
    assert "vpnmigrate fleet status" in first["next"]
    assert (again.code, "1 rehearsed before, 0 failed" in again.out) == (0, True)


def test_what_helps_several_members_is_named_once(fleet) -> None:
    """Each reason is shown, and the command after the last of them."""
    member = load_campaign(Path("campaign.yaml")).campaign.waves[0].members[0]
    advice = ("to make the missing plans:", cli("fleet", "plan", "campaign.yaml"))
    rows = [
        FleetRow(
            replace(member, id=id_), "canary", FleetResult.FAILED, Path(id_), f"{id_} no", advice
        )
        for id_ in ("a", "b")
    ]

    text = results_text("rehearsed", rows, Invocation(), None)

    assert [text.count(each) for each in ("a no", "b no", "vpnmigrate fleet plan")] == [1, 1, 1]
    assert text.index("b no") < text.index("vpnmigrate fleet plan")


def test_the_command_of_a_failed_member_can_be_pasted(fleet) -> None:
    """It is on a line of its own, with the options of this process, in text and JSON."""
    member = load_campaign(Path("campaign.yaml")).campaign.waves[0].members[0]
    advice = ("the run that has it:", cli("status", "mig-1"))
    failed = FleetRow(member, "canary", FleetResult.FAILED, Path("plans/a.json"), "no", advice)
    invocation = Invocation(run_dir="/runs")

    text = results_text("planned", [failed], invocation, None)
    document = results_json("planned", [failed], invocation, None)

    command = "vpnmigrate status mig-1 --run-dir /runs"
    assert command in [line.strip() for line in text.splitlines()]
    assert document["members"][0]["advice"] == f"the run that has it: {command}"


def test_the_next_command_of_a_campaign_that_is_done(fleet) -> None:
    """When every member is migrated, the status of a run shows what remains."""
    fleet.run("apply", fleet.plan)

    ran = fleet.run("fleet", "status", "campaign.yaml")

    run = fleet.run("status", "--json").document["runs"][0]["run"]
    assert "EVERY MEMBER IS MIGRATED" in ran.out
    assert f"vpnmigrate status {run}" in [line.strip() for line in ran.out.splitlines()]


def test_warnings_are_shown_with_their_command(fleet) -> None:
    """The command shows the first plan that has some."""
    member = load_campaign(Path("campaign.yaml")).campaign.waves[0].members[0]
    rows = [
        FleetRow(member, "canary", FleetResult.DONE, Path(f"plans/{name}.json"), warnings=number)
        for name, number in (("a", 0), ("b", 2), ("c", 1))
    ]

    text = results_text("planned", rows, Invocation(), None)

    assert "2 plans with warnings" in text
    command = cli("show", str(Path("plans/b.json").absolute()))
    assert str(command) in " ".join(text.replace("\\\n", " ").split())


def test_a_rollback_and_what_it_does_to_the_budget(fleet) -> None:
    """A member that was rolled back stops further starts, and is not started again."""
    fleet.run("apply", fleet.plan)
    assert state(fleet) == "done"
    fleet.run("rollback", fleet.run("status", "--json").document["runs"][0]["run"])

    ran = fleet.run("fleet", "status", "campaign.yaml")
    assert "1 rolled back" in ran.out
    assert "the error budget of 0 is used up" in " ".join(ran.out.split())
    assert "MAY BE STARTED" not in ran.out


def test_a_run_by_hand_keeps_its_site(fleet) -> None:
    """It has its own plan of the same gateway, and no member is started beside it."""
    fleet.without_engineer()
    fleet.planned()
    fleet.run("apply", "plan.json", "--until", "cutover")
    ran = fleet.run("fleet", "status", "campaign.yaml")

    (journal,) = fleet.place.rglob("journal.jsonl")
    journal.write_text("damaged\n", encoding="utf-8")
    damaged = fleet.run("fleet", "status", "campaign.yaml")

    for each in (ran, damaged):
        assert "1 waiting" in each.out
        assert "is under way at the same gateway" in " ".join(each.out.split())
        assert "MAY BE STARTED" not in each.out


def test_a_calendar_beside_the_campaign_stops_starts(fleet) -> None:
    """Its name is relative to the campaign; without it, nothing is said to be allowed."""
    change_campaign(("# freeze: {calendar: freeze.ics", "freeze: {calendar: freeze.ics"))
    missing = fleet.run("fleet", "status", "campaign.yaml")
    now = fleet.clock.wall()
    day = (now - timedelta(days=1)).strftime("%Y%m%d")
    Path("freeze.ics").write_text(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:t\nBEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\n"
        f"SUMMARY:Peak season\nDTSTART;VALUE=DATE:{day}\nDURATION:P9D\n"
        "END:VEVENT\nEND:VCALENDAR\n",
        encoding="utf-8",
    )
    frozen = fleet.run("fleet", "status", "campaign.yaml")

    assert (missing.code, "freeze.ics" in missing.err) == (Exit.USAGE, True)
    assert "NOTHING IS STARTED: Peak season: frozen until" in " ".join(frozen.out.split())
    assert "MAY BE STARTED" not in frozen.out


def test_a_run_that_cannot_be_read_keeps_its_slot(fleet) -> None:
    """Its state is unknown, so nothing at its site is started; the exit code is 1."""
    fleet.run("apply", fleet.plan, "--until", "cutover")
    run_id = fleet.run("status", "--json").document["runs"][0]["run"]
    (journal,) = fleet.place.rglob(f"{run_id}/journal.jsonl")
    journal.write_text("damaged\n", encoding="utf-8")
    ran = fleet.run("fleet", "status", "campaign.yaml")

    assert ran.code == Exit.FAILED
    assert "failed" in ran.out
    assert "MAY BE STARTED" not in ran.out


@pytest.mark.parametrize("verb", ["status", "serve"])
def test_a_campaign_whose_runs_are_in_a_database_is_not_shown_from_a_worker_s_copies(
    fleet, verb: str
) -> None:
    """Members without a copy would look as if they could be started here, beside the workers."""
    fleet.run("apply", fleet.plan, "--until", "cutover")
    (journal,) = fleet.place.rglob("m-*/journal.jsonl")
    journal.with_name("database").write_text("postgresql://ann@db/fleet", encoding="utf-8")

    ran = fleet.run("fleet", verb, "campaign.yaml")

    assert ran.code == Exit.REFUSED
    assert "campaign.yaml --database postgresql://ann@db/fleet" in " ".join(
        ran.err.replace("\\\n", " ").split()
    )
    assert "MAY BE STARTED" not in ran.out


def test_a_board_reads_again_only_what_has_changed(fleet) -> None:
    """A run without a process is kept until one of its files changes."""
    fleet.run("apply", fleet.plan, "--until", "cutover")
    context = CommandContext(
        fleet.parts,
        Console(),
        TextResults(),
        settings_of(os.environ),
        Invocation(),
        folder="",
    )
    reader, file = LocalFleet(context), load_campaign(Path("campaign.yaml"))
    first = reader.status(file)
    (journal,) = fleet.place.rglob(f"{first.members[0].run}/journal.jsonl")
    with _unreadable_content(journal):
        second = reader.status(file)
    staged = [status.members[0] for status in (first, second)]
    fleet.run("apply", staged[0].run)
    third = reader.status(file).members[0]

    assert [view.progress.state for view in staged] == [MemberState.STAGED] * 2
    assert third.progress.state is MemberState.DONE


@contextmanager
def _unreadable_content(path: Path) -> Iterator[None]:
    """Replace the content of *path* for a while, but not its size and time."""
    content, found = path.read_bytes(), path.stat()
    path.write_bytes(b"?" * len(content))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    yield
    path.write_bytes(content)


# ---------------------------------------------------------------- a thousand members


def test_a_thousand_members_fit_a_window(fleet) -> None:
    """The text names what needs attention, and counts the rest; the document lists all."""
    loaded = campaign_from(campaign_file(), "c")
    (one,) = loaded.members
    many = tuple(_copy(one, number) for number in range(1_000))
    campaign = replace(loaded, waves=(replace(loaded.waves[0], members=many),), error_budget=99)
    states = {m.id: list(MemberState)[n % 8] for n, m in enumerate(many)}
    known = {id_: MemberProgress(each, VirtualClock().wall()) for id_, each in states.items()}
    found = schedule(campaign, CampaignProgress(known), (), VirtualClock().wall())
    views = tuple(
        MemberView(m, "canary", known[m.id], run="m-00000000", outage=timedelta(minutes=1))
        for m in many
    )
    status = FleetStatus(campaign, found, VirtualClock().wall(), views)

    lines = status_text(status).splitlines()
    assert len(lines) <= 23
    assert [line for line in lines if len(line) > 80] == []
    assert "125 failed" in " ".join(lines)
    assert len(status_json(status)["members"]) == 1_000
    assert len(status_text(status, every=True).splitlines()) > 1_000


def _copy(one, number):
    return replace(one, id=f"vgw-{number:017x}", gateway=f"vgw-{number:017x}")
