"""The live file, which shows other terminals what a run waits for."""

from __future__ import annotations

import stat
from datetime import timedelta

from tests.report.examples import BEGAN, a_journal
from tests.support.builders import a_run
from vpnmigrate.journal.records import StepBegun
from vpnmigrate.local.live_view import LiveFile, LiveView, read_live
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.progress import CutoverView, TunnelView, Waiting

LIMIT = timedelta(minutes=60)
SIGHT = CutoverView(tunnels=(TunnelView("vpn-1", "192.0.2.1", up=True),))


def test_tells_the_wait_and_the_look(tmp_path):
    """Another process reads what this process observed."""
    run, clock = a_run(tmp_path), VirtualClock(BEGAN)
    live = LiveFile(run, clock)

    live.on_view(lambda: SIGHT)
    live.on_wait(10, "not yet", timedelta(seconds=3), LIMIT)

    waiting = Waiting(BEGAN, 10, "not yet", timedelta(seconds=3), LIMIT)
    assert read_live(run) == LiveView(waiting, SIGHT)
    assert stat.S_IMODE(run.live.stat().st_mode) == 0o600


def test_is_written_once_a_second_at_most(tmp_path):
    """Many observations in one second cause one small write."""
    run, clock = a_run(tmp_path), VirtualClock(BEGAN)
    live = LiveFile(run, clock)

    live.on_wait(8, "first", timedelta(), LIMIT)
    live.on_wait(8, "second", timedelta(), LIMIT)
    waiting = read_live(run).waiting
    assert waiting is not None
    assert waiting.why == "first"

    clock.sleep(timedelta(seconds=1))
    live.on_wait(8, "third", timedelta(), LIMIT)
    waiting = read_live(run).waiting
    assert waiting is not None
    assert waiting.why == "third"


def test_a_new_step_waits_for_nothing_yet(tmp_path):
    """The wait of the last step is not shown with the next step."""
    run, clock = a_run(tmp_path), VirtualClock(BEGAN)
    live = LiveFile(run, clock)
    live.on_wait(8, "detaching", timedelta(), LIMIT)
    clock.sleep(timedelta(seconds=1))

    live.on_entry(a_journal(StepBegun(9, "Restore routing"))[-1])

    assert read_live(run).waiting is None


def test_goes_with_its_process(tmp_path):
    """The wait of a process that has ended is not shown."""
    run = a_run(tmp_path)
    live = LiveFile(run, VirtualClock(BEGAN))
    live.on_wait(8, "detaching", timedelta(), LIMIT)

    live.close()
    live.close()

    assert read_live(run) == LiveView()
    assert not run.live.exists()


def test_a_disk_that_refuses_does_not_disturb_the_run(tmp_path):
    """The file is optional: a failed write is ignored."""
    run = a_run(tmp_path)
    (run.path / ".live.json").mkdir()

    LiveFile(run, VirtualClock(BEGAN)).on_wait(8, "detaching", timedelta(), LIMIT)

    assert read_live(run) == LiveView()


def test_what_is_no_such_file_is_nothing(tmp_path):
    """A torn or invalid file shows nothing, and raises nothing."""
    run = a_run(tmp_path)
    for content in (b"", b"{", b'{"waiting": 3}', b"\xff"):
        run.live.write_bytes(content)
        assert read_live(run) == LiveView()
