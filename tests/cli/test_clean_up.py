"""Clean-up on the command line: what AWS does not remove is listed; the exit code is not 0."""

from __future__ import annotations

import pytest

from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults


def deny(terminal, *actions):
    """Let AWS deny *actions* from now on, and nothing without any."""
    terminal.inject(Faults([Fault(action, FaultKind.DENIED, times=0) for action in actions]))


def new_gateway(terminal):
    with terminal.world.alone() as state:
        return (set(state.gateways) - {terminal.gateway}).pop()


def words(text):
    return " ".join(text.replace("\\\n", " ").split())


def test_a_rollback_lists_what_it_left_with_its_command(terminal):
    """Traffic is restored, the exit code is 1, and the same command finishes the clean-up."""
    run = terminal.planned()
    assert terminal.run("apply", "plan.json").code == 0
    left = new_gateway(terminal)
    deny(terminal, "DeleteVpnGateway", "DeleteTags")

    back = terminal.run("rollback", run)

    assert back.code == 1
    out = words(back.out)
    assert "traffic flows as before, but the clean-up is NOT complete" in out
    assert f"not done: delete virtual private gateway {left}" in out
    assert f"by hand: aws ec2 delete-vpn-gateway --vpn-gateway-id {left} " in out
    assert f"by hand: aws ec2 delete-tags --resources {terminal.gateway} --tags " in out
    assert f"next: vpnmigrate rollback {run}" in out
    status = terminal.status(run)
    assert (status["status"], status["traffic"]) == ("rolled-back", "old")
    assert [each["change"].split()[0] for each in status["residue"]] == ["delete", "remove"]

    deny(terminal)
    again = terminal.run("rollback", run)

    assert again.code == 0
    assert "Rolled back: the state before the migration is restored." in again.out
    assert terminal.status(run)["residue"] == []


def test_a_lock_tag_that_stays_is_no_success(terminal):
    """A rollback that keeps the new side ends with 1 as well, and offers both commands."""
    run = terminal.planned()
    assert terminal.run("apply", "plan.json", "--until", "cutover").code == 0
    deny(terminal, "DeleteTags")

    back = terminal.run("rollback", run, "--keep-new")

    assert back.code == 1
    out = words(back.out)
    assert f"next: vpnmigrate rollback {run} --keep-new" in out
    assert f"clean up: vpnmigrate rollback {run} status" in out


@pytest.mark.parametrize("option", [(), ("--delete-old-gateway",)])
def test_a_finalize_lists_what_it_left(terminal, option):
    """It is not finished; its next command, which has the same options, finishes it."""
    run = terminal.planned()
    assert terminal.run("apply", "plan.json").code == 0
    old = terminal.connections[0]
    deny(terminal, "DeleteVpnConnection")

    failed = terminal.run("finalize", run, "--confirm", old, *option)

    assert failed.code == 1
    err = words(failed.err)
    assert f"finalize is not complete: AWS did not delete connection {old}" in err
    assert f"by hand: aws ec2 delete-vpn-connection --vpn-connection-id {old}" in err
    following = terminal.status(run)["next"].split()
    assert following == ["vpnmigrate", "finalize", run, "--confirm", old, *option]
    assert " ".join(following) in err

    deny(terminal)
    assert terminal.run(*following[1:]).code == 0
    assert terminal.status(run)["status"] == "finalized"
    assert "there is nothing left to apply" in words(terminal.run("apply", run).err)


def test_a_failed_cutover_that_is_rolled_back_names_what_is_left(terminal):
    """The claim tag that an automatic rollback could not remove is listed with its command."""
    (terminal.place / "back.yaml").write_text(
        "name: p\nsummary: s\ndecisions: {back_out: rollback}\n"
    )
    playbook = ("--playbook", "back.yaml")
    words_of_plan = ("plan", "--vpn-gateway", terminal.gateway, *playbook, "-o", "plan.json")
    run = terminal.run(*words_of_plan, "--json").document["plan"]["migration"]
    terminal.inject(
        Faults(
            [
                Fault("AttachVpnGateway", FaultKind.DENIED),
                Fault("DeleteTags", FaultKind.DENIED, times=0),
            ]
        )
    )

    failed = terminal.run("apply", "plan.json")

    assert failed.code == 1
    assert f"by hand: aws ec2 delete-tags --resources {terminal.gateway}" in words(failed.err)
    deny(terminal)
    assert terminal.run("rollback", run).code == 0
