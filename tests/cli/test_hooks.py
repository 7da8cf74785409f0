"""Hooks in whole runs, with real programs and a sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.cli.terminal import Terminal
from vpnmigrate.journal.records import HookRan
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

READY = Path(__file__).parents[2] / "playbooks" / "hooks" / "notify.py"
TAKES_NOTE = "import sys, os; open({!r}, 'a').write(sys.stdin.read()); print(dict(os.environ))"


def plan_with(terminal: Terminal, limit: str = "60s", **hooks: list[str]) -> str:
    """Plan with *hooks*, and return the migration id."""
    lines = [f"    {name.replace('_', '-')}: {json.dumps(hook)}" for name, hook in hooks.items()]
    playbook = ["name: mine", "summary: s", "decisions:", "  hooks:" if hooks else "", *lines]
    playbook += ["  waits:", f"    hook: {limit}", "  back_out: rollback"]
    (terminal.place / "mine.yaml").write_text("\n".join(playbook))
    (terminal.place / "plan.json").unlink(missing_ok=True)  # That of a run is not overwritten.
    words = ["--playbook", "mine.yaml", "-o", "plan.json", "--change", "CHG7", "--json"]
    ran = terminal.run("plan", "--vpn-gateway", terminal.gateway, *words)
    assert ran.code == 0, ran.err
    migration: str = ran.document["plan"]["migration"]
    return migration


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def own_hook(terminal: Terminal, name: str, says: str) -> list[str]:
    """Return the command of a hook."""
    path = terminal.place / name
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return [str(path)]


def folder(terminal: Terminal, run: str) -> Path:
    return terminal.place / "home" / "runs" / run


def entries(terminal: Terminal, run: str) -> list[dict[str, Any]]:
    """Return the entries of the journal."""
    lines = (folder(terminal, run) / "journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def records(terminal: Terminal, run: str) -> list[dict[str, str]]:
    """Return the journal's records of hooks."""
    found = [entry["record"] for entry in entries(terminal, run)]
    return [each for each in found if each["record"] == HookRan.__struct_config__.tag]


def test_the_hook_that_is_asked_is_a_gate(terminal: Terminal):
    """Until the hook exits 0 the cutover does not start, and traffic is not affected."""
    verdict = terminal.place / "verdict"
    verdict.write_text("3")
    asks = python(f"raise SystemExit(int(open({str(verdict)!r}).read()))")
    run = plan_with(terminal, before_cutover=asks)

    refused = terminal.run("apply", "plan.json")
    before = terminal.status(run)
    verdict.write_text("0")
    agreed = terminal.run("apply", run)

    assert (refused.code, agreed.code) == (3, 0)
    assert "failed with exit status 3" in refused.err
    assert (before["traffic"], before["outage_since"]) == ("old", None)
    assert [each.get("fault", "") for each in records(terminal, run)] == [
        "failed with exit status 3",
        "",
    ]


def test_the_result_of_the_gate_is_shown_above_the_gates(terminal: Terminal):
    """The hook's result is journalled and shown at once, also if nothing has to be waited for."""
    run = plan_with(terminal, before_cutover=python("raise SystemExit(3)"))
    terminal.run("apply", "plan.json", "--until", "cutover")
    # What AWS shows is not stale any more, so the gates are evaluated after one look.
    terminal.clock.sleep(timedelta(hours=1))

    ran = terminal.run("apply", run)

    lines = [line.partition(" ")[2].strip() for line in ran.err.splitlines()]
    shown = lines.index("hook before-cutover: failed with exit status 3")
    assert shown < next(n for n, line in enumerate(lines) if line.startswith("gates before"))
    journal = [entry["record"] for entry in entries(terminal, run)]
    assert [each["record"] for each in journal[-3:]] == ["hook-ran", "gates-seen", "held"]


@pytest.mark.parametrize("says", [python("pass"), python("raise SystemExit(3)")])
def test_the_result_of_the_last_hook_is_shown(terminal: Terminal, says: list[str]):
    """The result of a hook that ends after the run is shown, like that of any other."""
    run = plan_with(terminal, finished=says)

    ran = terminal.run("apply", "plan.json")

    (record,) = records(terminal, run)
    assert f"hook finished: {record.get('fault') or 'done'}\n" in ran.err
    log = (folder(terminal, run) / "log.jsonl").read_text()
    assert '"hook-ran"' in log


def test_finalize_asks_too(terminal: Terminal):
    """If the hook before finalize is missing, the old connections are not deleted."""
    hook = own_hook(terminal, "may-we", "exit 0")
    run = plan_with(terminal, before_finalize=hook)
    terminal.run("apply", "plan.json")
    Path(hook[0]).unlink()

    ran = terminal.run("finalize", run, "--confirm", terminal.connections[0])

    assert ran.code == 3
    assert "cannot be read: No such file" in " ".join(ran.err.split())
    assert terminal.status(run)["status"] == "cut-over"


def rolled_back_run(terminal: Terminal, **hooks: list[str]) -> tuple[str, Any]:
    """Run a cutover that fails and is rolled back by its policy; return the run and its status."""
    terminal.scenario("single-bgp")
    run = plan_with(terminal, "1s", **hooks)
    broken = Fault(
        "AttachVpnGateway", FaultKind.REFUSED, code="UnauthorizedOperation", message="no"
    )
    terminal.inject(Faults([broken]))
    assert terminal.run("apply", "plan.json").code == 1
    status = terminal.status(run)
    assert (status["status"], status["traffic"]) == ("rolled-back", "old")
    return run, status


def test_hooks_that_hang_or_fail_delay_no_way_back(terminal: Terminal):
    """Hanging hooks do not delay the rollback of a failed cutover."""
    hangs, fails = python("import time; time.sleep(600)"), python("raise SystemExit(1)")

    _, plain = rolled_back_run(terminal)
    run, status = rolled_back_run(
        terminal,
        outage_began=hangs,
        failed=hangs,
        rollback_started=fails,
        outage_ended=hangs,
        rolled_back=own_hook(terminal, "tell", "kill -9 $$"),
    )

    faults = {each["moment"]: each["fault"] for each in records(terminal, run)}
    assert status["outage"] == plain["outage"]
    assert faults == {
        "outage-began": "took over 1 s and was killed",
        "failed": "took over 1 s and was killed",
        "rollback-started": "failed with exit status 1",
        "outage-ended": "took over 1 s and was killed",
        "rolled-back": "was killed by signal 9",
    }
    assert any("the hook of rollback-started failed" in note for note in status["notes"])


@pytest.mark.parametrize("verb", [("apply",), ("apply", "--until", "cutover")])
def test_a_hook_that_was_changed_is_refused_before_anything_is_begun(terminal: Terminal, verb):
    """The fingerprint covers a hook's content: a changed hook needs a new plan."""
    note = terminal.place / "note"
    hook = own_hook(terminal, "tell", "exit 0")
    run = plan_with(terminal, outage_began=hook)
    own_hook(terminal, "tell", f"touch {note}")

    word, *flags = verb
    refused = terminal.run(word, "plan.json", *flags)
    again = terminal.run("plan", "--from", run, "-o", "again.json")
    ran = terminal.run("apply", "again.json")

    output = " ".join(refused.err.split())
    assert refused.code == 4
    assert "differs from what it was when the plan was made" in output
    assert f"vpnmigrate plan --from {run}" in output
    assert (again.code, ran.code) == (0, 0), ran.err
    assert note.exists()


def test_a_hook_that_is_changed_in_the_outage_holds_up_nothing(terminal: Terminal):
    """A hook that was changed in the cutover is not run, which is reported; traffic is restored."""
    note = terminal.place / "note"
    ended = own_hook(terminal, "tell", "exit 0")
    began = own_hook(terminal, "swap", f"printf '#!/bin/sh\\ntouch {note}\\n' > {ended[0]}")
    run = plan_with(terminal, outage_began=began, outage_ended=ended)

    ran = terminal.run("apply", "plan.json")

    status = terminal.status(run)
    assert (ran.code, status["traffic"]) == (0, "new")
    assert not note.exists()
    faults = [each["fault"] for each in records(terminal, run) if each.get("fault")]
    assert faults == [f"was not run: {ended[0]} differs from what it was when the plan was made"]
    assert any("differs from what it was" in output for output in status["notes"])


def test_a_hook_that_changes_before_the_cutover_closes_its_gate(terminal: Terminal):
    """A hook that was changed after staging fails the gate."""
    later = own_hook(terminal, "later", "exit 0")
    settled = own_hook(terminal, "settled", f"printf '#!/bin/sh\\nexit 1\\n' > {later[0]}")
    run = plan_with(terminal, step_settled=settled, outage_ended=later)

    ran = terminal.run("apply", "plan.json")

    assert ran.code == 3
    assert "differs from what it was when the plan was made" in " ".join(ran.err.split())
    assert terminal.status(run)["outage_since"] is None


def test_no_hook_is_given_a_key(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    """The input and environment of hooks contain no keys and no AWS credentials."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret-of-the-environment")
    note = terminal.place / "told"
    takes = python(TAKES_NOTE.format(str(note)))
    run = plan_with(
        terminal,
        before_cutover=takes,
        step_settled=takes,
        needs_person=takes,
        outage_began=takes,
        outage_ended=takes,
        finished=takes,
    )
    assert terminal.run("apply", "plan.json").code == 0

    text = note.read_text()
    log = (folder(terminal, run) / "log.jsonl").read_text()
    seen = {json.loads(line)["moment"] for line in text.splitlines()}
    assert len(seen) == 6
    assert all(json.loads(line)["change"] == "CHG7" for line in text.splitlines())
    assert "hook.printed" in log
    assert [key for key in terminal.world.keys if key in text or key in log] == []
    assert "the-secret-of-the-environment" not in text + log


def test_a_rehearsal_runs_no_hook(terminal: Terminal):
    """A rehearsal runs no hooks."""
    note = terminal.place / "told"
    takes = python(TAKES_NOTE.format(str(note)))
    plan_with(terminal, before_cutover=takes, outage_began=takes)

    assert terminal.run("rehearse", "plan.json").code == 0
    assert not note.exists()


class Chat(ThreadingHTTPServer):
    """HTTP handler of a chat's webhook."""

    posted: list[dict[str, Any]]


class Poster(BaseHTTPRequestHandler):
    """One message to the chat."""

    server: Chat

    def do_POST(self) -> None:
        """Receive the message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class uses this name
        """Print nothing."""


@pytest.fixture
def chat() -> Iterator[Chat]:
    with Chat(("127.0.0.1", 0), Poster) as server:
        server.posted = []
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


URL_PART = "T000-secret-path"
"""What makes the address of a webhook a secret."""


@pytest.fixture
def settings(terminal: Terminal, chat: Chat, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the settings of the ready hook, with an address for each kind of receiver."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    address = f"http://127.0.0.1:{chat.server_port}/hook/{URL_PART}"
    sections = {kind: {"url": address} for kind in ("slack", "teams", "webhook")}
    sections["pagerduty"] = {"url": address, "key": "R0UT1NG"}
    file = terminal.place / "notify.ini"
    file.touch(mode=0o600)
    lines = [
        f"[{kind}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
        for kind, values in sections.items()
    ]
    file.write_text("\n".join(lines))
    return file


def notify(kind: str, settings: Path) -> list[str]:
    return [sys.executable, str(READY), kind, str(settings)]


def test_ready_hooks_notify_of_a_whole_run(terminal: Terminal, chat: Chat, settings: Path):
    """Chats are told of start and outage, and the alert is opened and closed; no file has a URL."""
    run = plan_with(
        terminal,
        started=notify("slack", settings),
        outage_began=notify("pagerduty", settings),
        outage_ended=notify("pagerduty", settings),
        finished=notify("teams", settings),
    )

    assert terminal.run("apply", "plan.json").code == 0

    assert [each.get("fault", "") for each in records(terminal, run)] == [""] * 4
    posted = [json.dumps(message) for message in chat.posted]
    (slack,) = [message["text"] for message in chat.posted if "text" in message]
    assert str(slack).startswith(f"{run} (CHG7): started; traffic: old")
    alerts = {message["event_action"]: message for message in chat.posted if "dedup_key" in message}
    assert alerts["trigger"]["routing_key"] == "R0UT1NG"
    assert alerts["trigger"]["dedup_key"] == alerts["resolve"]["dedup_key"]
    assert any("AdaptiveCard" in text and "finished" in text for text in posted)
    kept = [path.read_bytes() for path in folder(terminal, run).rglob("*") if path.is_file()]
    assert not [text for text in kept if URL_PART.encode() in text or b"R0UT1NG" in text]


EVENT = {
    **dict.fromkeys(("run", "plan", "change", "account", "vpc", "title", "why"), "<m-1>"),
    "moment": "failed",
    "at": "2026-01-17T02:00:00Z",
    "region": "eu-west-1",
    "step": 8,
    "traffic": "none",
    "outage_since": None,
    "outage_seconds": 0.0,
    "stuck": True,
}


def sent(*words: str, **about: object) -> subprocess.CompletedProcess[str]:
    """Run the ready hook by itself with the event of a failure, changed by *about*."""
    return subprocess.run(
        [sys.executable, str(READY), *words],
        input=json.dumps({**EVENT, **about}),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_an_alert_of_a_stuck_run_is_critical(chat: Chat, settings: Path):
    """A failure while traffic is down has PagerDuty's highest severity."""
    assert sent("pagerduty", str(settings)).returncode == 0

    (message,) = chat.posted
    assert message["payload"]["severity"] == "critical"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.2, "0 s"), (59.6, "1 min"), (1795, "29 min 55 s"), (3605, "1 h")]
)
def test_an_outage_is_shown_as_people_say_it(chat: Chat, settings: Path, seconds, shown):
    """As in every other message; the number of seconds is in the document."""
    sent("slack", str(settings), outage_since="2026-01-17T02:00:00Z", outage_seconds=seconds)

    (message,) = chat.posted
    assert f"; outage {shown}; " in str(message["text"])


def test_text_of_others_is_no_markup_in_slack(chat: Chat, settings: Path):
    """A name tag cannot mention people or link in the chat."""
    assert sent("slack", str(settings)).returncode == 0

    (message,) = chat.posted
    assert "&lt;m-1&gt;" in str(message["text"])
    assert "<" not in str(message["text"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda file: file.chmod(0o644), "can be read by other users"),
        (lambda file: file.write_text(f"[slack]\nurl = http://example.org/{URL_PART}"), "https"),
        (lambda file: file.write_text(f"[slack]\nurl = http://127.0.0.1:1/{URL_PART}"), "not sent"),
        (lambda file: file.write_text(f"url = {URL_PART}"), "not a settings file"),
        (lambda file: file.write_text("[slack]"), "has no 'url'"),
        (lambda file: file.unlink(), "cannot be read"),
    ],
)
def test_a_failure_is_said_without_the_address(settings: Path, change, says: str):
    """Every failure has a nonzero exit status, and none prints the address."""
    change(settings)

    ran = sent("slack", str(settings))

    assert ran.returncode == 1
    assert says in ran.stderr
    assert URL_PART not in ran.stdout + ran.stderr


def test_sns_is_published_by_the_aws_cli(terminal: Terminal, settings: Path, monkeypatch):
    """The AWS CLI gets topic, Region and a short subject; the event is on its standard input."""
    own_hook(
        terminal,
        "aws",
        f'printf "%s\\n" "$@" >"{terminal.place}/words"; cat >"{terminal.place}/sent"',
    )
    monkeypatch.setenv("PATH", f"{terminal.place}:{os.environ['PATH']}")
    settings.write_text("[sns]\ntopic = arn:aws:sns:eu-west-1:1:changes\nprofile = notifier\n")

    assert sent("sns", str(settings)).returncode == 0

    words = (terminal.place / "words").read_text().splitlines()
    assert words[:6] == [
        *("sns", "publish", "--topic-arn", "arn:aws:sns:eu-west-1:1:changes"),
        *("--region", "eu-west-1"),
    ]
    assert words[-2:] == ["--profile", "notifier"]
    assert '"stuck": true' in (terminal.place / "sent").read_text()


def test_a_closed_gate_is_notified(terminal: Terminal):
    """The hook of a closed gate names the gate and what was observed."""
    note = terminal.place / "note"
    run = plan_with(
        terminal, gate_failed=python(TAKES_NOTE.format(str(note))), before_cutover=python("1/0")
    )

    assert terminal.run("apply", "plan.json").code == 3

    event = json.loads(note.read_text())
    assert (event["run"], event["moment"]) == (run, "gate-failed")
    assert event["why"].startswith("hook: ")
