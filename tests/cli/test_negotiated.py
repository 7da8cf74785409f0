"""Negotiated algorithms on the command line: a verdict, and how to read them again."""

from __future__ import annotations

from msgspec.structs import replace


def negotiated(terminal, run):
    """Return the verdicts that the status shows, and its exit code."""
    return [each["verdict"] for each in terminal.status(run)["negotiated"]["tunnels"]]


def choose(terminal, choice):
    """Have the device of the sandbox propose its *choice* of algorithms from now on."""
    with terminal.world.alone() as state:
        state.behaviour = replace(state.behaviour, devices_choose=choice)


def test_weak_algorithms_end_with_success_and_are_read_again_by_apply(terminal, tmp_path):
    """The run ends with 0 and says what is below; apply reads it again once it is corrected."""
    (tmp_path / "weak.yaml").write_text(
        "name: weak\nsummary: AWS's defaults.\ndecisions: {unset_options: aws}\n"
    )
    choose(terminal, "weakest")
    planned = terminal.run(
        *("plan", "--vpn-gateway", terminal.gateway, "-o", "plan.json", "--json"),
        *("--playbook", "weak.yaml"),
    )
    run = planned.document["plan"]["migration"]

    migrated = terminal.run("apply", "plan.json", "--yes")

    assert migrated.code == 0
    assert "below the floor" in " ".join(migrated.out.split())
    assert negotiated(terminal, run) == ["below the floor"] * 2
    assert terminal.run("apply", run).code == 0
    assert negotiated(terminal, run) == ["below the floor"] * 2

    with terminal.world.alone() as state:
        for connection in state.connections.values():
            for tunnel in connection.tunnels:
                tunnel.options = {
                    "IKEVersions": [{"Value": "ikev2"}],
                    "Phase1IntegrityAlgorithms": [{"Value": "SHA2-256"}],
                    "Phase2IntegrityAlgorithms": [{"Value": "SHA2-256"}],
                    "Phase1DHGroupNumbers": [{"Value": 14}],
                    "Phase2DHGroupNumbers": [{"Value": 14}],
                }
    again = terminal.run("apply", run)

    assert again.code == 0
    assert "READ AGAIN" not in terminal.run("status", run).out
    assert negotiated(terminal, run) == ["met"] * 2
