"""Redaction at every output: a key that got into a message by mistake is removed."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from tests.mangled.written import everything_written, hooks_in, leaks
from vpnmigrate.cli.crash_log import keep
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.redaction import HIDDEN
from vpnmigrate.sandbox.ec2.tunnels import canary_key
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

OLD = "vpn-0a100000000000001"
KEY = canary_key(0, OLD, 0)
"""A key of the old connection, which is in the vault from step 1 on."""
ELEMENT = f"<pre_shared_key>{KEY}</pre_shared_key>"
WORDS = {
    "an element": f"not so: {ELEMENT} is bad",
    "an element that is cut off": f"not so: <pre_shared_key>{KEY[:9]}",
    "an element, escaped": f"not so: {html.escape(ELEMENT)} is bad",
    "a member": f"not so: {json.dumps({'PreSharedKey': KEY})} is bad",
    "a key of the vault": f"not so: {KEY} is bad",
}
PLAYBOOK = """
name: guarded
summary: Every hook writes its input to its own folder.
decisions:
  hooks:
{hooks}
"""


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_key_in_a_refusal_is_cut_before_every_sink(terminal, words):
    """Terminal, journal, log, live file, hooks, reports, status and bundle contain no key."""
    hooks = hooks_in(terminal.place)
    (terminal.place / "p.yaml").write_text(PLAYBOOK.format(hooks=hooks), encoding="utf-8")
    plan = ("plan", "--vpn-gateway", terminal.gateway, "--playbook", "p.yaml", "-o", "plan.json")
    assert terminal.run(*plan).code == 0
    terminal.inject(
        Faults(
            [
                Fault("AttachVpnGateway", FaultKind.REFUSED, 1, 1, "IncorrectState", words),
                Fault("AttachVpnGateway", FaultKind.REFUSED, 2, 0, "OptInRequired", words),
            ]
        )
    )
    shown: list[tuple[str, str]] = []

    def ran(*line: str) -> None:
        output = terminal.run(*line)
        shown.extend(((f"{line[0]}: out", output.out), (f"{line[0]}: err", output.err)))

    ran("apply", "plan.json", "--yes", "--json")
    ran("apply", "plan.json", "--yes")
    (run,) = (path.parent for path in terminal.place.rglob("journal.jsonl"))
    ran("status", run.name, "--json")
    ran("status", run.name)
    for form in (("-o", "r.html"), ("-o", "r.md"), ("--bundle", "r.zip"), ("--json",), ()):
        ran("report", run.name, *form)

    assert leaks(terminal.place, shown) == []
    cut = {name for name, content in everything_written(terminal.place) if _cut(content)}
    cut |= {name for name, text in shown if _cut(text.encode())}
    output = {name for name in cut if name.startswith("told/")}
    files = {name.rpartition("/")[2] for name in cut}
    assert output
    assert files >= {"journal.jsonl", "log.jsonl", "r.html", "r.md", "report.json"}
    assert {name.partition(":")[0] for name, _ in shown if name in cut} == {
        "apply",
        "status",
        "report",
    }


def _cut(content: bytes) -> bool:
    """Return whether a key was removed from *content*; Markdown escapes the brackets."""
    return HIDDEN.strip("[]").encode() in content


def test_the_crash_log_keeps_the_place_and_not_the_words(tmp_path: Path):
    """The message of a library's error is not written; that of this program's is redacted."""

    class ParseError(Exception):
        """An exception of a library."""

    ParseError.__module__ = "somelibrary"

    def parse() -> None:
        raise ParseError(KEY)

    def broken() -> None:
        try:
            parse()
        except ParseError as cause:
            raise RuntimeError(f"over {ELEMENT}") from cause

    with pytest.raises(RuntimeError) as caught:
        broken()

    path = keep(caught.value, ["status", "--run-dir", str(tmp_path)])

    assert path is not None
    text = path.read_text()
    assert KEY not in text
    assert "in broken" in text
    assert "somelibrary" in text
    assert f"RuntimeError: over <pre_shared_key>{HIDDEN}</pre_shared_key>" in text


def test_a_vault_finds_keys_in_what_it_cannot_parse(tmp_path: Path):
    """Keys are found in incomplete documents and in other variants."""
    learnt: list[str] = []
    vault = Vault(tmp_path / "vault", lambda keys: learnt.extend(key.reveal() for key in keys))
    vault.keep(VpnConnectionId(OLD), "configuration.xml", f"<vpn_connection>{ELEMENT}<ipsec")

    assert learnt == [KEY]
    assert {key.reveal() for key in Vault(tmp_path / "vault").every_key()} == {KEY}
