"""``continue --accept-degraded``: a cutover with fewer tunnels, accepted by the operator."""

from __future__ import annotations

import shlex

import pytest

from tests.engine.test_degraded import OneTunnel
from vpnmigrate.cli.options import PromptOptions
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.engine.ports import Operator
from vpnmigrate.local.run_directory import Run
from vpnmigrate.report.console import MessageOutput
from vpnmigrate.report.names import NamesOfRun
from vpnmigrate.report.text import RunCommands

PLAYBOOK = "name: p\nsummary: s\ndecisions: {old_tunnels: leave, waits: {tunnels: 5m}}\n"


class OneTunnelRouter(SandboxDependencies):
    """A sandbox whose router can run only one tunnel."""

    def operator(
        self,
        console: MessageOutput,
        on: RunCommands,
        run: Run,
        prompt_options: PromptOptions,
        names: NamesOfRun,
    ) -> Operator:
        return OneTunnel(self._world)


@pytest.fixture
def stuck(terminal):
    """A run that waited for the second tunnel until its limit, with its output."""
    (terminal.place / "p.yaml").write_text(PLAYBOOK)
    words = ("--vpn-gateway", terminal.gateway, "--playbook", "./p.yaml", "-o", "plan.json")
    terminal.run("plan", *words)
    terminal.parts = OneTunnelRouter(terminal.world)
    return terminal.run("apply", "plan.json", "--json")


def test_is_told_as_a_command_and_ends_the_outage_once_it_was_given(terminal, stuck):
    """The stuck run prints the command; after acceptance it ends, and every view shows it."""
    run = stuck.document["run"]["run"]
    (lacks,) = stuck.document["run"]["acceptable"]
    status = terminal.run("status", run)
    accept = status.out.partition("\nACCEPT")[2].partition("of TEXT:\n")[2].partition("TEXT")[0]
    words = shlex.split(accept.replace("\\\n", "") + "'one will do tonight'")[1:]
    accepted = terminal.run(*words)
    applied = terminal.run("apply", run)

    assert stuck.code == 5
    assert "ONLY TUNNELS ARE MISSING" in stuck.err
    assert words[:4] == ["continue", run, "--accept-degraded", lacks["connection"]]
    assert accepted.code == 0, accepted.err
    assert f"vpnmigrate apply {run}" in accepted.out
    assert applied.code == 0, applied.err
    line = "ACCEPTED DEGRADED, by ann on laptop, although"
    views = (accepted.out, applied.out, *(terminal.run(v, run).out for v in ("status", "report")))
    for view in views:
        text = " ".join(view.split())
        assert line in text
        assert "because: one will do tonight" in text
    assert terminal.status(run)["accepted"][0]["what"]["connection"] == lacks["connection"]
    assert "has 1 of 2 tunnels UP" in applied.out
    named = [word for old in terminal.connections for word in ("--confirm", old)]
    assert "traffic flows; DEGRADED:" in terminal.run("finalize", run, *named).err


def test_names_what_is_lacking_and_says_why(terminal, stuck):
    """An invalid command line accepts nothing."""
    run = stuck.document["run"]["run"]
    named = ("--accept-degraded", "vpn-9")
    slips = [
        ((*named, "--reason", "x"), 4, "no tunnel is missing on vpn-9"),
        (named, 2, "needs one --reason"),
        (("--reason", "x"), 2, "needs one --reason"),
        ((*named, "--reason", " "), 2, "needs one --reason"),
    ]
    for words, code, said in slips:
        ran = terminal.run("continue", run, *words)
        assert (ran.code, said in " ".join(ran.err.split())) == (code, True), words

    assert terminal.status(run)["accepted"] == []


def test_where_nothing_waits_for_it_it_is_refused(terminal):
    """Before the cutover there is nothing to accept."""
    run = terminal.planned()
    terminal.run("apply", "plan.json", "--until", "cutover")

    ran = terminal.run("continue", run, "--accept-degraded", "vpn-1", "--reason", "x")

    assert ran.code == 4
    assert "all that is missing" in " ".join(ran.err.split())
