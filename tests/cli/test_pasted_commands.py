"""Every command that the program prints works when it is pasted into a new terminal."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.cli.terminal import Ran, Terminal, Unattended
from tests.pasting.shells import SHELLS, Pasted
from vpnmigrate.cli.app import app
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.model.consistency import CONSISTENCY_DELAY
from vpnmigrate.model.errors.commands import TAKES
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed

HOSTILE_FOLDER = "it's $(touch PWNED); a folder #1"
HOSTILE_PLAN = "-my plan`touch PWNED` ~ é.json"
PROFILE = "o'brien $(touch PWNED)"
ENDPOINT = "http://127.0.0.1:1"

_BEGIN = re.compile(r"(?:[A-Z_]+=\S+ )*(?:vpnmigrate (?!sandbox\.)[a-z]|aws [a-z0-9]+ [a-z])")
NOT_OFFERED = frozenset({"by_hand", "opening", "where"})
"""Shell scripts of a runbook, which ``tests/aws_cli`` runs, and failed commands."""
_ASSIGNS = re.compile(r"[A-Z_]+=")


class Reachable(SandboxDependencies):
    """Dependencies whose commands are printed as those of an ordinary process."""

    reachable = True


class ReachableAlone(Unattended):
    """The same, without a device engineer."""

    reachable = True


def printed_commands(text: str) -> Iterator[str]:
    """Yield the commands in *text*, each from the program's name, with its continuation lines."""
    lines = iter(text.splitlines())
    for line in lines:
        found = _BEGIN.search(line)
        if found is None:
            continue
        command = [line[found.start() :]]
        while command[-1].endswith("\\"):
            command.append(next(lines))
        yield "\n".join(command)


def printed_commands_in(document: object) -> Iterator[str]:
    """Yield the commands among the values of a JSON document."""
    match document:
        case str():
            if _BEGIN.match(document):
                yield document
        case dict():
            for name, value in document.items():
                if name not in NOT_OFFERED:
                    yield from printed_commands_in(value)
        case list():
            for value in document:
                yield from printed_commands_in(value)
        case _:
            pass  # A number, or nothing.


def require_parsed(words: tuple[str, ...]) -> None:
    """Check that *words* can be parsed, without running them."""
    command: Any = typer.main.get_command(app)
    parent, rest, name = None, list(words[1:]), words[0]
    try:
        while True:
            context = command.make_context(name, rest, parent=parent)
            if not hasattr(command, "resolve_command"):
                return
            rest = [*context._protected_args, *context.args]
            name, command, rest = command.resolve_command(context, rest)
            parent = context
    except typer.Exit:
        return  # --help
    except typer.TyperException as error:
        pytest.fail(f"{shlex.join(words)}: {error.format_message()}")


@pytest.fixture
def place(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminal:
    """A terminal in a folder with a hostile name, with options and variables that matter."""
    folder = tmp_path / HOSTILE_FOLDER
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("VPNMIGRATE_HOME", "my runs")
    monkeypatch.setenv("AWS_PROFILE", PROFILE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
    monkeypatch.setenv("AWS_CONFIG_FILE", "my config")
    for name in ("AWS_ACCESS_KEY_ID", "VPNMIGRATE_CLOCK", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    terminal.place = folder
    terminal.parts = Reachable(terminal.world)
    return terminal


class RunAction:
    """Runs commands, and keeps their output."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.texts: list[str] = []
        self.documents: list[object] = []

    def run(self, *words: str) -> Ran:
        """Run a command, as text and, where it changes nothing, as JSON."""
        ran = self.terminal.run(*words)
        self.texts += [ran.out, ran.err]
        return ran

    def json(self, *words: str) -> Ran:
        """Run a command as JSON."""
        ran = self.terminal.run(*words, "--json")
        self.texts.append(ran.err)
        self.documents.append(ran.document)
        return ran

    @property
    def commands(self) -> list[str]:
        """Every printed command, once."""
        found: Iterable[str] = (
            *(command for text in self.texts for command in printed_commands(text)),
            *(command for document in self.documents for command in printed_commands_in(document)),
        )
        return list(dict.fromkeys(found))


def a_whole_migration(action: RunAction) -> None:
    """Plan, rehearse, approve, stage, hold, be killed, resume, roll back, migrate, finalize."""
    terminal = action.terminal
    given = ("--region", "eu-west-1")
    playbook = Path("p.yaml")
    playbook.write_text("name: p\nsummary: s\ndecisions: {approvals: {required: 1}}\n")
    planned = ("plan", "--vpn-gateway", terminal.gateway, "--playbook", "./p.yaml", *given)
    action.run(*planned, f"--output={HOSTILE_PLAN}")
    run = action.json(*planned, f"--output={HOSTILE_PLAN}").document["plan"]["migration"]
    plan = f"./{HOSTILE_PLAN}"
    action.run("rehearse", plan)
    action.run("approve", plan, "--output=an approval'.json", *given)
    action.json("runbook", plan)
    terminal.parts = ReachableAlone(terminal.world)
    action.run("apply", plan, *given)
    action.json("apply", run, *given)
    action.run("done", run, "5")
    action.run("pause", run)
    action.json("status", run)
    action.run("apply", run, *given)
    action.run("continue", run)
    terminal.parts = Reachable(terminal.world)
    action.run("apply", run, "--until", "cutover", *given)
    action.run("apply", run, *given)
    action.run("status", run)
    terminal.parts = Reachable(
        terminal.world, Faults([Fault("AttachVpnGateway", FaultKind.DENIED, times=0)])
    )
    approved = ("--approval", "an approval'.json")
    action.run("apply", run, *approved, *given)
    action.json("status", run)
    terminal.parts = Reachable(
        terminal.world, Faults([Fault("DetachVpnGateway", FaultKind.KILL_AFTER)])
    )
    with suppress(Killed):
        action.run("rollback", run, *given)
    terminal.parts = Reachable(terminal.world)
    action.run("status", run)
    action.run("rollback", run, *given)
    action.run("rollback", run, *given)
    action.run("apply", run, *approved, *given)
    action.run("finalize", run, *given)
    action.run("report", run, "--bundle=a bundle.tar")
    action.run("finalize", run, *given, "--confirm", "vpn-none")


def refusals(action: RunAction) -> None:
    """Refusals: claimed, unknown, edited, malformed or incomplete."""
    terminal = action.terminal
    action.run("status")
    action.run("plan")
    action.run("plan", "--vpn-gateway", terminal.gateway, "--window", "2020-01-01T02:00Z/04:00Z")
    action.run("plan", "--vpn-gateway", terminal.gateway, f"--output={HOSTILE_PLAN}")
    plan = f"./{HOSTILE_PLAN}"
    for holder in ("bob@desk/7", "ann@desk/7; touch PWNED #", "x\n$(touch PWNED)"):
        terminal.parts.clients(AwsOptions()).writer().create_tags(
            Resources=[terminal.gateway], Tags=[{"Key": "vpnmigrate:claim", "Value": holder}]
        )
        terminal.clock.sleep(CONSISTENCY_DELAY)
        action.run("apply", plan, "--probe", "-t 'a b'", "--no-input")
        action.json("apply", plan)
    action.run("apply", "m-none")
    action.run("apply", plan, "--force", "window")
    action.run("status", "--watch")
    action.run("nonsense")
    Path("not a plan.json").write_text("{}")
    action.run("apply", "not a plan.json")
    action.run("rehearse", "not a plan.json")
    action.run("report", "verify", "not a plan.json")


@pytest.mark.parametrize("travel", [a_whole_migration, refusals])
def test_every_offered_command_works_in_a_new_terminal(place, travel, tmp_path):
    """In bash and zsh each command has the same words, parses, and repeats the settings."""
    action = RunAction(place)
    travel(action)
    commands = action.commands
    assert len(commands) > 8

    for shell in SHELLS:
        received = Pasted(shell, tmp_path).paste("\n".join(commands))
        meant = [part for command in commands for part in _parts(command)]
        assert received == meant
        for words in received:
            if words[0] == "vpnmigrate":
                require_parsed(words)
                require_settings(words, place.place)


def _parts(command: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command that ``&&`` joins, without assignments."""
    words: list[str] = []
    for word in (*shlex.split(command.replace("\\\n", " ")), "&&"):
        if word == "&&":
            yield tuple(words)
            words = []
        elif words or not _ASSIGNS.match(word):
            words.append(word)


def require_settings(words: tuple[str, ...], folder: Path) -> None:
    """Check that a command finds the run and the account from any directory."""
    takes = TAKES.get(words[1], frozenset())
    if words[1:3] == ("report", "verify") or "--help" in words:
        return
    if "--run-dir" in takes and "NEW" not in words:
        assert words[words.index("--run-dir") + 1] == str(folder / "my runs")
    if "--profile" in takes:
        assert words[words.index("--profile") + 1] == PROFILE
        assert words[words.index("--endpoint-url") + 1] == ENDPOINT
    for word in words[2:]:
        if word.endswith((".json", ".yaml", ".tar")) and word not in {"plan.json", "FILE"}:
            assert Path(word.partition("=")[2] if word.startswith("--") else word).is_absolute()
