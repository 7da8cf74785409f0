"""The log of a run: machine-readable, without secrets, and never a reason to stop."""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import a_run
from tests.support.journals import Story
from vpnmigrate.engine.ports import Observer
from vpnmigrate.journal.records import Entry
from vpnmigrate.local.logs import Event, log_of, without_secret_fields
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.settings import LogTo
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.model.redaction import HIDDEN


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that was just started."""
    return a_run(tmp_path / "runs")


@pytest.fixture
def clock() -> VirtualClock:
    """The clock of the run."""
    return VirtualClock()


class LostTerminal(io.StringIO):
    """A terminal that is lost."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


def lines(run: Run) -> list[dict[str, object]]:
    """Read the run's log."""
    return [json.loads(line) for line in run.log.read_text(encoding="utf-8").splitlines()]


def test_everything_journalled_is_logged(run: Run, clock: VirtualClock) -> None:
    """Every kind of record becomes one JSON line with the run, the time and the record."""
    journal = Story().migrated().returned().finalized().entries
    with log_of(run, LogTo.FILE, clock, io.StringIO()) as log:
        observer: Observer = log
        for entry in journal:
            observer.on_entry(entry)

    logged = lines(run)

    assert [line["seq"] for line in logged] == [entry.seq for entry in journal]
    assert {line["event"] for line in logged} == {Event.JOURNALLED}
    assert {line["run"] for line in logged} == {run.id}
    assert logged[1]["record"] == {
        "record": "direction-taken",
        "direction": "forward",
        "attempt": 1,
        "keep_new": False,
        "until": None,
    }


def test_waits_and_notices_are_logged(run: Run, clock: VirtualClock) -> None:
    """The log contains waits and messages to the operator, in order."""
    with log_of(run, LogTo.FILE, clock, io.StringIO()) as log:
        log.on_wait(8, "vgw-new is attaching", timedelta(seconds=9), timedelta(minutes=45))
        clock.sleep(timedelta(seconds=1))
        log.notice("took over from bob")

    assert lines(run) == [
        {
            "event": "step.waited",
            "run": run.id,
            "at": "2026-01-17T02:00:00+00:00",
            "step": 8,
            "why": "vgw-new is attaching",
            "waited": 9.0,
            "limit": 2700.0,
        },
        {
            "event": "run.noticed",
            "run": run.id,
            "at": "2026-01-17T02:00:01+00:00",
            "text": "took over from bob",
        },
    ]


@pytest.mark.parametrize(
    ("to", "in_file", "on_stderr"),
    [
        (LogTo.FILE, 1, 0),
        (LogTo.STDERR, 0, 1),
        (LogTo.BOTH, 1, 1),
        (LogTo.OFF, 0, 0),
    ],
)
def test_the_log_goes_where_it_is_told_and_never_to_stdout(
    run: Run,
    clock: VirtualClock,
    capsys: pytest.CaptureFixture[str],
    to: LogTo,
    in_file: int,
    on_stderr: int,
) -> None:
    """The log goes to the run's file, to stderr, to both or nowhere; stdout is for results."""
    stderr = io.StringIO()
    with log_of(run, to, clock, stderr) as log:
        log.notice("x")

    assert (len(lines(run)) if run.log.exists() else 0) == in_file
    assert stderr.getvalue().count("\n") == on_stderr
    assert capsys.readouterr().out == ""


def test_the_log_is_private_and_only_grows(run: Run, clock: VirtualClock) -> None:
    """A later process appends to a log that only its owner can read."""
    for text in ("one", "two"):
        with log_of(run, LogTo.FILE, clock, io.StringIO()) as log:
            log.notice(text)

    assert [line["text"] for line in lines(run)] == ["one", "two"]
    assert stat.S_IMODE(run.log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "event",
    [
        {"pre_shared_key": "k3y"},
        {"PreSharedKey": "k3y"},
        {"options": {"tunnels": [{"psk": "k3y"}, {"PSK2": "k3y"}]}},
        {"CustomerGatewayConfiguration": "<xml>k3y</xml>"},
        {"aws_secret_access_key": "k3y", "session_token": "k3y", "password": "k3y"},
        {"sample_configuration": ("k3y",)},
    ],
)
def test_whatever_is_called_like_a_secret_is_blanked(event: Mapping[str, object]) -> None:
    """The value of a secret is replaced at any depth and in any spelling."""
    passed = without_secret_fields(None, "info", dict(event))

    assert "k3y" not in repr(passed)
    assert HIDDEN in repr(passed)


def test_other_values_pass_unchanged() -> None:
    """Other values are logged unchanged."""
    event = {"step": 8, "record": {"change": "attach-vpn-gateway", "vpcs": ["vpc-1", None, 1.5]}}

    assert without_secret_fields(None, "info", dict(event)) == event


def test_a_lost_terminal_does_not_stop_the_file(run: Run, clock: VirtualClock) -> None:
    """If the terminal is lost in the cutover, the log continues in the file, and the run too."""
    entry: Entry = Story().opened().entries[0]
    with log_of(run, LogTo.BOTH, clock, LostTerminal()) as log:
        log.on_entry(entry)
        log.on_entry(entry)

    assert len(lines(run)) == 2


def test_a_log_is_not_written_through_a_link(run: Run, clock: VirtualClock) -> None:
    """A log that is a link is refused, with the setting that turns the log off."""
    run.log.symlink_to(run.path / "elsewhere")

    with (
        pytest.raises(VpnMigrateError, match=r"log\.jsonl") as caught,
        log_of(run, LogTo.FILE, clock, io.StringIO()),
    ):
        pass

    assert "VPNMIGRATE_LOG=off" in caught.value.advice_text
    assert not (run.path / "elsewhere").exists()
