"""Hooks in whole runs, with real programs and a sandbox."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.cli.terminal import Terminal
from vpnmigrate.journal.records import HookRan
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

EXAMPLE = Path(__file__).parents[2] / "playbooks" / "hooks" / "notify_webhook.py"
TAKES_NOTE = "import sys, os; open({!r}, 'a').write(sys.stdin.read()); print(dict(os.environ))"


def plan_with(terminal: Terminal, limit: str = "60s", **hooks: list[str]) -> str:
    """Plan with *hooks*, and return the migration id."""
    lines = [f"    {name.replace('_', '-')}: {json.dumps(hook)}" for name, hook in hooks.items()]
    playbook = ["name: mine", "summary: s", "decisions:", "  hooks:" if hooks else "", *lines]
    playbook += ["  waits:", f"    hook: {limit}", "  back_out: rollback"]
    (terminal.place / "mine.yaml").write_text("\n".join(playbook))
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


def records(terminal: Terminal, run: str) -> list[dict[str, str]]:
    """Return the journal's records of hooks."""
    lines = (folder(terminal, run) / "journal.jsonl").read_text().splitlines()
    document = [json.loads(line)["record"] for line in lines]
    return [each for each in document if each["record"] == HookRan.__struct_config__.tag]


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

    posted: list[dict[str, object]]


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


def test_the_example_posts_to_a_webhook(
    terminal: Terminal, chat: Chat, monkeypatch: pytest.MonkeyPatch
):
    """The example hook reports the start and end of the outage to a chat."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VPNMIGRATE_WEBHOOK_URL", f"http://127.0.0.1:{chat.server_port}/hook")
    hook = [sys.executable, str(EXAMPLE)]
    run = plan_with(terminal, outage_began=hook, outage_ended=hook)

    assert terminal.run("apply", "plan.json").code == 0

    texts = sorted(str(message["text"]) for message in chat.posted)
    assert len(texts) == 2
    assert texts[0].startswith(f"{run} (CHG7): outage began; step 7: Stop propagation")
    assert "traffic: new" in texts[1]
    assert [each.get("fault", "") for each in records(terminal, run)] == ["", ""]
