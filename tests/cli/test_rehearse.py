"""``rehearse``: what its options add to the report and to the document."""

from __future__ import annotations


def test_outages_adds_the_measured_outages(terminal):
    """With --outages the document has each measurement, none of them too long."""
    terminal.planned()

    measured = terminal.run("rehearse", "plan.json", "--outages", "--json").document["outages"]

    assert {each["run"] for each in measured} >= {"cutover", "rollback after step 10"}
    assert {each["begun_after"] for each in measured} == {0, 10, 60, 300}
    assert all(each["good"] for each in measured), measured


def test_both_ways_to_go_on_are_shown(terminal):
    """As ``plan`` does; a program gets the whole migration."""
    terminal.planned()

    text = terminal.run("rehearse", "plan.json").out

    assert "vpnmigrate apply plan.json --until cutover\n" in text
    assert "vpnmigrate apply plan.json\n" in text


def test_outages_are_measured_on_demand(terminal):
    """Without the option the document says that they were not measured."""
    terminal.planned()

    assert terminal.run("rehearse", "plan.json", "--json").document["outages"] is None
