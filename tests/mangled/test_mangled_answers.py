"""However AWS's answers are mangled, no key in them reaches any output."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from tests.cli.terminal import Ran, Terminal
from tests.mangled.proxy import CANARY, Mangler, between
from tests.mangled.written import hooks_in, leaks
from tests.support.counts import share
from vpnmigrate.aws.session import Clients, session
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.sandbox.server.serve import serve
from vpnmigrate.sandbox.world import World

PLAYBOOK = """
name: mangled
summary: Every hook records its input, in its own folder.
decisions:
  keys: {keys}
  device_types: {{default: "Cisco Systems, Inc./CSRv AMI/IOS 12.4+"}}
  hooks:
{hooks}
"""
ATTEMPTS = 6
"""Commands in a row with mangled answers; the next one is not mangled."""
LONGEST_LINE = 1000
"""Maximum bytes of a log line about a wait, which is written with each observation."""
MANGLED = 0.04
"""Share of mangled answers: an observation has at least three, which must all be valid."""


class ProxiedParts(SandboxDependencies):
    """Dependencies that reach the sandbox over HTTP, at *address*."""

    def __init__(self, world: World, address: str) -> None:
        super().__init__(world)
        self._over_http = Clients(
            lambda: session(None, world.region),
            endpoint_url=address,
        )

    def clients(self, aws: AwsOptions) -> Clients:
        del aws
        return self._over_http


class Operator:
    """Runs commands, keeps their output, and retries while answers are mangled."""

    def __init__(self, terminal: Terminal, mangler: Mangler) -> None:
        self.terminal = terminal
        self.mangler = mangler
        self.shown: list[tuple[str, str]] = []

    def tries(self, *words: str) -> Ran:
        """Run one command, with any result."""
        ran = self.terminal.run(*words)
        self.shown.append((f"{' '.join(words)}: out", ran.out))
        self.shown.append((f"{' '.join(words)}: err", ran.err))
        return ran

    def insists(self, *words: str) -> None:
        """Run a command until it succeeds: first with mangled answers, finally with valid ones."""
        for _ in range(ATTEMPTS):
            if self.tries(*words).code == 0:
                return
        self.mangler.on = False
        ran = self.tries(*words)
        assert ran.code == 0, (words, ran.err)
        self.mangler.on = True


@pytest.fixture
def mangler(request: pytest.FixtureRequest) -> Mangler:
    return Mangler(request.param, MANGLED)


@pytest.fixture
def operator(terminal: Terminal, mangler: Mangler) -> Iterator[Operator]:
    with serve(terminal.world) as server, between(server.url, mangler, terminal.clock) as address:
        terminal.parts = ProxiedParts(terminal.world, address)
        yield Operator(terminal, mangler)


@pytest.mark.no_cover
@pytest.mark.parametrize("mangler", share(range(12), one_in=12), indirect=True)
def test_no_key_leaves_a_migration_whose_answers_are_mangled(operator):
    """Plan, apply, rollback, apply, finalize: all output and files are searched."""
    terminal, mangler = operator.terminal, operator.mangler
    keys = (KeyMode.NEW, KeyMode.REUSE)[mangler.seed % 2]
    playbook = PLAYBOOK.format(keys=keys.value, hooks=hooks_in(terminal.place))
    (terminal.place / "p.yaml").write_text(playbook, encoding="utf-8")
    plan = ("plan", "--vpn-gateway", terminal.gateway, "--playbook", "p.yaml", "-o", "plan.json")
    operator.insists(*plan)
    run = msgspec.json.decode((terminal.place / "plan.json").read_bytes())["migration"]
    operator.insists("apply", "plan.json", "--yes")
    operator.insists("status", run, "--json")
    operator.insists("rollback", run, "--yes")
    operator.insists("apply", run, "--yes")
    for words in (("-o", "report.html"), ("-o", "report.md"), ("--json",), ()):
        operator.insists("report", run, *words)
    confirmed = [word for old in terminal.connections[:1] for word in ("--confirm", old)]
    confirmed += ["--force", "soak", "--reason", "a test"]
    operator.insists("finalize", run, *confirmed)
    operator.insists("report", run, "--bundle", "evidence.zip")
    operator.insists("report", "verify", "evidence.zip")
    operator.insists("status", run, "--json")

    assert leaks(terminal.place, operator.shown) == []
    # Otherwise the search above proves nothing.
    assert mangler.with_keys > 0
    (folder,) = {path.parent for path in terminal.place.rglob("journal.jsonl")}
    kept = b"".join(path.read_bytes() for path in folder.rglob("vault/*/*"))
    assert CANARY in kept
    assert list((terminal.place / "told").iterdir())
    # The journal is complete, and no line of the log is as long as an answer.
    assert read_journal(Run(folder)).entries
    lines = (folder / "log.jsonl").read_bytes().splitlines()
    assert max(len(line) for line in lines if b"step.waited" in line) < LONGEST_LINE
