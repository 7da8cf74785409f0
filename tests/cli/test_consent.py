"""Consent: without a terminal, a command that interrupts traffic needs ``--yes``."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest

from tests.cli.terminal import SOAK, Terminal
from vpnmigrate.cli.options import PromptOptions
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed


class AtTerminal(SandboxDependencies):
    """Dependencies of a process whose standard input is a terminal."""

    def operator_present(self, prompt_options: PromptOptions) -> bool:
        return not prompt_options.no_input


class Reachable(SandboxDependencies):
    """Dependencies whose commands are printed as those of an ordinary process."""

    reachable = True


@pytest.fixture
def planned(terminal: Terminal) -> str:
    """A planned migration."""
    return terminal.planned()


def lines(terminal: Terminal, run: str) -> int:
    """Count the journal's lines."""
    journal = next(terminal.place.rglob(f"{run}/journal*"), None)
    return journal.read_bytes().count(b"\n") if journal else 0


def killed(terminal: Terminal, *words: str, at: str) -> None:
    """Kill the process of a command right after a call."""
    terminal.inject(Faults([Fault(at, FaultKind.KILL_AFTER)]))
    with suppress(Killed):
        terminal.run(*words)
    terminal.inject(Faults())


def test_an_apply_in_a_pipe_holds_and_prints_its_own_command_with_the_flag(
    terminal: Terminal, planned: str
) -> None:
    """Nothing is changed; the command to repeat keeps every option and adds ``--yes``."""
    held = terminal.run_bare("apply", "plan.json", "--confirm-within", "15m", "--json")

    error = held.document["error"]
    assert held.code == 3
    assert "--yes" in error["what"]
    assert error["next"].endswith("plan.json --confirm-within 15m --json --yes")
    assert terminal.status(planned)["direction"] is None


def test_the_flag_is_printed_with_the_name_and_the_region_of_the_run(
    terminal: Terminal, planned: str
) -> None:
    """The command that is pasted is not refused for the Region that was set by mistake."""
    terminal.run("apply", "plan.json", "--until", "cutover")
    terminal.parts = Reachable(terminal.world)

    held = terminal.run_bare("apply", planned, "--region", "us-east-1")

    text = " ".join(held.err.replace("\\\n", " ").split())
    assert held.code == 3
    assert f"apply {planned} --yes --run-dir" in text
    assert "--region eu-west-1" in text
    assert "us-east-1" not in text
    assert 'VPN traffic of vpc-0a100000000000001 "production"' in text
    assert "traffic: UP through the old gateway" in text


def test_a_finalize_that_cannot_be_is_refused_before_names_are_asked_for(
    terminal: Terminal, planned: str
) -> None:
    """A command to paste would be refused; afterwards it names the sites, in the plan's Region."""
    terminal.run("apply", "plan.json", "--until", "cutover")
    early = terminal.run_bare("finalize", planned)
    terminal.run("apply", planned)
    terminal.parts = Reachable(terminal.world)
    asked = terminal.run_bare("finalize", planned, "--region", "us-east-1")

    text = " ".join(asked.err.replace("\\\n", " ").split())
    assert early.code == 4
    assert "--confirm" not in early.err
    assert asked.code == 2
    assert f'permanently deletes {terminal.connections[0]} "hq"' in text
    assert f"finalize {planned} --confirm {terminal.connections[0]}" in text
    assert "--region eu-west-1" in text
    assert "us-east-1" not in text


def test_the_names_are_asked_for_with_the_end_of_the_soak(terminal: Terminal, planned: str) -> None:
    """Until the day that the playbook asks for is over, the gate would refuse the command."""
    terminal.run("apply", "plan.json")

    early = " ".join(terminal.run_bare("finalize", planned).err.split())
    terminal.clock.sleep(SOAK)
    due = " ".join(terminal.run_bare("finalize", planned).err.split())

    command = f"vpnmigrate finalize {planned} --confirm {terminal.connections[0]}"
    assert re.search(
        rf"observe until [-0-9]+ [:0-9]+Z, when the plan's soak ends; then: {command}", early
    )
    assert command in due
    assert "soak" not in due


def test_staging_and_its_rollback_interrupt_nothing_and_need_no_flag(
    terminal: Terminal, planned: str
) -> None:
    """Before the cutover both directions work in a pipe."""
    staged = terminal.run_bare("apply", "plan.json", "--until", "cutover")
    back = terminal.run_bare("rollback", planned)

    assert staged.code == 0
    assert "the cutover has not started" in " ".join(staged.out.split())
    assert back.code == 0


def test_with_traffic_down_both_directions_need_no_flag(terminal: Terminal, planned: str) -> None:
    """A resume and a rollback restore traffic, so they start at once."""
    killed(terminal, "apply", "plan.json", at="DetachVpnGateway")

    resumed = terminal.run_bare("apply", planned)
    refused = terminal.run_bare("rollback", planned)
    killed(terminal, "rollback", planned, at="DetachVpnGateway")
    back = terminal.run_bare("rollback", planned)

    assert resumed.code == 0
    assert refused.code == 3
    assert f"vpnmigrate rollback {planned} --yes" in refused.err
    assert terminal.status(planned)["traffic"] == "old"
    assert back.code == 0


def test_a_migrated_run_rolls_back_only_with_consent(terminal: Terminal, planned: str) -> None:
    """Traffic flows through the new gateway: the refusal changes nothing, and says so."""
    terminal.run("apply", "plan.json")
    again = terminal.run_bare("apply", planned)
    before = lines(terminal, planned)

    held = terminal.run_bare("rollback", planned)

    assert again.code == 0
    assert held.code == 3
    assert "nothing in AWS was changed" in " ".join(held.err.split())
    assert lines(terminal, planned) == before


def test_no_input_at_a_terminal_asks_nothing_and_needs_the_flag(
    terminal: Terminal, planned: str
) -> None:
    """``--no-input`` is as good as no terminal."""
    terminal.parts = AtTerminal(terminal.world)

    assert terminal.run_bare("apply", "plan.json", "--no-input").code == 3


def test_a_terminal_is_not_asked_while_traffic_is_down(terminal: Terminal, planned: str) -> None:
    """No question delays the end of an outage; standard input cannot be read here."""
    killed(terminal, "apply", "plan.json", at="DetachVpnGateway")
    terminal.parts = AtTerminal(terminal.world)

    assert terminal.run_bare("rollback", planned).code == 0


@pytest.mark.parametrize("other", ["--yes", "--no-input"])
def test_step_needs_an_operator_who_can_be_asked(
    terminal: Terminal, planned: str, other: str
) -> None:
    """``--step`` contradicts options that forbid questions, and a pipe cannot answer them."""
    contradicted = terminal.run_bare("apply", "plan.json", "--step", other)
    unattended = terminal.run_bare("apply", "plan.json", "--step")

    assert contradicted.code == 2
    assert other in contradicted.err
    assert unattended.code == 3
    assert terminal.run("status").out.startswith("No runs here yet")
