"""Operator probes: their syntax, how they are sent, and their effect in step 10."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_run
from tests.support.stage import Lookout, Stage
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import OutageBegan, OutageEnded, Probed
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.probes import Prober
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.model.decisions import Decisions, Waits
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.probes import (
    CommandProbe,
    ConnectProbe,
    ProbeEvent,
    ProbeStats,
    counted,
    missed,
    probe_from,
)
from vpnmigrate.report.progress import probe_lines

SECOND = timedelta(seconds=1)
PATIENCE = 30
"""Seconds on a busy machine for what takes one on an idle one."""


class TestReading:
    @pytest.mark.parametrize(
        ("text", "aim"),
        [
            ("10.1.0.5:22", ConnectProbe("10.1.0.5", 22)),
            ("files.example.net:443", ConnectProbe("files.example.net", 443)),
            ("[2001:db8::5]:22", ConnectProbe("2001:db8::5", 22)),
            ("ping -c 1 -W 1 10.1.0.5", CommandProbe(("ping", "-c", "1", "-W", "1", "10.1.0.5"))),
            ("./try 'a b'", CommandProbe(("./try", "a b"))),
            ("./try $(id) $HOME", CommandProbe(("./try", "$(id)", "$HOME"))),
        ],
    )
    def test_is_an_address_with_a_port_or_a_command_without_a_shell(self, text, aim):
        """Text that a shell would expand stays as written."""
        assert probe_from(text) == aim

    @pytest.mark.parametrize(
        "text", ["", " ", "ping 'x", "ping x | grep y", "a && b", "10.1.0.5:0", "10.1.0.5:70000"]
    )
    def test_what_nothing_could_send_is_refused(self, text):
        """A probe that needs a shell, or has an invalid port, is refused before the run starts."""
        with pytest.raises(UsageError):
            probe_from(text)


class TestCounting:
    def test_counts_what_was_sent_and_lost_and_since_when(self):
        """The statistics have totals, the state with its start, and the first and last loss."""
        stats = ProbeStats("p")
        for second, answered in enumerate([True, False, False, True]):
            stats = counted(stats, NOON + second * SECOND, answered=answered)

        assert stats == ProbeStats(
            "p", 4, 2, True, NOON + 3 * SECOND, NOON + SECOND, NOON + 2 * SECOND
        )

    def test_what_never_worked_is_only_reported(self):
        """Only a probe that worked before step 7 has to answer again."""
        down = counted(ProbeStats("p"), NOON, answered=False)

        assert missed([down], []) == ()
        assert missed([down], ["p"]) == ("probe p worked before step 7 and does not work now",)


def until(prober: Prober, sent: int) -> tuple[ProbeStats, ...]:
    """Wait until each probe was sent *sent* times."""
    give_up = time.monotonic() + PATIENCE
    while any(t.sent < sent for t in prober.stats()) and time.monotonic() < give_up:
        threading.Event().wait(0.05)
    return prober.stats()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with probes that are sent."""
    return a_run(tmp_path / "runs")


class TestProber:
    def test_a_tcp_probe_tells_an_open_port_from_a_closed_one(self, run):
        """An accepted connection is an answer; a refused one is a loss."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            prober = Prober(SteadyClock(), run, {}, extra=["127.0.0.1:1"])
            prober.begin([ProbeStats(f"127.0.0.1:{port}")])
            closed, opened = sorted(until(prober, 1), key=lambda t: t.probe)
            prober.end()

        assert (opened.works, closed.works) == (True, False)

    def test_a_command_answers_by_its_exit_status(self, run):
        """Exit code 0 is an answer; another one, and a missing program, are losses."""
        good, bad = (f"{sys.executable} -c 'raise SystemExit({n})'" for n in (0, 1))
        prober = Prober(SteadyClock(), run, {}, extra=[good, bad, "/no/such/program"])
        prober.begin([])
        works = {t.probe: t.works for t in until(prober, 1)}
        prober.end()

        assert works == {good: True, bad: False, "/no/such/program": False}

    def test_a_named_program_that_changes_is_not_run_again(self, run, tmp_path):
        """The program of a command probe is pinned by its content when the probe starts."""
        program = tmp_path / "probe"
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o755)
        prober = Prober(SteadyClock(), run, {}, extra=[str(program)])
        prober.begin([])
        (before,) = until(prober, 1)
        program.write_text("#!/bin/sh\nexit 1\n")
        give_up = time.monotonic() + PATIENCE
        while not prober.stats()[0].halted and time.monotonic() < give_up:
            threading.Event().wait(0.05)
        prober.end()

        assert before.works
        assert prober.stats()[0].halted.endswith(
            "differs from what it was when this probe was started"
        )

    def test_a_hanging_command_is_a_loss_and_delays_no_other(self, run):
        """A command that does not end in time is killed, and counted as a loss."""
        endless = f"{sys.executable} -c 'import time; time.sleep(600)'"
        prober = Prober(SteadyClock(), run, {})

        prober.begin([ProbeStats(endless)])
        (stats,) = until(prober, 1)
        prober.end()
        assert stats.works is False

    def test_counts_continue_those_of_an_earlier_process(self, run):
        """A resumed run adds to the losses in its journal."""
        answers = iter([True])
        prober = Prober(SteadyClock(), run, {}, attempt=lambda _: next(answers, True))
        prober.begin([ProbeStats("10.1.0.5:22", 60, 12, first_loss=NOON, last_loss=NOON + SECOND)])
        (stats,) = until(prober, 61)
        prober.end()

        assert (stats.sent >= 61, stats.lost, stats.last_loss) == (True, 12, NOON + SECOND)

    def test_a_rollback_in_the_same_process_is_probed_too(self, run):
        """Started again after its end, it sends again, and continues the given counts."""
        prober = Prober(SteadyClock(), run, {}, attempt=lambda _: True)
        prober.begin([ProbeStats("10.1.0.5:22")])
        until(prober, 1)
        prober.end()

        prober.begin([ProbeStats("10.1.0.5:22", 60, 12)])
        (stats,) = until(prober, 61)
        prober.end()

        assert (stats.sent >= 61, stats.lost, stats.works) == (True, 12, True)


class Scripted:
    """Probes that work while traffic flows, sent once for each read of their statistics."""

    def __init__(self, stage: Stage, dead: Iterable[str] = ()) -> None:
        self._stage = stage
        self._dead = frozenset(dead)
        self._tallies: dict[str, ProbeStats] = {}
        self.broken = False
        self.ended = False

    def begin(self, known: Iterable[ProbeStats]) -> None:
        self._tallies = {stats.probe: stats for stats in known}

    def stats(self) -> tuple[ProbeStats, ...]:
        kinds = [type(e.record) for e in self._stage.journal.entries]
        down = kinds.count(OutageBegan) > kinds.count(OutageEnded)
        settled = self.broken or (down and not self._new_tunnels())
        for name, stats in self._tallies.items():
            works = not settled and name not in self._dead
            self._tallies[name] = counted(stats, self._stage.clock.now(), answered=works)
        return tuple(self._tallies.values())

    def _new_tunnels(self) -> bool:
        return any("until it is stable" in why for why in self._stage.lookout.waits_seen)

    def forget_counts(self) -> None:
        self._tallies = {name: ProbeStats(name, works=t.works) for name, t in self._tallies.items()}

    def end(self) -> None:
        self.ended = True


class ProbeRepairer(Lookout):
    """Lets the probes work again once only they are lacking."""

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        super().on_wait(step, why, waited, limit)
        if step == 10 and why.startswith("probe"):
            self.waits_seen.append("10: until it is stable")


class TestInARun:
    PROBE = "10.1.0.5:22"
    DEAD = "10.1.0.6:22"

    def stage(self, tmp_path, **waits) -> Stage:
        return Stage(tmp_path, decisions=Decisions(probes=(self.PROBE, self.DEAD), **waits))

    def test_probes_are_written_down_when_there_is_something_to_say(self, tmp_path):
        """Probes are recorded before step 7, at each change, and in total."""
        stage = self.stage(tmp_path)
        probes = Scripted(stage, dead=[self.DEAD])

        stage.forward(probes=probes, lookout=ProbeRepairer())

        found = stage.records(Probed)
        assert stage.state.status is RunStatus.CUT_OVER
        assert (found[0].moment, found[-1].moment) == (ProbeEvent.BEFORE, ProbeEvent.END)
        assert len(found) < 8
        assert stage.state.probes.proven == {self.PROBE}
        assert stage.state.probes.latest[self.PROBE].lost > 0
        assert probes.ended

    def test_what_worked_before_step_7_is_not_forgotten_with_its_counts(self, tmp_path):
        """Without a change, the journal has the result from the start of the cutover."""
        stage = self.stage(tmp_path)
        stage.forward(probes=Scripted(stage), lookout=ProbeRepairer())

        before = next(e.seq for e in stage.journal.entries if isinstance(e.record, Probed))
        stats = replay(stage.journal.entries[:before]).probes.latest[self.PROBE]

        assert (stats.works, stats.sent) == (True, 0)

    def test_a_probe_that_worked_must_work_again(self, tmp_path):
        """Stable traffic requires the probe, and the step names it while it does not answer."""
        stage = self.stage(tmp_path, waits=Waits(tunnels=timedelta(minutes=3)))
        probes = Scripted(stage, dead=[self.DEAD])

        class Breaker(Lookout):
            """Breaks the probe's target while traffic is down."""

            def on_entry(self, entry):
                probes.broken |= isinstance(entry.record, OutageBegan)

        with pytest.raises(Exception, match=r"probe .* worked before step 7"):
            stage.forward(probes=probes, lookout=Breaker())

        assert stage.state.outage.open
        assert not any(self.DEAD in why for why in stage.lookout.waits_seen)

    def test_a_rollback_requires_no_probe(self, tmp_path):
        """A rollback does not wait for a target that is down; it only reports it."""
        stage = self.stage(tmp_path)
        stage.forward(probes=Scripted(stage), lookout=ProbeRepairer())
        probes = Scripted(stage)
        probes.broken = True

        stage.run(Runner.rollback, probes=probes)

        assert stage.state.status is RunStatus.ROLLED_BACK
        assert stage.state.probes.latest[self.PROBE].works is False

    def test_each_direction_keeps_its_own_counts(self, tmp_path):
        """After a rollback the report has both directions, also after clean-up and finalize."""
        stage = self.stage(tmp_path)
        forward = stage.forward(probes=Scripted(stage), lookout=ProbeRepairer())
        back = stage.run(lambda r: r.rollback(keep_new=True), probes=Scripted(stage))
        cleaned = stage.run(Runner.rollback, probes=Scripted(stage))

        text = "; ".join(probe_lines(cleaned))
        assert back.probes.forward == forward.probes.latest
        assert back.probes.latest[self.PROBE].sent > 0
        assert (cleaned.probes.forward, cleaned.probes.latest) == (
            forward.probes.latest,
            back.probes.latest,
        )
        assert text.startswith(f"forward: {self.PROBE}")
        assert f"rollback: {self.PROBE}" in text
        assert "forward: " not in "; ".join(probe_lines(forward))

    def test_nothing_is_sent_before_the_cutover(self, tmp_path):
        """Preparing days ahead sends no probe."""
        stage = self.stage(tmp_path)
        probes = Scripted(stage)

        with pytest.raises(Exception, match="everything is prepared"):
            stage.run(lambda runner: runner.apply(until=6), probes=probes)

        assert probes.stats() == ()
        assert stage.records(Probed) == []
