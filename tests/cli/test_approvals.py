"""Approvals and forces on the command line."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta

import pytest

from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.journal.records import Approved, Forced
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.lock import this_process
from vpnmigrate.local.run_directory import Runs


class OtherUser(SandboxDependencies):
    """Another user on another machine."""

    def __init__(self, world, user):
        super().__init__(world)
        self.me = this_process(user, "desk")


def plan(terminal, decisions, *words):
    (terminal.place / "mine.yaml").write_text(f"name: mine\nsummary: s\ndecisions:\n{decisions}")
    terminal.run(
        "plan",
        "--vpn-gateway",
        terminal.gateway,
        "-o",
        "plan.json",
        "--playbook",
        "./mine.yaml",
        *words,
    )
    return json.loads((terminal.place / "plan.json").read_text())["migration"]


def approved(terminal, user="bob", file="approval.json"):
    """Approve plan.json as *user*."""
    mine, terminal.parts = terminal.parts, OtherUser(terminal.world, user)
    ran = terminal.run("approve", "plan.json", "-o", file, "--json")
    terminal.parts = mine
    assert ran.code == 0, ran.err
    return ran.document


def records(terminal, run, kind):
    entries = read_journal(Runs(terminal.place / "home" / "runs").find(run)).entries
    return [entry.record for entry in entries if isinstance(entry.record, kind)]


def gate(terminal, run, name):
    return next(g for g in terminal.status(run)["gates"]["gates"] if g["gate"] == name)


ONE = "  approvals: {required: 1, valid: 2d}\n"


class TestApprovals:
    def test_the_file_names_the_approver_and_the_plan(self, terminal):
        """An approval names approver, plan and expiry, and contains nothing else."""
        run = plan(terminal, ONE)

        given = approved(terminal)

        fingerprint = json.loads((terminal.place / "plan.json").read_text())["fingerprint"]
        approval = given["approval"]
        assert approval["fingerprint"] == fingerprint
        assert approval["migration"] == run
        assert approval["approver"].startswith("arn:aws:")
        assert (approval["user"], approval["host"]) == ("bob", "desk")
        assert json.loads((terminal.place / "approval.json").read_text()) == approval

    def test_a_plan_that_wants_them_waits_for_them(self, terminal):
        """The run is held before the cutover until an approval is given; the journal keeps it."""
        run = plan(terminal, ONE)
        held = terminal.run("apply", "plan.json")
        approved(terminal)

        applied = terminal.run("apply", run, "--approval", "approval.json")

        assert (held.code, "approvals: none" in held.err) == (3, True)
        assert applied.code == 0, applied.err
        (record,) = records(terminal, run, Approved)
        assert record.approval.user == "bob"
        assert terminal.status(run)["approvals"][0]["user"] == "bob"
        assert terminal.status(run)["approvals"][0]["void"] == ""

    def test_the_command_that_approve_prints_works_as_it_stands(self, terminal):
        """The printed command needs only plan and approval; it has no placeholder."""
        plan(terminal, ONE)
        given = terminal.run("approve", "plan.json", "--json")

        applied = terminal.run(*shlex.split(json.loads(given.out)["next"])[1:])

        assert applied.code == 0, applied.err

    def test_handed_in_once_it_counts_for_the_run(self, terminal):
        """An approval given while staging stays valid, and counts once."""
        run = plan(terminal, ONE)
        approved(terminal)
        terminal.run("apply", "plan.json", "--until", "cutover", "--approval", "approval.json")
        terminal.run("apply", run, "--until", "cutover", "--approval", "approval.json")

        assert terminal.run("apply", run).code == 0
        assert len(records(terminal, run, Approved)) == 1

    def test_it_expires(self, terminal):
        """The plan limits how long an approval counts; after that the gate fails."""
        run = plan(terminal, ONE)
        approved(terminal)
        terminal.run("apply", "plan.json", "--until", "cutover", "--approval", "approval.json")
        terminal.clock.sleep(timedelta(days=3))

        ran = terminal.run("apply", run)
        again = terminal.run("apply", run, "--approval", "approval.json")

        assert (ran.code, "expired" in ran.err) == (3, True)
        assert (again.code, "expired" in again.err) == (4, True)

    def test_another_plans_is_refused(self, terminal):
        """An approval counts for the plan whose fingerprint it names, and for no other."""
        plan(terminal, ONE)
        approved(terminal)
        plan(terminal, ONE)

        ran = terminal.run("apply", "plan.json", "--approval", "approval.json")

        assert ran.code == 4
        assert "is for another plan" in ran.err

    def test_a_replanned_run_is_approved_anew(self, terminal):
        """An approval of the first plan does not count for a new plan."""
        run = plan(terminal, ONE)
        approved(terminal)
        terminal.run("apply", "plan.json", "--until", "cutover", "--approval", "approval.json")
        terminal.run("plan", "--from", run, "--change", "CHG2", "-o", "again.json")

        ran = terminal.run("apply", "again.json")

        assert (ran.code, "is for another plan" in ran.err) == (3, True)

    @pytest.mark.parametrize(
        ("before", "after", "code"),
        [
            (b'"user": "bob"', b'"user": "eve"', 4),
            (b'"digest": "', b'"digest": "0', 4),
            (b'"digest"', b'"digets"', 2),
            (b"{", b"", 2),
        ],
    )
    def test_an_altered_one_is_refused(self, terminal, before, after, code):
        """An altered approval is refused, and the message names the file."""
        plan(terminal, ONE)
        approved(terminal)
        file = terminal.place / "approval.json"
        file.write_bytes(file.read_bytes().replace(before, after, 1))

        ran = terminal.run("apply", "plan.json", "--approval", "approval.json")

        assert ran.code == code
        assert "approval.json" in ran.err
        assert not (terminal.place / "home" / "runs").exists()

    def test_four_eyes_are_two_people(self, terminal):
        """With four eyes the operator's own approval does not count."""
        run = plan(terminal, "  approvals: {four_eyes: true}\n")
        approved(terminal, terminal.parts.me.user, "mine.json")

        ran = terminal.run("apply", "plan.json", "--approval", "mine.json")

        assert ran.code == 3
        assert (
            "does not count: the operator cannot approve their own change"
            in gate(terminal, run, "approvals")["observed"]
        )

    def test_status_tells_which_ones_do_not_count(self, terminal):
        """An operator's own approval is listed with its fault, also before the gate."""
        run = plan(terminal, "  approvals: {four_eyes: true}\n")
        approved(terminal, terminal.parts.me.user, "mine.json")
        staging = ["apply", "plan.json", "--until", "cutover", "--approval", "mine.json"]
        terminal.run(*staging)
        before = terminal.status(run)["approvals"][0]["void"]
        terminal.run("apply", run)

        output = " ".join(terminal.run("status", run).out.split())
        assert before.startswith("if AWS identifies this approver as the operator")
        assert (
            "DOES NOT COUNT: it does not count: the operator cannot approve their own change"
            in output
        )
        assert terminal.status(run)["approvals"][0]["void"] == (
            "it does not count: the operator cannot approve their own change"
        )

    def test_finalize_may_want_them_as_well(self, terminal):
        """A plan may require a new approval for finalize."""
        run = plan(terminal, f"{ONE}  finalize: {{approved: true}}\n")
        approved(terminal)
        assert terminal.run("apply", "plan.json", "--approval", "approval.json").code == 0
        terminal.clock.sleep(timedelta(days=7))
        named = [word for c in terminal.connections for word in ("--confirm", c)]

        late = terminal.run("finalize", run, *named)
        approved(terminal)
        done = terminal.run("finalize", run, *named, "--approval", "approval.json")

        assert (late.code, "expired" in late.err) == (3, True)
        assert done.code == 0, done.err

    def test_an_account_that_cannot_be_asked_gives_none(self, terminal):
        """Without an answer from STS the identity is unknown, and no file is written."""
        from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

        plan(terminal, ONE)
        terminal.inject(Faults([Fault("sts:GetCallerIdentity", FaultKind.UNAVAILABLE, times=0)]))

        ran = terminal.run("approve", "plan.json", "-o", "approval.json")

        assert ran.code == 1
        assert not (terminal.place / "approval.json").exists()


CLOSED = ("--window", "2026-01-20T02:00/06:00 UTC")


class TestForce:
    def test_opens_one_gate_and_is_told_everywhere(self, terminal):
        """A forced gate is in the progress, the outcome, the status and the journal."""
        run = plan(terminal, "  rehearsed_within: 7d\n", *CLOSED)
        why = "the provider cuts us off tonight"

        one = terminal.run("apply", "plan.json", "--force", "window", "--reason", why)
        both = terminal.run(
            "apply",
            run,
            "--force",
            "window",
            "--reason",
            why,
            "--force",
            "rehearsal",
            "--reason",
            "no time",
        )

        assert (one.code, "rehearsal: not rehearsed" in one.err) == (3, True)
        assert both.code == 0, both.err
        for output in (both.err, both.out, terminal.run("status", run).out):
            assert "FORCED window" in output
            assert why in " ".join(output.split())
        last = records(terminal, run, Forced)[-2:]
        assert [(each.gate, each.reason) for each in last] == [
            ("window", why),
            ("rehearsal", "no time"),
        ]
        assert last[0].who == terminal.parts.me.user
        assert gate(terminal, run, "window")["call"] == "FAIL"

    def test_is_for_this_once(self, terminal):
        """A force counts for one process; the next one has to force again."""
        run = plan(terminal, ONE, *CLOSED)
        terminal.run("apply", "plan.json", "--force", "window", "--reason", "now")
        approved(terminal)

        ran = terminal.run("apply", run, "--approval", "approval.json")

        assert (ran.code, "window: opens" in ran.err) == (3, True)

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            (["--force", "window"], "needs its own --reason"),
            (["--reason", "x"], "needs its own --reason"),
            (["--force", "window", "--reason", " "], "needs its own --reason"),
            (["--force", "all", "--reason", "x"], "is not a gate"),
            (["--force", "traffic-verified", "--reason", "x"], "is not a gate"),
            (["--force", "world-equals-plan", "--reason", "x"], "cannot be forced"),
            (["--force", "new-gateway-unattached", "--reason", "x"], "cannot be forced"),
        ],
    )
    def test_what_cannot_be_forced_is_a_usage_error(self, terminal, words, text):
        """A force needs one gate that can be forced, and a reason."""
        plan(terminal, ONE)

        ran = terminal.run("apply", "plan.json", *words)

        assert (ran.code, text in " ".join(ran.err.split())) == (2, True)

    def test_finalize_can_be_forced_but_not_without_traffic(self, terminal):
        """The gate of the archive can be forced; the gate of traffic cannot."""
        run = plan(terminal, "  finalize: {approved: true}\n  approvals: {required: 1}\n")
        approved(terminal)
        terminal.run("apply", "plan.json", "--approval", "approval.json")
        terminal.clock.sleep(timedelta(days=30))
        named = [word for c in terminal.connections for word in ("--confirm", c)]

        hard = terminal.run("finalize", run, *named, "--force", "traffic-verified", "--reason", "x")
        soft = terminal.run("finalize", run, *named, "--force", "approvals", "--reason", "bob left")

        assert hard.code == 2
        assert soft.code == 0, soft.err
        assert "bob left" in soft.out


def test_neither_approvals_nor_gates_hold_a_key(terminal):
    """No pre-shared key is in approvals, journal, results or output of gates."""
    run = plan(terminal, ONE, "--window", "2026-01-17T00:00/23:00 UTC")
    approved(terminal)
    terminal.run("rehearse", "plan.json")
    applied = terminal.run("apply", "plan.json", "--approval", "approval.json")
    shown = terminal.run("status", run)
    kept = [path for path in terminal.place.rglob("*") if path.is_file()]
    outside = [path.read_text() for path in kept if "vault" not in path.parts]

    assert applied.code == 0, applied.err
    everything = "".join([applied.out, applied.err, shown.out, *outside])
    assert "approval.json" in {path.name for path in kept}
    assert terminal.world.keys
    assert not [key for key in terminal.world.keys if key in everything]
