"""Command ``runbook``."""

from __future__ import annotations

import re
import shlex

import typer

from vpnmigrate.cli.app import app


class TestRunbook:
    def test_markdown_on_standard_output_is_what_a_file_gets(self, terminal):
        """Without a file the document is printed; with one the output names it."""
        migration = terminal.planned()
        calls = terminal.clock.now()

        printed = terminal.run("runbook", "plan.json")
        written = terminal.run("runbook", "plan.json", "-o", "change.md")

        assert (printed.code, written.code) == (0, 0)
        assert written.out == "wrote change.md\n"
        assert (terminal.place / "change.md").read_text(encoding="utf-8") == printed.out
        assert f"`vpnmigrate apply {migration} --region eu-west-1`" in printed.out
        assert terminal.clock.now() == calls

    def test_the_ending_says_the_form(self, terminal):
        """A file name that ends in .html gives a web page."""
        terminal.planned()

        ran = terminal.run("runbook", "plan.json", "-o", "change.html")

        assert ran.code == 0
        page = (terminal.place / "change.html").read_text(encoding="utf-8")
        assert page.startswith("<!DOCTYPE html>")

    def test_json_is_one_document(self, terminal):
        """With --json the output is one document with the same content."""
        migration = terminal.planned()

        ran = terminal.run("runbook", "plan.json", "--json")

        assert ran.document["schema"] == "vpnmigrate/runbook/1"
        assert dict(ran.document["cover"])["run"] == migration
        assert [swap["restored"] for swap in ran.document["returns"]][:6] == ["not interrupted"] * 6

    def test_each_engineer_has_a_page_of_their_own(self, terminal):
        """It names one site only, its signals and checks, and what to say on the bridge."""
        terminal.scenario("three-connections")
        run = terminal.planned()

        ran = terminal.run(
            "runbook", "plan.json", "--json", "--person", "device engineer of london=Bo"
        )

        pages = ran.document["engineers"]
        sites = {page["site"]: page["connection"] for page in pages}
        assert list(sites.values()) == terminal.connections
        for page in pages:
            others = set(sites.values()) - {page["connection"]}
            assert not [each for each in others if each in str(page)]
            assert f"device config {run} --site {page['connection']}" in page["commands"]
            assert [block["message"][:9] for block in page["blocks"]][2] == "the old t"
        people = {page["site"]: dict(page["people"])["engineer"] for page in pages}
        assert people == {**dict.fromkeys(sites, ""), "london": "Bo"}

    def test_the_page_of_a_static_site_asks_for_no_bgp(self, terminal):
        """The plan knows the routing, though it has no configuration yet."""
        terminal.scenario("three-connections")
        terminal.planned()

        book = terminal.run("runbook", "plan.json", "--json").document

        pages, sites = book["engineers"], book["impact"]["sites"]
        shows_bgp = {page["site"]: "BGP neighbour" in str(page["blocks"]) for page in pages}
        static = {site["name"]: site["routing"] == "static" for site in sites}
        assert shows_bgp == {site: not routed for site, routed in static.items()}
        assert len(set(shows_bgp.values())) == 2

    def test_another_form_is_refused_with_those_there_are(self, terminal):
        """An unknown suffix is a usage error before the rehearsal."""
        terminal.planned()

        ran = terminal.run("runbook", "plan.json", "-o", "change.docx")

        assert ran.code == 2
        assert ".md" in ran.err
        assert "forward" not in ran.err

    def test_what_it_says_will_be_seen_is_seen(self, terminal):
        """Forward and in rollback, each command prints the lines that its row expects."""
        run = terminal.planned()
        book = terminal.run("runbook", "plan.json", "--json").document

        forward = terminal.run("apply", "plan.json").err
        back = terminal.run("rollback", run).err

        assert unseen(book["staging"] + book["cutover"], forward) == []
        assert unseen(book["back"], back) == []

    def test_every_command_of_ours_can_be_typed(self, terminal):
        """The command line parser accepts each command."""
        terminal.planned()
        printed = terminal.run("runbook", "plan.json").out
        group = typer.main.get_group(app)

        commands = set(re.findall(r"`vpnmigrate (.*?)`", printed))

        assert {words.split()[0] for words in commands} >= {
            *("apply", "rollback", "rehearse", "status", "abort", "finalize")
        }
        for words in commands:
            verb, *rest = shlex.split(words)
            group.commands[verb].make_context(verb, rest)


def unseen(rows, printed):
    """Return the expected lines that were not printed; three dots match anything."""
    return [line for row in rows for line in row["expected"] if not re.search(form(line), printed)]


def form(line):
    """Return the pattern of an expected line, without the condition in brackets at its end."""
    text = re.split(r" \((?:unless|with) ", line)[0]
    return ".*".join(map(re.escape, text.split("...")))
