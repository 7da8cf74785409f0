"""Back-out policy ``rollback`` when its rollback fails and no operator is present."""

from __future__ import annotations

import resource
from datetime import datetime, timedelta

import pytest

from tests.cli.terminal import Terminal
from tests.cli.test_commit_confirm import EventClock
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults


def planned(terminal: Terminal, back_out: str) -> str:
    """Plan with a policy, and return the migration id."""
    book = f"name: p\nsummary: s\ndecisions: {{old_tunnels: leave, back_out: {back_out}}}\n"
    (terminal.place / "p.yaml").write_text(book)
    words = ("--vpn-gateway", terminal.gateway, "--playbook", "./p.yaml", "-o", "plan.json")
    ran = terminal.run("plan", *words, "--json")
    assert ran.code == 0, ran.err
    return str(ran.document["plan"]["migration"])


def denied(times: int) -> Faults:
    """Return faults that refuse so many attachments of a gateway."""
    return Faults([Fault("AttachVpnGateway", FaultKind.DENIED, times=times)])


def test_it_is_tried_again_until_traffic_is_back(terminal: Terminal):
    """The cutover fails, the rollback fails twice, and then it is done; exit code 1, not 5."""
    run = planned(terminal, "rollback")
    terminal.inject(denied(3))

    ran = terminal.run("apply", "plan.json")

    status = terminal.status(run)
    output = " ".join(ran.err.split())
    assert ran.code == 1
    assert (status["status"], status["traffic"]) == ("rolled-back", "old")
    assert "the plan's back-out policy rolls back in 30 s" in output
    assert "rolls back in 1 min" in output
    assert "the plan's back-out policy has rolled it back" in output


def test_with_the_policy_to_ask_nothing_is_tried_by_itself(terminal: Terminal):
    """With the policy ``ask`` the process ends, and its message asks the operator to decide."""
    run = planned(terminal, "ask")
    terminal.inject(denied(3))

    ran = terminal.run("apply", "plan.json")

    assert ran.code == 5
    assert terminal.status(run)["traffic"] == "none"
    assert "rolls back in" not in ran.err


def test_a_disk_that_is_full_in_the_outage_does_not_end_it(terminal: Terminal):
    """When the disk has space again, the run rolls back; every sent change was journalled."""
    run = planned(terminal, "rollback")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    class Fills:
        def before(self, service: str, action: str, nth: int) -> None:
            pass

        def after(self, service: str, action: str, nth: int) -> None:
            if action == "DetachVpnGateway" and nth == 1:
                resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
                seen.at = terminal.clock.now() + timedelta(hours=1)

    terminal.inject(Fills())
    seen = EventClock(terminal.clock, room)
    terminal.parts.clock = seen
    try:
        ran = terminal.run("apply", "plan.json")
    finally:
        room()

    status = terminal.status(run)
    assert ran.code == 1, ran.err
    assert "File too large" in ran.err
    assert (status["status"], status["traffic"]) == ("rolled-back", "old")


def test_what_somebody_does_between_two_tries_is_respected(terminal: Terminal):
    """An operator rolls back in between, so the policy has nothing left to do."""
    run = planned(terminal, "rollback")
    terminal.inject(denied(2))
    done: list[int] = []
    seen = EventClock(terminal.clock, lambda: done.append(terminal.run("rollback", run).code))
    terminal.parts.clock = PauseEventClock(seen)

    ran = terminal.run("apply", "plan.json")

    assert done == [0]
    assert ran.code == 1
    assert terminal.status(run)["status"] == "rolled-back"


def test_ctrl_c_between_two_tries_ends_them(terminal: Terminal):
    """Ctrl-C between two attempts ends the process and reports the state of traffic."""
    run = planned(terminal, "rollback")
    terminal.inject(denied(9))

    def interrupt() -> None:
        raise KeyboardInterrupt

    terminal.parts.clock = PauseEventClock(EventClock(terminal.clock, interrupt))

    ran = terminal.run("apply", "plan.json")

    assert ran.code == 7
    assert "on-premises traffic is DOWN" in " ".join(ran.err.split())
    assert f"vpnmigrate rollback {run}" in " ".join(ran.err.split())


class PauseEventClock(EventClock):
    """A clock that runs a function at the first pause of half a minute."""

    def __init__(self, seen: EventClock) -> None:
        super().__init__(seen, lambda: None)
        self._seen = seen

    def sleep(self, span: timedelta) -> None:
        if span == timedelta(seconds=30):
            self._seen.at = datetime.min.replace(tzinfo=self.now().tzinfo)
        self._seen.sleep(span)


@pytest.fixture
def terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return Terminal(tmp_path, capsys)
