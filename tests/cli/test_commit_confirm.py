"""``apply --confirm-within``, ``confirm`` and the watchdog, in this process and virtual time."""

from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import pytest

from tests.cli.terminal import Terminal
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.engine.ports import NetworkPath, NetworkPaths
from vpnmigrate.errors import RefusedError
from vpnmigrate.local.inbox import ConfirmMessage, Inbox
from vpnmigrate.local.lock import Owner
from vpnmigrate.local.run_directory import Run, Runs
from vpnmigrate.local.settings import settings_of
from vpnmigrate.model.clock import Clock, Stamp
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, FaultSource, Killed

CUTOVER = (
    "DisableVgwRoutePropagation",
    "DetachVpnGateway",
    "AttachVpnGateway",
    "EnableVgwRoutePropagation",
)


class OpenRoad(SandboxDependencies):
    """A sandbox that is reached over a road of its own, with a watchdog that starts when told."""

    there = True
    started = 0

    def paths(self, clients: object) -> NetworkPaths:
        return self

    def read(self) -> list[NetworkPath]:
        return [NetworkPath("EC2", ("198.51.100.7",), "192.168.1.5")]

    def watchdog(self, run: Run, aws: AwsOptions) -> OpenRoad:
        return self

    def start(self) -> int:
        self.started += 1
        self.there = True
        return os.getpid()

    def on_duty(self) -> bool:
        return self.there


class Deserted(OpenRoad):
    """No watchdog is there, and none can be started."""

    there = False

    def start(self) -> int:
        message = "it cannot be started: No such file or directory"
        raise RefusedError(message)


class Bad:
    """Everything that AWS is asked from five minutes on goes wrong in one way, until a moment."""

    def __init__(self, clock: Clock, until: datetime, kind: FaultKind) -> None:
        self._clock = clock
        self._since = clock.now() + timedelta(minutes=5)
        self._until = until
        self._kind = kind

    def before(self, service: str, action: str, nth: int) -> None:
        if self._since <= self._clock.now() < self._until:
            name = action if service == "ec2" else f"{service}:{action}"
            Faults([Fault(name, self._kind, times=0)]).before(service, action, nth)

    def after(self, service: str, action: str, nth: int) -> None:
        pass


class Committed(Terminal):
    """A terminal with a plan that may be committed and confirmed."""

    def meets(self, faults: FaultSource) -> None:
        self.parts = OpenRoad(self.world, faults)

    def planned(self) -> str:
        self.meets(Faults())
        words = ("--vpn-gateway", self.gateway, "--playbook", "unattended-return")
        ran = self.run("plan", *words, "-o", "plan.json", "--json")
        return str(ran.document["plan"]["migration"])

    def applied(self) -> str:
        """Apply, with a quarter of an hour to confirm."""
        run = self.planned()
        ran = self.run("apply", "plan.json", "--confirm-within", "15m")
        assert ran.code == 3, ran.err
        return run


@pytest.fixture
def terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return Committed(tmp_path, capsys)


def run_of(run: str) -> Run:
    return Runs(settings_of(os.environ).home).find(run)


class TestUnconfirmed:
    def test_apply_ends_held_and_says_so_loudly(self, terminal):
        """Exit code 3, the moment it goes back, and the command that confirms."""
        run = terminal.planned()

        ran = terminal.run("apply", "plan.json", "--confirm-within", "15m")

        output = " ".join(ran.err.split())
        assert ran.code == 3
        assert "migrated, and UNCONFIRMED" in output
        assert f"vpnmigrate confirm {run}" in output

    def test_status_has_the_moment_for_programs(self, terminal):
        """``unconfirmed_until`` is there until somebody confirms."""
        run = terminal.applied()

        status = terminal.status(run)

        assert status["unconfirmed_until"] > terminal.clock.now().isoformat()
        assert status["confirm_within"] == 900
        assert status["next"] == f"vpnmigrate confirm {run}"

    def test_who_looks_on_is_told_that_it_waits_for_somebody(self, terminal):
        """The watched run ends as apply does: 3 until it is confirmed, and 0 from then on."""
        run = terminal.applied()
        unconfirmed = terminal.run("status", "--watch", run)
        terminal.run("confirm", run)
        confirmed = terminal.run("status", "--watch", run)

        assert (unconfirmed.code, confirmed.code) == (3, 0)

    def test_a_watchdog_that_is_gone_is_told_by_status(self, terminal):
        """Nobody relies on a process that is not there."""
        run = terminal.applied()

        assert "AUTOMATIC ROLLBACK IS OFF" in " ".join(terminal.run("status", run).out.split())
        assert terminal.status(run)["watchdog"] is None

    def test_apply_starts_another_one_and_says_what_is_true(self, terminal):
        """Nobody was on watch for a while, so the time to confirm begins anew."""
        run = terminal.applied()
        first = terminal.status(run)["unconfirmed_until"]
        terminal.parts.there = False
        terminal.clock.sleep(timedelta(hours=8))

        ran = terminal.run("apply", run)

        again = terminal.status(run)["unconfirmed_until"]
        assert (ran.code, terminal.parts.started) == (3, 2)
        assert again > first
        assert again[11:19] in ran.err
        assert "unless you confirm" in " ".join(ran.err.split())

    def test_where_no_other_one_starts_nothing_is_promised(self, terminal):
        """One sentence, and a true one: it stays as it is."""
        run = terminal.applied()
        terminal.parts = Deserted(terminal.world)

        output = " ".join(terminal.run("apply", run).err.split())

        assert "UNCONFIRMED: no watchdog is running, so there is no automatic rollback" in output
        assert "AUTOMATIC ROLLBACK IS OFF" in output
        assert "is rolled back" not in output

    def test_finalize_waits_for_the_word(self, terminal):
        """What may go back by itself is not deleted."""
        run = terminal.applied()

        ran = terminal.run("finalize", run, "--confirm", terminal.connections[0])

        assert ran.code == 3
        assert terminal.status(run)["status"] == "cut-over"

    def test_cannot_be_asked_for_afterwards(self, terminal):
        """A migration that is through is not silently left without its net."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")

        assert terminal.run("apply", run, "--confirm-within", "15m").code == 4

    def test_asked_for_while_staging_it_holds_for_the_cutover(self, terminal):
        """Whoever stages with it need not remember it in the night."""
        run = terminal.planned()
        words = ("--confirm-within", "15m")
        assert terminal.run("apply", "plan.json", "--until", "cutover", *words).code == 3

        assert terminal.run("apply", run).code == 3
        assert terminal.status(run)["confirm_within"] == 900

    def test_apply_again_is_held_again(self, terminal):
        """The run is where it was, and waits for the same word."""
        run = terminal.applied()

        assert terminal.run("apply", run).code == 3


class TestConfirm:
    def test_ends_it(self, terminal):
        """After it nothing goes back, finalize comes next, and the watchdog stands down."""
        run = terminal.applied()

        confirmed = terminal.run("confirm", run)
        watched = terminal.run("watchdog", run)

        status = terminal.status(run)
        assert (confirmed.code, watched.code) == (0, 0)
        assert status["unconfirmed_until"] is None
        assert status["next"].startswith(f"vpnmigrate finalize {run}")
        assert "stops watching: the migration is confirmed" in watched.err
        assert terminal.run("apply", run).code == 0

    def test_too_late_says_so(self, terminal):
        """Once the run has gone back there is nothing to confirm, and no success is told."""
        run = terminal.applied()
        terminal.run("watchdog", run)

        ran = terminal.run("confirm", run)

        assert ran.code == 4
        assert "too late" in ran.err

    def test_without_the_option_there_is_nothing_to_confirm(self, terminal):
        """A mistake of the command line, told as one."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")

        assert terminal.run("confirm", run).code == 2

    def test_before_traffic_flows_there_is_nothing_to_confirm(self, terminal):
        """Green comes first."""
        run = terminal.planned()
        terminal.meets(Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json", "--confirm-within", "15m")

        ran = terminal.run("confirm", run)

        assert ran.code == 4
        assert "not been verified" in ran.err


class TestWatchdog:
    def test_goes_back_when_nobody_has_confirmed(self, terminal):
        """At the told moment, not before it; the new side is kept for another attempt."""
        run = terminal.applied()
        until = terminal.status(run)["unconfirmed_until"]

        watched = terminal.run("watchdog", run)

        status = terminal.status(run)
        assert watched.code == 0
        assert (status["status"], status["traffic"]) == ("rolled-back", "old")
        assert status["unconfirmed_until"] is None
        assert status["outage_since"] >= until
        assert any("not confirmed by" in note for note in status["notes"])
        assert terminal.run("status", "--watch", run).code == 1
        assert terminal.run("apply", run).code == 0

    def test_a_word_that_came_before_it_had_the_run_counts(self, terminal):
        """A confirmation that lies in the inbox stops the way back, however late it is read."""
        run = terminal.applied()
        clock = terminal.clock
        Inbox(run_of(run)).post(ConfirmMessage(at=clock.now(), who="bob", host="desk"))
        clock.sleep(timedelta(hours=1))

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        assert terminal.status(run)["traffic"] == "new"

    def test_a_confirmed_run_in_nobodys_hand_raises_no_alarm(self, terminal):
        """Traffic was verified and somebody confirmed: nobody has to act."""
        run = terminal.applied()
        assert terminal.run("confirm", run).code == 0

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        assert "stops watching" in watched.err
        assert "an operator must act" not in watched.err

    def test_a_process_that_hangs_is_told_to_turn_back_and_then_replaced_by_name(self, terminal):
        """It gets two minutes; from then on it can journal nothing, and so sends nothing."""
        run = terminal.applied()
        hangs = Owner("ann", "laptop", os.getppid(), terminal.clock.now(), "n")
        run_of(run).owner.write_bytes(msgspec.json.encode(hangs) + b"\n")
        handle = os.open(run_of(run).lock, os.O_RDWR)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

        watched = terminal.run("watchdog", run)
        os.close(handle)

        assert watched.code == 0
        assert f"ann@laptop/{hangs.process} is working on the run and was asked to roll back" in (
            " ".join(watched.err.split())
        )
        assert terminal.status(run)["traffic"] == "old"

    @pytest.mark.parametrize("action", CUTOVER)
    def test_a_cutover_whose_process_died_is_left_to_a_person(self, terminal, action):
        """Before green it does nothing, says what is wrong, and is there when somebody goes on."""
        run = terminal.planned()
        terminal.meets(Faults([Fault(action, FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json", "--confirm-within", "15m")
        terminal.meets(Faults())
        before = terminal.status(run)["step"]

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        assert "an operator must act" in watched.err
        assert terminal.status(run)["step"] == before
        assert terminal.run("apply", run).code == 3
        terminal.run("watchdog", run)
        assert terminal.status(run)["traffic"] == "old"

    @pytest.mark.parametrize("action", CUTOVER)
    def test_killed_on_its_way_back_it_leaves_a_run_that_anyone_finishes(self, terminal, action):
        """Its rollback is the ordinary one, so the ordinary command goes on with it."""
        run = terminal.applied()
        terminal.meets(Faults([Fault(action, FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("watchdog", run)
        terminal.meets(Faults())

        command = terminal.status(run)["next"].split()[1:]

        assert command[0] == "rollback"
        assert terminal.run(*command).code == 0
        assert terminal.status(run)["traffic"] == "old"


class TestPersistence:
    """The watchdog acts for somebody who may be cut off: it gives up for nothing that may pass."""

    @pytest.mark.parametrize(
        "kind",
        [
            FaultKind.UNREACHABLE,
            FaultKind.THROTTLE,
            FaultKind.EXPIRED_TOKEN,
            FaultKind.DENIED,
            FaultKind.FOREIGN,
        ],
    )
    def test_aws_that_cannot_be_read_is_waited_for(self, terminal, kind):
        """When AWS answers again the run goes back, whatever it was."""
        run = terminal.applied()
        until = terminal.clock.now() + timedelta(hours=2)
        lines: list[str] = []
        terminal.meets(Bad(terminal.clock, until, kind))
        seen = Noticing(terminal.clock, lambda: lines.append(trouble(terminal, run)))
        terminal.parts.clock = seen
        seen.at = terminal.clock.now() + timedelta(hours=1)

        watched = terminal.run("watchdog", run)

        status = terminal.status(run)
        assert watched.code == 0
        assert (status["status"], status["traffic"]) == ("rolled-back", "old")
        assert status["outage_since"] >= until.isoformat()
        assert "failed; next attempt in" in watched.err
        assert status["watchdog_trouble"] == ""
        (said,) = lines
        assert "could not roll back yet, and retries" in said

    def test_one_that_takes_the_place_of_another_does_not_need_aws_at_once(self, terminal):
        """It is started when things go wrong; AWS is asked when it is to roll back."""
        run = terminal.applied()
        terminal.meets(Faults([Fault("sts:GetCallerIdentity", FaultKind.UNREACHABLE)]))

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        assert terminal.status(run)["traffic"] == "old"

    def test_what_fails_in_its_own_outage_is_tried_again_sooner(self, terminal):
        """Traffic is down and nobody is there: two minutes at most between two tries."""
        run = terminal.applied()
        refusal = Fault("AttachVpnGateway", FaultKind.DENIED, times=3)
        terminal.meets(Faults([refusal]))

        watched = terminal.run("watchdog", run)

        status = terminal.status(run)
        assert watched.code == 0
        assert status["traffic"] == "old"
        assert watched.err.count("failed; next attempt in 2 min") == 1
        assert "tries again in 10 min" not in watched.err

    def test_a_full_disk_is_waited_for_and_the_log_goes_on(self, terminal):
        """Once there is room the run goes back, and the watchdog says so again."""
        run = terminal.applied()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        seen = Noticing(
            terminal.clock, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        )
        seen.at = terminal.clock.now() + timedelta(hours=2)
        terminal.parts.clock = seen
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            watched = terminal.run("watchdog", run)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

        assert watched.code == 0
        assert "File too large" in watched.err
        assert terminal.status(run)["traffic"] == "old"

    def test_a_permission_that_comes_back_the_next_day_is_waited_for(self, terminal):
        """For a day and longer, with ten minutes between two tries at most."""
        run = terminal.applied()
        until = terminal.clock.now() + timedelta(hours=25)
        terminal.meets(Bad(terminal.clock, until, FaultKind.DENIED))

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        status = terminal.status(run)
        assert "failed; next attempt in 10 min" in watched.err
        assert status["traffic"] == "old"
        assert len([note for note in status["notes"] if "nobody confirmed" in note]) == 1

    def test_who_confirms_between_two_tries_is_heard(self, terminal):
        """Nothing has gone back yet, so the word counts."""
        run = terminal.applied()
        terminal.meets(
            Bad(terminal.clock, terminal.clock.now() + timedelta(hours=5), FaultKind.DENIED)
        )
        seen = Noticing(terminal.clock, lambda: terminal.run("confirm", run))
        seen.at = terminal.clock.now() + timedelta(hours=1)
        terminal.parts.clock = seen

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        assert terminal.status(run)["traffic"] == "new"
        assert terminal.status(run)["unconfirmed_until"] is None


class Noticing:
    """A clock that lets something happen at a moment, while somebody sleeps over it."""

    def __init__(self, clock: Clock, happens: Callable[[], object]) -> None:
        self._clock = clock
        self._happens = happens
        self.at: datetime | None = None

    def now(self) -> datetime:
        return self._clock.now()

    def wall(self) -> datetime:
        return self._clock.wall()

    def ahead(self) -> timedelta:
        return self._clock.ahead()

    def stamp(self) -> Stamp:
        return self._clock.stamp()

    def sleep(self, span: timedelta) -> None:
        self._clock.sleep(span)
        if self.at is not None and self.now() >= self.at:
            self.at = None
            self._happens()


def trouble(terminal: Committed, run: str) -> str:
    """Read what the watchdog has trouble with."""
    return str(terminal.status(run)["watchdog_trouble"])


def test_a_length_of_time_has_to_be_one(terminal):
    """What cannot be read is refused before anything is done."""
    terminal.planned()

    ran = terminal.run("apply", "plan.json", "--confirm-within", "soon")

    assert ran.code == 2
    assert "15m" in ran.err
