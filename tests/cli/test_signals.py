"""Signals: the first stops between two changes, the second immediately."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_surface import FLAGS
from vpnmigrate.cli.signals import RunSignals, SignalHandler
from vpnmigrate.report.console import Console
from vpnmigrate.sandbox.faults import Faults

ROOT = Path(__file__).parents[2]

STUBBORN = """
import os, signal
from vpnmigrate.cli.signals import RunSignals, SignalHandler
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.report.console import Console
wish = SignalHandler(Console(), lambda: True, lambda: cli("apply", "m-1"))
with RunSignals().handle(wish):
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    print("still here")
"""


LATE = """
import signal, sys
from vpnmigrate.cli.signals import to_the_end
def interrupt(frame, event, arg):
    if event == "call" and frame.f_code.co_name == "signal":
        sys.setprofile(None)
        signal.raise_signal(signal.SIGINT)
def work():
    sys.setprofile(interrupt)
    return 3
sys.exit(to_the_end(work))
"""


class SignalAt:
    """Sends this process a signal right before a call."""

    def __init__(self, number: signal.Signals, action: str) -> None:
        self._number = number
        self._action = action

    def before(self, service, action, nth):
        if action == self._action and nth == 1:
            os.kill(os.getpid(), self._number)

    def after(self, service, action, nth):
        pass


class TestARun:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_stops_between_two_changes_and_resumes(self, terminal, number):
        """The current call is finished and journalled; the printed command resumes."""
        run = terminal.planned()
        terminal.inject(SignalAt(number, "CreateVpnConnection"))

        stopped = terminal.run("apply", "plan.json")
        status = terminal.status(run)
        terminal.inject(Faults())
        resumed = terminal.run("apply", run)

        assert stopped.code == 7
        assert f"vpnmigrate apply {run}" in stopped.err
        assert status["traffic"] == "old"
        assert resumed.code == 0
        assert "create BGP connection" not in resumed.err

    def test_a_lost_terminal_does_not_stop_the_cutover(self, terminal):
        """SIGHUP in step 8 is ignored: the terminal may use the VPN that is migrated."""
        terminal.planned()
        terminal.inject(SignalAt(signal.SIGHUP, "DetachVpnGateway"))

        ran = terminal.run("apply", "plan.json")

        assert ran.code == 0
        assert "continues without it" in ran.err

    def test_an_operator_may_stop_even_the_cutover(self, terminal):
        """Ctrl-C in the outage stops the run, and the output says that traffic is down."""
        terminal.planned()
        terminal.inject(SignalAt(signal.SIGINT, "DetachVpnGateway"))

        ran = terminal.run("apply", "plan.json")

        assert ran.code == 7
        assert "on-premises traffic is DOWN" in " ".join(ran.err.split())

    def test_the_way_on_is_told_for_the_way_that_was_taken(self, terminal):
        """Ctrl-C in a rollback prints the command that resumes the rollback."""
        run = terminal.planned()
        terminal.run("apply", "plan.json")
        terminal.inject(SignalAt(signal.SIGINT, "DetachVpnGateway"))

        ran = terminal.run("rollback", run)

        assert ran.code == 7
        assert ran.err.count(f"  next:     vpnmigrate rollback {run}\n") == 2
        assert "roll back:" not in ran.err


class TestInterruption:
    def test_nobody_asked_is_no_reason(self):
        """Without a signal the run continues."""
        assert SignalHandler(Console(io.StringIO()), lambda: False).reason is None

    def test_a_second_hang_up_is_not_a_second_wish(self):
        """A closing terminal may send SIGHUP twice; the second does not end the process."""
        wish = SignalHandler(Console(io.StringIO()), lambda: False)

        wish.receive(signal.SIGHUP)
        wish.receive(signal.SIGHUP)

        assert wish.reason == "SIGHUP received"

    def test_handlers_are_given_back(self):
        """After the run the previous signal handlers are restored."""
        before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

        signals = RunSignals()
        with signals.handle(SignalHandler(Console(io.StringIO()), lambda: False)):
            pass
        # While the session ends, a signal replaces no error.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        signals.restore()

        after = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        assert after == before

    def test_what_a_parent_has_us_ignore_stays_ignored(self):
        """Under nohup SIGHUP does not stop the preparation either."""
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            wish = SignalHandler(Console(io.StringIO()), lambda: False)
            signals = RunSignals()
            with signals.handle(wish):
                os.kill(os.getpid(), signal.SIGHUP)
            signals.restore()
        finally:
            signal.signal(signal.SIGHUP, before)

        assert wish.reason is None

    def test_the_second_wish_stops_at_once_with_the_way_to_go_on(self):
        """A second Ctrl-C ends the process immediately, with exit code 7."""
        ended = subprocess.run(
            [sys.executable, "-c", STUBBORN], capture_output=True, text=True, check=False
        )

        assert ended.returncode == 7
        assert "still here" not in ended.stdout
        assert ended.stderr.count("vpnmigrate apply m-1") == 2


HASTY = """
import os, signal, sys
from vpnmigrate.cli.signals import to_the_end
def work():
    os.kill(os.getpid(), signal.SIGINT)
    return 0
code = to_the_end(work)
os.kill(os.getpid(), signal.SIGINT)
sys.exit(code)
"""


def test_a_late_ctrl_c_does_not_replace_the_exit_code():
    """Ctrl-C while the process exits gives exit code 7, not death by a signal."""
    left = subprocess.run([sys.executable, "-c", HASTY], check=False)

    assert left.returncode == 7


@pytest.fixture(scope="module")
def codes_of_verbs():
    """The exit codes of every verb at SIGTERM and SIGHUP."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.cli.every_verb", *FLAGS],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize("verb", FLAGS)
def test_every_verb_ends_with_7_at_each_signal(codes_of_verbs, verb):
    """No verb is killed by SIGTERM or SIGHUP: it reports the interruption by its exit code."""
    assert codes_of_verbs[verb] == [7, 7]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_rehearsal_under_way_ends_with_7(terminal, number):
    """A long command without a run ends at once, and says that no run was active."""
    terminal.planned()
    process = subprocess.Popen(
        [sys.executable, "-m", "vpnmigrate", "rehearse", "plan.json", "--faults", "100000"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=terminal.place,
        env={"HOME": str(terminal.place), "PATH": os.defpath, "PYTHONPATH": str(ROOT)},
    )
    with process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(number)
        rest = process.stderr.read()
    assert first
    assert process.returncode == 7
    assert "no run was active" in rest


def test_an_ignored_signal_stays_ignored():
    """After ``nohup`` a closed terminal ends no command."""
    program = (
        "import os, signal\n"
        "from vpnmigrate.cli.signals import signals_as_interrupt\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with signals_as_interrupt():\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    print('still here')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ran.stdout == "still here\n"


def test_an_interrupt_before_interrupts_are_ignored_changes_no_exit_code():
    """The process has ended its work, and ends with its code and without a traceback."""
    ended = subprocess.run(
        [sys.executable, "-c", LATE], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (3, "")
