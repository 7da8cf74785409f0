"""``hand-back``: changes to code after a migration."""

from __future__ import annotations

import json

from vpnmigrate.model.errors import Exit


def test_after_a_cutover_the_new_ids_are_imported(terminal):
    """The ids are those that the run has made; keys of the state file are never printed."""
    run = terminal.planned()
    (old,) = terminal.connections
    attributes = {"id": old, "tunnel1_preshared_key": "never-shown"}
    resource = {"mode": "managed", "type": "aws_vpn_connection", "name": "hq"}
    state = {"version": 4, "resources": [{**resource, "instances": [{"attributes": attributes}]}]}
    (terminal.place / "state.json").write_text(json.dumps(state))
    terminal.run("apply", "plan.json")

    ran = terminal.run("hand-back", run, "--terraform-state", "state.json", "-o", "vpn.tf")

    written = (terminal.place / "vpn.tf").read_text()
    new = [c for c in terminal.world.to_be_read().__enter__().connections if c != old]
    assert ran.code == 0
    assert f'id = "{new[0]}"' in written
    assert "from = aws_vpn_connection.hq\n" in written
    assert ran.out == written.rstrip("\n") + "\n"
    assert "never-shown" not in written
    assert [line for line in written.splitlines() if len(line) > 80] == []


def test_before_the_cutover_there_is_nothing_to_hand_back(terminal):
    """The old resources still carry the traffic."""
    run = terminal.planned()
    terminal.run("apply", "plan.json", "--until", "cutover")

    ran = terminal.run("hand-back", run)

    assert ran.code == Exit.REFUSED
    assert f"vpnmigrate status {run}" in ran.err
