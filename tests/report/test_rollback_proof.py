"""The rollback proof as text and JSON."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.support.builders import a_proof
from vpnmigrate.model.plan import Direction
from vpnmigrate.planning.rollback_proof import DeadEnd, LongestPath
from vpnmigrate.report import rollback_proof as view
from vpnmigrate.report.names import NO_NAMES, Names

STUCK = DeadEnd("step 9, after: delete vgw-old", Direction.ROLLBACK, "vgw-old is gone")


def test_the_longest_rollback_is_printed():
    """The number of states and the longest rollback with its limit and start are shown."""
    text = " ".join(view.proof_text(a_proof(), NO_NAMES).split())

    assert "each of the 107 states" in text
    assert "at most 10 changes with traffic restored within 2 h 15 min" in text
    assert "starts at step 10, after: disable the old tunnels" in text


def test_a_dead_end_is_told_with_its_state_and_reason():
    """A state without a rollback is named with the reason."""
    text = " ".join(view.proof_text(a_proof(STUCK), NO_NAMES).split())

    assert "1 dead end, first: no rollback from step 9, after: delete vgw-old" in text
    assert "vgw-old is gone" in text


def test_many_dead_ends_are_counted():
    """A few dead ends are listed; the others are counted."""
    text = view.proof_text(a_proof(*[STUCK] * 9), NO_NAMES)

    assert text.count("DEAD END") == view.DEAD_ENDS_SHOWN
    assert "and 4 more" in text


def test_a_program_reads_the_same():
    """The JSON has what the text has."""
    document = view.proof_json(a_proof(STUCK))

    assert (document["holds"], document["states"]) == (False, 107)
    assert document["back"]["changes"] == 10
    assert document["dead_ends"][0]["direction"] == "rollback"


def test_the_longest_rollback_names_the_sites():
    """A text of the proof has the names of its resources; a role is a name for people too."""
    back = LongestPath(10, timedelta(minutes=135), "after: traffic flows through gateway of vpn-1")
    proof = replace(a_proof(STUCK), back=back)

    text = " ".join(view.proof_text(proof, Names({"vpn-1": "munich", "vgw-old": "hub"})).split())

    assert 'traffic flows through <new gateway> of vpn-1 "munich"' in text
    assert 'DEAD END: no rollback from step 9, after: delete vgw-old "hub"' in text
