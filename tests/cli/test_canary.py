"""A whole migration on the command line writes keys to the vault only."""

from __future__ import annotations

from zipfile import ZipFile

import msgspec
import pytest

from tests.support.counts import share
from vpnmigrate.local.documents import load_playbook
from vpnmigrate.model.decisions import KeyMode

REUSING = """
name: reusing
summary: The old connections' keys are used again, and a command is a probe.
decisions:
  keys: {keys}
  device_types: {{default: "Cisco Systems, Inc./CSRv AMI/IOS 12.4+"}}
"""


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "keys", share([KeyMode.REUSE, KeyMode.NEW, KeyMode.SECRETS_MANAGER], one_in=3)
)
def test_every_artefact_but_the_vault_is_free_of_keys(terminal, keys):
    """Plan, journal, live file, log, reports, runbook, bundle and output contain no key."""
    terminal.scenario("three-connections")
    (terminal.place / "p.yaml").write_text(REUSING.format(keys=keys.value), encoding="utf-8")
    gateway, olds = terminal.gateway, terminal.connections[:3]
    said: list[str] = []

    def ran(*words: str) -> None:
        output = terminal.run(*words)
        assert output.code == 0, (words, output.err)
        said.extend((output.out, output.err))

    assert load_playbook(str(terminal.place / "p.yaml")).decisions.keys is keys
    ran("plan", "--vpn-gateway", gateway, "--playbook", "p.yaml", "-o", "plan.json")
    run = msgspec.json.decode((terminal.place / "plan.json").read_bytes())["migration"]
    ran("rehearse", "plan.json")
    ran("runbook", "plan.json", "-o", "book.md")
    ran("runbook", "plan.json", "-o", "book.html")
    ran("approve", "plan.json", "-o", "yes.json")
    ran("apply", "plan.json", "--approval", "yes.json", "--yes")
    ran("status", run)
    ran("rollback", run, "--yes", "--keep-new")
    ran("apply", run, "--yes")
    ran("report", run, "-o", "report.html")
    ran("report", run, "--bundle", "evidence.zip")
    ran("report", "verify", "evidence.zip")
    ran("doctor", "--bundle", "support.zip")
    confirmed = [word for old in olds for word in ("--confirm", old)]
    ran("finalize", run, *confirmed)

    with ZipFile(terminal.place / "support.zip") as support:
        said.extend(support.read(name).decode() for name in support.namelist())
    files = [path for path in terminal.place.rglob("*") if path.is_file()]
    vault = [path for path in files if "vault" in path.parts]
    open_to_others = [path for path in files if path not in vault]
    found = [
        str(path.relative_to(terminal.place))
        for path in open_to_others
        if any(key.encode() in path.read_bytes() for key in terminal.world.keys)
    ]
    assert found == []
    assert [key for key in terminal.world.keys if any(key in text for text in said)] == []
    assert {"journal.jsonl", "plan.json", "book.html", "evidence.zip"} <= {p.name for p in files}
    if keys is not KeyMode.SECRETS_MANAGER:
        # Otherwise the search above would prove nothing.
        kept = b"".join(path.read_bytes() for path in vault)
        assert any(key.encode() in kept for key in terminal.world.keys)
