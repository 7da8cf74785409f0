"""Progress output during a run."""

from __future__ import annotations

import io
from datetime import timedelta

from tests.report.examples import BEGAN, ENABLE, NEW, OLD, VPC, a_journal
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import (
    Answered,
    DirectionTaken,
    Forced,
    GatesSeen,
    Intended,
    Noted,
    OperatorConfirmed,
    OutageBegan,
    OutageEnded,
    ResidueLeft,
    StepBegun,
    StepSettled,
)
from vpnmigrate.model.changes import DetachVpnGateway
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.gates import Gate, GateResult, GateVerdict, Milestone
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.console import Console
from vpnmigrate.report.progress import Narrator, PlainProgress
from vpnmigrate.report.terminal import TerminalProgress

DETACH = DetachVpnGateway(OLD, VPC)


def lines_of(*records):
    narrator = Narrator()
    return [line for entry in a_journal(*records) for line in narrator.lines(entry)][1:]


class TestNarrator:
    def test_a_step_says_which_of_eleven_it_is(self):
        """Each line of a step has its number out of eleven."""
        assert lines_of(StepBegun(8, "Swap gateways"), StepSettled(8)) == [
            "02:00:20Z step 8 of 11: Swap gateways",
            "02:00:30Z   step 8 done",
        ]

    def test_an_attempt_starts_once(self):
        """A later process that goes further continues it, also if an earlier one has begun it."""
        again = DirectionTaken(Direction.FORWARD, 1)
        journal = a_journal(again, DirectionTaken(Direction.FORWARD, 2))
        narrator = Narrator()
        taken = [str(line)[10:] for entry in journal for line in narrator.lines(entry)]
        entry = next(each for each in journal if each.record == again)
        before = RunState(direction=Direction.FORWARD, attempt=1)

        assert taken == [
            "attempt 1: migration started",
            "attempt 1: migration continues",
            "attempt 2: migration started",
        ]
        [line] = Narrator(before=before).lines(entry)
        assert str(line).endswith("migration continues")

    def test_what_others_took_away_is_named(self):
        """Every loss is reported."""
        assert lines_of(StepSettled(9, lost=("rtb-1 is gone",)))[1].endswith("rtb-1 is gone")

    def test_destinations_without_a_path_are_named(self):
        """Nothing reads as complete while a destination has no path."""
        gone = "rtb-1: 10.9.0.0/16 went to vgw-old before and goes to nothing now"

        assert [line[12:] for line in lines_of(ResidueLeft((), (gone,)), ResidueLeft())] == [
            f"NO PATH: {gone}",
            "every change is made now",
        ]

    def test_a_change_is_told_before_its_answer(self):
        """The intent is shown when it is durable; an answer only if it adds information."""
        assert lines_of(Intended(1, 8, DETACH), Answered(1, Performed())) == [
            f"02:00:20Z   detach {OLD} from {VPC}"
        ]

    def test_a_bad_answer_names_its_change(self):
        """Refusals, delays and lost answers name their call."""
        answers = (
            Later("throttled", timedelta(minutes=2)),
            Refused("UnauthorizedOperation", "no"),
            InDoubt("read timed out"),
        )

        for answer in answers:
            line = lines_of(Intended(1, 8, DETACH), Answered(1, answer))[1]
            assert str(DETACH) in line

    def test_a_created_id_is_shown(self):
        """New ids are shown as soon as they are known."""
        assert lines_of(Intended(1, 2, DETACH), Answered(1, Performed(made=NEW)))[1].endswith(NEW)

    def test_the_outage_is_marked_at_both_ends(self):
        """Start, end and duration of the outage are marked."""
        lines = lines_of(OutageBegan(BEGAN), OutageEnded(BEGAN, timedelta(seconds=101)))

        assert lines[0].endswith("OUTAGE BEGINS")
        assert lines[1].endswith("OUTAGE ENDED after 1 min 41 s")

    def test_words_name_their_speaker(self):
        """A confirmation shows who gave it."""
        assert lines_of(OperatorConfirmed(Confirmation.DEVICES_CONFIGURED, "ann", "host"))[
            0
        ].endswith("ann confirmed: devices-configured")

    def test_gates_are_a_table(self):
        """Each gate has a line; one that does not pass has its requirement and advice."""
        closed = GateResult(Gate.WINDOW, GateVerdict.FAIL, "over", "2 to 4", "plan again")
        forced = GateResult(Gate.CLOCK, GateVerdict.UNKNOWN, "no date", "5 min", "", "NTP is late")
        opened = GateResult(Gate.WORLD, GateVerdict.PASS, "no differences", "as planned")

        lines = lines_of(GatesSeen(Milestone.CUTOVER, (opened, closed, forced)))

        assert [line.removeprefix("02:00:20Z ") for line in lines] == [
            "gates before the cutover: 1 of 3 not passed, 1 FORCED",
            "  PASS    world-equals-plan       no differences",
            "  FAIL    window                  over",
            "          required: 2 to 4",
            "          to do: plan again",
            "  FORCED  clock                   no date",
            "          required: 5 min",
            "          UNKNOWN, forced because: NTP is late",
        ]

    def test_a_force_is_loud(self):
        """A forced gate is shown with its operator and reason."""
        (line,) = lines_of(Forced(Milestone.CUTOVER, Gate.CLOCK, "NTP is late", "no date", "ann"))

        assert line.endswith(
            "FORCED clock before the cutover, by ann, although no date; because: NTP is late"
        )

    def test_text_from_outside_is_made_harmless(self):
        """An error message of a server cannot control the terminal."""
        assert "\x1b" not in lines_of(Noted("a\x1b[2J"))[0]


class TestPlainProgress:
    def progress(self):
        out = io.StringIO()
        clock = VirtualClock(BEGAN)
        return PlainProgress(Console(out), clock), clock, out

    def test_a_wait_says_how_long_of_what_limit(self):
        """A wait shows its limit."""
        progress, _, out = self.progress()

        progress.on_wait(8, "vgw-1 is detaching", timedelta(seconds=22), timedelta(minutes=45))

        assert out.getvalue() == "02:00:00Z   step 8 waits 22 s of 45 min: vgw-1 is detaching\n"

    def test_a_wait_before_the_first_step_names_none(self):
        """A wait before the start of a run belongs to no step."""
        progress, _, out = self.progress()

        progress.on_wait(0, "not certain yet", timedelta(), timedelta(minutes=4))

        assert out.getvalue() == "02:00:00Z   waits 0 s of 4 min: not certain yet\n"

    def test_an_unchanged_wait_is_told_once_a_minute(self):
        """A log of a long detach stays readable."""
        progress, _, out = self.progress()

        for second in range(121):
            progress.on_wait(8, "detaching", timedelta(seconds=second), timedelta(minutes=45))

        assert len(out.getvalue().splitlines()) == 3

    def test_the_outage_clock_runs_while_traffic_is_down(self):
        """Each wait inside the outage says how long traffic has been down."""
        progress, clock, out = self.progress()
        progress.on_entry(a_journal(OutageBegan(BEGAN))[-1])
        clock.sleep(timedelta(seconds=48))

        progress.on_wait(8, "detaching", timedelta(), timedelta(minutes=45))
        progress.on_entry(a_journal(OutageEnded(BEGAN, timedelta(seconds=50)))[-1])
        progress.on_wait(10, "disable", timedelta(), timedelta(minutes=45))

        assert "45 min, outage 48 s: detaching\n" in out.getvalue()
        assert out.getvalue().endswith("disable\n")


class TestTerminalProgress:
    def test_keeps_lines_and_redraws_the_wait(self):
        """Log lines stay on the screen; the wait is redrawn."""
        out = io.StringIO()

        with TerminalProgress(Console(out), VirtualClock(BEGAN)) as progress:
            for entry in a_journal(StepBegun(10, "Switch tunnels"), Intended(1, 10, ENABLE)):
                progress.on_entry(entry)
            progress.on_wait(10, "vpn-9 has 0 of 2 tunnels UP", timedelta(), timedelta(minutes=60))

        assert "02:00:20Z step 10 of 11: Switch tunnels\n" in out.getvalue()
        assert "02:00:30Z   TO DO: enable the tunnels of vpn-99\n" in out.getvalue()

    def test_a_dead_terminal_does_not_stop_the_run(self):
        """The terminal may run through the VPN that is being cut."""

        class Dead(io.StringIO):
            def write(self, text):
                raise OSError(5, "Input/output error")

        with TerminalProgress(Console(Dead()), VirtualClock(BEGAN)) as progress:
            progress.on_entry(a_journal(StepBegun(10, "Switch tunnels"))[-1])
            progress.on_wait(10, "x", timedelta(), timedelta(minutes=60))
