"""The live screen as lines, for any window size."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace
from msgspec.structs import replace as altered

from tests.report.examples import BEGAN, BGP, ENABLE, a_journal
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import (
    Acceptable,
    Armed,
    CredentialsExpired,
    DeadlineSet,
    Degraded,
    DirectionTaken,
    Intended,
    OperatorConfirmed,
    OutageBegan,
    OutageEnded,
    StepBegun,
    StepSettled,
    TrafficVerified,
)
from vpnmigrate.journal.state import Deadline
from vpnmigrate.journal.state_parts import ConfirmState
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors.commands import Invocation, aws
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeStats
from vpnmigrate.model.progress import CutoverView, TableView, TunnelView, Waiting
from vpnmigrate.model.snapshot import Confirmation, Shortage
from vpnmigrate.report.device_progress import DeviceProgress
from vpnmigrate.report.names import Names
from vpnmigrate.report.screen import ScreenContent, TypedLine, screen
from vpnmigrate.report.text import RunCommands

SECOND = timedelta(seconds=1)
NOW = BEGAN + 101 * SECOND
NEW = "vpn-0b0606ace732ef4a7"
LONG = f"{NEW} has 0 of 2 tunnels UP (198.18.2.6 IPSEC IS DOWN, 198.19.1.2 IPSEC IS DOWN)"

LOG_IN = ("log in again:", aws("sso", "login"))

SIGHT = CutoverView(
    tunnels=(
        TunnelView(NEW, "198.18.149.59", up=True, detail="3 routes", readings=7),
        TunnelView(NEW, "198.18.41.170", up=False, detail="IPSEC IS UP"),
    ),
    tables=(TableView("rtb-1", 5, 5), TableView("rtb-2", 4, 7, "missing 172.16.0.0/16")),
    probes=(
        ProbeStats("10.1.0.5:22", 60, 12, False, BEGAN, BEGAN, BEGAN + 90 * SECOND),
        ProbeStats("10.1.0.6:22", 60, 0, True, BEGAN),
    ),
)
DOWN = replay(
    a_journal(
        DirectionTaken(Direction.FORWARD, 1),
        DeadlineSet(NOW + timedelta(minutes=72), timedelta(minutes=8), "rehearsed"),
        OutageBegan(BEGAN),
        StepBegun(10, "Switch the tunnels"),
        Intended(1, 10, ENABLE),
    )
)
WAITING = Waiting(NOW - 2 * SECOND, 10, LONG, timedelta(seconds=20), timedelta(minutes=60))
SHOWN = ScreenContent(RunCommands("m-7f3c"), DOWN, NOW, WAITING, SIGHT)

AT_80 = """\
OUTAGE 1 min 41 s  step 10 of 11: Switch the tunnels                   02:01:41Z
waits 22 s of 1 h: vpn-0b0606ace732ef4a7 has 0 of 2 tunnels UP (198.18.2.6 IPSEC
    IS DOWN, 198.19.1.2 IPSEC IS DOWN)
TO DO: enable the tunnels of vpn-99
  when done: vpnmigrate done m-7f3c 10
decide within 1 h 12 min: 2026-01-17 03:13:41Z
tunnels  1 of 2 UP
  vpn-0b0606ace732ef4a7 198.18.41.170   DOWN IPSEC IS UP
  vpn-0b0606ace732ef4a7 198.18.149.59   UP   3 routes, 7 readings
routes   9 of 12 restored
  rtb-2: 4 of 7 routes, missing 172.16.0.0/16
  rtb-1: 5 of 5 routes
probes   12 of 120 lost
  10.1.0.5:22 IS LOST, 12 of 60 lost, 02:00:00Z to 02:01:30Z
  10.1.0.6:22 answers, none of 60 lost"""


def test_says_everything_at_80_columns():
    """Outage, step, wait with its limit, task, deadline, tunnels, routes and probes."""
    assert "\n".join(screen(SHOWN, 80, 24)) == AT_80


def test_uses_the_room_of_120_columns():
    """Lines that are folded at 80 columns are on one line."""
    lines = screen(SHOWN, 120, 40)

    assert lines[0].endswith("02:01:41Z")
    assert len(lines[0]) == 120
    assert lines[1] == f"waits 22 s of 1 h: {LONG}"


@pytest.mark.parametrize("width", [1, 5, 12, 20, 40, 80, 120, 300])
@pytest.mark.parametrize("height", [1, 2, 3, 5, 10, 24, 60])
def test_fits_any_window_and_always_shows_the_outage(width, height):
    """Every window size works, no line is too long, and the outage clock is first."""
    lines = screen(SHOWN, width, height)

    assert 1 <= len(lines) <= max(1, height - 2)
    assert all(len(line) <= width for line in lines)
    assert lines[0].startswith("OUTAGE 1 min 41 s"[: min(width, 9)])


def test_problems_are_shown_first_and_every_kind_is_shown():
    """With ten connections the tunnels do not push routes and probes off the screen."""
    many = tuple(
        TunnelView(f"vpn-{n}", f"192.0.2.{n}", up=n != 17, detail="2 routes") for n in range(20)
    )
    shown = replace(SHOWN, sight=CutoverView(many, SIGHT.tables, probes=SIGHT.probes))

    lines = screen(shown, 80, 24)

    assert "  vpn-17 192.0.2.17      DOWN 2 routes" in lines
    assert "  rtb-2: 4 of 7 routes, missing 172.16.0.0/16" in lines
    assert any("10.1.0.5:22 IS LOST" in line for line in lines)


def test_is_plain_ascii():
    """Non-ASCII text and control characters are replaced."""
    odd = msgspec.structs.replace(
        WAITING, why="g\u00fcnstig \u2192 \x1b[2J \U0001f4a5 " + "\u4e2d" * 100
    )

    text = "\n".join(screen(replace(SHOWN, waiting=odd), 80, 24))

    assert text.isascii()
    assert text.replace("\n", "").isprintable()


def test_the_wait_advances_between_two_observations():
    """The clock of a wait advances between observations."""
    later = replace(SHOWN, now=NOW + 30 * SECOND)

    assert screen(later, 80, 24)[1].startswith("waits 52 s of 1 h")


def test_a_deadline_that_has_passed_is_loud():
    """A passed deadline is shown with the command to abort."""
    late = replace(SHOWN, now=NOW + timedelta(minutes=73, seconds=30))

    lines = screen(late, 80, 24)

    assert "PAST THE BACK-OUT DEADLINE by 1 min 30 s: 2026-01-17 03:13:41Z" in lines
    assert "  to abort: vpnmigrate abort m-7f3c" in lines


def test_a_deadline_that_asks_shows_both_answers():
    """The screen shows both commands to choose from."""
    asks = Deadline(NOW, passed=True, asks=True)
    late = replace(SHOWN, state=altered(DOWN, deadline=asks), now=NOW + timedelta(minutes=73))

    lines = screen(late, 80, 24)

    assert "  to roll back: vpnmigrate abort m-7f3c" in lines
    assert "  to continue:  vpnmigrate continue m-7f3c" in lines
    assert not [line for line in lines if "to abort" in line]


def test_a_cutover_that_is_not_confirmed_says_so():
    """With commit-confirm the screen counts down and shows the command to confirm."""
    armed = Armed(timedelta(minutes=15), 1, "desk")
    state = altered(DOWN, confirm=ConfirmState(armed=armed, since=NOW))

    lines = screen(replace(SHOWN, state=state), 80, 24)

    at = lines.index("UNCONFIRMED: automatic rollback at 2026-01-17 02:16:41Z, in 15 min")
    assert lines[at + 1] == "  to confirm: vpnmigrate confirm m-7f3c"


def test_after_the_outage_stability_and_soak_are_shown():
    """After the outage the screen shows its duration and how long traffic has been stable."""
    state = replay(
        a_journal(
            OutageBegan(BEGAN),
            StepBegun(10, "Switch the tunnels"),
            TrafficVerified(NOW),
            OutageEnded(NOW, 101 * SECOND),
            Degraded(("vpn-9 has 1 of 2 tunnels UP",)),
        )
    )
    soaking = CutoverView(
        stable_for=timedelta(minutes=2),
        holds_for=timedelta(minutes=10),
        readings=14,
        readings_asked=3,
    )

    lines = screen(ScreenContent(RunCommands("m-7f3c"), state, NOW, sight=soaking), 80, 24)

    assert lines[0].startswith("traffic new (outage was 1 min 41 s)  step 10 of 11")
    assert lines[1:] == [
        "stable for 2 min of 10 min, 14 readings in a row (3 required)",
        "DEGRADED: vpn-9 has 1 of 2 tunnels UP",
    ]


def test_what_may_be_accepted_comes_with_a_command_that_can_be_pasted():
    """The command fits 80 columns with ids of EC2's length."""
    new = VpnConnectionId("vpn-0b0606ace732ef4a7")
    short = Shortage(BGP, new, f"{new} has 1 of 2 tunnels UP (198.18.2.6 IPSEC IS DOWN)")
    state = replay(
        a_journal(OutageBegan(BEGAN), StepBegun(10, "Switch the tunnels"), Acceptable((short,)))
    )

    lines = screen(ScreenContent(RunCommands("m-7f3c9a1b"), state, NOW), 80, 24)

    assert lines[1].startswith(f"ONLY TUNNELS ARE MISSING: {new} has 1 of 2 tunnels UP")
    command = "\n".join(lines[3:6]).replace("\\\n", "").split()
    assert command == [
        *("to", "accept", "(TEXT:", "the", "reason):", "vpnmigrate", "continue", "m-7f3c9a1b"),
        *("--accept-degraded", new, "--reason", "TEXT"),
    ]


def test_a_flap_is_shown():
    """Verified traffic with something missing again is shown as not stable."""
    state = replay(a_journal(OutageBegan(BEGAN), TrafficVerified(NOW), OutageEnded(NOW, SECOND)))

    (first, *_) = screen(
        ScreenContent(RunCommands("m-7f3c"), state, NOW, sight=CutoverView(stable_for=None)), 80, 24
    )

    assert first.startswith("traffic new, NOT STABLE (outage was 1 s)")


def test_before_the_first_step_there_is_a_screen_too():
    """A run that starts has a screen."""
    assert screen(ScreenContent(RunCommands("m-7f3c"), replay([]), NOW), 40, 10) == [
        "starting" + " " * 23 + "02:01:41Z"
    ]


def test_expired_credentials_are_in_the_first_lines_with_the_command() -> None:
    """The screen says it at once, in a window of 80 by 24."""
    expired = replay(a_journal(CredentialsExpired("ExpiredToken", LOG_IN)), DOWN)
    shown = ScreenContent(RunCommands("m-7f3c"), expired, NOW, WAITING, SIGHT)

    lines = screen(shown, 80, 24)

    at = next(n for n, line in enumerate(lines) if line.startswith("CREDENTIALS EXPIRED"))
    assert lines[at + 1 : at + 3] == ["  log in again:", "  aws sso login"]
    assert at < 4


def test_a_task_is_never_cut_and_ids_have_their_names() -> None:
    """A long task is folded; at 120 columns it is one line."""
    task = AskOperator(
        5, Confirmation.DEVICES_CONFIGURED, f"load {NEW} and " + "more " * 20 + "end"
    )
    state = replay(
        a_journal(DirectionTaken(Direction.FORWARD, 1), StepBegun(5, "x"), Intended(1, 5, task))
    )
    names = Names({NEW: "Munich"})

    shown = ScreenContent(RunCommands("m-7f3c"), state, NOW, sight=SIGHT, names=names)
    narrow, wide = screen(shown, 80, 24), screen(shown, 120, 24)

    assert narrow[1].startswith(f'TO DO: load {NEW} "Munich" and more')
    assert narrow[2].endswith(" end")
    assert not any("..." in line for line in narrow)
    assert len(max(wide, key=len)) > 80
    assert f'  {NEW} "Munich" 198.18.41.170   DOWN IPSEC IS UP' in narrow


def test_the_devices_at_which_a_task_is_done_are_named():
    """With several sites the screen says which are still open."""
    devices = (
        DeviceProgress(BGP, "Munich", done=True),
        DeviceProgress(VpnConnectionId(NEW), "Graz", done=False),
    )

    shown = screen(replace(SHOWN, devices=devices), 80, 24)

    assert "  done at: Munich done, Graz OPEN" in shown
    assert not any("done at" in line for line in screen(SHOWN, 80, 24))


def test_a_question_in_the_outage_leaves_its_limit_on_the_screen():
    """After that limit the run continues without an answer."""
    typing = TypedLine("", ("run",), "step 8: attach it?")

    shown = screen(replace(SHOWN, typing=typing), 80, 24)

    assert shown[1] == "QUESTION: step 8: attach it?"
    assert shown[2].startswith("waits 22 s of 1 h")


def test_a_task_that_is_confirmed_too_early_stays_on_the_screen():
    """Instead of the task it says what is DOWN, and how to see the device's values."""
    done = replay(
        a_journal(OperatorConfirmed(Confirmation.NEW_TUNNELS_ENABLED, "ann", "desk")), DOWN
    )

    shown = "\n".join(screen(replace(SHOWN, state=done), 80, 24))

    assert "TO DO" not in shown
    assert f"CONFIRMED: 1 of 2 tunnels still DOWN ({NEW} 1 of 2)" in shown
    assert f"check: vpnmigrate device sheet m-7f3c {NEW}" in shown


def test_a_task_is_never_cut():
    """It takes the place of details; a window that is too small says how much is missing."""
    word = Confirmation.NEW_TUNNELS_ENABLED
    task = AskOperator(10, word, " ".join(f"configure site {n}" for n in range(60)) + " END")
    shown = replace(SHOWN, state=replay(a_journal(StepBegun(10, ""), Intended(1, 10, task))))

    whole, cut_off = screen(shown, 80, 24), screen(shown, 80, 12)

    assert "END" in " ".join(whole)
    assert len(whole) <= 22
    assert cut_off[-1] == "and 11 lines more, see vpnmigrate status m-7f3c"


def test_rows_that_are_left_out_are_counted():
    """The summary of each kind says how many rows of it are shown."""
    many = tuple(TunnelView(f"vpn-{n}", f"192.0.2.{n}", up=False) for n in range(20))

    lines = screen(replace(SHOWN, sight=CutoverView(many)), 80, 24)

    rows = [line for line in lines if line.startswith("  vpn-")]
    assert f"tunnels  0 of 20 UP ({len(rows)} shown, and {20 - len(rows)} more)" in lines


def test_a_window_of_40_lines_has_more_rows():
    """The screen uses up to half of a tall window."""
    many = tuple(TunnelView(f"vpn-{n}", f"192.0.2.{n}", up=False) for n in range(30))
    shown = replace(SHOWN, sight=CutoverView(many))

    assert len(screen(shown, 120, 40)) > len(screen(shown, 120, 24))


def test_a_prepared_run_names_no_finished_step():
    """While the gates or the question before the cutover are open, step 6 is over."""
    prepared = replay(a_journal(StepBegun(6, "Test"), StepSettled(6)))

    first = screen(ScreenContent(None, prepared, NOW), 80, 24)[0]

    assert first.startswith("prepared; step 7 of 11, the cutover, has not begun")


def test_a_prepared_run_says_so_whole_also_after_an_earlier_outage():
    """The length of the earlier outage is left out first."""
    outage = (OutageBegan(NOW), OutageEnded(NOW, timedelta(minutes=12, seconds=41)))
    again = (DirectionTaken(Direction.FORWARD, 2), StepBegun(6, "Test"), StepSettled(6))

    first = screen(ScreenContent(None, replay(a_journal(*outage, *again)), NOW), 80, 24)[0]

    assert "prepared; step 7 of 11, the cutover, has not begun" in first
    assert "outage was" not in first


def test_a_wait_and_the_outage_have_their_usual_times():
    """With the source, beside the time so far."""
    waiting = msgspec.structs.replace(WAITING, usual="usually 4 min (rehearsal)")
    shown = replace(SHOWN, waiting=waiting, usual_outage="usually 2 min (rehearsal)")

    lines = screen(shown, 80, 24)

    assert lines[1] == "the outage is usually 2 min (rehearsal)"
    assert lines[2].startswith("waits 22 s of 1 h, usually 4 min (rehearsal): vpn-")


def test_a_command_is_never_cut():
    """One with a word that is wider than the window would fail when it is pasted."""
    there = Invocation(run_dir="/srv/" + "x" * 90)

    lines = screen(replace(SHOWN, on=RunCommands("m-7f3c", there)), 80, 24)

    assert "  when done: too long for this window; status prints it" in lines
    assert not [line for line in lines if line.endswith("...")]
