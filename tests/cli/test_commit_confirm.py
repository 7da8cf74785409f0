"""``apply --confirm-within``, ``confirm`` and the watchdog, in one process and virtual time."""

from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tests.cli.terminal import Terminal
from tests.support.drivers import ROUTER, DriverScript
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.engine.commit_confirm import UNARMED
from vpnmigrate.engine.ports import DeviceDrivers, NetworkPath, NetworkPaths
from vpnmigrate.journal.record_base import DriverGaveUp
from vpnmigrate.journal.records import OperatorConfirmed
from vpnmigrate.local.inbox import ConfirmMessage, Inbox
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.lock import Owner
from vpnmigrate.local.logs import RunLog
from vpnmigrate.local.run_directory import Run, Runs
from vpnmigrate.local.settings import settings_of
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.clock import Clock, Stamp
from vpnmigrate.model.device_drivers import DriverVerb, TunnelsState
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.plan import Plan
from vpnmigrate.sandbox.device_drivers import DriverFault, DriverFaultKind
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, FaultSource, Killed
from vpnmigrate.sandbox.world import World

CUTOVER = (
    "DisableVgwRoutePropagation",
    "DetachVpnGateway",
    "AttachVpnGateway",
    "EnableVgwRoutePropagation",
)


class SandboxWithWatchdog(SandboxDependencies):
    """Sandbox dependencies with a watchdog that a test can start and stop."""

    there = True
    started = 0

    def paths(self, clients: object) -> NetworkPaths:
        return self

    def read(self) -> list[NetworkPath]:
        return [NetworkPath("EC2", ("198.51.100.7",), "192.168.1.5")]

    def watchdog(self, run: Run, aws: AwsOptions) -> SandboxWithWatchdog:
        return self

    def start(self, awake: Callable[[], object]) -> int:
        self.started += 1
        self.there = True
        return os.getpid()

    def on_duty(self) -> bool:
        return self.there


class SandboxWithoutWatchdog(SandboxWithWatchdog):
    """No watchdog is running, and none can be started."""

    there = False

    def start(self, awake: Callable[[], object]) -> int:
        message = "it cannot be started: No such file or directory"
        raise RefusedError(message)


class FailingAws:
    """From five minutes on every AWS call fails in one way, until a given time."""

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


class DrivenSandbox(SandboxWithWatchdog):
    """A sandbox whose devices have drivers, in every process."""

    def __init__(self, world: World, script: DriverScript) -> None:
        super().__init__(world)
        self._script = script

    def drivers(self, run: Run, plan: Plan, vault: Vault, log: RunLog) -> DeviceDrivers | None:
        return self._script.drivers()


def planned_with(driver: str) -> tuple[str, ...]:
    """Write a playbook whose drivers are *driver*, and return the options of a plan with it."""
    text = (
        "name: driven\nsummary: The old tunnels are disabled.\n"
        f"decisions: {{old_tunnels: disable, drivers: {{default: {{kind: {driver}}}}}}}\n"
    )
    Path("driven.yaml").write_text(text, encoding="utf-8")
    return ("--playbook", "driven.yaml", "-o", "plan.json", "--json")


def applied_with_drivers(terminal: CommitTerminal) -> tuple[str, DriverScript]:
    """Migrate with drivers and a quarter of an hour to confirm; return the run and the drivers."""
    script = DriverScript(terminal.world, terminal.connections)
    terminal.parts = DrivenSandbox(terminal.world, script)
    login = "ssh: {host: router.example, user: netops}"
    options = planned_with(f"netmiko, platform: {ROUTER.platform}, {login}")
    ran = terminal.run("plan", *options, "--vpn-gateway", terminal.gateway)
    run = str(ran.document["plan"]["migration"])
    ran = terminal.run("apply", "plan.json", "--confirm-within", "15m")
    assert ran.code == 3, ran.err
    return run, script


class CommitTerminal(Terminal):
    """A terminal with a plan for ``--confirm-within``."""

    def inject(self, faults: FaultSource) -> None:
        self.parts = SandboxWithWatchdog(self.world, faults)

    def planned(self, *options: str) -> str:
        run = super().planned("--playbook", "unattended-return", *options)
        self.inject(Faults())
        return run

    def applied(self) -> str:
        """Apply, with a quarter of an hour to confirm."""
        run = self.planned()
        ran = self.run("apply", "plan.json", "--confirm-within", "15m")
        assert ran.code == 3, ran.err
        return run


@pytest.fixture
def terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return CommitTerminal(tmp_path, capsys)


def run_of(run: str) -> Run:
    return Runs(settings_of(os.environ).home).find(run)


def at_work(terminal: CommitTerminal, run: str) -> tuple[Owner, int]:
    """Lock *run* as another process would; return that process and the descriptor of the lock."""
    owner = Owner("ann", "laptop", os.getppid(), terminal.clock.now(), "n")
    run_of(run).owner.write_bytes(msgspec.json.encode(owner) + b"\n")
    handle = os.open(run_of(run).lock, os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return owner, handle


class TestUnconfirmed:
    def test_apply_ends_held_and_says_so_loudly(self, terminal):
        """Exit code 3, the time of the rollback, and the command that confirms."""
        run = terminal.planned()

        ran = terminal.run("apply", "plan.json", "--confirm-within", "15m")

        output = " ".join(ran.err.split())
        assert ran.code == 3
        assert "migrated, UNCONFIRMED" in output
        assert f"vpnmigrate confirm {run}" in output

    def test_status_has_the_moment_for_programs(self, terminal):
        """``unconfirmed_until`` is shown until the run is confirmed."""
        run = terminal.applied()

        status = terminal.status(run)

        assert status["unconfirmed_until"] > terminal.clock.now().isoformat()
        assert status["confirm_within"] == 900
        assert status["next"] == f"vpnmigrate confirm {run}"

    def test_who_looks_on_is_told_that_it_waits_for_somebody(self, terminal):
        """``status --watch`` ends as apply does: 3 until the run is confirmed, 0 afterwards."""
        run = terminal.applied()
        unconfirmed = terminal.run("status", "--watch", run)
        terminal.run("confirm", run)
        confirmed = terminal.run("status", "--watch", run)

        assert (unconfirmed.code, confirmed.code) == (3, 0)

    def test_a_watchdog_that_is_gone_is_told_by_status(self, terminal):
        """A missing watchdog is reported."""
        run = terminal.applied()

        assert "AUTOMATIC ROLLBACK IS OFF" in " ".join(terminal.run("status", run).out.split())
        assert terminal.status(run)["watchdog"] is None

    def test_apply_starts_another_one_and_says_what_is_true(self, terminal):
        """The run was without a watchdog, so the time to confirm starts again."""
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
        """Without a watchdog the message says that there is no automatic rollback."""
        run = terminal.applied()
        terminal.parts = SandboxWithoutWatchdog(terminal.world)

        output = " ".join(terminal.run("apply", run).err.split())

        assert "UNCONFIRMED: no watchdog is running, so there is no automatic rollback" in output
        assert "AUTOMATIC ROLLBACK IS OFF" in output
        assert "is rolled back" not in output

    def test_finalize_waits_for_the_word(self, terminal):
        """A run that may be rolled back automatically cannot be finalized."""
        run = terminal.applied()

        ran = terminal.run("finalize", run, "--confirm", terminal.connections[0])

        assert ran.code == 3
        assert terminal.status(run)["status"] == "cut-over"

    def test_cannot_be_asked_for_afterwards(self, terminal):
        """On a migrated run --confirm-within is refused, not ignored."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")

        assert terminal.run("apply", run, "--confirm-within", "15m").code == 4

    def test_asked_for_while_staging_it_holds_for_the_cutover(self, terminal):
        """The option given while staging stays in force."""
        run = terminal.planned()
        words = ("--confirm-within", "15m")
        assert terminal.run("apply", "plan.json", "--until", "cutover", *words).code == 0

        assert terminal.run("apply", run).code == 3
        assert terminal.status(run)["confirm_within"] == 900

    def test_apply_again_is_held_again(self, terminal):
        """A resumed run still waits for the confirmation."""
        run = terminal.applied()

        assert terminal.run("apply", run).code == 3


class TestConfirm:
    def test_ends_it(self, terminal):
        """After confirm there is no rollback, finalize is next, and the watchdog stops."""
        run = terminal.applied()

        confirmed = terminal.run("confirm", run)
        watched = terminal.run("watchdog", run)

        status = terminal.status(run)
        assert (confirmed.code, watched.code) == (0, 0)
        assert status["unconfirmed_until"] is None
        assert status["next"] == f"vpnmigrate status {run}"
        assert "stops watching: the migration is confirmed" in watched.err
        assert terminal.run("apply", run).code == 0

    def test_too_late_says_so(self, terminal):
        """After the rollback confirm is refused as too late."""
        run = terminal.applied()
        terminal.run("watchdog", run)

        ran = terminal.run("confirm", run)

        assert ran.code == 4
        assert "too late" in ran.err

    def test_without_the_option_there_is_nothing_to_confirm(self, terminal):
        """Confirm without --confirm-within is a usage error."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")

        assert terminal.run("confirm", run).code == 2

    def test_before_traffic_flows_there_is_nothing_to_confirm(self, terminal):
        """Confirm before verified traffic is refused."""
        run = terminal.planned()
        terminal.inject(Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json", "--confirm-within", "15m")

        ran = terminal.run("confirm", run)

        assert ran.code == 4
        assert "not been verified" in ran.err


class TestWatchdog:
    def test_goes_back_when_nobody_has_confirmed(self, terminal):
        """The rollback starts at the announced time; the new gateway and connections are kept."""
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

    def test_drivers_return_the_devices_without_a_person(self, terminal):
        """The plan disables the old tunnels, and a driver enables them in the watchdog's rollback.

        Its contact is lost in that, and the device undoes what it did not confirm.
        """
        run, script = applied_with_drivers(terminal)
        dark = ROUTER.confirm_timer + timedelta(minutes=1)
        script.faults[DriverVerb.BACK_OUT] = [DriverFault(DriverFaultKind.CUT_OFF, dark)]
        migrated = script.device(terminal.connections[0]).state

        watched = terminal.run("watchdog", run)

        status, returned = terminal.status(run), script.device(terminal.connections[0]).state
        assert watched.code == 0
        assert (status["status"], status["traffic"]) == ("rolled-back", "old")
        assert (migrated.new, migrated.old) == (TunnelsState.ENABLED, TunnelsState.DISABLED)
        assert (returned.new, returned.old) == (TunnelsState.DISABLED, TunnelsState.ENABLED)
        assert script.verbs[-6:] == ["back-out", *["status"] * 4, "back-out"]
        records = [entry.record for entry in read_journal(run_of(run)).entries]
        assert not any(isinstance(record, OperatorConfirmed | DriverGaveUp) for record in records)

    def test_a_device_without_a_driver_keeps_it_from_being_armed(self, terminal):
        """Where an engineer has to enable the old tunnels, no rollback is promised."""
        terminal.inject(Faults())
        run = terminal.run("plan", *planned_with("manual"), "--vpn-gateway", terminal.gateway)
        assert run.code == 0, run.err

        ran = terminal.run("apply", "plan.json", "--confirm-within", "15m")

        assert ran.code == 4
        assert "a rollback needs an engineer at the devices of" in " ".join(ran.err.split())

    def test_a_word_that_came_before_it_had_the_run_counts(self, terminal):
        """A confirmation in the inbox prevents the rollback, even if it is read late."""
        run = terminal.applied()
        clock = terminal.clock
        Inbox(run_of(run)).post(ConfirmMessage(at=clock.now(), who="bob", host="desk"))
        clock.sleep(timedelta(hours=1))

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        assert terminal.status(run)["traffic"] == "new"

    def test_a_confirmed_run_in_nobodys_hand_raises_no_alarm(self, terminal):
        """After verified traffic and confirmation there is no alarm."""
        run = terminal.applied()
        assert terminal.run("confirm", run).code == 0

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        assert "stops watching" in watched.err
        assert "an operator must act" not in watched.err

    def test_a_process_that_hangs_is_told_to_turn_back_and_then_replaced_by_name(self, terminal):
        """A hanging process gets two minutes; then it is displaced and sends nothing more."""
        run = terminal.applied()
        hangs, handle = at_work(terminal, run)

        watched = terminal.run("watchdog", run)
        os.close(handle)

        assert watched.code == 0
        assert f"ann@laptop/{hangs.process} is working on the run and was asked to roll back" in (
            " ".join(watched.err.split())
        )
        assert terminal.status(run)["traffic"] == "old"

    def test_one_whose_starter_is_slow_waits_to_be_recorded(self, terminal):
        """A watchdog stops once the process that started it has ended, and not before."""
        run = terminal.planned()
        assert terminal.run("apply", "plan.json", "--until", "cutover").code == 0
        _, handle = at_work(terminal, run)
        terminal.parts.clock = ended = EventClock(terminal.clock, lambda: os.close(handle))
        ended.at = terminal.clock.now() + 5 * UNARMED

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        assert "stops watching: the migration is confirmed, or was never armed" in watched.err
        assert ended.at is None

    @pytest.mark.parametrize("action", CUTOVER)
    def test_a_cutover_whose_process_died_is_left_to_a_person(self, terminal, action):
        """Before verified traffic the watchdog only reports, and keeps watching a resumed run."""
        run = terminal.planned()
        terminal.inject(Faults([Fault(action, FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("apply", "plan.json", "--confirm-within", "15m")
        terminal.inject(Faults())
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
        """The watchdog's rollback is an ordinary one, which ``rollback`` resumes."""
        run = terminal.applied()
        terminal.inject(Faults([Fault(action, FaultKind.KILL_AFTER)]))
        with pytest.raises(Killed):
            terminal.run("watchdog", run)
        terminal.inject(Faults())

        command = terminal.status(run)["next"].split()[1:]

        assert command[0] == "rollback"
        assert terminal.run(*command).code == 0
        assert terminal.status(run)["traffic"] == "old"


class TestPersistence:
    """The watchdog acts for a disconnected operator, so it retries temporary failures."""

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
        """When AWS answers again the run rolls back, whatever the failure was.

        An attempt waits an hour for credentials before it fails.
        """
        run = terminal.applied()
        until = terminal.clock.now() + timedelta(hours=4)
        lines: list[str] = []
        terminal.inject(FailingAws(terminal.clock, until, kind))
        seen = EventClock(terminal.clock, lambda: lines.append(trouble(terminal, run)))
        terminal.parts.clock = seen
        seen.at = terminal.clock.now() + timedelta(hours=3)

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
        """A replacement watchdog starts without AWS, and calls AWS when it has to roll back."""
        run = terminal.applied()
        terminal.inject(Faults([Fault("sts:GetCallerIdentity", FaultKind.UNREACHABLE)]))

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        assert terminal.status(run)["traffic"] == "old"

    def test_what_fails_in_its_own_outage_is_tried_again_sooner(self, terminal):
        """While traffic is down, at most two minutes pass between two attempts."""
        run = terminal.applied()
        refusal = Fault("AttachVpnGateway", FaultKind.DENIED, times=3)
        terminal.inject(Faults([refusal]))

        watched = terminal.run("watchdog", run)

        status = terminal.status(run)
        assert watched.code == 0
        assert status["traffic"] == "old"
        assert watched.err.count("failed; next attempt in 2 min") == 1
        assert "tries again in 10 min" not in watched.err

    def test_a_full_disk_is_waited_for_and_the_log_goes_on(self, terminal):
        """When the disk has space again the run rolls back, and the watchdog logs again."""
        run = terminal.applied()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        seen = EventClock(
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
        """It retries for a day and longer, with at most ten minutes between two attempts."""
        run = terminal.applied()
        until = terminal.clock.now() + timedelta(hours=25)
        terminal.inject(FailingAws(terminal.clock, until, FaultKind.DENIED))

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        status = terminal.status(run)
        assert "failed; next attempt in 10 min" in watched.err
        assert status["traffic"] == "old"
        assert len([note for note in status["notes"] if "not confirmed by" in note]) == 1

    def test_who_confirms_between_two_tries_is_heard(self, terminal):
        """Before the rollback has started, a confirmation counts."""
        run = terminal.applied()
        terminal.inject(
            FailingAws(terminal.clock, terminal.clock.now() + timedelta(hours=5), FaultKind.DENIED)
        )
        seen = EventClock(terminal.clock, lambda: terminal.run("confirm", run))
        seen.at = terminal.clock.now() + timedelta(hours=1)
        terminal.parts.clock = seen

        watched = terminal.run("watchdog", run)

        assert watched.code == 0
        assert terminal.status(run)["traffic"] == "new"
        assert terminal.status(run)["unconfirmed_until"] is None


class EventClock:
    """A clock that runs a function when a sleep passes a given time."""

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


def trouble(terminal: CommitTerminal, run: str) -> str:
    """Return the trouble of the watchdog."""
    return str(terminal.status(run)["watchdog_trouble"])


def test_a_length_of_time_has_to_be_one(terminal):
    """An invalid duration is refused before the run starts."""
    terminal.planned()

    ran = terminal.run("apply", "plan.json", "--confirm-within", "soon")

    assert ran.code == 2
    assert "15m" in ran.err
